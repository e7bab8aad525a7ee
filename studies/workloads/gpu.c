/* SPDX-License-Identifier: MIT */
#include "gpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu_error.h"
#include "kernel_source.h"

/*
 * Work-group sizes. A CPU runs the items of a group one after another, so the heavy
 * items of a product come in small groups: enough groups for every core.
 */
static const struct {
    const char *name;
    size_t cpu_local, gpu_local;
} kernel_table[KERNEL_COUNT] = {
    [KERNEL_GEMM] = {"gemm", 8, 64},
    [KERNEL_GEMM_TN] = {"gemm_tn", 8, 64},
    [KERNEL_SUM_COLUMNS] = {"sum_columns", 32, 64},
    [KERNEL_SUM_PARTS] = {"sum_parts", 64, 64},
    [KERNEL_TRANSPOSE] = {"transpose", 8, 64},
    [KERNEL_GATHER] = {"gather", 64, 64},
    [KERNEL_IM2COL] = {"im2col", 64, 64},
    [KERNEL_COL2IM] = {"col2im", 64, 64},
    [KERNEL_POOL] = {"pool", 64, 64},
    [KERNEL_POOL_GRAD] = {"pool_grad", 64, 64},
    [KERNEL_RELU_GRAD] = {"relu_grad", 64, 64},
    [KERNEL_DROPOUT] = {"dropout", 64, 64},
    [KERNEL_SOFTMAX_LOSS] = {"softmax_loss", 16, 64},
    [KERNEL_ADAM] = {"adam", 64, 64},
};

bool
gpu_failed(const struct gpu *gpu)
{
    return gpu->failure.text[0];
}

void
gpu_check(struct gpu *gpu, const char *call, cl_int code)
{
    if (code)
        failure_set(&gpu->failure, -EIO, "%s: %s", call, gpu_error_name(code));
}

static void
note_build_log(struct gpu *gpu, cl_device_id device, cl_int code)
{
    size_t size = 0;
    char *log;

    clGetProgramBuildInfo(gpu->program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    log = calloc(1, size + 1);
    if (log)
        clGetProgramBuildInfo(gpu->program, device, CL_PROGRAM_BUILD_LOG, size, log,
                              NULL);
    failure_set(&gpu->failure, -EIO, "clBuildProgram: %s%s%s", gpu_error_name(code),
                size > 1 ? "\n" : "", log ? log : "");
    free(log);
}

static void
build(struct gpu *gpu, cl_device_id device, bool cpu)
{
    const char *source = kernel_source;
    char options[64];
    cl_int code;

    gpu->program = clCreateProgramWithSource(gpu->context, 1, &source, NULL, &code);
    gpu_check(gpu, "clCreateProgramWithSource", code);
    if (gpu_failed(gpu))
        return;

    snprintf(options, sizeof options, "-cl-mad-enable -DTM=%d -DTN=%d", gpu->tile_m,
             gpu->tile_n);
    code = clBuildProgram(gpu->program, 1, &device, options, NULL, NULL);
    if (code)
        note_build_log(gpu, device, code);

    for (int i = 0; i < KERNEL_COUNT && !gpu_failed(gpu); i++) {
        gpu->kernels[i] = clCreateKernel(gpu->program, kernel_table[i].name, &code);
        gpu_check(gpu, "clCreateKernel", code);
        gpu->local[i] = cpu ? kernel_table[i].cpu_local : kernel_table[i].gpu_local;
    }
}

void
gpu_init(struct gpu *gpu, const struct gpu_entry *entry)
{
    const cl_context_properties properties[] = {
        CL_CONTEXT_PLATFORM, (cl_context_properties)entry->platform, 0};
    cl_device_type type = 0;
    cl_int code;

    gpu_check(gpu, "clGetDeviceInfo",
              clGetDeviceInfo(entry->device, CL_DEVICE_TYPE, sizeof type, &type, NULL));
    gpu->context = clCreateContext(properties, 1, &entry->device, NULL, NULL, &code);
    gpu_check(gpu, "clCreateContext", code);
    if (gpu_failed(gpu))
        return;
    gpu->queue = clCreateCommandQueue(gpu->context, entry->device, 0, &code);
    gpu_check(gpu, "clCreateCommandQueue", code);
    if (gpu_failed(gpu))
        return;

    /* A CPU wants whole vector registers in a row, a GPU many small items. */
    gpu->tile_m = type & CL_DEVICE_TYPE_CPU ? 8 : 4;
    gpu->tile_n = type & CL_DEVICE_TYPE_CPU ? 16 : 4;
    build(gpu, entry->device, type & CL_DEVICE_TYPE_CPU);
}

void
gpu_fini(struct gpu *gpu)
{
    if (gpu->queue)
        clFinish(gpu->queue);
    for (int i = 0; i < KERNEL_COUNT; i++)
        if (gpu->kernels[i])
            clReleaseKernel(gpu->kernels[i]);
    if (gpu->program)
        clReleaseProgram(gpu->program);
    if (gpu->queue)
        clReleaseCommandQueue(gpu->queue);
    if (gpu->context)
        clReleaseContext(gpu->context);
}

cl_mem
gpu_alloc(struct gpu *gpu, size_t bytes)
{
    cl_mem buffer;
    cl_int code;

    if (gpu_failed(gpu))
        return NULL;
    buffer = clCreateBuffer(gpu->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    gpu_check(gpu, "clCreateBuffer", code);
    if (code)
        return NULL;
    gpu->allocated_bytes += bytes;
    gpu_zero(gpu, buffer, bytes);
    return buffer;
}

void
gpu_release(cl_mem *buffer)
{
    if (*buffer)
        clReleaseMemObject(*buffer);
    *buffer = NULL;
}

void
gpu_zero(struct gpu *gpu, cl_mem buffer, size_t bytes)
{
    const cl_uchar zero = 0;

    if (!gpu_failed(gpu))
        gpu_check(gpu, "clEnqueueFillBuffer",
                  clEnqueueFillBuffer(gpu->queue, buffer, &zero, sizeof zero, 0, bytes, 0,
                                      NULL, NULL));
}

void
gpu_write(struct gpu *gpu, cl_mem buffer, const void *bytes, size_t size)
{
    if (!gpu_failed(gpu))
        gpu_check(gpu, "clEnqueueWriteBuffer",
                  clEnqueueWriteBuffer(gpu->queue, buffer, CL_TRUE, 0, size, bytes, 0,
                                       NULL, NULL));
}

void
gpu_read(struct gpu *gpu, cl_mem buffer, void *ret_bytes, size_t size)
{
    if (!gpu_failed(gpu))
        gpu_check(gpu, "clEnqueueReadBuffer",
                  clEnqueueReadBuffer(gpu->queue, buffer, CL_TRUE, 0, size, ret_bytes, 0,
                                      NULL, NULL));
}

void
gpu_finish(struct gpu *gpu)
{
    if (!gpu_failed(gpu))
        gpu_check(gpu, "clFinish", clFinish(gpu->queue));
}

/* Names the kernel in the failure: gpu_check's callers know only the call. */
static void
check_kernel(struct gpu *gpu, const char *call, enum kernel_id id, cl_int code)
{
    char text[64];

    if (!code)
        return;
    snprintf(text, sizeof text, "%s (%s)", call, kernel_table[id].name);
    gpu_check(gpu, text, code);
}

void
gpu_run(struct gpu *gpu, enum kernel_id id, size_t items, const struct gpu_arg *args,
        size_t count)
{
    const size_t local = gpu->local[id];
    const size_t global = local ? (items + local - 1) / local * local : 0;

    for (cl_uint i = 0; i < count && !gpu_failed(gpu); i++)
        check_kernel(gpu, "clSetKernelArg", id,
                     clSetKernelArg(gpu->kernels[id], i, args[i].size, &args[i].mem));
    if (gpu_failed(gpu))
        return;
    check_kernel(gpu, "clEnqueueNDRangeKernel", id,
                 clEnqueueNDRangeKernel(gpu->queue, gpu->kernels[id], 1, NULL, &global,
                                        &local, 0, NULL, NULL));

    if (gpu->on_compiled && !gpu->compiled[id]) {
        gpu_finish(gpu);
        gpu->compiled[id] = true;
        gpu->on_compiled(gpu->on_compiled_data, ++gpu->compiled_count, KERNEL_COUNT);
    }
}
