#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""suspend.py BUILD FAKE-DRIVER FAKE-NVML KERNELS: CUDA's programs on vGPUs that are suspended: they
wait in the machine's memory.
"""

import os
import pathlib
import signal
import sys
import time
import unittest

KERNELS = os.path.abspath(sys.argv.pop(4))

# pylint: disable-next=wrong-import-position
from world import MIB, PATIENCE_S, Test, wait_for  # noqa: E402
# pylint: disable-next=wrong-import-position
from turns_programs import LAUNCHER  # noqa: E402

# It does what it is told, one word a line.
WORKS = LAUNCHER + """
held = alloc(10 * MIB)
say('ready')
while True:
    what = hear()
    if what == 'end': break
    if what == 'alloc': say(alloc(MIB)[0])
    elif what == 'info': say(*info())
    elif what == 'work': work(0.3); say(ran())
    elif what == 'step': say('code', 0 if launch(f) == OK and cu.cuCtxSynchronize() == OK else 1)
"""


class Suspend(Test):
    def setUp(self):
        super().setUp()
        self.world.tessera("delete", "a")
        locks = f"{self.folder}/locks"
        os.mkdir(locks)
        self.world.env |= {"FAKECUDA_SHARED": f"{self.folder}/device",
                           "FAKECUDA_CHECKPOINT": locks}
        self.world.stop()
        self.world.start()
        self.world.tessera("create", "a", "--type", "cpu-128m")

    def locks(self):
        return sorted(int(p.read_text(encoding="utf-8"))
                      for p in pathlib.Path(self.folder, "locks").iterdir()
                      if p.suffix != ".new")

    def works(self, on="a"):
        return self.begun(WORKS, KERNELS, on=on)

    @staticmethod
    def tell(program, word):
        program.stdin.write(word + "\n")
        program.stdin.flush()

    def ask(self, program, word):
        self.tell(program, word)
        return program.stdout.readline().strip()

    def assert_silent(self, program):
        """It waits."""
        self.tell(program, "step")
        os.set_blocking(program.stdout.fileno(), False)
        time.sleep(0.3)
        self.assertEqual(program.stdout.readline(), "")
        os.set_blocking(program.stdout.fileno(), True)

    def end(self, program):
        program.communicate("end\n", timeout=PATIENCE_S)
        self.assertEqual(program.returncode, 0)

    def test_programs_wait_and_go_on(self):
        program = self.works()
        before = int(self.ask(program, "work"))
        self.world.tessera("suspend", "a")
        v = self.world.vgpu("a")
        self.assertEqual((v["state"], v["sessions"]), ("suspended", []))
        self.assertEqual(self.locks(), [2])
        self.assert_silent(program)
        # Its place is another's meanwhile.
        self.world.tessera("create", "b", "--type", "cpu-1g")
        self.world.tessera("delete", "b")
        self.world.tessera("resume", "a")
        self.assertEqual(self.locks(), [0])
        self.assertEqual(program.stdout.readline(), "code 0\n")
        self.assertGreater(int(self.ask(program, "work")), before)
        session = self.world.vgpu("a")["sessions"][0]
        self.assertEqual((session["used_bytes"], session["in_process"]), (10 * MIB + 8, True))
        self.assertEqual(self.ask(program, "alloc"), "0")
        self.assertEqual(self.world.used("a"), 11 * MIB + 8)
        self.end(program)
        wait_for("its memory", lambda: self.world.used("a") == 0)

    def test_again_and_again_with_turns(self):
        self.world.tessera("create", "b", "--type", "cpu-128m")
        programs = [self.works(), self.works(), self.works("b")]
        for _ in range(4):
            for program in programs:
                self.tell(program, "work")
            self.world.tessera("suspend", "a")
            self.world.tessera("resume", "a")
            for program in programs:
                self.assertGreater(int(program.stdout.readline()), 0)
        self.assertEqual(len(self.world.vgpu("a")["sessions"]), 2)
        for program in programs:
            self.end(program)

    def test_a_driver_that_cannot_says_so_and_nothing_has_changed(self):
        self.world.stop()
        self.world.env["FAKECUDA_FAULT"] = "cuCheckpointProcessCheckpoint:1:801"
        self.world.start()
        del self.world.env["FAKECUDA_FAULT"]
        program = self.works()
        done = self.world.tessera("suspend", "a", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot be checkpointed: operation not supported (801)", done.stderr)
        self.assertEqual(self.locks(), [0])
        self.assertEqual(self.ask(program, "step"), "code 0")
        self.assertEqual(self.world.vgpu("a")["state"], "running")
        self.end(program)

    def test_a_restore_that_fails_leaves_it_suspended(self):
        program = self.works()
        self.world.tessera("suspend", "a")
        self.world.stop()
        self.world.env["FAKECUDA_FAULT"] = "cuCheckpointProcessRestore:1:2"
        self.world.start()
        done = self.world.tessera("resume", "a", check=False)
        self.assertIn("cannot be restored: out of memory (2)", done.stderr)
        self.assertEqual(self.world.vgpu("a")["state"], "suspended")
        self.assertEqual(self.locks(), [2])
        self.world.stop()
        del self.world.env["FAKECUDA_FAULT"]
        self.world.start()
        self.world.tessera("resume", "a")
        self.assertEqual(self.ask(program, "step"), "code 0")
        self.end(program)

    def test_it_outlives_its_manager(self):
        program = self.works()
        self.world.tessera("suspend", "a")
        self.world.stop(signal.SIGKILL)
        self.world.start()
        self.assertEqual(self.world.vgpu("a")["state"], "suspended")
        self.world.tessera("resume", "a")
        self.assertEqual(self.ask(program, "step"), "code 0")
        self.end(program)

    def test_a_manager_that_dies_in_the_middle_leaves_nobody_held(self):
        for word, after in (("freeze", False), ("restore", True)):
            program = self.works()
            if after:
                self.world.tessera("suspend", "a")
            self.world.stop(signal.SIGKILL if not after else signal.SIGTERM)
            name = "Lock" if word == "freeze" else "Unlock"
            self.world.env["FAKECUDA_FAULT"] = f"cuCheckpointProcess{name}:1:hang"
            self.world.start()
            del self.world.env["FAKECUDA_FAULT"]
            asked = self.world.later("resume" if after else "suspend", "a")
            wait_for("the driver", lambda: self.world.children())
            time.sleep(0.3)
            self.world.stop(signal.SIGKILL)
            self.world.kill(asked)
            self.world.end_children()
            self.world.start()
            self.assertEqual(self.ask(program, "step"), "code 0")
            self.assertEqual(self.world.vgpu("a")["state"], "running")
            self.end(program)

    def test_it_is_called_off_while_the_driver_works(self):
        self.world.stop()
        self.world.env["FAKECUDA_FAULT"] = "cuCheckpointProcessCheckpoint:1:hang"
        self.world.start()
        del self.world.env["FAKECUDA_FAULT"]
        program = self.works()
        asked = self.world.later("suspend", "a")
        wait_for("the driver", lambda: self.locks() == [1])
        asked.send_signal(signal.SIGINT)
        asked.communicate(timeout=PATIENCE_S)
        self.assertEqual(self.ask(program, "step"), "code 0")
        self.assertEqual((self.world.vgpu("a")["state"], self.locks()), ("running", [0]))
        self.end(program)

    def test_a_manager_leaves_in_the_middle(self):
        self.world.stop()
        self.world.env["FAKECUDA_FAULT"] = "cuCheckpointProcessCheckpoint:1:hang"
        self.world.start()
        del self.world.env["FAKECUDA_FAULT"]
        program = self.works()
        asked = self.world.later("suspend", "a")
        wait_for("the driver", lambda: self.locks() == [1])
        self.world.stop()
        asked.communicate(timeout=PATIENCE_S)
        self.world.start()
        self.assertEqual(self.ask(program, "step"), "code 0")
        self.end(program)

    def test_one_that_a_manager_before_let_in(self):
        program = self.works()
        self.world.stop(signal.SIGKILL)
        self.world.start()
        self.assertTrue(self.world.vgpu("a")["sessions"][0]["adopted"])
        self.world.tessera("suspend", "a")
        self.assertEqual(self.locks(), [2])
        self.world.tessera("resume", "a")
        self.assertEqual(self.ask(program, "step"), "code 0")
        self.end(program)

    def test_a_file_of_the_callers_names_no_programs(self):
        program = self.works()
        self.world.tessera("suspend", "a")
        own = pathlib.Path(self.folder, "state/snapshots/a.tessera")
        copy = pathlib.Path(self.folder, "copy")
        copy.write_bytes(own.read_bytes())
        done = self.world.tessera("resume", "a", "--from", copy, check=False)
        self.assertIn("are CUDA's", done.stderr)
        self.assertEqual(self.locks(), [2])
        self.world.tessera("resume", "a")
        self.assertEqual(self.ask(program, "step"), "code 0")
        self.end(program)

    def test_one_that_has_died_is_not_waited_for(self):
        first, second = self.works(), self.works()
        self.world.tessera("suspend", "a")
        self.world.kill(first)
        self.world.tessera("resume", "a")
        self.assertEqual(len(self.world.vgpu("a")["sessions"]), 1)
        self.assertEqual(self.world.used("a"), 10 * MIB + 8)
        self.assertEqual(self.ask(second, "step"), "code 0")
        self.end(second)

    def test_elsewhere_it_cannot_go(self):
        program = self.works()
        for words in (("suspend", "a", "--to", f"{self.folder}/file"), ("clone", "a", "b")):
            done = self.world.tessera(*words, check=False)
            self.assertIn("programs of CUDA's", done.stderr)
        self.world.tessera("suspend", "a")
        done = self.world.tessera("clone", "a", "b", check=False)
        self.assertIn("are CUDA's", done.stderr)
        self.assertNotEqual(done.returncode, 0)
        self.world.tessera("resume", "a")
        self.assertEqual(self.ask(program, "step"), "code 0")
        self.end(program)

    def test_one_whose_vgpu_is_deleted_has_no_gpu_and_is_told_to_end(self):
        stays = self.begun("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + WORKS,
                           KERNELS)
        ends = self.works()
        self.world.tessera("suspend", "a")
        self.tell(stays, "step")
        self.world.tessera("delete", "a")
        ends.communicate(timeout=PATIENCE_S)
        self.assertNotEqual(ends.returncode, 0)
        self.assertEqual(stays.stdout.readline(), "code 1\n")
        self.world.kill(stays)

    def test_pinned_memory_is_still_counted(self):
        program = self.begun(LAUNCHER + """
p = c_void_p()
assert cu.cuMemHostAlloc(byref(p), c_size_t(50 * MIB), 0) == OK
say("ready")
hear()
assert cu.cuMemHostAlloc(byref(c_void_p()), c_size_t(78 * MIB + 1), 0) == OUT_OF_MEMORY
assert cu.cuMemFreeHost(p) == OK
say("freed")
hear()
""", KERNELS)
        self.world.tessera("suspend", "a")
        self.world.tessera("resume", "a")
        wait_for("the pinned bytes",
                 lambda: self.world.vgpu("a")["held"]["pinned-bytes"] == 50 * MIB)
        self.assertEqual(self.ask(program, "go"), "freed")
        self.assertEqual(self.world.vgpu("a")["held"]["pinned-bytes"], 0)
        program.communicate("\n", timeout=PATIENCE_S)
        self.assertEqual(program.returncode, 0)


if __name__ == "__main__":
    unittest.main()
