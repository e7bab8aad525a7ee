/* SPDX-License-Identifier: MIT */
/*
 * What a device need not have: shared virtual memory (section 5.6), pipes (5.4), queues on the
 * device (5.1), sharing with graphics (extensions). Reported, it must work; else each call
 * answers what section 4.2's appendix on optional features says.
 */
#include "api_use.h"

#include <stdio.h>

static cl_kernel place;

/* ---- 5.6 shared virtual memory: the device has it ---------------------------------- */

static uint32_t *svm; /* 64 bytes, shared */

static bool
svm_runs(struct use *u)
{
    const uint32_t seven = 7, zero = 0;
    const size_t global = 4;
    bool good;

    good =
        clEnqueueSVMMemFill(u->queue, svm, &seven, 4, 64, 0, NULL, NULL) == CL_SUCCESS &&
        clEnqueueSVMMemcpy(u->queue, CL_TRUE, svm + 8, svm, 16, 0, NULL, NULL) ==
            CL_SUCCESS &&
        clSetKernelArgSVMPointer(place, 0, svm) == CL_SUCCESS &&
        clSetKernelExecInfo(place, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof svm, &svm) ==
            CL_SUCCESS &&
        clEnqueueNDRangeKernel(u->queue, place, 1, NULL, &global, NULL, 0, NULL, NULL) ==
            CL_SUCCESS &&
        clEnqueueSVMMap(u->queue, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, svm, 64, 0, NULL,
                        NULL) == CL_SUCCESS &&
        svm[0] == 100 && svm[3] == 103 && svm[4] == 7 && svm[8] == 7;
    svm[0] = zero;
    return good && clEnqueueSVMUnmap(u->queue, svm, 0, NULL, NULL) == CL_SUCCESS &&
           clEnqueueSVMMigrateMem(u->queue, 1, (const void **)&svm, NULL, 0, 0, NULL,
                                  NULL) == CL_SUCCESS &&
           clFinish(u->queue) == CL_SUCCESS;
}

static void CL_CALLBACK
svm_free_later(cl_command_queue q, cl_uint n, void **pointers, void *user_data)
{
    (void)q;
    for (cl_uint i = 0; i < n; i++)
        clSVMFree(*(cl_context *)user_data, pointers[i]);
}

static bool
svm_is_freed(struct use *u)
{
    void *p = clSVMAlloc(u->context, CL_MEM_READ_WRITE, 64, 0), *q;
    bool good =
        p && clEnqueueSVMFree(u->queue, 1, &p, NULL, NULL, 0, NULL, NULL) == CL_SUCCESS;

    q = clSVMAlloc(u->context, CL_MEM_READ_WRITE, 64, 0);
    return good && q &&
           clEnqueueSVMFree(u->queue, 1, &q, svm_free_later, &u->context, 0, NULL,
                            NULL) == CL_SUCCESS &&
           clFinish(u->queue) == CL_SUCCESS;
}

static cl_int
alloc(cl_context c, cl_svm_mem_flags flags, size_t size, cl_uint align)
{
    void *p = clSVMAlloc(c, flags, size, align);

    clSVMFree(c, p);
    return p ? CL_SUCCESS : CL_MEM_OBJECT_ALLOCATION_FAILURE;
}

/* The call returns no status, only NULL. */
static void
svm_allocation(struct use *u)
{
    const cl_int null = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    const size_t most = device_number(u, CL_DEVICE_MAX_MEM_ALLOC_SIZE);

    RIGHT("clSVMAlloc", "memory of the asked alignment", svm && (uintptr_t)svm % 64 == 0);
    WRONG("clSVMAlloc", "no context: NULL", null, alloc(NULL, 0, 64, 0));
    WRONG("clSVMAlloc", "size 0: NULL", null, alloc(u->context, 0, 0, 0));
    WRONG_DIFFERS("svm-flags", CL_SUCCESS, "clSVMAlloc", "a flag that there is not: NULL",
                  null, alloc(u->context, 1 << 25, 64, 0));
    WRONG("clSVMAlloc", "above the largest allocation: NULL", null,
          alloc(u->context, 0, most + 1, 0));
    WRONG("clSVMAlloc", "an alignment that is no power of two: NULL", null,
          alloc(u->context, 0, 64, 3));
    RIGHT("clSVMFree", "nothing is freed of NULL", (clSVMFree(u->context, NULL), true));
    WRONG("clSVMFree", "no context: nothing happens", CL_SUCCESS,
          (clSVMFree(NULL, NULL), CL_SUCCESS));
}

static cl_int
svm_fill(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueSVMMemFill(q, svm, "abcd", 4, 64, n, w, e);
}

static cl_int
svm_copy(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueSVMMemcpy(q, CL_FALSE, svm, svm + 8, 16, n, w, e);
}

static cl_int
svm_map(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueSVMMap(q, CL_FALSE, CL_MAP_READ, svm, 64, n, w, e);
}

static cl_int
svm_unmap(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueSVMUnmap(q, svm, n, w, e);
}

static cl_int
svm_migrate(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueSVMMigrateMem(q, 1, (const void **)&svm, NULL, 0, n, w, e);
}

static cl_int
svm_free(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    void *p = svm;

    return clEnqueueSVMFree(q, 1, &p, svm_free_later, &u->context, n, w, e);
}

static const struct {
    const char *entry;
    enqueue_fn enqueue;
} svm_commands[] = {
    {"clEnqueueSVMMemFill", svm_fill},
    {"clEnqueueSVMMemcpy", svm_copy},
    {"clEnqueueSVMMap", svm_map},
    {"clEnqueueSVMUnmap", svm_unmap},
    {"clEnqueueSVMMigrateMem", svm_migrate},
    {"clEnqueueSVMFree", svm_free},
};

#define N_SVM_COMMANDS (sizeof svm_commands / sizeof *svm_commands)

static void
wrong_svm_commands(struct use *u)
{
    cl_command_queue q = u->queue;
    const void *at = svm;

    for (size_t i = 0; i < N_SVM_COMMANDS; i++) {
        WRONG(svm_commands[i].entry, "no queue", CL_INVALID_COMMAND_QUEUE,
              svm_commands[i].enqueue(u, NULL, 0, NULL, NULL));
        WRONG(svm_commands[i].entry, "a count but no wait list",
              CL_INVALID_EVENT_WAIT_LIST, svm_commands[i].enqueue(u, q, 1, NULL, NULL));
        WRONG(svm_commands[i].entry, "a wait list holding another context's event",
              CL_INVALID_CONTEXT,
              svm_commands[i].enqueue(u, q, 1, &u->other_event, NULL));
    }
    WRONG("clEnqueueSVMMemFill", "no memory", CL_INVALID_VALUE,
          clEnqueueSVMMemFill(q, NULL, "abcd", 4, 64, 0, NULL, NULL));
    WRONG_CRASHES("svm-fill-without-pattern", "clEnqueueSVMMemFill", "no pattern",
                  CL_INVALID_VALUE,
                  clEnqueueSVMMemFill(q, svm, NULL, 4, 64, 0, NULL, NULL));
    WRONG("clEnqueueSVMMemFill", "a pattern of three bytes", CL_INVALID_VALUE,
          clEnqueueSVMMemFill(q, svm, "abc", 3, 63, 0, NULL, NULL));
    WRONG("clEnqueueSVMMemFill", "a size between patterns", CL_INVALID_VALUE,
          clEnqueueSVMMemFill(q, svm, "abcd", 4, 62, 0, NULL, NULL));
    WRONG("clEnqueueSVMMemcpy", "no destination", CL_INVALID_VALUE,
          clEnqueueSVMMemcpy(q, CL_TRUE, NULL, svm, 16, 0, NULL, NULL));
    WRONG("clEnqueueSVMMemcpy", "no source", CL_INVALID_VALUE,
          clEnqueueSVMMemcpy(q, CL_TRUE, svm, NULL, 16, 0, NULL, NULL));
    WRONG("clEnqueueSVMMemcpy", "overlapping", CL_MEM_COPY_OVERLAP,
          clEnqueueSVMMemcpy(q, CL_TRUE, svm, svm + 1, 16, 0, NULL, NULL));
    WRONG("clEnqueueSVMMap", "no memory", CL_INVALID_VALUE,
          clEnqueueSVMMap(q, CL_TRUE, CL_MAP_READ, NULL, 64, 0, NULL, NULL));
    WRONG("clEnqueueSVMMap", "size 0", CL_INVALID_VALUE,
          clEnqueueSVMMap(q, CL_TRUE, CL_MAP_READ, svm, 0, 0, NULL, NULL));
    WRONG("clEnqueueSVMUnmap", "no memory", CL_INVALID_VALUE,
          clEnqueueSVMUnmap(q, NULL, 0, NULL, NULL));
    WRONG("clEnqueueSVMMigrateMem", "no pointers", CL_INVALID_VALUE,
          clEnqueueSVMMigrateMem(q, 0, &at, NULL, 0, 0, NULL, NULL));
    WRONG("clEnqueueSVMMigrateMem", "no list", CL_INVALID_VALUE,
          clEnqueueSVMMigrateMem(q, 1, NULL, NULL, 0, 0, NULL, NULL));
    WRONG("clEnqueueSVMFree", "a count but no pointers", CL_INVALID_VALUE,
          clEnqueueSVMFree(q, 1, NULL, NULL, NULL, 0, NULL, NULL));
}

static void
svm_works(struct use *u)
{
    svm = clSVMAlloc(u->context, CL_MEM_READ_WRITE, 64, 64);
    svm_allocation(u);
    for (size_t i = 0; i + 1 < N_SVM_COMMANDS; i++)
        RIGHT(svm_commands[i].entry, "filled, copied, mapped, moved, by kernels too",
              svm_runs(u));
    RIGHT("clSetKernelArgSVMPointer", "the kernel writes there", svm_runs(u));
    RIGHT("clSetKernelExecInfo", "the kernel may follow pointers", svm_runs(u));
    RIGHT("clEnqueueSVMFree", "with a callback and without", svm_is_freed(u));
    wrong_svm_commands(u);
    WRONG("clSetKernelArgSVMPointer", "no kernel", CL_INVALID_KERNEL,
          clSetKernelArgSVMPointer(NULL, 0, svm));
    WRONG("clSetKernelArgSVMPointer", "an argument that there is not",
          CL_INVALID_ARG_INDEX, clSetKernelArgSVMPointer(place, 1, svm));
    WRONG("clSetKernelExecInfo", "no kernel", CL_INVALID_KERNEL,
          clSetKernelExecInfo(NULL, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof svm, &svm));
    WRONG_DIFFERS("exec-info", CL_SUCCESS, "clSetKernelExecInfo",
                  "a parameter that there is not", CL_INVALID_VALUE,
                  clSetKernelExecInfo(place, 0x7ffffff0, sizeof svm, &svm));
    WRONG_DIFFERS(
        "exec-info", CL_SUCCESS, "clSetKernelExecInfo", "no value", CL_INVALID_VALUE,
        clSetKernelExecInfo(place, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof svm, NULL));
    WRONG_DIFFERS(
        "exec-info", CL_SUCCESS, "clSetKernelExecInfo", "a size that the value has not",
        CL_INVALID_VALUE,
        clSetKernelExecInfo(place, CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM, 1, &svm));
    clSVMFree(u->context, svm);
}

/* ---- 5.6 shared virtual memory: the device has it not ------------------------------ */

static void
svm_refused(struct use *u)
{
    static uint32_t memory[16];
    const void *at = memory;

    svm = memory;
    REFUSED("clSVMAlloc", "not reported: NULL", CL_MEM_OBJECT_ALLOCATION_FAILURE,
            alloc(u->context, CL_MEM_READ_WRITE, 64, 0));
    REFUSED("clSVMFree", "there is nothing to free", CL_SUCCESS,
            (clSVMFree(u->context, NULL), CL_SUCCESS));
    for (size_t i = 0; i < N_SVM_COMMANDS; i++)
        REFUSED(svm_commands[i].entry, "not reported", CL_INVALID_OPERATION,
                svm_commands[i].enqueue(u, u->queue, 0, NULL, NULL));
    REFUSED("clSetKernelArgSVMPointer", "not reported", CL_INVALID_OPERATION,
            clSetKernelArgSVMPointer(place, 0, memory));
    REFUSED("clSetKernelExecInfo", "not reported", CL_INVALID_OPERATION,
            clSetKernelExecInfo(place, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof at, &at));
}

/* ---- 5.4 pipes --------------------------------------------------------------------- */

static cl_int
pipe_of(struct use *u, cl_context c, cl_mem_flags flags, cl_uint packet, cl_uint packets)
{
    return NEW(u, clCreatePipe(c, flags, packet, packets, NULL, &u->rc));
}

static bool
pipe_tells(struct use *u)
{
    cl_mem p = clCreatePipe(u->context, 0, 16, 8, NULL, &u->rc);
    bool good = p && NUMBER(clGetPipeInfo, p, CL_PIPE_PACKET_SIZE) == 16 &&
                NUMBER(clGetPipeInfo, p, CL_PIPE_MAX_PACKETS) == 8;

    return p && clReleaseMemObject(p) == CL_SUCCESS && good;
}

static void
pipes(struct use *u)
{
    cl_uint v;

    if (device_number(u, CL_DEVICE_PIPE_SUPPORT)) {
        RIGHT("clCreatePipe", "it tells its packets", pipe_tells(u));
        RIGHT("clGetPipeInfo", "packets, as made", pipe_tells(u));
        WRONG("clCreatePipe", "packets of size 0", CL_INVALID_PIPE_SIZE,
              pipe_of(u, u->context, 0, 0, 8));
        WRONG("clCreatePipe", "no packets", CL_INVALID_PIPE_SIZE,
              pipe_of(u, u->context, 0, 16, 0));
        WRONG("clCreatePipe", "a flag that pipes have not", CL_INVALID_VALUE,
              pipe_of(u, u->context, CL_MEM_READ_ONLY, 16, 8));
    } else {
        REFUSED("clCreatePipe", "pipes are not reported", CL_INVALID_OPERATION,
                pipe_of(u, u->context, 0, 16, 8));
    }
    WRONG("clCreatePipe", "no context", CL_INVALID_CONTEXT, pipe_of(u, NULL, 0, 16, 8));
    /* Nothing is a pipe; the query has no error of its own for that. */
    WRONG_KIND("clGetPipeInfo", "a pipe that is a buffer", CL_INVALID_MEM_OBJECT,
               clGetPipeInfo(u->buffer, CL_PIPE_PACKET_SIZE, sizeof v, &v, NULL));
    REFUSED("clGetPipeInfo", "no pipe", CL_INVALID_MEM_OBJECT,
            clGetPipeInfo(NULL, CL_PIPE_PACKET_SIZE, sizeof v, &v, NULL));
}

/* ---- 5.1 queues on the device ------------------------------------------------------ */

static void
device_queues(struct use *u)
{
    const cl_device_device_enqueue_capabilities replaceable =
        CL_DEVICE_QUEUE_REPLACEABLE_DEFAULT;
    const char *const call = "clSetDefaultDeviceCommandQueue";

    if (!(device_number(u, CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES) & replaceable)) {
        REFUSED(call, "a replaceable default is not reported", CL_INVALID_OPERATION,
                clSetDefaultDeviceCommandQueue(u->context, u->device, u->queue));
        return;
    }
    WRONG(call, "a queue on the host", CL_INVALID_COMMAND_QUEUE,
          clSetDefaultDeviceCommandQueue(u->context, u->device, u->queue));
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          clSetDefaultDeviceCommandQueue(NULL, u->device, u->queue));
    WRONG(call, "no device", CL_INVALID_DEVICE,
          clSetDefaultDeviceCommandQueue(u->context, NULL, u->queue));
}

void
api_refused(struct use *u)
{
    place = clCreateKernel(u->program, "place", &u->rc);
    MUST(u->rc);
    if (device_number(u, CL_DEVICE_SVM_CAPABILITIES))
        svm_works(u);
    else
        svm_refused(u);
    MUST(clReleaseKernel(place));
    pipes(u);
    device_queues(u);
    api_graphics(u);
}
