/* SPDX-License-Identifier: MIT */
#include "common/gpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/gpu_error.h"

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
build(struct gpu *gpu, cl_device_id device)
{
    const struct gpu_program *const p = gpu->program_spec;
    const char *const options = gpu->is_cpu ? p->cpu_options : p->gpu_options;
    const char *texts[] = {p->library ? p->library : "", p->source};
    cl_int code;

    gpu->program = clCreateProgramWithSource(gpu->context, 2, texts, NULL, &code);
    gpu_check(gpu, "clCreateProgramWithSource", code);
    if (gpu_failed(gpu))
        return;
    code = clBuildProgram(gpu->program, 1, &device, options ? options : "", NULL, NULL);
    if (code)
        note_build_log(gpu, device, code);

    for (unsigned i = 0; i < p->kernel_count && !gpu_failed(gpu); i++) {
        gpu->kernels[i] = clCreateKernel(gpu->program, p->kernels[i].name, &code);
        gpu_check(gpu, "clCreateKernel", code);
    }
}

void
gpu_init(struct gpu *gpu, const struct gpu_entry *entry,
         const struct gpu_program *program)
{
    const cl_context_properties properties[] = {
        CL_CONTEXT_PLATFORM, (cl_context_properties)entry->platform, 0};
    cl_device_type type = 0;
    cl_int code;

    gpu->program_spec = program;
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

    gpu->is_cpu = type & CL_DEVICE_TYPE_CPU;
    build(gpu, entry->device);
}

void
gpu_fini(struct gpu *gpu)
{
    if (gpu->queue)
        clFinish(gpu->queue);
    for (int i = 0; i < GPU_KERNELS_MAX; i++)
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

static void
write_buffer(struct gpu *gpu, cl_mem buffer, const void *bytes, size_t size,
             cl_bool blocking)
{
    if (!gpu_failed(gpu))
        gpu_check(gpu, "clEnqueueWriteBuffer",
                  clEnqueueWriteBuffer(gpu->queue, buffer, blocking, 0, size, bytes, 0,
                                       NULL, NULL));
}

void
gpu_write(struct gpu *gpu, cl_mem buffer, const void *bytes, size_t size)
{
    write_buffer(gpu, buffer, bytes, size, CL_TRUE);
}

void
gpu_begin_write(struct gpu *gpu, cl_mem buffer, const void *bytes, size_t size)
{
    write_buffer(gpu, buffer, bytes, size, CL_FALSE);
}

void
gpu_copy(struct gpu *gpu, cl_mem buffer, size_t from, size_t to, size_t bytes)
{
    if (!gpu_failed(gpu))
        gpu_check(gpu, "clEnqueueCopyBuffer",
                  clEnqueueCopyBuffer(gpu->queue, buffer, buffer, from, to, bytes, 0,
                                      NULL, NULL));
}

static void
read_buffer(struct gpu *gpu, cl_mem buffer, void *ret_bytes, size_t size,
            cl_bool blocking)
{
    if (!gpu_failed(gpu))
        gpu_check(gpu, "clEnqueueReadBuffer",
                  clEnqueueReadBuffer(gpu->queue, buffer, blocking, 0, size, ret_bytes, 0,
                                      NULL, NULL));
}

void
gpu_read(struct gpu *gpu, cl_mem buffer, void *ret_bytes, size_t size)
{
    read_buffer(gpu, buffer, ret_bytes, size, CL_TRUE);
}

void
gpu_begin_read(struct gpu *gpu, cl_mem buffer, void *ret_bytes, size_t size)
{
    read_buffer(gpu, buffer, ret_bytes, size, CL_FALSE);
}

void
gpu_flush(struct gpu *gpu)
{
    if (!gpu_failed(gpu))
        gpu_check(gpu, "clFlush", clFlush(gpu->queue));
}

void
gpu_finish(struct gpu *gpu)
{
    if (!gpu_failed(gpu))
        gpu_check(gpu, "clFinish", clFinish(gpu->queue));
}

/* Names the kernel in the failure: gpu_check's callers know only the call. */
static void
check_kernel(struct gpu *gpu, const char *call, unsigned id, cl_int code)
{
    char text[64];

    if (!code)
        return;
    snprintf(text, sizeof text, "%s (%s)", call, gpu->program_spec->kernels[id].name);
    gpu_check(gpu, text, code);
}

void
gpu_run(struct gpu *gpu, unsigned id, size_t items, const struct gpu_arg *args,
        size_t count)
{
    const struct gpu_kernel *const k = &gpu->program_spec->kernels[id];
    const size_t local = gpu->is_cpu ? k->cpu_local : k->gpu_local;
    const size_t global = (items + local - 1) / local * local;

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
        gpu->on_compiled(gpu->on_compiled_data, ++gpu->compiled_count,
                         gpu->program_spec->kernel_count);
    }
}
