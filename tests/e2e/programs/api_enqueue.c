/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.10: running kernels. */
#include "api_use.h"

static cl_kernel place, four, task; /* set up; task: place again */

static cl_kernel
kernel_ready(struct use *u, const char *name)
{
    cl_kernel k = clCreateKernel(u->program, name, &u->rc);

    MUST(u->rc);
    MUST(clSetKernelArg(k, 0, sizeof(cl_mem), &u->buffer));
    return k;
}

static cl_int
run_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    const size_t global = 16;

    (void)u;
    return clEnqueueNDRangeKernel(q, place, 1, NULL, &global, NULL, n, w, e);
}

static cl_int
task_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueTask(q, task, n, w, e);
}

static cl_int
run(struct use *u, cl_kernel k, cl_uint dims, const size_t *offset, const size_t *global,
    const size_t *local)
{
    return clEnqueueNDRangeKernel(u->queue, k, dims, offset, global, local, 0, NULL,
                                  NULL);
}

/* Each item wrote its global id + 100 where it belongs, and nobody else anywhere. */
static bool
items_ran(struct use *u, const size_t *offset, size_t global, const size_t *local)
{
    uint32_t want[32];
    size_t at = offset ? *offset : 0;

    memset(want, 0, sizeof want);
    MUST(clEnqueueFillBuffer(u->queue, u->buffer, want, 4, 0, USE_BYTES, 0, NULL, NULL));
    for (size_t i = 0; i < global; i++)
        want[at + i] = (uint32_t)(at + i + 100);
    return run(u, place, 1, offset, &global, local) == CL_SUCCESS &&
           buffer_is(u, 0, want, sizeof want);
}

static bool
required_size_is_used(struct use *u)
{
    const uint32_t want[9] = {4, 4, 4, 4, 4, 4, 4, 4, 0};
    const size_t global = 8, local = 4;

    MUST(clEnqueueFillBuffer(u->queue, u->buffer, &want[8], 4, 0, USE_BYTES, 0, NULL,
                             NULL));
    return run(u, four, 1, NULL, &global, &local) == CL_SUCCESS &&
           buffer_is(u, 0, want, sizeof want);
}

/* A range of size 0, or none, runs nothing, and its event completes (section 5.10). */
static bool
empty_range_completes(struct use *u, const size_t *range)
{
    cl_event e = NULL;
    bool good =
        clEnqueueNDRangeKernel(u->queue, place, 1, NULL, range, NULL, 0, NULL, &e) ==
            CL_SUCCESS &&
        clWaitForEvents(1, &e) == CL_SUCCESS &&
        NUMBER(clGetEventInfo, e, CL_EVENT_COMMAND_TYPE) == CL_COMMAND_NDRANGE_KERNEL;

    return good && clReleaseEvent(e) == CL_SUCCESS;
}

static cl_int
without_arguments(struct use *u, bool as_task)
{
    const size_t global = 4;
    cl_kernel k = clCreateKernel(u->program, "place", &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = as_task ? clEnqueueTask(u->queue, k, 0, NULL, NULL)
                 : run(u, k, 1, NULL, &global, NULL);
    MUST(clReleaseKernel(k));
    return rc;
}

static void
wrong_ranges(struct use *u, const char *call)
{
    const size_t most = device_number(u, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    const size_t global[3] = {16, 1, 1}, far = SIZE_MAX - 4;
    const size_t three[3] = {3, 1, 1}, zero[3] = {0, 1, 1}, eight[3] = {8, 1, 1};
    size_t items[3] = {0}, wide[3] = {1, 1, 1}, group[3];

    WRONG(call, "no dimension", CL_INVALID_WORK_DIMENSION,
          run(u, place, 0, NULL, global, NULL));
    WRONG(call, "one dimension too many", CL_INVALID_WORK_DIMENSION,
          run(u, place, (cl_uint)device_number(u, CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS) + 1,
              NULL, global, NULL));
    WRONG_CRASHES("offset-overflow", call, "an offset whose sum overflows",
                  CL_INVALID_GLOBAL_OFFSET, run(u, place, 1, &far, global, NULL));
    if (!device_number(u, CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT))
        WRONG(call, "a range that groups do not divide", CL_INVALID_WORK_GROUP_SIZE,
              run(u, place, 1, NULL, global, three));
    WRONG_DIFFERS("group-size-zero", CL_SUCCESS, call, "groups of size 0",
                  CL_INVALID_WORK_GROUP_SIZE, run(u, place, 1, NULL, global, zero));
    WRONG(call, "groups of another than the required size", CL_INVALID_WORK_GROUP_SIZE,
          run(u, four, 1, NULL, global, eight));
    MUST(clGetDeviceInfo(u->device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof items, items,
                         NULL));
    wide[0] = items[0] + 1;
    /* A group that wide is above the group's size too, if that is no more than the items'. */
    WRONG_OR(call, "groups wider than the device's items", CL_INVALID_WORK_ITEM_SIZE,
             items[0] + 1 > most ? CL_INVALID_WORK_GROUP_SIZE : NO_STATUS,
             run(u, place, 1, NULL, wide, wide));
    group[0] = items[0] < most ? items[0] : most;
    group[1] = most / group[0] + 1;
    group[2] = 1;
    if (group[1] <= items[1])
        WRONG(call, "groups of more items than the device has",
              CL_INVALID_WORK_GROUP_SIZE, run(u, place, 2, NULL, group, group));
}

static void
wrong_kernels(struct use *u, const char *call)
{
    const size_t global = 16;

    WRONG_CRASHES("launch-without-kernel", call, "no kernel", CL_INVALID_KERNEL,
                  run(u, NULL, 1, NULL, &global, NULL));
    WRONG_KIND(call, "a kernel that is a buffer", CL_INVALID_KERNEL,
               run(u, (cl_kernel)u->buffer, 1, NULL, &global, NULL));
    WRONG(call, "an argument not set", CL_INVALID_KERNEL_ARGS,
          without_arguments(u, false));
}

/* ---- native kernels ---------------------------------------------------------------- */

struct native {
    cl_uint a, b;
};

static volatile cl_uint native_sum;

static void CL_CALLBACK
native(void *args)
{
    const struct native *n = args;

    native_sum = n->a + n->b;
}

static cl_int
native_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    struct native args = {40, 2};

    (void)u;
    return clEnqueueNativeKernel(q, native, &args, sizeof args, 0, NULL, NULL, n, w, e);
}

static cl_int
native_with(struct use *u, void(CL_CALLBACK *fn)(void *), void *args, size_t size,
            cl_uint n, const cl_mem *mems, const void **places)
{
    return clEnqueueNativeKernel(u->queue, fn, args, size, n, mems, places, 0, NULL,
                                 NULL);
}

static void
wrong_natives(struct use *u, const char *call)
{
    struct native args = {1, 2};
    const void *places[1] = {&args};
    const cl_mem wrong = (cl_mem)u->queue;

    WRONG(call, "no function", CL_INVALID_VALUE,
          native_with(u, NULL, &args, sizeof args, 0, NULL, NULL));
    WRONG(call, "a size but no arguments", CL_INVALID_VALUE,
          native_with(u, native, NULL, 8, 0, NULL, NULL));
    WRONG(call, "arguments of size 0", CL_INVALID_VALUE,
          native_with(u, native, &args, 0, 0, NULL, NULL));
    WRONG(call, "objects but no arguments", CL_INVALID_VALUE,
          native_with(u, native, NULL, 0, 1, &u->buffer, places));
    WRONG(call, "a count but no objects", CL_INVALID_VALUE,
          native_with(u, native, &args, sizeof args, 1, NULL, places));
    WRONG(call, "a count but no places", CL_INVALID_VALUE,
          native_with(u, native, &args, sizeof args, 1, &u->buffer, NULL));
    WRONG(call, "objects but no count", CL_INVALID_VALUE,
          native_with(u, native, &args, sizeof args, 0, &u->buffer, NULL));
    WRONG_KIND(call, "an object that is a queue", CL_INVALID_MEM_OBJECT,
               native_with(u, native, &args, sizeof args, 1, &wrong, places));
}

static void
natives(struct use *u)
{
    const struct enqueued e = {"clEnqueueNativeKernel",
                               native_cmd,
                               CL_COMMAND_NATIVE_KERNEL,
                               false,
                               false,
                               NULL,
                               NULL};

    if (!(device_number(u, CL_DEVICE_EXECUTION_CAPABILITIES) & CL_EXEC_NATIVE_KERNEL)) {
        REFUSED(e.entry, "native kernels are not reported", CL_INVALID_OPERATION,
                native_cmd(u, u->queue, 0, NULL, NULL));
        return;
    }
    use_enqueue(u, &e);
    RIGHT(e.entry, "it runs with a copy of its arguments",
          native_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS &&
              clFinish(u->queue) == CL_SUCCESS && native_sum == 42);
    wrong_natives(u, e.entry);
}

void
api_enqueue(struct use *u)
{
    const struct enqueued e = {
        "clEnqueueNDRangeKernel", run_cmd, CL_COMMAND_NDRANGE_KERNEL, true, false,
        "launch-wait-list",       NULL};
    const struct enqueued t = {"clEnqueueTask", task_cmd,           CL_COMMAND_TASK, true,
                               false,           "launch-wait-list", "task-type"};
    const size_t offset = 8, local = 4, none = 0;
    const uint32_t hundred = 100;

    place = kernel_ready(u, "place");
    task = kernel_ready(u, "place");
    four = kernel_ready(u, "four");
    use_enqueue(u, &e);
    RIGHT(e.entry, "every item runs once", items_ran(u, NULL, 16, NULL));
    RIGHT(e.entry, "in groups of a size, from an offset",
          items_ran(u, &offset, 16, &local));
    RIGHT(e.entry, "the required group size", required_size_is_used(u));
    RIGHT(e.entry, "a range of size 0 runs nothing", empty_range_completes(u, &none));
    RIGHT(e.entry, "no range runs nothing", empty_range_completes(u, NULL));
    wrong_kernels(u, e.entry);
    wrong_ranges(u, e.entry);
    use_enqueue(u, &t);
    RIGHT(t.entry, "it runs once",
          clEnqueueTask(u->queue, task, 0, NULL, NULL) == CL_SUCCESS &&
              buffer_is(u, 0, &hundred, sizeof hundred));
    WRONG_CRASHES("launch-without-kernel", t.entry, "no kernel", CL_INVALID_KERNEL,
                  clEnqueueTask(u->queue, NULL, 0, NULL, NULL));
    WRONG_KIND(t.entry, "a kernel that is a buffer", CL_INVALID_KERNEL,
               clEnqueueTask(u->queue, (cl_kernel)u->buffer, 0, NULL, NULL));
    WRONG(t.entry, "an argument not set", CL_INVALID_KERNEL_ARGS,
          without_arguments(u, true));
    WRONG(t.entry, "a kernel of another required size", CL_INVALID_WORK_GROUP_SIZE,
          clEnqueueTask(u->queue, four, 0, NULL, NULL));
    natives(u);
    api_launch(u);
    MUST(clFinish(u->queue));
    MUST(clReleaseKernel(place));
    MUST(clReleaseKernel(task));
    MUST(clReleaseKernel(four));
}
