#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""front.py API-FOLDER FRONT FAKE ECHO KERNELS VECTOR NVML FAKE-NVML: Tessera's libraries in front
of CUDA's driver and of NVML.

Each export and each look-up with it and without it must come to the same; programs compute alike.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

API, FRONT, FAKE, ECHO, KERNELS, VECTOR, NVML, FAKE_NVML = map(os.path.abspath, sys.argv[1:9])
del sys.argv[1:9]
sys.path.insert(0, API)
sys.dont_write_bytecode = True
import generate_front  # noqa: E402

ENTRIES = generate_front.read((pathlib.Path(API) / "cuda.txt").read_text(encoding="utf-8"))
BASES = sorted({re.sub(r"(_v\d)?(_pt[sd][sz])?$", "", name) for name in ENTRIES})
LATER = ["cuOfALaterDriver"]
VERSIONS = (1000, 2000, 3020, 11000, 12000, 13000)
FLAGS = (0, 1, 2, 3)
STUB_LIBRARY, NOT_SUPPORTED = 34, 801
# What a look-up gives of Tessera's own functions: where it has one for each name of a role.
ROLES_WHOLE = ("look", "report", "submit", "capture")
OWN = {name for name, role in ENTRIES.items() if role in ROLES_WHOLE} | {
    "cuMemAlloc", "cuMemAlloc_v2", "cuMemAllocPitch", "cuMemAllocPitch_v2", "cuMemAllocManaged",
    "cuMemAllocAsync", "cuMemAllocAsync_ptsz", "cuMemAllocFromPoolAsync",
    "cuMemAllocFromPoolAsync_ptsz", "cuMemPoolTrimTo", "cuMemPoolDestroy", "cuMemFree",
    "cuMemFree_v2", "cuMemFreeAsync",
    "cuMemFreeAsync_ptsz", "cuMemCreate", "cuMemRelease", "cuMemMap", "cuMemUnmap",
    "cuMemRetainAllocationHandle", "cuArrayCreate", "cuArrayCreate_v2", "cuArray3DCreate",
    "cuArray3DCreate_v2", "cuArrayDestroy", "cuMipmappedArrayCreate", "cuMipmappedArrayDestroy",
    "cuInit", "cuCtxCreate", "cuCtxCreate_v2", "cuCtxCreate_v3", "cuCtxCreate_v4",
    "cuCtxSetLimit", "cuModuleLoad", "cuModuleLoadData", "cuModuleLoadDataEx",
    "cuModuleLoadFatBinary", "cuModuleUnload", "cuLibraryLoadData", "cuLibraryLoadFromFile",
    "cuLibraryUnload", "cuCtxDestroy", "cuCtxDestroy_v2", "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxReset",
    "cuDevicePrimaryCtxReset_v2", "cuCtxDetach", "cuGreenCtxDestroy",
    "cuMemAllocHost", "cuMemAllocHost_v2", "cuMemHostAlloc", "cuMemHostRegister",
    "cuMemHostRegister_v2", "cuMemFreeHost", "cuMemHostUnregister", "cuMemPoolCreate",
    "cuGraphInstantiate", "cuGraphInstantiate_v2", "cuGraphInstantiateWithFlags",
    "cuGraphInstantiateWithParams", "cuGraphInstantiateWithParams_ptsz", "cuGraphUpload",
    "cuGraphUpload_ptsz", "cuGraphExecDestroy", "cuDeviceGraphMemTrim",
    "cuMemGetDefaultMemPool", "cuMemGetMemPool"}


def symbols(path, *options):
    said = subprocess.run(["nm", "-D", *options, path], text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    return {line.split()[-1].split("@")[0] for line in said.splitlines()}


def exports(path):
    return {name for name in symbols(path, "--defined-only") if not name.startswith("_")}


def run(words, driver=FAKE, front=FRONT, **environment):
    """As tessera run will: the front is found as libcuda.so.1, and is told where the driver is."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(front, f"{folder}/libcuda.so.1")
        env = {key: value for key, value in os.environ.items() if "CUDA" not in key}
        env |= {"LD_LIBRARY_PATH": folder, "TESSERA_CUDA_DRIVER": driver or "", **environment}
        return subprocess.run(list(map(str, words)), env=env, text=True, timeout=60, check=False,
                              capture_output=True)


class In:
    """Code that runs in a process of its own, which has the front loaded as `front` and the driver
    as `driver`."""
    HEAD = ("import ctypes, os, sys\nfront = ctypes.CDLL('libcuda.so.1')\n"
            "driver = ctypes.CDLL(os.environ['TESSERA_CUDA_DRIVER'])\n")

    @staticmethod
    def process(code, **options):
        return run([sys.executable, "-c", In.HEAD + code], **options)


class Exports(unittest.TestCase):
    def test_they_are_those_of_the_description(self):
        self.assertEqual(exports(FRONT), set(ENTRIES))

    def test_the_fake_has_them_all(self):
        self.assertEqual(exports(FAKE) - set(ENTRIES), {"cuOfALaterDriver", "cuOfALaterDriver_v2",
                                                        "fake_used_bytes", "fake_trims"})
        self.assertEqual(set(ENTRIES) - exports(FAKE), set())

    def test_it_answers_to_the_drivers_name(self):
        said = subprocess.run(["readelf", "-d", FRONT], text=True, check=True,
                              stdout=subprocess.PIPE).stdout
        self.assertIn("soname: [libcuda.so.1]", said)

    def test_it_takes_nothing_that_prints_ends_or_begins_by_itself(self):
        taken = symbols(FRONT, "--undefined-only")
        for name in ("printf", "fprintf", "puts", "perror", "syslog", "exit", "_exit", "abort",
                     "atexit", "pthread_atfork", "signal", "sigaction"):
            self.assertNotIn(name, taken)

    def test_the_description(self):
        self.assertGreater(len(ENTRIES), 637)
        for name in ("cuMemAlloc_v2", "cuMemcpyHtoDAsync_v2_ptsz", "cuCtxCreate_v4"):
            self.assertIn(name, ENTRIES)
        for wrong in ("cuInit", "[nobody]", "[pass]\ncuInit cuInit", "[pass]\ncuInit/2x",
                      "[pass]\nprintf", "[submit]\ncuLaunch", "[submit]\ncuLaunch:1,-,2,mine"):
            with self.assertRaises(generate_front.Wrong):
                generate_front.read(wrong)


class Arguments(unittest.TestCase):
    def test_all_arrive_at_the_first_call_and_later(self):
        done = In.process("""
for _ in range(3):
    a = [ctypes.c_void_p(7)] + [ctypes.c_uint(i) for i in range(1, 8)]
    a += [ctypes.c_void_p(i) for i in (8, 9, 10)]
    assert front.cuLaunchKernel(*a) == driver.cuLaunchKernel(*a) != 0
    f = [ctypes.c_void_p(1), ctypes.c_int(2), ctypes.c_float(3.5)]
    assert front.cuParamSetf(*f) == driver.cuParamSetf(*f) == 6
    d = [ctypes.c_double(i + 1) for i in range(9)]
    assert front.cuEventElapsedTime(*d) == driver.cuEventElapsedTime(*d) == 285
assert front.cuInit(41) == 42
""", driver=ECHO)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_what_the_driver_has_not_is_not_supported(self):
        done = In.process("sys.exit(0 if {front.cuMemAlloc_v2(None, 1), "
                          f"front.cuGetProcAddress_v2(0, 0, 0, 0, 0)}} == {{{NOT_SUPPORTED}}} "
                          "else 1)", driver=ECHO)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_without_a_driver_each_call_says_so(self):
        for driver in ("", "/nonexistent/libcuda.so.1", "libcuda.so.1", FRONT, KERNELS):
            done = run([sys.executable, "-c",
                        "import ctypes, sys; f = ctypes.CDLL('libcuda.so.1'); "
                        "sys.exit(f.cuInit(0) if f.cuInit(0) == f.cuMemFree_v2(0) else 1)"],
                       driver=driver)
            self.assertEqual((done.returncode, done.stderr, done.stdout), (STUB_LIBRARY, "", ""))

    def test_threads_that_come_together(self):
        done = In.process("""
import threading
names = %r
wrong = []
gate = threading.Barrier(16)
def call():
    gate.wait()
    for name in names:
        if getattr(front, name)(41) != getattr(driver, name)(41):
            wrong.append(name)
threads = [threading.Thread(target=call) for _ in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
sys.exit(len(wrong))
""" % ["cuInit"], driver=ECHO)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_fork_goes_on(self):
        done = In.process("""
assert front.cuInit(0) == 0
child = os.fork()
n = ctypes.c_int()
ok = front.cuInit(0) == 0 and front.cuDeviceGetCount(ctypes.byref(n)) == 0 and n.value == 1
if not child:
    os._exit(0 if ok else 1)
assert ok and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


LOOK_UPS = """
import json
def all_of(library, symbol, version, flags, v2):
    found, status = ctypes.c_void_p(1), ctypes.c_int(-1)
    arguments = [symbol.encode() if symbol is not None else None, ctypes.byref(found), version,
                 ctypes.c_uint64(flags)]
    if v2:
        result = library.cuGetProcAddress_v2(*arguments, ctypes.byref(status))
    else:
        result = library.cuGetProcAddress(*arguments)
    return result, status.value, found.value
def address(library, name):
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value
names, bases, versions, flags = json.loads(sys.argv[1])
of = {}
for name in names:
    of.setdefault(address(driver, name), set()).add(name)
wrong, ours = [], set()
for symbol in bases:
    for version in versions:
        for flag in flags:
            for v2 in (False, True):
                one = all_of(front, symbol, version, flag, v2)
                other = all_of(driver, symbol, version, flag, v2)
                if one[:2] != other[:2]:
                    wrong.append((symbol, version, flag, one, other))
                elif one[2] != other[2]:
                    ours |= {n for n in of[other[2]]}
json.dump([wrong, sorted(ours)], sys.stdout)
"""


class LookUps(unittest.TestCase):
    def compared(self):
        names = sorted(exports(FAKE))
        asked = json.dumps([names, BASES + LATER + ["", "cuNone", "cuInit_v2"], VERSIONS, FLAGS])
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(In.HEAD + LOOK_UPS)
            file.flush()
            done = run([sys.executable, file.name, asked])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def test_each_name_version_and_flag(self):
        wrong, ours = self.compared()
        self.assertEqual(wrong, [])
        self.assertEqual(set(ours), OWN)

    def test_bad_arguments_are_the_drivers_to_refuse(self):
        done = In.process("""
found = ctypes.c_void_p()
for f in (front, driver):
    assert f.cuGetProcAddress_v2(None, ctypes.byref(found), 12000, ctypes.c_uint64(0), None) == 1
    assert f.cuGetProcAddress_v2(b"cuInit", None, 12000, ctypes.c_uint64(0), None) == 1
""")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_who_is_found_is_looked_through_again(self):
        done = In.process("""
get = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int,
                       ctypes.c_uint64, ctypes.POINTER(ctypes.c_int))
def ask(f, symbol):
    found, status = ctypes.c_void_p(), ctypes.c_int()
    assert f(symbol, ctypes.byref(found), 13000, ctypes.c_uint64(0), ctypes.byref(status)) == 0
    return found.value
first = ask(front.cuGetProcAddress_v2, b"cuGetProcAddress")
second = ask(get(first), b"cuGetProcAddress")
assert first == second != ask(driver.cuGetProcAddress_v2, b"cuGetProcAddress")
assert ask(get(second), b"cuCtxGetFlags") == ask(driver.cuGetProcAddress_v2, b"cuCtxGetFlags")
""")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_what_no_description_has_falls_through(self):
        done = In.process("""
found, value = ctypes.c_void_p(), ctypes.c_int()
assert front.cuGetProcAddress(b"cuOfALaterDriver", ctypes.byref(found), 13000,
                              ctypes.c_uint64(0)) == 0
f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int))(found.value)
assert f(ctypes.byref(value)) == 0 and value.value == 2
""")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_private_tables_are_the_drivers_own(self):
        done = In.process("""
id, one, other = (ctypes.c_char * 16)(), ctypes.c_void_p(), ctypes.c_void_p()
assert front.cuGetExportTable(ctypes.byref(one), id) == 0
assert driver.cuGetExportTable(ctypes.byref(other), id) == 0
assert one.value == other.value != None
""")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Programs(unittest.TestCase):
    def native(self, words, **environment):
        return run(words, driver=None, front=FAKE, **environment)

    def test_vectors_are_added_alike(self):
        native = self.native([VECTOR, KERNELS, 1000])
        done = run([VECTOR, KERNELS, 1000])
        for each in (native, done):
            self.assertEqual((each.returncode, each.stderr), (0, ""))
        # 1000 * 999, of which each is added to itself; 12,000 bytes are copied.
        self.assertTrue(native.stdout.startswith("sum 999000.0, 0.0512 ms"), native.stdout)
        self.assertEqual(done.stdout, native.stdout)

    def test_out_of_memory_is_the_drivers(self):
        for start in (run, self.native):
            done = start([VECTOR, KERNELS, 1 << 20], FAKECUDA_MEMORY=str(40 << 20))
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr.rstrip().endswith(": 2"), done.stderr)

    def test_faults_are_the_drivers(self):
        for fault, code in (("cuLaunchKernel:1:700", 700), ("cuMemAlloc_v2:2:2", 2),
                            ("cuInit:1:100", 100)):
            done = run([VECTOR, KERNELS], FAKECUDA_FAULT=fault)
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr.rstrip().endswith(f": {code}"), done.stderr)


class Nvml(unittest.TestCase):
    NAMES = generate_front.read((pathlib.Path(API) / "nvml.txt").read_text(encoding="utf-8"))

    def python(self, code, driver):
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(NVML, f"{folder}/libnvidia-ml.so.1")
            env = {**os.environ, "LD_LIBRARY_PATH": folder, "TESSERA_NVML_DRIVER": driver}
            done = subprocess.run([sys.executable, "-c", "import ctypes\n"
                                   "f = ctypes.CDLL('libnvidia-ml.so.1')\n"
                                   "f.nvmlErrorString.restype = ctypes.c_char_p\n" + code],
                                  env=env, text=True, timeout=60, check=False,
                                  capture_output=True)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", ""))

    def test_exports(self):
        self.assertEqual(exports(NVML), set(self.NAMES))
        self.assertEqual(exports(FAKE_NVML), set(self.NAMES))
        self.assertGreater(len(self.NAMES), 382)

    def test_without_a_driver_each_call_says_so(self):
        self.python("assert f.nvmlInit_v2() == f.nvmlDeviceGetMemoryInfo(None, None) == 12\n"
                    "assert b'not there' in f.nvmlErrorString(12)", "/nonexistent")

    def test_calls_are_the_drivers_where_there_is_no_vgpu(self):
        self.python("""
assert f.nvmlInit_v2() == 0 and f.nvmlErrorString(0) == b"fine"
card, memory = ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()
assert f.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(card)) == 0
assert f.nvmlDeviceGetMemoryInfo(card, memory) == 0
assert [n >> 20 for n in memory] == [1024, 768, 256]
assert f.nvmlDeviceGetSerial(card, None, 0) == 13
""", FAKE_NVML)


if __name__ == "__main__":
    unittest.main()
