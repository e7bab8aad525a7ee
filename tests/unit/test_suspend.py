#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Suspend, resume and clone, as the manager does them; and what it refuses."""

import contextlib
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from suspend_world import World, main, within

OLD_STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../state/v1")


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


class Adopted(World):
    """Made of a snapshot, and suspended until they are resumed."""

    def test_a_clone_that_stays_suspended(self):
        self.create()
        self.join(program="train")
        self.ok("suspend")
        done = self.clone("a", "b", suspended=True)
        self.assertEqual(done["vgpu"]["snapshot"], self.own_file("b"))
        with open(self.own_file(), "rb") as a, open(self.own_file("b"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertEqual(os.stat(self.own_file("b")).st_mode & 0o777, 0o600)
        self.is_away("b")
        self.restart()
        self.is_away("b")
        self.ok("resume")
        done = self.ok("resume", "b")
        self.assertEqual([s["program"] for s in done["vgpu"]["sessions"]], ["train"])
        self.is_clean("b")

    def test_of_a_file_at_another_manager(self):
        self.create()
        self.join(program="train")
        with self.file() as f:
            self.ok("suspend", fd=f.fileno())
            self.api("DELETE", "/v1/vgpus/a")
            f.seek(0)
            self.ok("resume", fd=f.fileno(), suspended=True)
            f.seek(0)
            self.fails("name-taken", "exists", "resume", fd=f.fileno(), suspended=True)
        self.is_away()
        self.ok("resume")

    def test_its_machine_keeps_the_name_that_it_knows(self):
        self.create()
        self.ok("suspend")
        self.clone("a", "b", suspended=True)
        self.assertEqual(self.api("PUT", "/v1/vgpus/b/vm", {})["vm"]["label"], "b")
        self.assertEqual(self.api("PUT", "/v1/vgpus/b/vm", {"label": "a"})["vm"]["label"], "a")
        self.restart()
        vm = self.vgpu("b")["vm"] or self.api("PUT", "/v1/vgpus/b/vm", {})["vm"]
        self.assertEqual(vm["label"], "a")
        with open(vm["memory"], "rb") as f:
            self.assertEqual(f.read(128)[32:34], b"a\0")
        self.api("DELETE", "/v1/vgpus/b/vm")
        self.assertEqual(self.api("PUT", "/v1/vgpus/b/vm", {})["vm"]["label"], "b")

    def is_refused(self, words, fd=None):
        self.assertRegex(self.clone("a", "b", fd, suspended=True).get("message", ""), words)

    def test_refused_and_nothing_is_left(self):
        self.create()
        self.is_refused("not suspended")
        with self.file() as f:
            self.ok("suspend", fd=f.fileno())
            r, w = os.pipe()
            f.seek(0)
            os.write(w, f.read(65536))
            os.close(w)
            self.is_refused("made of a file", r)
            os.close(r)
            os.mkdir(self.own_file("b"))
            f.seek(0)
            self.is_refused("b.tessera", f.fileno())
            os.rmdir(self.own_file("b"))
            self.assertEqual(os.listdir(self.state + "/snapshots"), [])
            self.assertEqual(os.listdir(self.state + "/vgpus"), ["a.json"])
            self.assertEqual(len(self.api("GET", "/v1/vgpus")["vgpus"]), 1)
            f.seek(0)
            self.ok("resume", fd=f.fileno())
        self.is_clean()


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
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # nobody asks for its status
        self.assertEqual(len(self.ok("resume")["vgpu"]["sessions"]), 1)
        child.wait()
        self.rejoin(g)

    def test_a_guest_that_dies_ends_the_session_that_waits_for_it(self):
        child = subprocess.Popen(
            [sys.executable, "-c", GUEST_THAT_DIES, f"{self.run}/vgpus/a/socket"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.read(1), b"r")
        self.ok("suspend")
        self.assertEqual(len(self.ok("resume")["vgpu"]["sessions"]), 1)
        child.kill()
        within(lambda: self.vgpu()["sessions"] == [])
        child.wait()
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
        # A machine that was saved with it finds its memory and ports before it is resumed.
        got = self.api("PUT", "/v1/vgpus/a/vm", {})
        self.assertEqual((got["state"], got["vm"]["connected"]), ("suspended", 0))
        self.ok("resume")

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

    def test_silent_callers_make_room(self):
        self.create()
        silent = []
        for _ in range(70):
            silent.append(socket.socket(socket.AF_UNIX))
            silent[-1].connect(self.run + "/operations.sock")
        self.ok("suspend")
        self.assertEqual(silent[0].recv(1), b"")
        for s in silent:
            s.close()

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


class Upgrade(World):
    """A state folder of every version that was ever released loads (tests/state)."""

    def start(self):
        if not os.path.exists(self.state):
            shutil.copytree(OLD_STATE, self.state)
            os.chmod(self.state, 0o700)
            for path in glob.glob(self.state + "/vgpus/*.json"):
                self.make_ours(path)
        super().start()

    def make_ours(self, path):
        with open(path, encoding="utf-8") as f:
            state = json.load(f)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(dict(state, owner_uid=os.geteuid()), f)

    def test_version_1(self):
        got = {v["name"]: v for v in self.api("GET", "/v1/vgpus")["vgpus"]}
        self.assertEqual({n: v["state"] for n, v in got.items()},
                         {"infer": "idle", "kept": "suspended", "train-0": "idle"})
        self.assertEqual(got["train-0"]["uuid"], "6cc567ff-32a1-402d-95ea-af6a2af95c1a")
        self.assertEqual(got["infer"]["vm"]["domain"], "debian-12")
        self.assertEqual(got["kept"]["snapshot"], self.own_file("kept"))
        gpu = self.api("GET", "/v1/gpus/gpu0")
        self.assertEqual((gpu["mode"], gpu["policy"], gpu["slice_us"], gpu["placement"]),
                         ("mixed-size", "fixed-share", 4000, "pack"))
        self.join("train-0")
        self.ok("suspend", "train-0")


if __name__ == "__main__":
    main()
