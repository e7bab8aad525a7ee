#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""turns.py BUILD FAKE-DRIVER FAKE-NVML KERNELS: turns of CUDA's programs, on the host's clock.

What a share is exactly, shares/shares.c tells on a virtual one.
"""

import os
import signal
import sys
import time
import unittest

KERNELS = os.path.abspath(sys.argv.pop(4))

# pylint: disable-next=wrong-import-position
from world import PATIENCE_S, Test, wait_for  # noqa: E402
# pylint: disable-next=wrong-import-position
from turns_programs import LAUNCHER  # noqa: E402


class Turns(Test):
    def setUp(self):
        super().setUp()
        self.world.env["FAKECUDA_SHARED"] = f"{self.folder}/device"
        self.world.tessera("create", "b", "--type", "cpu-128m")

    def launcher(self, code, *arguments, on="a"):
        return self.world.begin(on, LAUNCHER + code, KERNELS, *arguments)

    def ready(self, code, *arguments, on="a"):
        return self.begun(LAUNCHER + code, KERNELS, *arguments, on=on)

    def run_to_end(self, code, *arguments, on="a"):
        return self.program(LAUNCHER + code, KERNELS, *arguments, on=on)

    def session(self, name):
        return self.world.vgpu(name)["sessions"][0]

    def said(self, program):
        said, wrong = program.communicate("\n", timeout=PATIENCE_S)
        self.assertEqual((program.returncode, wrong), (0, ""))
        return said

    def together(self, code, *programs):
        """Starts one on each vGPU, lets them go at once, and returns what they say."""
        begun = [self.ready(f"say('ready'); hear(); {code}", *more, on=name)
                 for name, *more in programs]
        for program in begun:
            program.stdin.write("\n")
            program.stdin.flush()
        return [self.said(program) for program in begun]

    def test_alone_it_does_not_ask(self):
        program = self.ready("work(0.5); say('ready'); hear(); n = work(1); say(n); hear()")
        wait_for("it to be passed", lambda: self.session("a")["commands"] > 0)
        before = self.session("a")["commands"]
        program.stdin.write("\n")
        program.stdin.flush()
        launched = int(program.stdout.readline())
        self.assertLess(self.session("a")["commands"] - before, launched / 10)
        self.assertGreater(self.session("a")["busy_seconds"], 0.8)
        self.said(program)

    def test_nvml_tells_how_much_of_the_time_it_had(self):
        other = self.ready("say('ready')\nwhile True: step()", on="b")
        rates = '''
nv = ctypes.CDLL("libnvidia-ml.so.1")
assert nv.nvmlInit_v2() == OK
card, rate = c_void_p(), (ctypes.c_uint * 2)()
assert nv.nvmlDeviceGetHandleByIndex_v2(0, byref(card)) == OK
def percent():
    assert nv.nvmlDeviceGetUtilizationRates(card, rate) == OK and rate[1] <= rate[0]
    return rate[0]
# What it did at its beginning may be of the first sample.
while percent():
    time.sleep(0.1)
'''
        said = self.run_to_end(rates + "say(percent()); percent(); work(1); say(percent())")
        idle, busy = (int(word) for word in said.split())
        self.assertEqual(idle, 0)
        self.assertTrue(5 < busy < 95, busy)
        self.world.kill(other)

    def test_two_take_turns(self):
        said = self.together("say(work(2))", ["a"], ["b"])
        # Exact shares are shares/shares.c's matter: here programs wait for processors, too.
        part = int(said[0]) / (int(said[0]) + int(said[1]))
        self.assertLess(abs(part - 0.5), 0.3, said)

    def test_a_bully_gets_no_more(self):
        self.world.tessera("gpu", "set", "all", "--policy", "equal-share")
        bully = self.ready("""
say('ready')
while True:
    long()
    if not os.path.exists(sys.argv[2]): break
say(ran())
""", f"{self.folder}/run", on="b")
        n = int(self.run_to_end("say(work(3))"))
        # First come, first served it were one kernel for each of 20 ms: a part of 0.0025.
        self.assertGreater(n * 50e-6 / 3, 0.05)
        self.world.kill(bully)

    def test_who_is_alone_again_has_all(self):
        other = self.ready("say('ready'); hear()", on="b")
        self.run_to_end("work(1)", on="b")
        self.world.kill(other)
        first = self.launcher("say(work(2))")
        self.said(first)

    def test_a_killed_one_gives_its_turn_back(self):
        other = self.ready("say('ready')\nwhile True: step()", on="b")
        mine = self.launcher("work(0.5); say('half'); n = work(1); say(n)")
        self.assertEqual(mine.stdout.readline(), "half\n")
        self.world.kill(other)
        self.assertGreater(int(self.said(mine)), 0)
        wait_for("its session to be over", lambda: self.world.vgpu("b")["sessions"] == [])

    def test_a_stopped_one_holds_nobody_up_for_ever(self):
        """It has the GPU until the watchdog ends it: then the others go on."""
        self.world.tessera("gpu", "set", "all", "--watchdog", "1s")
        other = self.ready("say('ready')\nwhile True: step()", on="b")
        mine = self.ready("say('ready'); hear(); say(work(1))")
        os.kill(self.session("b")["guest_pid"], signal.SIGSTOP)
        time.sleep(0.2)
        mine.stdin.write("\n")
        mine.stdin.flush()
        said = mine.communicate(timeout=PATIENCE_S)[0]
        self.world.kill(other)
        self.assertGreater(int(said), 0)
        self.assertIn("watchdog", self.world.vgpu("b")["last_error"]["message"])

    def test_it_goes_on_while_the_manager_is_gone_and_takes_turns_again(self):
        programs = [self.ready("say('ready')\nwhile hear() != 'end': say(work(0.5))", on=name)
                    for name in "ab"]

        def all_work():
            for program in programs:
                program.stdin.write("\n")
                program.stdin.flush()
            return [int(program.stdout.readline()) for program in programs]
        self.assertTrue(all(all_work()))
        self.world.stop(signal.SIGKILL)
        self.assertTrue(all(all_work() + all_work() + all_work()))
        self.world.start()
        self.assertEqual([self.session(name)["adopted"] for name in "ab"], [True, True])
        self.assertTrue(all(all_work() + all_work()))
        for program in programs:
            program.communicate("end\n", timeout=PATIENCE_S)

    def test_recording_is_left_alone(self):
        """A graph is recorded while another takes turns, and launched in turns of its own."""
        other = self.ready("say('ready')\nwhile True: step()", on="b")
        self.run_to_end("""
s, graph, run = stream(), c_void_p(), c_void_p()
for i in range(20):
    before = ran()
    assert cu.cuStreamBeginCapture_v2(s, 0) == OK
    for _ in range(10):
        one(s)
        time.sleep(0.002)
    assert cu.cuStreamEndCapture(s, byref(graph)) == OK
    assert cu.cuGraphInstantiateWithFlags(byref(run), graph, c_uint64(0)) == OK
    assert ran() == before
    assert cu.cuGraphLaunch(run, s) == OK and cu.cuStreamSynchronize(s) == OK
    assert ran() == before + 10
""")
        self.world.kill(other)

    def test_threads_with_streams_and_contexts(self):
        other = self.ready("say('ready')\nwhile True: step()", on="b")
        self.run_to_end("""
import threading
def run(i):
    mine = context
    if i % 2:
        mine = c_void_p()
        assert cu.cuCtxCreate_v2(byref(mine), 0, 0) == OK
    else:
        assert cu.cuCtxSetCurrent(mine) == OK
    s = stream()
    for _ in range(50):
        one(s)
        assert cu.cuLaunchKernel_ptsz(f, 1, 1, 1, 1, 1, 1, 0, None, params, None) == OK
    assert cu.cuStreamSynchronize(s) == OK
    assert cu.cuStreamDestroy_v2(s) == OK
    if i % 2:
        assert cu.cuCtxDestroy_v2(mine) == OK
threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
assert cu.cuCtxSynchronize() == OK
assert ran() > 0
""")
        self.world.kill(other)

    def test_errors_of_the_driver_are_the_programs(self):
        other = self.ready("say('ready')\nwhile True: step()", on="b")
        self.run_to_end("""
for _ in range(50):
    assert launch(None) == 400
    assert cu.cuMemcpyHtoD_v2(c_uint64(8), params, c_size_t(8)) == INVALID
n = ran()
step()
assert ran() == n + 20
""")
        self.world.kill(other)


if __name__ == "__main__":
    unittest.main()
