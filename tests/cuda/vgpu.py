#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vgpu.py BUILD FAKE-DRIVER FAKE-NVML: framebuffers and sessions of CUDA's programs on vGPUs."""

import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import unittest

from world import FAKE_NVML, HEAD, MIB, PATIENCE_S, SANITIZED, Test, wait_for


class Framebuffer(Test):
    def test_it_is_the_types(self):
        self.program("""
begin()
total = c_size_t()
assert cu.cuDeviceTotalMem_v2(byref(total), 0) == OK and total.value == 128 * MIB
assert info() == (128 * MIB, 128 * MIB)
""")

    def test_out_of_memory_at_the_byte(self):
        self.program("""
begin()
rc, first = alloc(100 * MIB)
assert rc == OK and left() == 28 * MIB
assert alloc(28 * MIB + 1)[0] == OUT_OF_MEMORY and left() == 28 * MIB
assert alloc(1 << 62)[0] == OUT_OF_MEMORY
rc, second = alloc(28 * MIB)
assert rc == OK and left() == 0 and alloc(1)[0] == OUT_OF_MEMORY
assert free(first) == OK and left() == 100 * MIB
assert free(first) == INVALID and left() == 100 * MIB
assert alloc(0)[0] == INVALID
assert free(second) == OK and free(c_uint64(0)) == OK and left() == 128 * MIB
""")
        self.assertEqual(self.world.used("a"), 0)
        self.assertEqual(self.world.vgpu("a")["peak_bytes"], 128 * MIB)

    def test_what_the_driver_refuses_is_not_counted(self):
        self.program("""
begin()
assert alloc(MIB)[0] == OK
os.environ["FAKECUDA_FAULT"] = "cuMemAlloc_v2:1:2"
import ctypes.util
ctypes.CDLL(None).setenv(b"FAKECUDA_FAULT", b"cuMemAlloc_v2:1:2", 1)
assert alloc(MIB)[0] == OUT_OF_MEMORY and left() == 127 * MIB
""")

    def test_each_way_to_allocate(self):
        self.program("""
begin()
stream = c_void_p()
for call, *more in (("cuMemAllocManaged", 1), ("cuMemAllocAsync", stream),
                    ("cuMemAllocAsync_ptsz", stream)):
    rc, p = alloc(128 * MIB, call, *more)
    assert rc == OK and left() == 0, call
    assert alloc(1, call, *more)[0] == OUT_OF_MEMORY
    back = () if call == "cuMemAllocManaged" else (stream,)
    assert free(p, call.replace("Alloc", "Free") if back else "cuMemFree_v2", *back) == OK
    assert left() == 128 * MIB, call
p, pitch = c_uint64(), c_size_t()
assert cu.cuMemAllocPitch_v2(byref(p), byref(pitch), c_size_t(100), c_size_t(1000), 4) == OK
assert left() == 128 * MIB - 1000 * pitch.value and free(p) == OK and left() == 128 * MIB
# The rows fit, their padding does not.
rc, q = alloc(127 * MIB)
assert cu.cuMemAllocPitch_v2(byref(p), byref(pitch), c_size_t(8), c_size_t(10000), 4) == 2
assert left() == MIB and free(q) == OK and left() == 128 * MIB
""")

    def test_what_pools_keep_is_counted_and_let_go(self):
        self.program("""
begin()
stream, pool = c_void_p(), c_void_p()
def taken(n, call="cuMemAllocAsync", *more):
    rc, p = alloc(n, call, *more, stream)
    assert rc == OK
    return p
assert cu.cuDeviceGetMemPool(byref(pool), 0) == OK
one = taken(MIB)                                    # the pool grows by 2 MiB
assert left() == 126 * MIB
two = taken(MIB, "cuMemAllocFromPoolAsync", pool)   # of what it has
assert left() == 126 * MIB
assert free(one, "cuMemFreeAsync", stream) == OK and left() == 126 * MIB
assert free(two, "cuMemFreeAsync", stream) == OK and left() == 128 * MIB
keep = c_uint64(64 * MIB)
assert cu.cuMemPoolSetAttribute(pool, 4, byref(keep)) == OK
assert free(taken(64 * MIB), "cuMemFreeAsync", stream) == OK
assert left() == 64 * MIB                           # kept for later
assert free(taken(64 * MIB), "cuMemFreeAsync", stream) == OK and left() == 64 * MIB
rc, p = alloc(128 * MIB)                            # nobody uses it: let go
assert rc == OK and left() == 0 and free(p) == OK and left() == 128 * MIB
assert free(taken(64 * MIB), "cuMemFreeAsync", stream) == OK
assert cu.cuMemPoolTrimTo(pool, c_size_t(0)) == OK and left() == 128 * MIB
assert alloc(128 * MIB + 1, "cuMemAllocAsync", stream)[0] == OUT_OF_MEMORY
assert left() == 128 * MIB
""")

    def test_arrays(self):
        self.program("""
begin()
class D2(ctypes.Structure):
    _fields_ = [("w", c_size_t), ("h", c_size_t), ("f", ctypes.c_int), ("n", ctypes.c_uint)]
class D3(ctypes.Structure):
    _fields_ = [("w", c_size_t), ("h", c_size_t), ("d", c_size_t), ("f", ctypes.c_int),
                ("n", ctypes.c_uint), ("flags", ctypes.c_uint)]
FLOAT = 0x20
a = c_void_p()
flat, solid = D2(1024, 1024, FLOAT, 4), D3(64, 64, 64, FLOAT, 1, 0)
assert cu.cuArrayCreate_v2(byref(a), byref(flat)) == OK and left() == 112 * MIB
assert cu.cuArrayDestroy(a) == OK and left() == 128 * MIB
assert cu.cuArray3DCreate_v2(byref(a), byref(solid)) == OK and left() == 127 * MIB
assert cu.cuArrayDestroy(a) == OK
assert cu.cuMipmappedArrayCreate(byref(a), byref(solid), 3) == OK
assert left() == 127 * MIB - MIB // 8 - MIB // 64
assert cu.cuMipmappedArrayDestroy(a) == OK and left() == 128 * MIB
huge = D2(1 << 40, 1 << 40, FLOAT, 4)
assert cu.cuArrayCreate_v2(byref(a), byref(huge)) == OUT_OF_MEMORY and left() == 128 * MIB
""")

    def test_memory_that_the_program_maps(self):
        self.program("""
begin()
class Where(ctypes.Structure):
    _fields_ = [(n, ctypes.c_int) for n in ("type", "handles", "location", "id")]
here, host = Where(1, 0, 1, 0), Where(1, 0, 2, 0)
def create(n, where=here):
    h = c_uint64()
    return cu.cuMemCreate(byref(h), c_size_t(n), byref(where), c_uint64(0)), h
def put(at, n, h):
    return cu.cuMemMap(c_uint64(at), c_size_t(n), c_size_t(0), h, c_uint64(0))
rc, one = create(64 * MIB)
rc, two = create(32 * MIB)
assert left() == 32 * MIB and create(33 * MIB)[0] == OUT_OF_MEMORY
assert put(1 << 40, 64 * MIB, one) == OK and put((1 << 40) + 64 * MIB, 32 * MIB, two) == OK
assert cu.cuMemRelease(one) == OK and left() == 32 * MIB       # it is mapped
again = c_uint64()
assert cu.cuMemRetainAllocationHandle(byref(again), c_void_p((1 << 40) + 5)) == OK
assert again.value == one.value
assert cu.cuMemUnmap(c_uint64(1 << 40), c_size_t(96 * MIB)) == OK and left() == 32 * MIB
assert cu.cuMemRelease(again) == OK and left() == 96 * MIB
assert cu.cuMemRelease(two) == OK and left() == 128 * MIB
assert put(1 << 40, MIB, c_uint64(0)) == INVALID
""")

    def test_contexts_free_what_was_allocated_in_them(self):
        self.program("""
begin()
alloc(MIB)
context = c_void_p()
assert cu.cuCtxCreate_v2(byref(context), 0, 0) == OK
for _ in range(1000):
    assert alloc(1024)[0] == OK
assert left() == 127 * MIB - 1000 * 1024
assert cu.cuCtxDestroy_v2(context) == OK
context = begin()
assert left() == 127 * MIB
assert cu.cuDevicePrimaryCtxReset_v2(0) == OK
begin()
assert left() == 128 * MIB
""")

    def test_programs_on_one_vgpu_share_it(self):
        one = self.begun("begin(); p = alloc(100 * MIB)[1]; say('ready'); hear(); free(p)\n"
                         "say('freed'); hear()")
        self.program("begin(); assert alloc(29 * MIB)[0] == OUT_OF_MEMORY\n"
                     "assert alloc(28 * MIB)[0] == OK")
        self.assertEqual(self.world.used("a"), 100 * MIB)
        one.stdin.write("\n")
        one.stdin.flush()
        self.assertEqual(one.stdout.readline(), "freed\n")
        self.program("begin(); assert alloc(128 * MIB)[0] == OK")

    @unittest.skipIf(SANITIZED, "Python cannot load an OpenCL driver with a sanitizer")
    def test_opencl_programs_share_it(self):
        """What their sessions have as credit, and do not use, comes back when it is asked for."""
        other = self.begun("""
cl = ctypes.CDLL("libOpenCL.so.1")
cl.clCreateContext.restype = cl.clCreateBuffer.restype = c_void_p
platform, device, error = c_void_p(), c_void_p(), ctypes.c_int()
ALL, READ_WRITE = c_uint64(0xffffffff), c_uint64(1)
assert cl.clGetPlatformIDs(1, byref(platform), None) == 0
assert cl.clGetDeviceIDs(platform, ALL, 1, byref(device), None) == 0
context = c_void_p(cl.clCreateContext(None, 1, byref(device), None, None, byref(error)))
buffers = [cl.clCreateBuffer(context, READ_WRITE, c_size_t(10 * MIB), None, byref(error))
           for _ in range(10)]
assert error.value == 0
say('ready'); hear()
""")
        wait_for("buffers", lambda: self.world.used("a") == 100 * MIB)
        self.assertGreater(self.world.vgpu("a")["reserved_bytes"], 100 * MIB)
        self.program("begin(); assert alloc(28 * MIB + 1)[0] == OUT_OF_MEMORY\n"
                     "assert alloc(28 * MIB)[0] == OK and left() == 0")
        other.communicate("\n", timeout=PATIENCE_S)

    def test_a_killed_programs_memory_is_back(self):
        code = "begin(); alloc(128 * MIB); say('ready'); hear()"
        for _ in range(5):
            program = self.begun(code + "; os.abort()")
            pid = self.world.vgpu("a")["sessions"][0]["guest_pid"]
            self.assertEqual(self.world.used("a"), 128 * MIB)
            os.kill(pid, signal.SIGKILL)
            wait_for("memory of the killed", lambda: self.world.used("a") == 0)
            program.wait()
        self.program("begin(); assert alloc(128 * MIB)[0] == OK")

    def test_threads_and_processes_that_allocate_and_die(self):
        code = """
import random, threading
begin()
dice = random.Random(int(sys.argv[1]))
refused, most = 0, 0
def work(seed):
    global refused
    dice, mine = random.Random(seed), []
    context = c_void_p()
    cu.cuDevicePrimaryCtxRetain(byref(context), 0)
    cu.cuCtxSetCurrent(context)
    for _ in range(60):
        if mine and dice.random() < 0.45:
            assert free(mine.pop(dice.randrange(len(mine)))) == OK
            continue
        rc, p = alloc(dice.randrange(1, 4 * MIB))
        assert rc in (OK, OUT_OF_MEMORY)
        if rc == OK:
            mine.append(p)
threads = [threading.Thread(target=work, args=(dice.random(),)) for _ in range(4)]
[t.start() for t in threads]
if dice.random() < 0.5:
    os.kill(os.getpid(), 9)
[t.join() for t in threads]
"""
        programs = [self.world.begin("a", code, seed) for seed in range(16)]
        while any(program.poll() is None for program in programs):
            seen = self.world.vgpu("a")
            self.assertLessEqual(seen["reserved_bytes"], 128 * MIB)
            time.sleep(0.02)
        for program in programs:
            _, wrong = program.communicate(timeout=PATIENCE_S)
            self.assertIn(program.returncode, (0, 128 + 9), wrong)
        wait_for("all memory", lambda: self.world.vgpu("a")["reserved_bytes"] == 0)
        self.assertEqual(self.world.used("a"), 0)

    def test_a_child_of_fork_has_its_own(self):
        self.program("""
child = os.fork()
begin()
assert alloc(60 * MIB)[0] == OK
if not child:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""")

    def test_a_child_that_inherits_owes_nothing(self):
        self.program("""
begin()
rc, p = alloc(60 * MIB)
child = os.fork()
if not child:
    os._exit(0 if free(p) == OK and alloc(60 * MIB)[0] == OK else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert free(p) == OK
""")


class Implicit(Test):
    """What contexts take by themselves: 32 MiB each."""

    def setUp(self):
        super().setUp()
        self.world.env["FAKECUDA_CONTEXT_BYTES"] = str(32 * MIB)

    def test_contexts_are_counted_for_as_long_as_they_are_there(self):
        self.program("""
begin()
assert info() == (96 * MIB, 128 * MIB)
begin()                                     # the same one
assert alloc(10 * MIB)[0] == OK and left() == 86 * MIB
more = c_void_p()
assert cu.cuCtxCreate_v2(byref(more), 0, 0) == OK and left() == 54 * MIB
assert cu.cuCtxDestroy_v2(more) == OK
begin()
assert left() == 86 * MIB
assert cu.cuDevicePrimaryCtxReset_v2(0) == OK
begin()
assert left() == 96 * MIB and alloc(96 * MIB + 1)[0] == OUT_OF_MEMORY
assert alloc(96 * MIB)[0] == OK and left() == 0
""")
        self.assertEqual(self.world.used("a"), 0)

    def test_one_that_does_not_fit_is_not_made(self):
        other = self.begun("begin(); alloc(80 * MIB); say('ready'); hear()")
        self.program("""
context = c_void_p()
assert cu.cuInit(0) == OK
assert cu.cuDevicePrimaryCtxRetain(byref(context), 0) == OUT_OF_MEMORY
assert cu.cuCtxCreate_v2(byref(context), 0, 0) == OUT_OF_MEMORY
active, flags = ctypes.c_int(), ctypes.c_uint()
assert cu.cuDevicePrimaryCtxGetState(0, byref(flags), byref(active)) == OK and not active.value
""")
        self.assertEqual(self.world.used("a"), 112 * MIB)
        other.communicate("\n", timeout=PATIENCE_S)

    def test_without_nvml_they_are_not(self):
        self.world.env["TESSERA_NVML_DRIVER"] = "/nonexistent"
        self.program("begin(); assert info() == (128 * MIB, 128 * MIB)")


class Vgpus(Test):
    OPTIONS = ("--software-gpus", "2")

    def test_each_has_its_own_framebuffer(self):
        self.world.tessera("create", "b", "--type", "cpu-256m", "--gpu", "gpu1")
        code = """
sizes = []
for device in range(2):
    begin(device)
    sizes.append(info()[1] // MIB)
    assert alloc(info()[0])[0] == OK and alloc(1)[0] == OUT_OF_MEMORY
say(os.environ["CUDA_VISIBLE_DEVICES"], *sizes)
"""
        os.environ["FAKECUDA_DEVICES"] = "2"
        self.addCleanup(os.environ.pop, "FAKECUDA_DEVICES")
        self.world.env["FAKECUDA_DEVICES"] = "2"
        first = json.loads(self.world.tessera("show", "a", "-o", "json").stdout)["gpu"][-1]
        self.assertEqual(self.program(code, on="a,b"), f"{first},1 128 256\n")
        self.assertEqual(self.program(code, on="b,a"), f"1,{first} 256 128\n")


class Life(Test):
    HOLD = "begin(); alloc(64 * MIB); say('ready'); hear(); assert left() == 64 * MIB; alloc(MIB)"

    def test_a_program_without_a_manager_has_no_gpu_until_there_is_one(self):
        program = self.world.begin("a", "hear(); assert cu.cuInit(0) == NOT_READY; say('none')\n"
                                        "hear(); begin()\n"
                                        "assert alloc(129 * MIB)[0] == OUT_OF_MEMORY")
        wait_for("tessera run", lambda: "python" in self.words_of_child(program))
        self.world.stop()
        program.stdin.write("\n")
        program.stdin.flush()
        self.assertEqual(program.stdout.readline(), "none\n")
        self.world.start()
        _, wrong = program.communicate("\n", timeout=PATIENCE_S)
        self.assertEqual((program.returncode, wrong), (0, ""))

    @staticmethod
    def words_of_child(program):
        with contextlib.suppress(OSError):
            path = f"/proc/{program.pid}/task/{program.pid}/children"
            child = pathlib.Path(path).read_text(encoding="utf-8").split()
            return pathlib.Path(f"/proc/{child[0]}/cmdline").read_text(encoding="utf-8") \
                if child else ""
        return ""

    def test_a_program_whose_vgpu_is_gone_has_no_gpu(self):
        program = self.begun("say('ready'); hear()\n"
                             "sys.exit(0 if cu.cuInit(0) == NOT_READY else 1)")
        self.world.tessera("delete", "a")
        program.communicate("\n", timeout=PATIENCE_S)
        self.assertEqual(program.returncode, 0)

    def test_it_goes_on_without_a_manager_and_is_found_again(self):
        program = self.begun(self.HOLD + "\nsay('more'); hear()")
        self.world.stop(signal.SIGKILL)
        program.stdin.write("\n")
        program.stdin.flush()
        self.assertEqual(program.stdout.readline(), "more\n")
        self.world.start()
        seen = self.world.vgpu("a")
        self.assertEqual(seen["used_bytes"], 65 * MIB)
        self.assertEqual([(s["adopted"], s["in_process"]) for s in seen["sessions"]],
                         [(True, True)])
        program.communicate("\n", timeout=PATIENCE_S)
        self.assertEqual(program.returncode, 0)
        wait_for("its memory", lambda: self.world.used("a") == 0)

    def test_what_died_without_a_manager_is_settled(self):
        program = self.begun(self.HOLD)
        self.world.stop(signal.SIGKILL)
        program.communicate("\n", timeout=PATIENCE_S)
        self.world.start()
        self.assertEqual(self.world.used("a"), 0)

    def test_it_is_not_suspended_or_cloned(self):
        program = self.begun(self.HOLD)
        for words in (("suspend", "a"), ("clone", "a", "b")):
            done = self.world.tessera(*words, check=False)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("CUDA", done.stderr)
        program.communicate("\n", timeout=PATIENCE_S)
        self.assertEqual(program.returncode, 0)
        wait_for("its end", lambda: not self.world.vgpu("a")["sessions"])
        self.world.tessera("suspend", "a")

    def test_who_it_is(self):
        program = self.begun(self.HOLD)
        session = self.world.vgpu("a")["sessions"][0]
        self.assertTrue(session["program"].startswith("python"), session)
        self.assertEqual((session["in_process"], session["worker_pid"], session["state"]),
                         (True, None, "live"))
        program.communicate("\n", timeout=PATIENCE_S)

    def test_deleting_a_vgpu_ends_its_programs(self):
        program = self.begun(self.HOLD)
        self.world.tessera("delete", "a")
        program.wait(timeout=PATIENCE_S)
        self.assertNotEqual(program.returncode, 0)

    def test_two_hundred_come_and_go(self):
        code = "begin(); assert alloc(MIB)[0] == OK"
        for _ in range(20):
            programs = [self.world.begin("a", code) for _ in range(10)]
            for program in programs:
                _, wrong = program.communicate(timeout=PATIENCE_S)
                self.assertEqual((program.returncode, wrong), (0, ""))
        wait_for("all of them", lambda: not self.world.vgpu("a")["sessions"])
        seen = self.world.vgpu("a")
        self.assertEqual((seen["reserved_bytes"], seen["sessions_total"]), (0, 200))


class Hostile(Test):
    """A program that takes its grant by itself, and does with it what it can."""
    TAKE = """
import array, mmap, socket, struct
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.connect(os.environ["TESSERA_VGPU"] + "/cuda")
data, more, _, _ = s.recvmsg(4096, socket.CMSG_SPACE(12))
account, turns, bell = array.array("i", more[0][2])
say("ready")
hear()
def refused(call, *arguments):
    try:
        call(*arguments)
    except (OSError, ValueError):
        return True
    return False
"""

    def setUp(self):
        super().setUp()
        self.world.tessera("create", "b", "--type", "cpu-128m")

    def hostile(self, code):
        """It does it, and lives; the manager and another vGPU's programs go on."""
        program = self.begun(self.TAKE + code + "\nsay('done'); hear()", on="b")
        program.stdin.write("\n")
        program.stdin.flush()
        self.assertEqual(program.stdout.readline(), "done\n")
        for _ in range(3):
            self.world.vgpu("b")
            self.program("begin(); assert alloc(MIB)[0] == OK and info()[1] == 128 * MIB")
        self.world.kill(program)
        wait_for("its end", lambda: not self.world.vgpu("b")["sessions"])

    def test_it_cannot_write_the_turns_or_shorten_the_bell(self):
        self.hostile("""
assert refused(os.ftruncate, turns, 0) and refused(os.write, turns, b"x")
assert refused(mmap.mmap, turns, 4096)
assert refused(os.ftruncate, bell, 0) and refused(os.ftruncate, bell, 1 << 20)
os.write(bell, bytes(range(4)))
""")

    def test_an_account_that_is_cut_off_is_its_own_loss(self):
        self.hostile("os.ftruncate(account, 0)")

    def test_an_account_full_of_anything(self):
        for byte in (0, 0x7f, 0xff):
            self.hostile(f"""
at = mmap.mmap(account, 0)
at[16:] = bytes([{byte}]) * (len(at) - 16)
os.write(bell, b"anything")
""")
            self.world.tessera("delete", "b", check=False)
            self.world.tessera("create", "b", "--type", "cpu-128m", check=False)


class Nvml(Test):
    """What a program on a vGPU hears of the management library."""
    HEAD = """
nv = ctypes.CDLL("libnvidia-ml.so.1")
INSUFFICIENT_SIZE = 7
def card(index=0):
    found = c_void_p()
    assert nv.nvmlInit_v2() == OK
    assert nv.nvmlDeviceGetHandleByIndex_v2(index, byref(found)) == OK
    return found
def memory(of):
    told = (ctypes.c_ulonglong * 3)()
    assert nv.nvmlDeviceGetMemoryInfo(of, told) == OK
    return list(told)
class Process(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("bytes", ctypes.c_ulonglong)]
class ProcessV2(ctypes.Structure):
    _fields_ = [*Process._fields_, ("gi", ctypes.c_uint), ("ci", ctypes.c_uint)]
def running(of, call="nvmlDeviceGetComputeRunningProcesses_v3", kind=ProcessV2):
    room, count = 8, ctypes.c_uint(8)
    found = (kind * room)()
    assert getattr(nv, call)(of, byref(count), found) == OK
    return {p.pid: p.bytes for p in found[:count.value]}
"""

    def test_memory_is_what_cuda_says(self):
        self.program(self.HEAD + """
begin()
gpu = card()
assert memory(gpu) == [128 * MIB, 128 * MIB, 0]
assert alloc(28 * MIB)[0] == OK
assert memory(gpu) == [128 * MIB, 100 * MIB, 28 * MIB] and info() == (100 * MIB, 128 * MIB)
class V2(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint)] + [
        (n, ctypes.c_ulonglong) for n in ("total", "reserved", "free", "used")]
v2 = V2(2 << 24 | ctypes.sizeof(V2))
assert nv.nvmlDeviceGetMemoryInfo_v2(gpu, byref(v2)) == OK
assert (v2.total, v2.free, v2.used) == (128 * MIB, 100 * MIB, 28 * MIB)
assert v2.reserved + v2.free + v2.used == v2.total
v2.version = 1
assert nv.nvmlDeviceGetMemoryInfo_v2(gpu, byref(v2)) == 2
""")

    def test_processes_are_those_of_the_vgpu(self):
        other = self.begun("begin(); alloc(5 * MIB); say('ready'); hear()")
        pid = self.world.vgpu("a")["sessions"][0]["guest_pid"]
        self.program(self.HEAD + """
other = int(sys.argv[1])
gpu = card()
assert running(gpu) == {other: 5 * MIB}
begin()
alloc(MIB)
want = {other: 5 * MIB, os.getpid(): MIB}
assert running(gpu) == want
assert running(gpu, "nvmlDeviceGetComputeRunningProcesses", Process) == want
assert running(gpu, "nvmlDeviceGetGraphicsRunningProcesses_v3") == {}
count = ctypes.c_uint(1)
few = (ProcessV2 * 1)()
assert nv.nvmlDeviceGetComputeRunningProcesses_v3(gpu, byref(count), few) == INSUFFICIENT_SIZE
assert count.value == 2
class Sample(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("at", ctypes.c_ulonglong)] + [
        (n, ctypes.c_uint) for n in ("sm", "memory", "encoder", "decoder")]
samples, count = (Sample * 4)(), ctypes.c_uint(4)
assert nv.nvmlDeviceGetProcessUtilization(gpu, samples, byref(count), c_uint64(0)) == OK
assert [s.pid for s in samples[:count.value]] == [os.getpid()]
""", pid)
        other.communicate("\n", timeout=PATIENCE_S)

    def test_other_cards_are_as_they_are(self):
        self.world.env["FAKECUDA_DEVICES"] = "2"
        self.program(self.HEAD + """
assert memory(card(0)) == [128 * MIB, 128 * MIB, 0]
assert memory(card(1)) == [1024 * MIB, 768 * MIB, 256 * MIB]
assert running(card(1)) == {1: 256 * MIB}
""")

    def test_who_only_looks_takes_no_session(self):
        program = self.begun(self.HEAD + "memory(card()); say('ready'); hear()")
        self.assertEqual(self.world.vgpu("a")["sessions"], [])
        program.communicate("\n", timeout=PATIENCE_S)
        self.assertEqual(program.returncode, 0)


class Cards(Test):
    """The manager knows the card by NVML alone: there is no driver of OpenCL's."""
    OPTIONS = ("--nvml-driver", FAKE_NVML)
    TYPE = "fake0-128m"

    def test_it_is_a_gpu(self):
        gpus = json.loads(self.world.tessera("gpus", "-o", "json").stdout)
        self.assertEqual([(g["name"], g["memory_bytes"], g["pci"], g["driver"], g["cuda_device"])
                          for g in gpus["gpus"]],
                         [("gpu0", 1 << 30, "0000:01:00.0", "570.1.2", "GPU-5a5a5a5a-0000")])

    def test_programs_of_cuda_run_on_it(self):
        self.program("begin(); assert info() == (128 * MIB, 128 * MIB)")

    @unittest.skipIf(SANITIZED, "a sanitizer's OpenCL driver is not for other programs")
    def test_programs_of_opencl_do_not_and_are_told_why(self):
        done = self.world.tessera("run", "a", "--", "clinfo", check=False)
        self.assertIn("only programs of CUDA's run on it", done.stdout + done.stderr)


def make(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


class Kernel(Test):
    """The kernel accounts for the card's memory: on folders that look like its control groups."""
    TYPE = "fake0-128m"

    def setUp(self):
        self.mount = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        with open("/proc/self/cgroup", encoding="utf-8") as lines:
            own = [line[3:].strip().strip("/") for line in lines if line.startswith("0::")]
        self.group = self.mount / "unified" / "".join(own)
        make(self.group, "cgroup.subtree_control")
        (self.mount / "unified/dmem.capacity").write_text("nvidia/0000:01:00.0 1073741824\n",
                                                          encoding="utf-8")
        self.OPTIONS = ("--nvml-driver", FAKE_NVML, "--cgroup-mount", str(self.mount))
        super().setUp()

    def test_programs_are_put_where_its_limit_is(self):
        gpu, = json.loads(self.world.tessera("gpus", "-o", "json").stdout)["gpus"]
        self.assertEqual(gpu["dmem_region"], "nvidia/0000:01:00.0")
        # mkdir() makes none of the kernel's files here: they are there before a manager is.
        self.world.stop()
        groups = self.programs()
        make(groups, "cgroup.subtree_control")
        make(groups / "a", "dmem.max", "cgroup.procs")
        self.world.start()
        program = self.begun("begin(); say('ready'); hear()")
        self.assertEqual((groups / "a/dmem.max").read_text(encoding="utf-8"),
                         f"nvidia/0000:01:00.0 {128 * MIB}")
        self.assertEqual((groups / "a/cgroup.procs").read_text(encoding="utf-8"),
                         str(self.world.vgpu("a")["sessions"][0]["guest_pid"]))
        program.communicate("\n", timeout=PATIENCE_S)

    def programs(self):
        """By the runtime folder's hash (FNV-1a)."""
        number = 2166136261
        for byte in f"{self.folder}/run".encode():
            number = (number ^ byte) * 16777619 % (1 << 32)
        return self.group / f"tessera-{number:08x}-programs"


class Limits(Test):
    OPTIONS = ("--limit", "sessions=1")

    def test_one_too_many_has_no_gpu(self):
        program = self.begun("begin(); say('ready'); hear()")
        self.program("sys.exit(0 if cu.cuInit(0) == NOT_READY else 1)")
        program.communicate("\n", timeout=PATIENCE_S)


if __name__ == "__main__":
    unittest.main()
