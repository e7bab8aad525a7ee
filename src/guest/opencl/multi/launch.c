/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.10: kernels on one of several vGPUs. */
#include "guest/opencl/multi/command.h"
#include "guest/opencl/multi/kernel.h"

/* Moves the bytes of a memory argument, and tells the inner kernel its replica. */
static cl_int
give_mem(struct command *c, cl_kernel inner, cl_uint index, struct multi_arg *a)
{
    struct multi_mem *m = a->ref ? a->ref->mem : NULL;
    cl_mem replica = NULL;
    cl_int rc = CL_SUCCESS;
    bool reads_only;

    if (a->ref && !m)
        return CL_INVALID_KERNEL_ARGS; /* released since */
    if (m) {
        reads_only = a->reads_only || (m->flags & CL_MEM_READ_ONLY);
        rc = command_use(c, (cl_mem)m, 0, m->size, reads_only ? USE_READ : USE_UPDATE,
                         &replica);
    }
    if (rc == CL_SUCCESS && !(a->fresh >> c->queue->vgpu & 1))
        rc = ordinary->clSetKernelArg(inner, index, sizeof replica,
                                      replica ? &replica : NULL);
    return rc;
}

static cl_int
give_arg(struct command *c, cl_kernel inner, cl_uint index, struct multi_arg *a)
{
    const unsigned v = c->queue->vgpu;
    cl_int rc = CL_SUCCESS;

    if (a->kind == MULTI_ARG_MEM)
        rc = give_mem(c, inner, index, a);
    else if (a->fresh >> v & 1)
        return CL_SUCCESS;
    else if (a->kind == MULTI_ARG_SAMPLER)
        rc = ordinary->clSetKernelArg(inner, index, a->size, &a->smp->inner[v]);
    else
        rc = ordinary->clSetKernelArg(inner, index, a->size, a->value);
    if (rc == CL_SUCCESS)
        a->fresh |= 1ull << v;
    /* Right for the vGPU that was asked when it was set, but not for this one. */
    if (rc == CL_INVALID_ARG_SIZE || rc == CL_INVALID_ARG_VALUE)
        rc = CL_INVALID_KERNEL_ARGS;
    return rc;
}

static cl_int
give_args(struct command *c, struct multi_kernel *k, cl_kernel *ret)
{
    cl_kernel inner = k->inner[c->queue->vgpu];
    cl_int rc = CL_SUCCESS;

    if (!inner)
        return CL_INVALID_PROGRAM_EXECUTABLE;
    for (cl_uint i = 0; i < k->n_args; i++) {
        if (!k->args[i].set)
            return CL_INVALID_KERNEL_ARGS;
    }
    for (cl_uint i = 0; rc == CL_SUCCESS && i < k->n_args; i++)
        rc = give_arg(c, inner, i, &k->args[i]);
    *ret = inner;
    return rc;
}

static cl_int
launch_begin(struct command *c, cl_command_queue queue, cl_kernel kernel,
             cl_command_type type, cl_uint n, const cl_event *waits, cl_event *event,
             cl_kernel *ret)
{
    struct multi_kernel *k = multi_kernel_of(kernel);
    cl_int rc = command_begin(c, queue, type, n, waits, event);

    if (rc != CL_SUCCESS)
        return rc;
    if (object_is(kernel, KIND_kernel) || (k && k->program->context != c->context))
        rc = CL_INVALID_CONTEXT;
    else if (!k)
        rc = CL_INVALID_KERNEL;
    else
        rc = give_args(c, k, ret);
    return rc == CL_SUCCESS ? rc : command_end(c, rc, event);
}

CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueNDRangeKernel(cl_command_queue command_queue, cl_kernel kernel,
                             cl_uint work_dim, const size_t *global_work_offset,
                             const size_t *global_work_size,
                             const size_t *local_work_size,
                             cl_uint num_events_in_wait_list,
                             const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_kernel inner;
    cl_int rc = launch_begin(&c, command_queue, kernel, CL_COMMAND_NDRANGE_KERNEL,
                             num_events_in_wait_list, event_wait_list, event, &inner);

    if (rc != CL_SUCCESS)
        return rc;
    rc = ordinary->clEnqueueNDRangeKernel(c.queue->inner, inner, work_dim,
                                          global_work_offset, global_work_size,
                                          local_work_size, c.n_waits, c.waits, &c.inner);
    return command_end(&c, rc, event);
}

CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueTask(cl_command_queue command_queue, cl_kernel kernel,
                    cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                    cl_event *event)
{
    struct command c;
    cl_kernel inner;
    cl_int rc = launch_begin(&c, command_queue, kernel, CL_COMMAND_TASK,
                             num_events_in_wait_list, event_wait_list, event, &inner);

    if (rc != CL_SUCCESS)
        return rc;
    rc = ordinary->clEnqueueTask(c.queue->inner, inner, c.n_waits, c.waits, &c.inner);
    return command_end(&c, rc, event);
}
