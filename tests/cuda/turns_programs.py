# SPDX-License-Identifier: MIT
"""turns_programs.py - what programs of tests begin with that launch kernels."""

# A program that launches: one(stream) is a kernel of 50 us, long(stream) one of 20 ms.
LAUNCHER = """
import time
cu.cuStreamCreate.argtypes = [c_void_p, ctypes.c_uint]
context = begin()
module, f, g = c_void_p(), c_void_p(), c_void_p()
assert cu.cuModuleLoad(byref(module), sys.argv[1].encode()) == OK
assert cu.cuModuleGetFunction(byref(f), module, b"short_one") == OK
assert cu.cuModuleGetFunction(byref(g), module, b"long_one") == OK
ok, at = alloc(8)
assert ok == OK and cu.cuMemsetD8_v2(at, 0, c_size_t(8)) == OK
params = (c_void_p * 1)(ctypes.cast(byref(at), c_void_p))
def launch(kernel, stream=None):
    return cu.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, stream, params, None)
def one(stream=None):
    assert launch(f, stream) == OK
def long(stream=None):
    assert launch(g, stream) == OK
def ran():
    n = c_uint64()
    assert cu.cuMemcpyDtoH_v2(byref(n), at, c_size_t(8)) == OK
    return n.value
def step():
    for _ in range(20):
        one()
    assert cu.cuCtxSynchronize() == OK
def work(seconds):
    n, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        step()
        n += 20
    return n
def stream():
    s = c_void_p()
    assert cu.cuStreamCreate(byref(s), 1) == OK
    return s
"""
