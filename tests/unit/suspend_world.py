#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the tests of suspend share: a manager, its callers and their guests.

Workers are tests/unit/control_worker.c, told by a file what to do wrong; guests are sockets of
this program. What is asked and answered is docs/control-api.md's, what has to come of each
failure docs/suspend.md's. A test's arguments are TESSERAD CONTROL_WORKER [TEST...].
"""

import array
import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

TESSERAD, WORKER = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
HELLO = struct.Struct("<IIQ16sII16sQ64s")
WELCOME = struct.Struct("<IIiI16sQQIIQQQQ160s")
ZERO = bytes(16)
MIB = 1 << 20
LIMIT_S = 20


def within(what, seconds=LIMIT_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


def text_of(field):
    return field.split(b"\0")[0].decode()


class Guest:
    """One connection, with the memory that a session would go on with."""

    def __init__(self, path, program="prog", token=ZERO):
        self.path, self.program, self.token = path, program, token
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT_S)
        self.sock.connect(path)
        hello = HELLO.pack(0x72735354, 4, 0, token, os.getpid(), 0, bytes(16), 0,
                           program.encode())
        if token == ZERO:
            self.sock.sendall(hello)
            return
        with tempfile.TemporaryFile() as memory:
            fds = array.array("i", [memory.fileno()] * 2)
            with contextlib.suppress(BrokenPipeError):  # refused before it spoke
                self.sock.sendmsg([hello], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])

    def welcome(self):
        """(status, words); takes the token along."""
        data = b""
        while len(data) < WELCOME.size:
            more = self.sock.recv(WELCOME.size - len(data))
            if not more:
                raise AssertionError("hung up before the welcome")
            data += more
        w = WELCOME.unpack(data)
        if w[2] == 0:
            self.token = w[4]
        return w[2], text_of(w[-1])

    def is_hung_up(self):
        self.sock.settimeout(LIMIT_S)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def is_connected(self):
        self.sock.setblocking(False)
        try:
            return self.sock.recv(1) != b""
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(LIMIT_S)

    def again(self):
        return Guest(self.path, "back", self.token)

    def close(self):
        self.sock.close()


class Operation:
    def __init__(self, path, request, fd=None):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)  # before: with a limit it fails at once where many wait
        self.sock.settimeout(LIMIT_S)
        line = json.dumps(request).encode() + b"\n"
        extra = []
        if fd is not None:
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.sock.sendmsg([line], extra)
        self.data = b""
        self.events = []

    def __del__(self):
        self.sock.close()

    def event(self):
        while b"\n" not in self.data:
            more = self.sock.recv(65536)
            if not more:
                raise AssertionError(f"no end: {self.events}")
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        self.events.append(json.loads(line))
        return self.events[-1]

    def until(self, *names):
        while True:
            e = self.event()
            if e["event"] in names:
                return e

    def phase(self, name):
        while True:
            e = self.event()
            if e["event"] != "progress":
                raise AssertionError(e)
            if e["phase"] == name:
                return

    def end(self):
        return self.until("done", "error")

    def kept(self):
        self.sock.sendall(b'{"event":"kept"}\n')

    def hang_up(self):
        self.sock.close()


class World(unittest.TestCase):
    options = []

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tessera-suspend-")
        self.run, self.state = self.folder + "/run", self.folder + "/state"
        self.log = open(self.folder + "/log", "ab")
        self.guests = []
        self.manager = None
        self.start()

    def tearDown(self):
        for g in self.guests:
            g.close()
        if self.manager:
            self.fault("")
            with contextlib.suppress(Exception):
                self.api("POST", "/v1/shutdown", {"vgpus": "end"})
            self.manager.wait(LIMIT_S)
        self.log.close()
        with open(self.folder + "/log", encoding="utf-8", errors="replace") as f:
            text = f.read()
        bad = [line for line in text.splitlines()
               if "Sanitizer" in line or "runtime error" in line]
        left = self.workers()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        if bad or left or os.environ.get("SHOW_LOG"):
            print(text)
        shutil.rmtree(self.folder)
        self.assertEqual(bad, [])
        self.assertEqual(left, [], "workers are left")

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("TESSERA_")}
        env["TESSERA_LOG"] = "debug"
        self.manager = subprocess.Popen(
            [TESSERAD, "--runtime-dir", self.run, "--state-dir", self.state, "--worker", WORKER,
             "--icd", WORKER, "--backend", "fake", "--jail", "none", "--software-memory", "1g",
             *self.options],
            stdout=self.log, stderr=self.log, env=env)
        within(self.serves)

    def serves(self):
        self.assertIsNone(self.manager.poll(), "the manager has ended")
        try:
            return self.api("GET", "/v1/version")
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
            return None  # reset: a child of the one before had its socket, until it was a worker

    def kill(self):
        self.manager.kill()
        self.manager.wait()

    def restart(self):
        self.kill()
        self.start()

    def workers(self):
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                with open(path, "rb") as f:
                    words = f.read().split(b"\0")
                if words[0] == WORKER.encode() and any(
                        self.folder.encode() in w for w in words):
                    found.append(int(path.split("/")[2]))
        return found

    def api(self, method, path, body=None):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(LIMIT_S)
        sock.connect(self.run + "/control.sock")
        data = json.dumps(body).encode() if body is not None else b""
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                     f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = b""
        while True:
            more = sock.recv(65536)
            if not more:
                break
            answer += more
        sock.close()
        return json.loads(answer.split(b"\r\n\r\n", 1)[1])

    def create(self, name="a", size="512m"):
        got = self.api("POST", "/v1/vgpus", {"name": name, "type": "cpu-" + size})
        self.assertNotIn("error", got)
        return got

    def vgpu(self, name="a"):
        return self.api("GET", "/v1/vgpus/" + name)

    def is_state(self, state, name="a"):
        return lambda: self.vgpu(name).get("state") == state

    def connect(self, name="a", program="prog", token=ZERO):
        g = Guest(f"{self.run}/vgpus/{name}/socket", program, token)
        self.guests.append(g)
        return g

    def join(self, name="a", program="prog"):
        g = self.connect(name, program)
        self.assertEqual(g.welcome()[0], 0)
        return g

    def rejoin(self, g, name="a"):
        again = self.connect(name, "back", g.token)
        self.assertEqual(again.welcome(), (0, g.program))
        return again

    def operation(self, request, fd=None):
        return Operation(self.run + "/operations.sock", request, fd)

    def do(self, op, name="a", fd=None, **more):
        return self.operation({"op": op, "vgpu": name, **more}, fd).end()

    def ok(self, op, name="a", fd=None, **more):
        got = self.do(op, name, fd, **more)
        self.assertEqual(got["event"], "done", got)
        return got

    def clone(self, source, name, fd=None, **more):
        return self.operation({"op": "clone", "vgpu": source, "name": name, **more}, fd).end()

    def fails(self, code, words, op, name="a", fd=None, **more):
        got = self.do(op, name, fd, **more)
        self.assertEqual((got["event"], got.get("code")), ("error", code), got)
        self.assertRegex(got["message"], words)
        return got

    def fault(self, text):
        with open(self.run + "/fault", "w", encoding="utf-8") as f:
            f.write(text)

    def own_file(self, name="a"):
        return f"{self.state}/snapshots/{name}.tessera"

    def file(self, name="file"):
        return open(f"{self.folder}/{name}", "w+b")

    def saved_state(self, name="a"):
        with open(f"{self.state}/vgpus/{name}.json", encoding="utf-8") as f:
            return json.load(f)

    def is_clean(self, name="a"):
        """Runs as before: no trace of an operation."""
        self.assertIn(self.vgpu(name)["state"], ("running", "idle"))
        self.assertNotIn("suspended", self.saved_state(name))
        within(lambda: os.listdir(self.state + "/snapshots") == [])

    def is_away(self, name="a"):
        v = self.vgpu(name)
        self.assertEqual((v["state"], v["sessions"]), ("suspended", []))
        self.assertFalse(os.path.exists(f"{self.run}/accounts/{name}"))
        self.assertEqual(glob.glob(f"{self.run}/workers/{name}.*"), [])
        within(lambda: self.workers() == [])


def main():
    unittest.main("__main__", argv=sys.argv[:1] + sys.argv[3:])
