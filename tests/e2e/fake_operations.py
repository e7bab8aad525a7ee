#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fake_operations.py RUNTIME_DIR: a manager whose operations do what the vGPU's name says.

  a, b          all goes well; what is written is 3 MiB and not a real snapshot
  put-away      is suspended, to the manager's own file
  moved         is suspended, to a file of the user's: RUNTIME_DIR/moved.snapshot
  piped         is suspended, to nobody knows where
  slow          makes progress for long, undoes it in half a second when the caller hangs up
  slowest       the same, but undoing it takes longer than any test
  refuses       answers with an error
  fails-late    answers with an error after it was told to keep the snapshot
  dies, dies-late         hangs up in the middle, or after it was told to keep the snapshot
  chatters, mumbles       says what is not JSON, or no event
  changes       says what it does in words of a later version, too

What is asked and heard is noted, a line of JSON each, in RUNTIME_DIR/operations.log.
"""

import array
import json
import os
import select
import socket
import socketserver
import sys
import threading
import time

import fake_manager

RUNTIME = sys.argv[1]
STATE = os.path.join(RUNTIME, "state")
OWN_FILE = os.path.join(STATE, "snapshots", "put-away.tessera")
HEAD, BODY = b"fake snapshot\n", b"0123456789abcdef" * 65536 * 3
RUNNING = ("a", "b", "slow", "slowest", "refuses", "fails-late", "dies", "dies-late",
           "chatters", "mumbles", "changes")
SESSION = {"guest_pid": 1, "program": "train", "waiting": True, "state": "paused"}


def vgpu(name, state="running", snapshot=None, sessions=()):
    return {"name": name, "type": "cpu-512m", "gpu": "gpu0", "framebuffer_bytes": 512 << 20,
            "used_bytes": 0, "state": state, "snapshot": snapshot, "sessions": list(sessions)}


VGPUS = {name: vgpu(name) for name in RUNNING}
VGPUS["put-away"] = vgpu("put-away", "suspended", OWN_FILE)
VGPUS["moved"] = vgpu("moved", "suspended", os.path.join(RUNTIME, "moved.snapshot"))
VGPUS["piped"] = vgpu("piped", "suspended")


def note(**what):
    with open(os.path.join(RUNTIME, "operations.log"), "a", encoding="utf-8") as log:
        log.write(json.dumps(what) + "\n")


class Handler(fake_manager.Handler):
    def do_GET(self):
        prefix, _, name = self.path.rpartition("/")
        if self.path == "/v1/version":
            self.answer(200, {"version": "0", "api": 1})
        elif self.path == "/v1/status":
            self.answer(200, {"warnings": [], "state_dir": STATE})
        elif self.path == "/v1/vgpus":
            self.answer(200, {"vgpus": list(VGPUS.values())})
        elif prefix == "/v1/vgpus" and name in VGPUS:
            self.answer(200, VGPUS[name])
        else:
            super().do_GET()

    def do_DELETE(self):
        name = self.path.rpartition("/")[2]
        note(deleted=name)
        self.answer(200, VGPUS.pop(name, vgpu(name)))


class HungUp(Exception):
    pass


class Operation(socketserver.BaseRequestHandler):
    def say(self, **what):
        try:
            self.request.sendall(json.dumps(what).encode() + b"\n")
        except OSError as error:
            raise HungUp from error

    def hear(self):
        """The next line and a descriptor that came along, or None."""
        text, fds = b"", array.array("i")
        while not text.endswith(b"\n"):
            data, parts, _, _ = self.request.recvmsg(1, socket.CMSG_SPACE(4))
            for _, _, part in parts:
                fds.frombytes(part)
            if not data:
                raise HungUp
            text += data
        return json.loads(text), fds[0] if fds else None

    def sleep(self, seconds):
        """Until the caller hangs up."""
        if select.select([self.request], [], [], seconds)[0] and not self.request.recv(1):
            raise HungUp

    def handle(self):
        ask, fd = self.hear()
        note(ask=ask, descriptor=fd is not None)
        try:
            getattr(self, ask["op"])(ask, fd)
        except HungUp:
            time.sleep({"slow": 0.5, "slowest": 20}.get(ask["vgpu"], 0))
            note(hung_up=ask["vgpu"])
        except OSError as error:
            self.say(event="error", code="internal", message=f"cannot write: {error.strerror}")
        finally:
            if fd is not None:
                os.close(fd)

    def misbehave(self, name):
        """True: that was all."""
        if name == "refuses":
            self.say(event="error", code="in-use", message="the vGPU is busy with a kernel")
        elif name == "chatters":
            self.request.sendall(b"hello, I am no JSON\n")
            time.sleep(0.2)
        elif name == "mumbles":
            self.say(word="nothing")
            time.sleep(0.2)
        elif name not in ("dies",):
            return False
        return True

    def progress(self, name, phase):
        total = 100 if name.startswith("slow") else 4
        for done in range(total):
            self.say(event="progress", phase=phase, done=done, total=total)
            self.sleep(0.1 if name.startswith("slow") else 0)
        if name == "changes":
            self.say(event="weather", sky="blue")

    def suspend(self, ask, fd):
        name = ask["vgpu"]
        self.progress(name, "pausing")
        if self.misbehave(name):
            return
        if fd is None:
            os.makedirs(os.path.dirname(OWN_FILE), exist_ok=True)
            path = os.path.join(STATE, "snapshots", name + ".tessera")
            with open(path, "wb") as file:
                file.write(HEAD + BODY)
        else:
            path = ask.get("file")
            self.write(fd)
        self.progress(name, "writing")
        if ask.get("confirm") and not self.confirm(name):
            return
        VGPUS[name] = vgpu(name, "suspended", path)
        self.say(event="done", vgpu=VGPUS[name], bytes=len(HEAD + BODY), paused_ms=7)

    def write(self, fd):
        data = memoryview(HEAD + BODY)
        while data:
            data = data[os.write(fd, data):]

    def confirm(self, name):
        """False: that was all."""
        self.say(event="written", bytes=len(HEAD + BODY))
        answer, _ = self.hear()
        note(heard=answer, vgpu=name)
        if name == "fails-late":
            self.say(event="error", code="internal", message="the state folder is full")
        return name not in ("fails-late", "dies-late")

    def resume(self, ask, fd):
        name = ask["vgpu"]
        if self.misbehave(name):
            return
        if fd is not None:
            self.progress(name, "reading")
            got = self.read(fd)
            if got != HEAD + BODY:
                self.say(event="error", code="bad-request", message="the snapshot is cut" if
                         (HEAD + BODY).startswith(got) else "it is no snapshot of Tessera's")
                return
        elif VGPUS.get(name, {}).get("state") != "suspended":
            self.say(event="error", code="bad-request", message=f"'{name}' is not suspended")
            return
        self.progress(name, "restoring")
        VGPUS[name] = vgpu(name, sessions=[SESSION])
        self.say(event="done", vgpu=VGPUS[name], bytes=len(HEAD + BODY), paused_ms=0)

    def read(self, fd):
        """As much as a snapshot has, and no byte more."""
        got = b""
        while len(got) < len(HEAD + BODY):
            if select.select([fd, self.request], [], [])[0] == [self.request]:
                raise HungUp
            data = os.read(fd, len(HEAD + BODY) - len(got))
            if not data:
                break
            got += data
        return got

    def clone(self, ask, fd):
        if (fd is None) == (ask["vgpu"] == "moved"):
            self.say(event="error", code="bad-request", message="no file, or one too many")
            return
        if self.misbehave(ask["vgpu"]):
            return
        self.progress(ask["vgpu"], "writing")
        VGPUS[ask["name"]] = vgpu(ask["name"], sessions=[SESSION])
        self.say(event="done", vgpu=VGPUS[ask["name"]], bytes=len(HEAD + BODY), paused_ms=12)


def main():
    os.makedirs(RUNTIME, mode=0o700, exist_ok=True)
    serve = fake_manager.Server(os.path.join(RUNTIME, "operations.sock"), Operation)
    threading.Thread(target=serve.serve_forever, daemon=True).start()
    fake_manager.Server(os.path.join(RUNTIME, "control.sock"), Handler).serve_forever()


if __name__ == "__main__":
    main()
