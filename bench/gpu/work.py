#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""work.py NAME: a program that uses CUDA, and knows nothing of Tessera.

It says "ready ITS-VERSION", or "no REASON" and ends. Then for each line N on stdin it works N
steps, waits for the GPU, and says how many seconds that took; for "oom": what an allocation beyond
the memory comes to, after which it works on.
"""

import ctypes
import sys
import time

MIB = 1 << 20


class Left(Exception):
    """It cannot be run here, and why."""


class Driver:
    """Fills 4 MiB, 64 times a step, by the driver API alone."""

    def __init__(self):
        try:
            self.cu = ctypes.CDLL("libcuda.so.1")
        except OSError as why:
            raise Left(f"no CUDA driver: {why}") from why
        if self.cu.cuInit(0) != 0:
            raise Left("the CUDA driver does not begin")
        version, context = ctypes.c_int(), ctypes.c_void_p()
        self.cu.cuDriverGetVersion(ctypes.byref(version))
        self.version = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
        if self.cu.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) != 0:
            raise Left("the CUDA driver has no context for us")
        self.cu.cuCtxSetCurrent(context)
        self.at = ctypes.c_uint64()
        if self.cu.cuMemAlloc_v2(ctypes.byref(self.at), ctypes.c_size_t(4 * MIB)) != 0:
            raise Left("the GPU has no 4 MiB left")

    def step(self):
        for _ in range(64):
            self.cu.cuMemsetD32Async(self.at, 7, ctypes.c_size_t(MIB), None)

    def wait(self):
        if self.cu.cuCtxSynchronize() != 0:
            sys.exit("the driver says that something went wrong")

    def oom(self):
        total, left = ctypes.c_size_t(), ctypes.c_size_t()
        self.cu.cuMemGetInfo_v2(ctypes.byref(left), ctypes.byref(total))
        at = ctypes.c_uint64()
        code = self.cu.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(left.value + MIB))
        return f"CUDA_ERROR_OUT_OF_MEMORY of {total.value}" if code == 2 else f"code {code}"


class Torch:
    """What the torch programs share."""

    def __init__(self):
        try:
            import torch  # pylint: disable=import-outside-toplevel
        except ImportError as why:
            raise Left(f"no PyTorch: {why}") from why
        if not torch.cuda.is_available():
            raise Left("PyTorch finds no GPU")
        self.torch = torch
        self.version = f"PyTorch {torch.__version__}"
        torch.manual_seed(1)
        self.build()

    def build(self):
        raise NotImplementedError

    def wait(self):
        self.torch.cuda.synchronize()

    def oom(self):
        free, total = self.torch.cuda.mem_get_info()
        try:
            self.torch.empty(free + 64 * MIB, dtype=self.torch.uint8, device="cuda")
        except self.torch.cuda.OutOfMemoryError as why:
            return f"torch.cuda.OutOfMemoryError of {total}: {str(why).splitlines()[0]}"
        return "it was allocated"


class Cnn(Torch):
    """A step of training of a small convolutional net, batch 256."""

    def build(self):
        nn = self.torch.nn
        self.net = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 128, 3, stride=2, padding=1),
            nn.ReLU(), nn.Conv2d(128, 128, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(128 * 64, 10)).cuda()
        self.best = self.torch.optim.SGD(self.net.parameters(), lr=0.01)
        self.x = self.torch.randn(256, 3, 32, 32, device="cuda")
        self.y = self.torch.randint(0, 10, (256,), device="cuda")

    def step(self):
        self.best.zero_grad(set_to_none=True)
        self.torch.nn.functional.cross_entropy(self.net(self.x), self.y).backward()
        self.best.step()


class Transformer(Torch):
    """A step of training of a transformer of 4 layers, 32 sequences of 128."""

    def build(self):
        nn = self.torch.nn
        layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True)
        self.net = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False).cuda()
        self.best = self.torch.optim.AdamW(self.net.parameters())
        self.x = self.torch.randn(32, 128, 256, device="cuda")

    def step(self):
        self.best.zero_grad(set_to_none=True)
        self.net(self.x).square().mean().backward()
        self.best.step()


class Bully(Torch):
    """Kernels of about 20 ms, one after the other."""

    def build(self):
        rate = getattr(self.torch.cuda.get_device_properties(0), "clock_rate", 1500000)
        self.cycles = int(rate * 20)  # kHz by ms

    def step(self):
        self.torch.cuda._sleep(self.cycles)  # pylint: disable=protected-access


class Jax:
    """A product of two 2048 x 2048 matrices, compiled."""

    def __init__(self):
        try:
            import jax  # pylint: disable=import-outside-toplevel
            devices = jax.devices("gpu")
        except (ImportError, RuntimeError) as why:
            raise Left(f"no JAX on a GPU: {str(why).splitlines()[0]}") from why
        self.version = f"JAX {jax.__version__}"
        self.x = jax.device_put(jax.numpy.ones((2048, 2048)), devices[0])
        self.product = jax.jit(lambda a: a @ a / 2048)

    def step(self):
        self.x = self.product(self.x)

    def wait(self):
        self.x.block_until_ready()


class Cupy:
    """A product of two 2048 x 2048 matrices, and its sum."""

    def __init__(self):
        try:
            import cupy  # pylint: disable=import-outside-toplevel
            cupy.cuda.runtime.getDeviceCount()
        except Exception as why:  # pylint: disable=broad-exception-caught
            raise Left(f"no CuPy on a GPU: {str(why).splitlines()[0]}") from why
        self.cupy = cupy
        self.version = f"CuPy {cupy.__version__}"
        self.x = cupy.ones((2048, 2048), dtype=cupy.float32)

    def step(self):
        (self.x @ self.x).sum()

    def wait(self):
        self.cupy.cuda.Stream.null.synchronize()


WORK = {"driver": Driver, "cnn": Cnn, "transformer": Transformer, "jax": Jax, "cupy": Cupy,
        "bully": Bully}


def main():
    try:
        work = WORK[sys.argv[1]]()
        for _ in range(3):  # what is compiled and loaded at first
            work.step()
        work.wait()
    except Left as why:
        print("no", why, flush=True)
        return
    print("ready", work.version, flush=True)
    for line in sys.stdin:
        if line.strip() == "oom":
            said = work.oom()
            work.step()
            work.wait()
            print(said, flush=True)
            continue
        begin = time.perf_counter()
        for _ in range(int(line)):
            work.step()
        work.wait()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
