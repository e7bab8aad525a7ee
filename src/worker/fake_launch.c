/* SPDX-License-Identifier: MIT */
/* Kernel launches of the fake driver: the range and the arguments, checked and copied. */
#include "worker/fake_internal.h"

#include <string.h>

static void
launch_run(struct fake_command *c)
{
    const struct fake_launch *l = &c->u.launch;

    if (l->global[0] && l->global[1] && l->global[2])
        l->code->run(l);
}

static cl_int
local_check(cl_uint dim, const size_t *global, const size_t *local)
{
    size_t items = 1;

    for (cl_uint i = 0; i < dim; i++) {
        if (local[i] > FAKE_MAX_GROUP_SIZE)
            return CL_INVALID_WORK_ITEM_SIZE;
        if (local[i] == 0 || global[i] % local[i])
            return CL_INVALID_WORK_GROUP_SIZE;
        items *= local[i];
    }
    return items > FAKE_MAX_GROUP_SIZE ? CL_INVALID_WORK_GROUP_SIZE : CL_SUCCESS;
}

/* Without a local size of its own a launch gets the largest power of two up to 64. */
static size_t
local_default(size_t global)
{
    size_t n = 64;

    while (global % n)
        n /= 2;
    return n;
}

static cl_int
range_read(struct fake_launch *l, cl_uint dim, const size_t *offset, const size_t *global,
           const size_t *local)
{
    static const size_t nothing[3] = {0, 0, 0};
    cl_int err;

    if (dim < 1 || dim > 3)
        return CL_INVALID_WORK_DIMENSION;
    if (!global)
        global = nothing;
    err = local ? local_check(dim, global, local) : CL_SUCCESS;
    if (err)
        return err;
    for (cl_uint i = 0; i < 3; i++) {
        size_t end;

        l->global[i] = i < dim ? global[i] : 1;
        l->offset[i] = i < dim && offset ? offset[i] : 0;
        l->local[i] = local && i < dim ? local[i] : 1;
        if (__builtin_add_overflow(l->offset[i], l->global[i], &end))
            return CL_INVALID_GLOBAL_OFFSET;
    }
    if (!local)
        l->local[0] = local_default(l->global[0]);
    return CL_SUCCESS;
}

static cl_int
args_read(struct fake_launch *l, cl_kernel k)
{
    l->code = k->code;
    pthread_mutex_lock(&fake_lock);
    memcpy(l->args, k->args, sizeof(l->args));
    pthread_mutex_unlock(&fake_lock);
    for (cl_uint i = 0; i < l->code->num_params; i++) {
        if (!l->args[i].set)
            return CL_INVALID_KERNEL_ARGS;
    }
    return CL_SUCCESS;
}

static cl_int
launch_check(cl_command_queue q, cl_kernel k)
{
    if (!fake_is(q, FAKE_QUEUE))
        return CL_INVALID_COMMAND_QUEUE;
    if (!fake_is(k, FAKE_KERNEL))
        return CL_INVALID_KERNEL;
    return k->program->context == q->context ? CL_SUCCESS : CL_INVALID_CONTEXT;
}

cl_int
fake_launch_read(struct fake_launch *l, cl_command_queue q, cl_kernel k, cl_uint dim,
                 const size_t *sizes[3])
{
    cl_int err = launch_check(q, k);

    if (!err)
        err = range_read(l, dim, sizes[0], sizes[1], sizes[2]);
    return err ? err : args_read(l, k);
}

cl_int
fake_launch_submit(cl_command_queue q, const struct fake_launch *l,
                   const struct fake_sync *s)
{
    struct fake_command *c;
    cl_int err = fake_command_new(q, CL_COMMAND_NDRANGE_KERNEL, s, &c);

    if (err)
        return err;
    for (cl_uint i = 0; i < l->code->num_params; i++) {
        if (l->args[i].mem)
            fake_command_uses(c, l->args[i].mem);
    }
    c->u.launch = *l;
    c->run = launch_run;
    return fake_command_submit(c, s);
}

/* NOLINTBEGIN(readability-function-size): the parameters are OpenCL's. */
cl_int
fake_clEnqueueNDRangeKernel(cl_command_queue command_queue, cl_kernel kernel,
                            cl_uint work_dim, const size_t *global_work_offset,
                            const size_t *global_work_size, const size_t *local_work_size,
                            cl_uint num_events_in_wait_list,
                            const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    const size_t *sizes[] = {global_work_offset, global_work_size, local_work_size};
    struct fake_launch l = {0};
    cl_int err = fake_launch_read(&l, command_queue, kernel, work_dim, sizes);

    return err ? err : fake_launch_submit(command_queue, &l, &s);
}
/* NOLINTEND(readability-function-size) */

cl_int
fake_clGetKernelSuggestedLocalWorkSizeKHR(cl_command_queue command_queue,
                                          cl_kernel kernel, cl_uint work_dim,
                                          const size_t *global_work_offset,
                                          const size_t *global_work_size,
                                          size_t *suggested_local_work_size)
{
    const size_t *sizes[] = {global_work_offset, global_work_size, NULL};
    struct fake_launch l = {0};
    cl_int err = fake_launch_read(&l, command_queue, kernel, work_dim, sizes);

    if (!err)
        memcpy(suggested_local_work_size, l.local, work_dim * sizeof(size_t));
    return err;
}

cl_int
fake_clEnqueueTask(cl_command_queue command_queue, cl_kernel kernel,
                   cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                   cl_event *event)
{
    const size_t one = 1;

    return fake_clEnqueueNDRangeKernel(command_queue, kernel, 1, NULL, &one, &one,
                                       num_events_in_wait_list, event_wait_list, event);
}
