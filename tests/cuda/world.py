# SPDX-License-Identifier: MIT
"""world.py - a manager, vGPUs and CUDA's programs on them, for tests with the arguments BUILD
FAKE-DRIVER FAKE-NVML.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD, FAKE, FAKE_NVML = map(os.path.abspath, sys.argv[1:4])
del sys.argv[1:4]
TESSERA, MANAGER = f"{BUILD}/tessera", f"{BUILD}/tesserad"
PATIENCE_S = 20
# A sanitizer must be in the program from its start, and Python has none.
SANITIZED = any(word in pathlib.Path(BUILD, "libtessera-opencl.so").read_bytes()
                for word in (b"__asan_init", b"__tsan_init"))
MIB = 1 << 20

# What each program below begins with. say() tells the test, hear() waits for it.
HEAD = """
import ctypes, os, sys
from ctypes import byref, c_size_t, c_uint64, c_void_p
MIB = 1 << 20
OK, INVALID, OUT_OF_MEMORY, NOT_READY = 0, 1, 2, 802
cu = ctypes.CDLL("libcuda.so.1")
def say(*words):
    print(*words, flush=True)
def hear():
    return sys.stdin.readline().strip()
def begin(device=0):
    assert cu.cuInit(0) == OK
    context = c_void_p()
    assert cu.cuDevicePrimaryCtxRetain(byref(context), device) == OK
    assert cu.cuCtxSetCurrent(context) == OK
    return context
def alloc(n, call="cuMemAlloc_v2", *more):
    p = c_uint64()
    return getattr(cu, call)(byref(p), c_size_t(n), *more), p
def free(p, call="cuMemFree_v2", *more):
    return getattr(cu, call)(p, *more)
def info():
    left, total = c_size_t(), c_size_t()
    assert cu.cuMemGetInfo_v2(byref(left), byref(total)) == OK
    return left.value, total.value
def left():
    return info()[0]
"""


def wait_for(what, told):
    end = time.monotonic() + PATIENCE_S
    while not told():
        if time.monotonic() > end:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.01)


class World:
    """A manager, its vGPUs, and programs; all of it ends with the test."""

    def __init__(self, folder, *options):
        self.folder, self.options, self.manager = folder, options, None
        self.env = {key: value for key, value in os.environ.items() if "CUDA" not in key}
        self.env |= {"TESSERA_RUNTIME_DIR": f"{folder}/run", "TESSERA_NO_START": "1",
                     "TESSERA_STATE_DIR": f"{folder}/state", "PYTHONDONTWRITEBYTECODE": "1",
                     "TESSERA_NVML_DRIVER": FAKE_NVML,
                     "FAKECUDA_CONTEXT_BYTES": "0"}
        self.log = open(f"{folder}/log", "ab")  # pylint: disable=consider-using-with
        self.programs, self.helpers = [], set()

    def start(self):
        # pylint: disable-next=consider-using-with
        self.manager = subprocess.Popen(
            [MANAGER, "--backend", "fake", "--software-memory", "1g", "--cuda-driver", FAKE,
             *self.options], env=self.env, stdout=self.log, stderr=self.log)
        wait_for("the manager", lambda: self.tessera("gpus", check=False).returncode == 0)

    def stop(self, number=signal.SIGTERM):
        if self.manager:
            self.manager.send_signal(number)
            self.manager.wait()
            self.manager = None

    def end(self):
        for program in self.programs:
            self.kill(program)
        self.stop()
        self.log.close()

    @staticmethod
    def kill(program):
        """And what it has started: `tessera run` is a process of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate()

    def tessera(self, *words, check=True):
        return subprocess.run([TESSERA, *map(str, words)], env=self.env, text=True, check=check,
                              timeout=PATIENCE_S, capture_output=True)

    def later(self, *words):
        """The same without waiting for it."""
        # pylint: disable-next=consider-using-with
        asked = subprocess.Popen([TESSERA, *words], env=self.env, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.programs.append(asked)
        return asked

    def children(self):
        """Of the manager: helpers of the driver's that are at work."""
        found = subprocess.run(["pgrep", "-P", str(self.manager.pid), "-f", "checkpoint"],
                               text=True, check=False, capture_output=True).stdout
        self.helpers |= {int(word) for word in found.split()}
        return self.helpers

    def end_children(self):
        for helper in self.helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(helper, signal.SIGKILL)
        self.helpers = set()

    def vgpu(self, name):
        return json.loads(self.tessera("show", name, "-o", "json").stdout)

    def used(self, name):
        return self.vgpu(name)["used_bytes"]

    def begin(self, vgpus, code, *arguments):
        # pylint: disable-next=consider-using-with
        program = subprocess.Popen(
            [TESSERA, "run", vgpus, "--", sys.executable, "-c", HEAD + code,
             *map(str, arguments)], env=self.env, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.programs.append(program)
        return program


class Test(unittest.TestCase):
    OPTIONS = ()
    TYPE = "cpu-128m"

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory()) \
            if hasattr(self, "enterContext") else self.folder_until_the_end()
        self.world = World(self.folder, *self.OPTIONS)
        self.addCleanup(self.world.end)
        self.world.start()
        self.world.tessera("create", "a", "--type", self.TYPE)

    def folder_until_the_end(self):
        made = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(made.cleanup)
        return made.name

    def program(self, code, *arguments, on="a"):
        """Runs it to its end, which must be a good one."""
        program = self.world.begin(on, code, *arguments)
        said, wrong = program.communicate(timeout=PATIENCE_S)
        self.assertEqual((program.returncode, wrong), (0, ""))
        return said

    def begun(self, code, *arguments, on="a"):
        """Runs it until it says that it is ready."""
        program = self.world.begin(on, code, *arguments)
        if program.stdout.readline() != "ready\n":
            self.fail(self.why(program))
        return program

    @staticmethod
    def why(program):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return program.communicate(timeout=1)[1]
        return "it says nothing"
