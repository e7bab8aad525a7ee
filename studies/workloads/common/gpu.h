/* SPDX-License-Identifier: MIT */
/*
 * gpu.h - one OpenCL device: found, opened, given buffers and kernels to run.
 *
 * Errors stick: the first call that fails is noted with its name, later ones do
 * nothing, and the caller asks gpu_failed() once, when it matters. All calls come from
 * one thread; the queue is in order.
 */
#ifndef WORKLOADS_GPU_H
#define WORKLOADS_GPU_H

#include <CL/cl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"

/*
 * A kernel and its work-group sizes. A CPU runs the items of a group one after another,
 * so heavy items want small groups there: enough groups for every core.
 */
struct gpu_kernel {
    const char *name;
    size_t cpu_local, gpu_local;
};

enum { GPU_KERNELS_MAX = 32 };

/* What a program runs on the device: its source, and the kernels by their number. */
struct gpu_program {
    const char *library; /* source that comes before it, or NULL */
    const char *source;
    const struct gpu_kernel *kernels;
    unsigned kernel_count;                 /* at most GPU_KERNELS_MAX */
    const char *cpu_options, *gpu_options; /* clBuildProgram's; NULL: none */
};

/* A device of any platform, in the order in which OpenCL lists them. */
struct gpu_entry {
    cl_platform_id platform;
    cl_device_id device;
    unsigned platform_index, index; /* index: within its platform */
    char platform_name[128], device_name[128];
};

enum { GPU_ENTRIES_MAX = 64 };

/* Returns how many there are, at most max, or a negative errno when there is none. */
int gpu_list(struct gpu_entry *entries, int max, struct failure *why);

/*
 * Finds the device that the words mean: NULL the first, "N" the Nth of all,
 * "PLATFORM:N" the Nth of a platform, given by index or by a part of its name.
 */
int gpu_find(struct gpu_entry *ret_entry, const char *words, struct failure *why);

/* Of several such words with commas between them. Returns how many, at most max. */
int gpu_find_all(struct gpu_entry *ret_entries, int max, const char *words,
                 struct failure *why);

struct gpu {
    const struct gpu_program *program_spec; /* borrowed */
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernels[GPU_KERNELS_MAX];
    bool is_cpu;
    uint64_t allocated_bytes;
    struct failure failure;

    /*
     * While set, each first run of a kernel is waited for and told: many OpenCL
     * implementations finish compiling only then.
     */
    void (*on_compiled)(void *data, unsigned done, unsigned count);
    void *on_compiled_data;
    bool compiled[GPU_KERNELS_MAX];
    unsigned compiled_count;
};

/* Opens the device and builds the kernels. Always to be followed by gpu_fini. */
void gpu_init(struct gpu *gpu, const struct gpu_entry *entry,
              const struct gpu_program *program);

/* Waits for the queue and releases everything but the buffers. */
void gpu_fini(struct gpu *gpu);

bool gpu_failed(const struct gpu *gpu);

/* Notes that the call returned code (CL_SUCCESS: nothing happens). */
void gpu_check(struct gpu *gpu, const char *call, cl_int code);

/* A buffer of that many bytes, zeroed; NULL after a failure. */
cl_mem gpu_alloc(struct gpu *gpu, size_t bytes);
void gpu_release(cl_mem *buffer); /* accepts NULL in *buffer, leaves NULL */

void gpu_zero(struct gpu *gpu, cl_mem buffer, size_t bytes);

/* Blocks until the bytes are copied. */
void gpu_write(struct gpu *gpu, cl_mem buffer, const void *bytes, size_t size);

/* Within a buffer: bytes from one place to another, which do not overlap. */
void gpu_copy(struct gpu *gpu, cl_mem buffer, size_t from, size_t to, size_t bytes);

/* Blocks until all before it is done and the bytes are here. */
void gpu_read(struct gpu *gpu, cl_mem buffer, void *ret_bytes, size_t size);

/*
 * Begin the same: the bytes are copied when gpu_finish has returned, and belong to the device until
 * then.
 */
void gpu_begin_write(struct gpu *gpu, cl_mem buffer, const void *bytes, size_t size);
void gpu_begin_read(struct gpu *gpu, cl_mem buffer, void *ret_bytes, size_t size);

/* What was queued begins, though nobody waits for it. */
void gpu_flush(struct gpu *gpu);

/* Blocks until the queue is empty. */
void gpu_finish(struct gpu *gpu);

struct gpu_arg {
    size_t size;
    union {
        cl_mem mem;
        cl_int number;
        cl_uint bits;
        cl_float real;
    };
};

#define ARG_MEM(value) ((struct gpu_arg){.size = sizeof(cl_mem), .mem = (value)})
#define ARG_INT(value) ((struct gpu_arg){.size = sizeof(cl_int), .number = (value)})
#define ARG_BITS(value) ((struct gpu_arg){.size = sizeof(cl_uint), .bits = (value)})
#define ARG_REAL(value) ((struct gpu_arg){.size = sizeof(cl_float), .real = (value)})

/*
 * Queues the kernel of that number for that many work-items:
 * GPU_RUN(gpu, id, items, ARG_..., ...).
 */
#define GPU_RUN(gpu, id, items, ...)                                                     \
    gpu_run(gpu, id, (size_t)(items), (const struct gpu_arg[]){__VA_ARGS__},             \
            sizeof((const struct gpu_arg[]){__VA_ARGS__}) / sizeof(struct gpu_arg))

void gpu_run(struct gpu *gpu, unsigned id, size_t items, const struct gpu_arg *args,
             size_t count);

#endif
