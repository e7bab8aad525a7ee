#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""memory.py BUILD FAKE-DRIVER FAKE-NVML KERNELS: memory that programs have without an allocation of
the device's: pinned memory of the host's, that of graphs, and what the driver takes by itself.
"""

import os
import sys
import unittest

from turns_programs import LAUNCHER
from world import MIB, PATIENCE_S, Test, wait_for

KERNELS = os.path.abspath(sys.argv[1])
del sys.argv[1]

PIN = """
def pin(n, call="cuMemHostAlloc", *more):
    p = c_void_p()
    return getattr(cu, call)(byref(p), c_size_t(n), *more), p
def pin_flags(n):
    return pin(n, "cuMemHostAlloc", 0)
begin()
"""


class AtTheLimit(Test):
    def meets_it(self, code):
        """It ends well, and `tessera run` says why something of its was refused."""
        program = self.world.begin("a", PIN + code)
        _, wrong = program.communicate(timeout=PATIENCE_S)
        self.assertEqual(program.returncode, 0, wrong)
        self.assertEqual(wrong, "tessera: vGPU 'a': a limit was reached: host memory that a vGPU's "
                                "CUDA programs pin (tesserad --limit pinned-bytes=N)\n")


class Pinned(AtTheLimit):
    """As much as the framebuffer if nobody says otherwise."""

    def test_it_has_a_limit_of_its_own(self):
        self.meets_it("""
assert alloc(128 * MIB)[0] == OK and left() == 0
assert pin_flags(128 * MIB + 1)[0] == OUT_OF_MEMORY
result, first = pin_flags(100 * MIB)
assert result == OK and pin(28 * MIB + 1, "cuMemAllocHost_v2")[0] == OUT_OF_MEMORY
result, second = pin(28 * MIB, "cuMemAllocHost_v2")
buffer = ctypes.create_string_buffer(1)
assert result == OK and cu.cuMemHostRegister_v2(buffer, c_size_t(1), 0) == OUT_OF_MEMORY
assert cu.cuMemFreeHost(second) == OK
assert cu.cuMemHostRegister_v2(buffer, c_size_t(1), 0) == OK
assert pin(28 * MIB, "cuMemAllocHost_v2")[0] == OUT_OF_MEMORY
assert cu.cuMemHostUnregister(buffer) == OK
assert cu.cuMemFreeHost(first) == OK and pin_flags(128 * MIB)[0] == OK
""")
        self.assertEqual(self.world.vgpu("a")["held"]["pinned-bytes"], 0)

    def test_also_by_handles_and_pools(self):
        self.meets_it("""
class Where(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("type", "handles", "location", "id")]
def create(n, location):
    handle = c_uint64()
    return cu.cuMemCreate(byref(handle), c_size_t(n), byref(Where(1, 0, location, 0)),
                          c_uint64(0)), handle
for location in 2, 3, 4:
    assert create(128 * MIB + 1, location)[0] == OUT_OF_MEMORY
    result, handle = create(128 * MIB, location)
    assert result == OK and cu.cuMemRelease(handle) == OK
pool, p = c_void_p(), c_uint64()
assert cu.cuMemPoolCreate(byref(pool), byref(Where(1, 0, 2, 0))) == OK
def of_pool(n):
    return cu.cuMemAllocFromPoolAsync(byref(p), c_size_t(n), pool, None)
for _ in range(2):
    assert of_pool(128 * MIB + 1) == OUT_OF_MEMORY and of_pool(128 * MIB) == OK
    assert cu.cuMemFreeAsync(p, None) == OK
assert left() == 128 * MIB
""")

    def test_who_met_it_is_told(self):
        program = self.begun(PIN + """
assert pin_flags(MIB)[0] == OK and pin_flags(128 * MIB)[0] == OUT_OF_MEMORY
say("ready")
hear()
""")
        vgpu = self.world.vgpu("a")
        self.assertEqual(vgpu["held"]["pinned-bytes"], MIB)
        self.assertEqual(vgpu["sessions"][0]["limit_reached"], "pinned-bytes")
        self.world.kill(program)
        wait_for("its end", lambda: self.world.vgpu("a")["held"]["pinned-bytes"] == 0)

    def test_programs_on_one_vgpu_share_it(self):
        program = self.begun(PIN + "assert pin_flags(100 * MIB)[0] == OK; say('ready'); hear()")
        self.meets_it("""
assert pin_flags(28 * MIB + 1)[0] == OUT_OF_MEMORY and pin_flags(28 * MIB)[0] == OK
""")
        program.communicate("\n", timeout=PATIENCE_S)

    def test_a_context_that_ends_lets_go(self):
        self.program(PIN + """
for _ in range(3):
    more = c_void_p()
    assert cu.cuCtxCreate_v2(byref(more), 0, 0) == OK
    assert pin_flags(100 * MIB)[0] == OK
    assert cu.cuCtxDestroy_v2(more) == OK
""")


class PinnedAsSaid(AtTheLimit):
    OPTIONS = ("--limit", "pinned-bytes=1m")

    def test_it_is_the_managers(self):
        self.meets_it("""
assert pin_flags(MIB + 1)[0] == OUT_OF_MEMORY and pin_flags(MIB)[0] == OK
""")


GRAPHS = """
class Node(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("handles", ctypes.c_int), ("location", ctypes.c_int),
                ("id", ctypes.c_int), ("security", c_void_p), ("most", c_size_t),
                ("reserved", ctypes.c_char * 56), ("access", c_void_p), ("n", c_size_t),
                ("bytes", c_size_t), ("at", c_uint64)]
class Ready(ctypes.Structure):
    _fields_ = [("flags", c_uint64), ("stream", c_void_p), ("node", c_void_p),
                ("result", ctypes.c_int)]
def graph(*sizes):
    made, node = c_void_p(), c_void_p()
    assert cu.cuGraphCreate(byref(made), 0) == OK
    for size in sizes:
        p = Node(type=1, location=1, bytes=size)
        assert cu.cuGraphAddMemAllocNode(byref(node), made, None, c_size_t(0), byref(p)) == OK
    return made
def ready(graph):
    made = c_void_p()
    assert cu.cuGraphInstantiateWithFlags(byref(made), graph, c_uint64(0)) == OK
    return made
def ready_ahead(graph, flags=2):
    return cu.cuGraphInstantiateWithParams(byref(c_void_p()), graph, byref(Ready(flags=flags)))
def launch(made):
    return cu.cuGraphLaunch(made, stream)
begin()
stream = c_void_p()
assert cu.cuStreamCreate(byref(stream), 0) == OK
"""


class Graphs(Test):
    """What graphs allocate, they have from their first launch on."""

    def test_it_is_counted_when_it_is_there(self):
        self.program(GRAPHS + """
small, large, none = ready(graph(10 * MIB, 20 * MIB)), ready(graph(100 * MIB)), ready(graph())
assert left() == 128 * MIB
for _ in range(3):
    assert launch(small) == OK and launch(none) == OK and left() == 98 * MIB
assert launch(large) == OK and left() == 28 * MIB   # the pool has let go
for _ in range(2):
    assert launch(large) == OK and left() == 28 * MIB
assert launch(small) == OK and left() == 98 * MIB   # and again
assert cu.cuGraphExecDestroy(small) == OK and left() == 98 * MIB
assert cu.cuDeviceGraphMemTrim(0) == OK and left() == 128 * MIB
result, at = alloc(28 * MIB + 1)
assert result == OK and launch(large) == OUT_OF_MEMORY and left() == 100 * MIB - 1
assert free(at) == OK and launch(large) == OK and left() == 28 * MIB
""")

    def test_the_pool_is_not_emptied_for_what_is_there(self):
        self.program(GRAPHS + """
driver = ctypes.CDLL(os.environ["TESSERA_CUDA_DRIVER"])
small, large = ready(graph(30 * MIB)), ready(graph(100 * MIB))
assert launch(small) == OK
for _ in range(5):
    assert launch(large) == OK and left() == 28 * MIB
assert driver.fake_trims() == 1
""")

    def test_what_a_graph_in_use_has_is_not_asked_for_again(self):
        self.world.env["FAKECUDA_GRAPHS_RUN"] = "1"
        self.program(GRAPHS + """
large, other = ready(graph(100 * MIB)), ready(graph(29 * MIB))
assert launch(large) == OK and alloc(29 * MIB)[0] == OUT_OF_MEMORY
assert launch(large) == OK and left() == 28 * MIB
assert launch(other) == OUT_OF_MEMORY and launch(large) == OK and left() == 28 * MIB
assert launch(ready(graph(28 * MIB))) == OK and left() == 0
""")

    def test_those_in_graphs_and_sent_ahead(self):
        self.program(GRAPHS + """
outer, node = graph(10 * MIB), c_void_p()
assert cu.cuGraphAddChildGraphNode(byref(node), outer, None, c_size_t(0),
                                   graph(30 * MIB)) == OK
made = ready(outer)
assert cu.cuGraphUpload(made, stream) == OK and left() == 88 * MIB
assert launch(made) == OK and left() == 88 * MIB
assert ready_ahead(graph(80 * MIB)) == OK and left() == 8 * MIB
assert alloc(100 * MIB)[0] == OK and left() == 28 * MIB     # nobody uses them now
assert ready_ahead(graph(80 * MIB)) == OUT_OF_MEMORY and left() == 28 * MIB
assert ready_ahead(graph(80 * MIB), flags=0) == OK and left() == 28 * MIB
""")

    def test_what_is_recorded_is_not_there_yet(self):
        self.program(GRAPHS + """
p, recorded = c_uint64(), c_void_p()
assert cu.cuStreamBeginCapture_v2(stream, 0) == OK
assert cu.cuMemAllocAsync(byref(p), c_size_t(50 * MIB), stream) == OK and left() == 128 * MIB
assert cu.cuMemFreeAsync(p, stream) == OK
assert cu.cuStreamEndCapture(stream, byref(recorded)) == OK and left() == 128 * MIB
made = ready(recorded)
assert launch(made) == OK and left() == 78 * MIB
assert cu.cuMemAllocAsync(byref(p), c_size_t(50 * MIB), stream) == OK and left() == 28 * MIB
""")
        self.assertEqual(self.world.used("a"), 0)


# In a namespace of process numbers, where it is number 1. It is told by which one the management
# library knows it, "" being that one.
ALONE = """
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(CLONE_NEWPID | (0 if os.geteuid() == 0 else CLONE_NEWUSER)) != 0:
    say("not here:", os.strerror(ctypes.get_errno()))
    sys.exit()
child = os.fork()
if child:
    sys.exit(os.waitpid(child, 0)[1] != 0)
assert os.getpid() == 1 and cu.cuInit(0) == OK
say("ready")
number = hear()
if number:
    os.environ["FAKECUDA_PID"] = number
begin()
assert info() == (96 * MIB, 128 * MIB)
say("counted")
"""


class Implicit(Test):
    """Contexts take 32 MiB each, kernels 8 MiB as they are launched first."""

    def setUp(self):
        super().setUp()
        self.world.env["FAKECUDA_CONTEXT_BYTES"] = str(32 * MIB)
        self.world.env["FAKECUDA_LAZY_BYTES"] = str(8 * MIB)

    def contained(self, number_of):
        program = self.world.begin("a", ALONE)
        first = program.stdout.readline()
        if first.startswith("not here") and os.environ.get("CI") != "true":
            self.skipTest(f"no namespace of process numbers {first}")
        self.assertEqual(first, "ready\n")
        number = number_of(self.world.vgpu("a")["sessions"][0])
        said, wrong = program.communicate(f"{number}\n", timeout=PATIENCE_S)
        self.assertEqual((said, wrong, program.returncode), ("counted\n", "", 0))

    def test_in_a_container_the_driver_knows_it_by_another_number(self):
        """The management library has somebody else as number 1."""
        self.contained(lambda session: session["guest_pid"])

    def test_or_by_the_one_that_it_has_there(self):
        self.world.env["FAKENVML_OTHERS_PID"] = "2"
        self.contained(lambda session: "")

    def test_what_comes_and_goes_is_not_taken_for_the_drivers(self):
        self.world.env["FAKENVML_US"] = "3000"
        self.program(LAUNCHER + """
least, end = left(), time.monotonic() + 4
while time.monotonic() < end:
    result, p = alloc(40 * MIB)
    assert result == OK
    least = min(least, left())
    step()
    assert free(p) == OK
    step()
assert least >= 128 * MIB - (32 + 8 + 40) * MIB - 8, least
result, p = alloc(left())
assert result == OK
""", KERNELS)

    def test_what_the_driver_loads_late_is_found(self):
        """Also after each kind of allocation, and those that fail: none is under way any more."""
        program = self.begun(LAUNCHER + """
p, pitch = c_uint64(), c_size_t()
for width, height in (100, 10), (512, 10), (1 << 20, 1 << 20), (100, (128 << 20) // 100):
    if cu.cuMemAllocPitch_v2(byref(p), byref(pitch), c_size_t(width), c_size_t(height), 4) == OK:
        assert free(p) == OK
assert alloc(1 << 30)[0] == OUT_OF_MEMORY and free(c_uint64(1)) != OK
say("ready")
while hear():
    one()
    say("launched")
""", KERNELS)
        before = self.world.used("a")

        def is_found():
            program.stdin.write("go\n")
            program.stdin.flush()
            self.assertEqual(program.stdout.readline(), "launched\n")
            return self.world.used("a") == before + 8 * MIB
        wait_for("what was loaded", is_found)
        program.communicate("", timeout=PATIENCE_S)

    def test_of_what_does_not_fit_as_much_as_there_is(self):
        program = self.begun(LAUNCHER + """
assert alloc(left() - 5 * MIB)[0] == OK
say("ready")
while hear():
    one()
    say(left())
""", KERNELS)

        def is_full():
            program.stdin.write("go\n")
            program.stdin.flush()
            return program.stdout.readline() == "0\n"
        wait_for("what was loaded", is_full)
        program.communicate("", timeout=PATIENCE_S)


if __name__ == "__main__":
    unittest.main()
