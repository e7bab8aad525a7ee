#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""test_suspend.py TESSERAD CONTROL_WORKER: suspend, resume and clone, as the manager does them.

Workers are tests/unit/control_worker.c, told by a file what to do wrong; guests are sockets of
this program. What is asked and answered is docs/control-api.md's, what has to come of each
failure docs/suspend.md's.
"""

import array
import contextlib
import glob
import json
import os
import re
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
        self.sock.settimeout(LIMIT_S)
        self.sock.connect(path)
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
        bad = [line for line in text.splitlines() if "Sanitizer" in line or "runtime error" in line]
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
             "--icd", WORKER, "--backend", "fake", "--jail", "none", "--software-memory", "1g", *self.options],
            stdout=self.log, stderr=self.log, env=env)
        within(self.serves)

    def serves(self):
        self.assertIsNone(self.manager.poll(), "the manager has ended")
        try:
            return self.api("GET", "/v1/version")
        except (FileNotFoundError, ConnectionRefusedError):
            return None

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

    def clone(self, source, name, fd=None):
        return self.operation({"op": "clone", "vgpu": source, "name": name}, fd).end()

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


class HappyPath(World):
    def test_a_session_is_suspended_and_comes_back(self):
        self.create()
        g = self.join(program="train")
        done = self.ok("suspend")
        self.assertEqual(done["vgpu"]["state"], "suspended")
        self.assertEqual(done["vgpu"]["snapshot"], self.own_file())
        self.assertGreater(done["bytes"], 300 << 10)
        self.is_away()
        self.assertTrue(g.is_hung_up())
        self.assertEqual(os.stat(self.own_file()).st_mode & 0o777, 0o600)
        done = self.ok("resume")
        self.assertEqual([s["waiting"] for s in done["vgpu"]["sessions"]], [True])
        self.assertEqual(done["vgpu"]["sessions"][0]["program"], "train")
        self.rejoin(g)
        within(lambda: not self.vgpu()["sessions"][0]["waiting"])
        self.assertEqual(os.listdir(self.run + "/workers"), ["a.0"])
        self.is_clean()

    def test_a_parked_guest_goes_on_after_resume(self):
        self.create()
        g = self.join(program="one")
        self.ok("suspend")
        parked = self.connect(token=g.token)
        time.sleep(0.2)
        self.assertTrue(parked.is_connected())
        self.ok("resume")
        self.assertEqual(parked.welcome(), (0, "one"))
        within(lambda: not self.vgpu()["sessions"][0]["waiting"])

    def test_every_guest_finds_its_own_session(self):
        self.create()
        guests = [self.join(program=f"p{i}") for i in range(4)]
        self.ok("suspend")
        early = [self.connect(token=g.token) for g in guests[2:]]
        self.assertEqual(len(self.ok("resume")["vgpu"]["sessions"]), 4)
        for g in reversed(guests[:2]):
            self.rejoin(g)
        for g, e in zip(guests[2:], early):
            self.assertEqual(e.welcome(), (0, g.program))
        within(lambda: [s["waiting"] for s in self.vgpu()["sessions"]] == [False] * 4)

    def test_again_and_again(self):
        self.create()
        g = self.join(program="loop")
        for _ in range(20):
            self.ok("suspend")
            self.ok("resume")
            g.close()
            back = self.rejoin(g)
            back.program = g.program
            g = back
        self.is_clean()

    def test_without_sessions(self):
        self.create()
        self.ok("suspend")
        self.is_away()
        self.assertEqual(self.ok("resume")["vgpu"]["state"], "idle")
        self.join()
        self.is_clean()

    def test_into_a_file_of_the_callers(self):
        self.create()
        g = self.join(program="f")
        with self.file() as f:
            op = self.operation({"op": "suspend", "vgpu": "a", "confirm": True,
                                 "file": "/x/y"}, f.fileno())
            written = op.until("written")
            self.assertEqual(written["bytes"], os.fstat(f.fileno()).st_size)
            self.assertEqual(self.vgpu()["state"], "suspending")
            self.assertNotIn("suspended", self.saved_state())
            op.kept()
            self.assertEqual(op.end()["vgpu"]["snapshot"], "/x/y")
            self.fails("bad-request", "--from /x/y", "resume")
            f.seek(0)
            self.ok("resume", fd=f.fileno())
        self.rejoin(g)

    def test_through_a_pipe_to_a_new_name(self):
        self.create()
        g = self.join(program="piped")
        r, w = os.pipe()
        op = self.operation({"op": "suspend", "vgpu": "a"}, w)
        into = self.operation({"op": "resume", "vgpu": "b"}, r)
        os.close(r)
        os.close(w)
        self.assertEqual([op.end()["event"], into.end()["event"]], ["done"] * 2,
                         (op.events, into.events))
        self.rejoin(g, "b")
        self.assertNotEqual(self.vgpu("a")["uuid"], self.vgpu("b")["uuid"])
        self.assertIsNone(self.vgpu("a")["snapshot"])

    def test_a_waiting_session_is_suspended_again(self):
        self.create()
        g = self.join(program="w")
        for _ in range(3):
            self.ok("suspend")
            self.ok("resume")
        self.rejoin(g)

    def test_deleting_a_suspended_one_removes_its_snapshot_alone(self):
        self.create()
        self.ok("suspend")
        self.assertTrue(os.path.exists(self.own_file()))
        self.api("DELETE", "/v1/vgpus/a")
        within(lambda: not os.path.exists(self.own_file()))
        self.create("b")
        with self.file() as f:
            self.ok("suspend", "b", f.fileno(), file=f.name)
            self.api("DELETE", "/v1/vgpus/b")
            time.sleep(0.2)
            self.assertTrue(os.path.exists(f.name))


class Clones(World):
    def test_of_a_running_one(self):
        self.create()
        g = self.join(program="source")
        done = self.clone("a", "b")
        self.assertEqual(done["event"], "done", done)
        self.assertEqual(done["vgpu"]["name"], "b")
        self.assertLess(done["paused_ms"], 1000)
        self.assertTrue(g.is_connected())
        self.assertEqual(self.vgpu("a")["state"], "running")
        self.assertEqual([s["waiting"] for s in self.vgpu("b")["sessions"]], [True])
        self.rejoin(g, "b")
        self.assertTrue(g.is_connected())
        self.is_clean()

    def test_of_a_suspended_one_more_than_once(self):
        self.create(size="256m")
        g = self.join(program="s")
        self.ok("suspend")
        for name in ("b", "c", "d"):
            got = self.clone("a", name)
            self.assertEqual(got["event"], "done", got)
        for name in ("b", "c", "d"):
            self.rejoin(g, name)
        self.ok("resume")
        self.rejoin(g)

    def test_a_name_that_is_taken(self):
        self.create()
        self.create("b")
        got = self.clone("a", "b")
        self.assertEqual(got["code"], "name-taken")

    def test_that_finds_no_room(self):
        self.create(size="1g")
        g = self.join()
        got = self.clone("a", "b")
        self.assertEqual(got.get("code"), "no-space", got)
        self.assertTrue(g.is_connected())
        self.is_clean()
        self.assertEqual([v["name"] for v in self.api("GET", "/v1/vgpus")["vgpus"]], ["a"])


class WorkersFail(World):
    """What one worker does wrong costs at most its own session, and the operation."""

    def setUp(self):
        super().setUp()
        self.create()
        self.pair = [self.join(program="p0"), self.join(program="p1")]

    def suspend_fails(self, fault, code, words):
        self.fault(fault)
        self.fails(code, words, "suspend")
        self.fault("")
        self.is_clean()

    def still_work(self):
        """Both sessions go on, which a whole suspend shows."""
        self.assertTrue(all(g.is_connected() for g in self.pair))
        self.ok("suspend")
        self.ok("resume")
        for g in self.pair:
            self.rejoin(g)

    def test_failed_at_pause(self):
        self.suspend_fails("pause fail 1", "no-space", "'p1'.*told to[?] fail at pause")
        self.still_work()

    def test_failed_at_save(self):
        for slot in (0, 1):
            self.suspend_fails(f"save fail {slot}", "no-space", f"'p{slot}'.*fail at save")
        self.still_work()

    def test_nonsense(self):
        self.suspend_fails("pause odd 0", "bad-snapshot", "out of turn")
        self.suspend_fails("save odd 1", "bad-snapshot", "out of turn")
        self.still_work()

    def dies(self, step):
        self.suspend_fails(f"{step} die 1", "internal", "gone|ended meanwhile")
        within(lambda: len(self.vgpu()["sessions"]) == 1)
        self.assertTrue(self.pair[0].is_connected())
        self.assertTrue(self.pair[1].is_hung_up())
        self.ok("suspend")
        self.ok("resume")
        self.rejoin(self.pair[0])

    def test_killed_at_pause(self):
        self.dies("pause")

    def test_killed_at_save(self):
        self.dies("save")

    def test_who_does_not_leave_is_killed(self):
        self.fault("leave hang 1")
        self.ok("suspend")
        self.is_away()
        self.fault("")
        self.ok("resume")
        for g in self.pair:
            self.rejoin(g)

    def test_killed_at_leave_is_in_the_snapshot(self):
        self.fault("leave die 0")
        self.ok("suspend")
        self.assertIsNone(self.vgpu()["last_error"])
        self.fault("")
        self.ok("resume")
        self.rejoin(self.pair[0])

    def resume_fails(self, fault, code, words):
        self.ok("suspend")
        self.fault(fault)
        self.fails(code, words, "resume")
        self.is_away()
        self.assertTrue(os.path.exists(self.own_file()))
        self.fault("")
        self.ok("resume")
        for g in self.pair:
            self.rejoin(g)
        self.is_clean()

    def test_failed_at_restore(self):
        self.resume_fails("restore fail 1", "no-space", "'p1'.*fail at restore")

    def test_killed_at_restore(self):
        self.resume_fails("restore die 0", "internal", "gone|ended meanwhile")

    def test_nonsense_at_restore(self):
        self.resume_fails("restore odd 1", "bad-snapshot", "out of turn")

    def test_a_guest_that_is_not_taken_can_come_again(self):
        self.ok("suspend")
        self.ok("resume")
        self.fault("guest fail 0")
        refused = self.connect(token=self.pair[0].token)
        self.assertTrue(refused.is_hung_up())
        self.fault("")
        self.rejoin(self.pair[0])

    def test_a_program_that_ends_while_others_pause_is_no_harm(self):
        self.fault("pause hang 0")
        op = self.operation({"op": "suspend", "vgpu": "a"})
        op.phase("pausing")
        time.sleep(0.2)
        os.kill(self.vgpu()["sessions"][0]["worker_pid"], signal.SIGKILL)
        got = op.end()
        self.assertEqual(got["event"], "error")
        self.fault("")
        self.is_clean()

    def test_clone_fails_and_the_source_goes_on(self):
        for fault in ("pause fail 1", "save fail 0", "restore fail 1"):
            self.fault(fault)
            got = self.clone("a", "b")
            self.assertEqual(got["event"], "error", fault)
            self.assertIn("error", self.vgpu("b"))
        self.fault("")
        self.is_clean()
        self.still_work()


class CallersHangUp(World):
    def setUp(self):
        super().setUp()
        self.create()
        self.guest = self.join(program="p")

    def runs_on(self):
        self.fault("")
        within(lambda: self.vgpu()["state"] == "running")
        self.is_clean()
        self.assertTrue(self.guest.is_connected())
        self.ok("suspend")
        self.ok("resume")
        self.rejoin(self.guest)

    def test_while_it_pauses(self):
        self.fault("pause hang")
        op = self.operation({"op": "suspend", "vgpu": "a"})
        op.phase("pausing")
        within(self.is_state("suspending"))
        op.hang_up()
        self.runs_on()

    def test_while_it_saves(self):
        self.fault("save hang")
        op = self.operation({"op": "suspend", "vgpu": "a"})
        op.phase("writing")
        op.hang_up()
        self.runs_on()

    def test_while_the_head_waits_for_its_reader(self):
        r, w = os.pipe()
        os.set_blocking(w, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(w, bytes(4096))
        os.set_blocking(w, True)
        op = self.operation({"op": "suspend", "vgpu": "a"}, w)
        op.phase("writing")
        time.sleep(0.2)
        op.hang_up()
        self.runs_on()
        os.close(r)
        os.close(w)

    def test_before_it_is_kept(self):
        with self.file() as f:
            op = self.operation({"op": "suspend", "vgpu": "a", "confirm": True}, f.fileno())
            op.until("written")
            op.hang_up()
            self.runs_on()

    def test_while_it_reads(self):
        self.ok("suspend")
        r, w = os.pipe()
        op = self.operation({"op": "resume", "vgpu": "a"}, r)
        time.sleep(0.2)
        self.fails("in-use", "another operation", "resume")
        op.hang_up()
        self.is_there_still()
        os.close(r)
        os.close(w)

    def test_while_it_restores(self):
        self.ok("suspend")
        self.fault("restore hang")
        op = self.operation({"op": "resume", "vgpu": "a"})
        op.phase("restoring")
        within(self.is_state("resuming"))
        op.hang_up()
        self.is_there_still()

    def is_there_still(self):
        self.fault("")
        within(self.is_state("suspended"))
        self.is_away()
        within(lambda: self.do("resume")["event"] == "done")
        self.rejoin(self.guest)

    def test_while_a_new_one_is_made(self):
        with self.file() as f:
            self.ok("suspend", fd=f.fileno())
            f.seek(0)
            self.fault("restore hang")
            op = self.operation({"op": "resume", "vgpu": "b"}, f.fileno())
            op.phase("restoring")
            op.hang_up()
            within(lambda: "error" in self.vgpu("b"))
            within(lambda: self.workers() == [])
            self.assertEqual(os.listdir(self.run + "/vgpus"), ["a"])

    def test_while_a_clone_saves(self):
        self.fault("save hang")
        op = self.operation({"op": "clone", "vgpu": "a", "name": "b"})
        op.phase("writing")
        op.hang_up()
        self.runs_on()
        self.assertIn("error", self.vgpu("b"))


class ManagersDie(World):
    """kill -9 at every step: the next one tells the same story as docs/suspend.md."""

    def setUp(self):
        super().setUp()
        self.create()
        self.guest = self.join(program="p")

    def runs_on(self):
        self.fault("")
        self.assertEqual(self.vgpu()["state"], "running")
        self.is_clean()
        self.assertTrue(self.guest.is_connected())
        self.ok("suspend")
        self.ok("resume")
        self.rejoin(self.guest)

    def begun(self, fault, phase):
        self.fault(fault)
        self.op = self.operation({"op": "suspend", "vgpu": "a"})
        self.op.phase(phase)
        time.sleep(0.2)

    def test_while_it_pauses(self):
        self.begun("pause hang", "pausing")
        self.restart()
        self.runs_on()

    def test_while_it_saves(self):
        self.begun("save hang", "writing")
        self.assertNotEqual(os.listdir(self.state + "/snapshots"), [])
        self.restart()
        self.runs_on()

    def test_with_the_snapshot_kept_and_no_state(self):
        self.kill()
        with open(self.own_file(), "wb") as f:
            f.write(b"whole")
        self.start()
        self.runs_on()

    def write_state(self, number="00000000000000aa", file=None):
        s = self.saved_state()
        s["suspended"] = {"number": number, "own": file is None, "file": file}
        with open(f"{self.state}/vgpus/a.json", "w", encoding="utf-8") as f:
            json.dump(s, f)

    def test_with_the_state_written_and_the_account_not(self):
        self.kill()
        with open(self.own_file(), "wb") as f:
            f.write(b"whole")
        self.write_state()
        self.start()
        self.runs_on()

    def test_with_a_file_of_the_callers_named_and_the_account_not(self):
        self.kill()
        with self.file() as f:
            self.write_state(file=f.name)
            self.start()
            self.assertTrue(os.path.exists(f.name))
        self.runs_on()

    def test_once_it_counts(self):
        """The account says so: workers that have not heard LEAVE leave by themselves."""
        self.fault("leave hang")
        op = self.operation({"op": "suspend", "vgpu": "a"})
        within(lambda: "suspended" in self.saved_state())
        time.sleep(0.3)
        self.restart()
        within(self.is_state("suspended"))
        self.fault("")
        within(lambda: self.vgpu()["sessions"] == [])
        self.is_away()
        del op
        self.ok("resume")
        self.rejoin(self.guest)

    def test_while_it_is_suspended(self):
        self.ok("suspend")
        self.restart()
        self.is_away()
        self.ok("resume")
        self.rejoin(self.guest)

    def test_after_a_power_loss(self):
        """Nothing of the runtime folder is left."""
        self.ok("suspend")
        self.kill()
        shutil.rmtree(self.run)
        self.start()
        self.is_away()
        self.assertTrue(os.path.exists(self.own_file()))
        self.ok("resume")
        self.rejoin(self.guest)

    def test_while_it_restores(self):
        self.ok("suspend")
        self.fault("restore hang")
        op = self.operation({"op": "resume", "vgpu": "a"})
        op.phase("restoring")
        time.sleep(0.2)
        self.restart()
        self.fault("")
        within(lambda: self.vgpu()["sessions"] == [])
        self.is_away()
        self.ok("resume")
        self.rejoin(self.guest)

    def test_while_a_new_one_restores(self):
        with self.file() as f:
            self.ok("suspend", fd=f.fileno())
            f.seek(0)
            self.fault("restore hang")
            op = self.operation({"op": "resume", "vgpu": "b"}, f.fileno())
            op.phase("restoring")
            time.sleep(0.2)
            self.restart()
            self.fault("")
            self.assertIn("error", self.vgpu("b"))
            within(lambda: self.workers() == [])
            self.assertEqual(os.listdir(self.run + "/vgpus"), ["a"])
            f.seek(0)
            self.ok("resume", "b", f.fileno())
            self.rejoin(self.guest, "b")

    def test_while_sessions_wait(self):
        self.ok("suspend")
        self.ok("resume")
        self.restart()
        self.assertEqual([s["waiting"] for s in self.vgpu()["sessions"]], [True])
        self.assertFalse(os.path.exists(self.own_file()))
        self.rejoin(self.guest)
        within(lambda: not self.vgpu()["sessions"][0]["waiting"])

    def test_stopped_in_order_while_it_saves(self):
        self.begun("save hang", "writing")
        self.manager.terminate()
        self.manager.wait(LIMIT_S)
        self.start()
        self.runs_on()

    def test_stopped_in_order_while_it_restores(self):
        self.ok("suspend")
        self.fault("restore hang")
        op = self.operation({"op": "resume", "vgpu": "a"})
        op.phase("restoring")
        self.manager.terminate()
        self.manager.wait(LIMIT_S)
        self.start()
        self.fault("")
        within(lambda: self.vgpu()["sessions"] == [])
        self.ok("resume")
        self.rejoin(self.guest)


class Parking(World):
    options = ["--limit", "sessions=4", "--limit", "process-sessions=3"]

    def setUp(self):
        super().setUp()
        self.create()

    def test_a_new_program_is_refused_in_words(self):
        self.ok("suspend")
        status, words = self.connect().welcome()
        self.assertLess(status, 0)
        self.assertEqual(words, "the vGPU is suspended: tessera resume a")

    def test_new_programs_wait_for_an_operation(self):
        g = self.join()
        self.fault("pause hang 0")
        op = self.operation({"op": "suspend", "vgpu": "a"})
        op.phase("pausing")
        time.sleep(0.2)
        late = self.connect(program="late")
        time.sleep(0.2)
        self.assertTrue(late.is_connected())
        self.assertEqual(len(self.vgpu()["sessions"]), 1)
        op.hang_up()
        self.assertEqual(late.welcome()[0], 0)
        self.assertTrue(g.is_connected())

    def test_as_many_wait_as_may(self):
        self.ok("suspend")
        token = bytes([7]) * 16
        waiting = [self.connect(token=token) for _ in range(3)]
        status, words = self.connect(token=token).welcome()
        self.assertLess(status, 0)
        self.assertRegex(words, "as many connections")
        waiting[0].close()
        time.sleep(0.3)
        again = self.connect(token=token)
        time.sleep(0.3)
        self.assertTrue(again.is_connected())

    def test_an_unknown_token_is_stale(self):
        g = self.join()
        self.ok("suspend")
        parked = self.connect(token=bytes([9]) * 16)
        self.ok("resume")
        self.assertEqual(parked.welcome(), (-116, "the session is gone"))
        self.assertEqual(self.connect(token=bytes([8]) * 16).welcome()[0], -116)
        self.rejoin(g)

    def test_a_new_program_comes_beside_sessions_that_wait(self):
        g = self.join()
        self.ok("suspend")
        self.ok("resume")
        self.join(program="new")
        self.rejoin(g)
        self.assertEqual(len(self.vgpu()["sessions"]), 2)

    def test_a_guest_that_died_is_not_restored(self):
        child = subprocess.Popen(
            [sys.executable, "-c", GUEST_THAT_DIES, f"{self.run}/vgpus/a/socket"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.read(1), b"r")
        g = self.join()
        self.ok("suspend")
        child.kill()
        child.wait()
        self.assertEqual(len(self.ok("resume")["vgpu"]["sessions"]), 1)
        self.rejoin(g)

    def test_a_guest_that_dies_ends_the_session_that_waits_for_it(self):
        child = subprocess.Popen(
            [sys.executable, "-c", GUEST_THAT_DIES, f"{self.run}/vgpus/a/socket"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.read(1), b"r")
        self.ok("suspend")
        self.assertEqual(len(self.ok("resume")["vgpu"]["sessions"]), 1)
        child.kill()
        child.wait()
        within(lambda: self.vgpu()["sessions"] == [])
        self.assertIsNone(self.vgpu()["last_error"])

    def test_silent_connections_do_not_spin(self):
        self.ok("suspend")
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"{self.run}/vgpus/a/socket")
        s.sendall(b"half")
        parked = self.connect(token=bytes([7]) * 16)
        before = self.cpu()
        time.sleep(1)
        self.assertLess(self.cpu() - before, 0.3)
        self.assertTrue(parked.is_connected())
        s.close()

    def cpu(self):
        with open(f"/proc/{self.manager.pid}/stat", encoding="utf-8") as f:
            words = f.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


GUEST_THAT_DIES = """
import socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(struct.pack("<IIQ16sII16sQ64s", 0x72735354, 4, 0, bytes(16), 0, 0, bytes(16), 0, b"d"))
s.recv(248, socket.MSG_WAITALL)
print("r", end="", flush=True)
sys.stdin.read()
"""


class Refusals(World):
    options = ["--software-gpus", "2"]

    def test_names(self):
        self.create()
        self.fails("not-found", "no vGPU 'x'", "suspend", "x")
        self.fails("not-found", "no vGPU 'x'", "resume", "x")
        self.fails("in-use", "not suspended", "resume")
        self.ok("suspend")
        self.fails("in-use", "suspended already", "suspend")
        got = self.api("POST", "/v1/vgpus", {"name": "a", "type": "cpu-512m"})
        self.assertEqual(got["error"]["code"], "name-taken")
        got = self.api("PUT", "/v1/vgpus/a/vm", {})
        self.assertEqual(got["error"]["code"], "in-use")

    def test_requests(self):
        for text in (b"x\n", b"[]\n", b'{"op":"suspend"}\n', b'{"op":"fly","vgpu":"a"}\n',
                     b'{"op":"clone","vgpu":"a"}\n', b'{"op":"resume","vgpu":"A"}\n',
                     b'{"op":"resume","vgpu":"a","confirm":true}\n'):
            s = socket.socket(socket.AF_UNIX)
            s.connect(self.run + "/operations.sock")
            s.sendall(text)
            got = json.loads(s.makefile().readline())
            self.assertEqual((got["event"], got["code"]), ("error", "bad-request"), text)
            s.close()

    def test_more_than_a_line(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.run + "/operations.sock")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(b"x" * 200000)
            self.assertEqual(s.recv(1), b"")
        s.close()
        self.create()

    def test_passthrough(self):
        self.api("POST", "/v1/vgpus", {"name": "p", "passthrough": True})
        self.fails("wrong-method", "passthrough", "suspend", "p")

    def test_one_operation_at_a_time(self):
        self.create()
        self.join()
        self.fault("pause hang")
        op = self.operation({"op": "suspend", "vgpu": "a"})
        op.phase("pausing")
        self.fails("in-use", "another operation", "suspend")
        self.assertEqual(self.clone("a", "b")["code"], "in-use")
        self.fault("")
        op.hang_up()

    def test_deleted_in_the_middle(self):
        self.create()
        self.join()
        for fault, request in (("pause hang", {"op": "suspend", "vgpu": "a"}),):
            self.fault(fault)
            op = self.operation(request)
            op.phase("pausing")
            self.assertNotIn("error", self.api("DELETE", "/v1/vgpus/a"))
            self.assertRegex(op.end()["message"], "being deleted")
        self.assertIn("error", self.vgpu())

    def test_deleted_while_it_restores(self):
        self.create()
        self.join()
        self.ok("suspend")
        self.fault("restore hang")
        op = self.operation({"op": "resume", "vgpu": "a"})
        op.phase("restoring")
        self.assertNotIn("error", self.api("DELETE", "/v1/vgpus/a"))
        self.assertRegex(op.end()["message"], "being deleted")
        self.assertIn("error", self.vgpu())
        within(lambda: os.listdir(self.state + "/snapshots") == [])

    def test_another_gpu(self):
        self.create(size="1g")
        g = self.join()
        home = self.vgpu()["gpu"]
        self.ok("suspend")
        self.fails("not-found", "gpu7", "resume", gpu="gpu7")
        other = "gpu1" if home == "gpu0" else "gpu0"
        self.assertEqual(self.ok("resume", gpu=other)["vgpu"]["gpu"], other)
        self.rejoin(g)
        self.ok("suspend")
        self.api("POST", "/v1/vgpus", {"name": "b", "type": "cpu-1g", "gpu": other})
        self.assertEqual(self.ok("resume")["vgpu"]["gpu"], home)

    def test_no_room(self):
        self.create(size="1g")
        g = self.join()
        self.ok("suspend")
        self.create("b", "1g")
        self.create("c", "1g")
        self.fails("no-space", "'a', which has 1 GiB", "resume")
        self.is_away()
        self.api("DELETE", "/v1/vgpus/b")
        self.ok("resume")
        self.rejoin(g)

    def test_snapshot_of_another_number(self):
        self.create()
        with self.file("1") as one, self.file("2") as two:
            self.ok("suspend", fd=one.fileno())
            one.seek(0)
            self.ok("resume", fd=one.fileno())
            self.ok("suspend", fd=two.fileno())
            one.seek(0)
            two.seek(0)
            self.fails("bad-request", "not the one that 'a'", "resume", fd=one.fileno())
            self.ok("resume", fd=two.fileno())

    def test_damaged_and_cut_snapshots(self):
        self.create()
        g = self.join()
        self.ok("suspend")
        with open(self.own_file(), "rb") as f:
            whole = f.read()
        for n in (0, 1, 20, 60, 200, 1000, len(whole) - 1):
            self.damage(whole[:n])
        for at in (0, 9, 30, 60, 100, len(whole) // 2, len(whole) - 5):
            self.damage(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        with open(self.own_file(), "wb") as f:
            f.write(whole)
        self.ok("resume")
        self.rejoin(g)

    def damage(self, data):
        with open(self.own_file(), "wb") as f:
            f.write(data)
        self.fails("bad-snapshot", "snapshot|worker", "resume")
        self.is_away()

    def test_file_that_is_gone(self):
        self.create()
        self.ok("suspend")
        os.unlink(self.own_file())
        self.fails("not-found", "cannot open", "resume")
        self.is_away()

    def test_read_only_state(self):
        self.create()
        g = self.join()
        shutil.rmtree(self.state + "/snapshots")
        self.fails("not-found", "cannot make a file", "suspend")
        os.mkdir(self.state + "/snapshots", 0o700)
        with self.file() as f:
            os.rename(self.state + "/vgpus", self.state + "/elsewhere")
            self.fails("not-found", "cannot write", "suspend", fd=f.fileno())
            os.rename(self.state + "/elsewhere", self.state + "/vgpus")
        self.is_clean()
        self.assertTrue(g.is_connected())

    def test_a_pipe_without_reader(self):
        self.create()
        g = self.join()
        r, w = os.pipe()
        os.close(r)
        self.fails("internal", "worker|written", "suspend", fd=w)
        os.close(w)
        self.is_clean()
        self.assertTrue(g.is_connected())

    def test_metrics_and_placement_know_it(self):
        self.create(size="1g")
        self.join()
        self.assertEqual(sum(g["free_bytes"] for g in self.api("GET", "/v1/gpus")["gpus"]),
                         1 << 30)
        self.ok("suspend")
        gpus = self.api("GET", "/v1/gpus")["gpus"]
        self.assertEqual(sum(g["free_bytes"] for g in gpus), 2 << 30)
        self.assertEqual([g["vgpus"] for g in gpus], [[], []])
        stats = self.api("GET", "/v1/stats")["gpus"]
        self.assertEqual([g["vgpus"] for g in stats], [[], []])
        self.ok("resume")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
