#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Workers that fail, callers that hang up and managers that die, at every step."""

import contextlib
import json
import os
import shutil
import signal
import time

from suspend_world import LIMIT_S, World, main, within


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

    def test_with_the_account_of_a_resume_written_and_the_state_not(self):
        """The vGPU runs, and where it was resumed: the state names that place before."""
        self.ok("suspend")
        self.create("b")
        place = self.ok("resume")["vgpu"]["start_bytes"]
        self.assertNotEqual(place, 0)
        self.kill()
        self.write_state()
        self.start()
        self.assertEqual(self.vgpu()["start_bytes"], place)
        self.assertNotIn("suspended", self.saved_state())
        self.rejoin(self.guest)

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


if __name__ == "__main__":
    main()
