#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What programs with pyopencl usually do, checked against numpy; prints one line for each."""

import numpy as np
import pyopencl as cl
import pyopencl.array as cla
from pyopencl.algorithm import RadixSort, copy_if
from pyopencl.bitonic_sort import BitonicSort
from pyopencl.elementwise import ElementwiseKernel
from pyopencl.reduction import ReductionKernel
from pyopencl.scan import GenericScanKernel

WORDS = 50000


def add_two(context, queue, a, b):
    flags = cl.mem_flags
    a_device = cl.Buffer(context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=a)
    b_device = cl.Buffer(context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=b)
    out_device = cl.Buffer(context, flags.WRITE_ONLY, a.nbytes)
    program = cl.Program(context, """
        kernel void add(global const float *a, global const float *b, global float *out)
        { size_t i = get_global_id(0); out[i] = a[i] + b[i]; }""").build()
    program.add(queue, a.shape, None, a_device, b_device, out_device)
    out = np.empty_like(a)
    cl.enqueue_copy(queue, out, out_device)
    assert np.array_equal(out, a + b)
    print("two arrays added")


def arrays(queue, a, b):
    x, y = cla.to_device(queue, a), cla.to_device(queue, b)
    assert np.allclose((2 * x + y * y - 1).get(), 2 * a + b * b - 1)
    assert np.array_equal(x[100:200].get(), a[100:200])
    assert np.isclose(cla.sum(x).get(), a.sum(), rtol=1e-4)
    assert cla.max(y).get() == b.max()
    z = cla.zeros(queue, 1000, np.int32)
    z.fill(7)
    assert np.array_equal(z.get(), np.full(1000, 7, np.int32))
    assert np.array_equal(cla.arange(queue, 0, 99, dtype=np.int32).get(), np.arange(99))
    print("arrays")


def kernels(context, queue, a, b):
    x, y = cla.to_device(queue, a), cla.to_device(queue, b)
    out = cla.empty_like(x)
    ElementwiseKernel(context, "float k, const float *x, const float *y, float *out",
                      "out[i] = k * x[i] + y[i]")(np.float32(3), x, y, out)
    assert np.allclose(out.get(), 3 * a + b)
    dot = ReductionKernel(context, np.float32, neutral="0", reduce_expr="a + b",
                          map_expr="x[i] * y[i]",
                          arguments="__global const float *x, __global const float *y")
    assert np.isclose(dot(x, y).get(), a.dot(b), rtol=1e-4)
    print("elementwise and reduction")


def scan(context, queue):
    numbers = np.arange(WORDS, dtype=np.int32) % 17
    x = cla.to_device(queue, numbers)
    GenericScanKernel(context, np.int32, arguments="__global int *x", input_expr="x[i]",
                      scan_expr="a + b", neutral="0",
                      output_statement="x[i] = item;")(x)
    assert np.array_equal(x.get(), np.cumsum(numbers))
    print("scan")


def sorting(context, queue):
    numbers = np.random.default_rng(2).integers(0, 1 << 16, 4096, dtype=np.uint32)
    x = cla.to_device(queue, numbers)
    (by_digits,), _ = RadixSort(context, "unsigned *x", key_expr="x[i]",
                                sort_arg_names=["x"], key_dtype=np.uint32)(x, key_bits=16)
    assert np.array_equal(by_digits.get(), np.sort(numbers))
    by_pairs, _ = BitonicSort(context)(x)
    assert np.array_equal(by_pairs.get(), np.sort(numbers))
    some, count, _ = copy_if(cla.to_device(queue, numbers), "ary[i] < 1000")
    assert np.array_equal(some.get()[:int(count.get())], numbers[numbers < 1000])
    print("sorting")


def images(context, queue):
    picture = np.random.default_rng(3).integers(0, 256, (48, 80, 4), dtype=np.uint8)
    source = cl.image_from_array(context, picture, 4)
    shape = (80, 48)
    target = cl.Image(context, cl.mem_flags.WRITE_ONLY,
                      cl.ImageFormat(cl.channel_order.RGBA, cl.channel_type.UNSIGNED_INT8),
                      shape=shape)
    nearest = cl.Sampler(context, False, cl.addressing_mode.CLAMP_TO_EDGE,
                         cl.filter_mode.NEAREST)
    program = cl.Program(context, """
        kernel void turn(read_only image2d_t from, write_only image2d_t to, sampler_t s)
        {
            int2 at = (int2)(get_global_id(0), get_global_id(1));
            int2 size = get_image_dim(from);
            write_imageui(to, at, 255 - read_imageui(from, s, size - 1 - at));
        }""").build()
    program.turn(queue, shape, None, source, target, nearest)
    got = np.empty_like(picture)
    cl.enqueue_copy(queue, got, target, origin=(0, 0), region=shape)
    assert np.array_equal(got, 255 - picture[::-1, ::-1])
    flat = cl.Buffer(context, cl.mem_flags.READ_WRITE, picture.nbytes)
    cl.enqueue_copy(queue, flat, target, offset=0, origin=(0, 0), region=shape)
    cl.enqueue_copy(queue, picture, flat)
    assert np.array_equal(got, picture)
    mapped, _ = cl.enqueue_map_image(queue, target, cl.map_flags.READ, (8, 4), (16, 16),
                                     (16, 16, 4), np.uint8, strides=(320, 4, 1))[:2]
    assert np.array_equal(mapped, got[4:20, 8:24])
    print("images")


def main():
    context = cl.Context(cl.get_platforms()[0].get_devices())
    queue = cl.CommandQueue(context)
    random = np.random.default_rng(1)
    a = random.random(WORDS, dtype=np.float32)
    b = random.random(WORDS, dtype=np.float32)
    add_two(context, queue, a, b)
    arrays(queue, a, b)
    kernels(context, queue, a, b)
    scan(context, queue)
    sorting(context, queue)
    images(context, queue)


if __name__ == "__main__":
    main()
