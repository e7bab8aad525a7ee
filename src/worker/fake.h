/* SPDX-License-Identifier: MIT */
/*
 * A small OpenCL 3.0 driver inside the process: one platform with one device, for tests
 * that need a device but neither a compiler nor a GPU. Enqueues are asynchronous: each
 * queue has an executor thread of its own, started by its first command.
 *
 * Kernels are C functions known by name; a program's source only says which of them it
 * holds (every name after `kernel void`). A name that is not listed does nothing:
 *
 *     add(global const float *a, global const float *b, global float *out)
 *     fill(global uint *p, uint value)          scale(global float *p, float factor)
 *     copy(global const uint *src, global uint *dst)
 *     groups(global uint *out, local uint *scratch)    out[i] = i's work-group
 *     spin(uint microseconds)                   keeps its queue busy so long, per launch
 *     null_kernel()    hang() never ends        crash() raises SIGSEGV
 *
 * Kernels look at get_global_id(0) alone; accesses past a buffer are dropped. A
 * source with #error in it does not build. A binary is the source behind a magic word.
 * clGetKernelArgInfo answers where the build had -cl-kernel-arg-info. As in real drivers
 * an argument does not keep its buffer alive: only a command that was enqueued does.
 *
 * Callbacks of commands run in the executor thread, those of user events in the thread
 * that sets the status, and at once in the caller where the status is reached already.
 * Entries of the dispatch table that have no use here (images, samplers, pipes, SVM,
 * sharing, compile and link) are NULL.
 *
 * Faults on demand: TESSERA_FAKE_FAULT, words with commas between, read by fake_driver():
 *
 *     alloc:N      the Nth creation of a buffer from then on fails with
 *                  CL_MEM_OBJECT_ALLOCATION_FAILURE
 *     enqueue:N    the Nth enqueue from then on fails with CL_OUT_OF_RESOURCES
 *     build:N      the Nth build from then on fails with CL_BUILD_PROGRAM_FAILURE, and its log
 *                  tells no reason
 *     slow:USEC    every command takes at least so long
 *     late:USEC    a command that is complete keeps its buffers for so long, as real drivers
 *                  do for a moment
 */
#ifndef TESSERA_WORKER_FAKE_H
#define TESSERA_WORKER_FAKE_H

#include <CL/cl_icd.h>

/*
 * The driver's table, valid for ever, with its only platform and device. Every call reads
 * the faults anew and counts from the beginning; NULL if their text makes no sense.
 */
const struct _cl_icd_dispatch *fake_driver(cl_platform_id *ret_platform,
                                           cl_device_id *ret_device);

#endif
