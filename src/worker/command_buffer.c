/* SPDX-License-Identifier: MIT */
#include "worker/command_buffer.h"

#include "api/opencl_request.h"
#include "worker/kernel.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* Finished replays let go of per new one: the list stays short. */
#define RUNS_AT_SUBMIT 4

static struct command_buffer *
buffer_of(const struct object *o)
{
    return container_of(o, struct command_buffer, o);
}

static void
command_fini(struct session *s, struct command *c)
{
    recipe_fini(&c->recipe);
    if (c->kernel)
        s->cl->clReleaseKernel(c->kernel);
    kernel_args_unref(s, c->args);
    object_unref(s, c->launched);
    for (unsigned i = 0; i < c->n_used; i++)
        object_unref(s, c->used[i]);
    free(c->used);
}

void
command_buffer_fini(struct session *s, struct object *o)
{
    struct command_buffer *b = buffer_of(o);

    if (o->h.command_buffer)
        s->device.ext.clReleaseCommandBufferKHR(o->h.command_buffer);
    for (unsigned i = b->first_run; i < b->n_runs; i++)
        s->cl->clReleaseEvent(b->runs[i]);
    for (unsigned i = 0; i < b->n_commands; i++)
        command_fini(s, &b->commands[i]);
    allowance_give(s, LIMIT_COMMANDS, b->allowed);
    free(b->runs);
    free(b->commands);
    if (b->queue)
        object_unref(s, &b->queue->o);
}

/*
 * Whether a replay may begin while another runs is for the guest to say: it knows what its program
 * can know, while the driver may learn of an end a little later. So the driver allows it.
 */
static cl_command_buffer_khr
buffer_create(struct session *s, cl_command_queue queue, cl_int *ret_rc)
{
    const cl_command_buffer_properties_khr simultaneous[] = {
        CL_COMMAND_BUFFER_FLAGS_KHR, CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR, 0};
    cl_device_command_buffer_capabilities_khr capabilities = 0;

    if (!s->device.ext.clCreateCommandBufferKHR ||
        !s->device.ext.clReleaseCommandBufferKHR) {
        *ret_rc = CL_INVALID_OPERATION;
        return NULL;
    }
    s->cl->clGetDeviceInfo(s->device.id, CL_DEVICE_COMMAND_BUFFER_CAPABILITIES_KHR,
                           sizeof capabilities, &capabilities, NULL);
    return s->device.ext.clCreateCommandBufferKHR(
        1, &queue,
        capabilities & CL_COMMAND_BUFFER_CAPABILITY_SIMULTANEOUS_USE_KHR ? simultaneous
                                                                         : NULL,
        ret_rc);
}

int
op_clCreateCommandBufferKHR(struct session *s,
                            const struct req_clCreateCommandBufferKHR *r)
{
    struct command_buffer *b = object_new(s, r->command_buffer, KIND_command_buffer);
    cl_int rc = s->request.error;

    if (!b)
        return -ENOMEM;
    b->queue = container_of(r->command_queue, struct queue, o);
    object_ref(&b->queue->o);
    if (rc == CL_SUCCESS)
        b->o.h.command_buffer = buffer_create(s, b->queue->o.h.queue, &rc);
    return object_made(s, &b->o, rc, r->tag);
}

int
op_clFinalizeCommandBufferKHR(struct session *s,
                              const struct req_clFinalizeCommandBufferKHR *r)
{
    cl_int rc = s->request.error;

    if (rc == CL_SUCCESS && !s->device.ext.clFinalizeCommandBufferKHR)
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS)
        rc =
            s->device.ext.clFinalizeCommandBufferKHR(r->command_buffer->h.command_buffer);
    if (rc == CL_SUCCESS)
        buffer_of(r->command_buffer)->finalized = session_moment(s);
    reply_status(s, r->tag, rc);
    return 0;
}

/* ---- recording --------------------------------------------------------------------- */

static cl_int
buffer_make_room(struct session *s, struct command_buffer *b)
{
    unsigned cap = b->cap_commands ? b->cap_commands * 2 : 16;
    struct command *bigger;

    if (b->n_commands == COMMANDS_MAX ||
        (b->n_commands == b->allowed && !allowance_take(s, LIMIT_COMMANDS, 1)))
        return CL_OUT_OF_RESOURCES;
    b->allowed = b->n_commands + 1;
    if (b->n_commands < b->cap_commands)
        return CL_SUCCESS;
    bigger = realloc(b->commands, cap * sizeof *bigger);
    if (!bigger)
        return CL_OUT_OF_HOST_MEMORY;
    b->commands = bigger;
    b->cap_commands = cap;
    return CL_SUCCESS;
}

int
recording_begin(struct session *s, struct recording *rec, struct object *buffer,
                const uint64_t *points, uint64_t n_points)
{
    struct command_buffer *b = buffer_of(buffer);
    cl_sync_point_khr *syncs = request_scratch(s, n_points);

    *rec = (struct recording){.buffer = b,
                              .rc = s->request.error,
                              .n_syncs = (cl_uint)n_points,
                              .syncs = n_points > 0 ? syncs : NULL};
    for (uint64_t i = 0; i < n_points; i++) {
        if (points[i] == 0 || points[i] > b->n_commands)
            return request_bad_field(s, "sync_point_wait_list",
                                     "no command of the command buffer");
        syncs[i] = b->commands[points[i] - 1].sync_point;
    }
    if (rec->rc == CL_SUCCESS)
        rec->rc = buffer_make_room(s, b);
    return 0;
}

/* Room was made by recording_begin. */
static int
buffer_keep(struct session *s, struct recording *rec, struct object *const *used,
            unsigned n_used)
{
    struct command c = {.moment = session_moment(s), .sync_point = rec->sync_point};

    c.used = malloc((n_used + 1) * sizeof(struct object *));
    if (!c.used || !recipe_set(&c.recipe, s->request.frame, s->request.len)) {
        free(c.used);
        return session_fail(s, "the worker has no memory left");
    }
    for (; c.n_used < n_used; c.n_used++) {
        c.used[c.n_used] = used[c.n_used];
        object_ref(used[c.n_used]);
    }
    c.kernel = take_ptr(rec->kernel);
    c.launched = take_ptr(rec->launched);
    c.args = take_ptr(rec->args);
    rec->buffer->commands[rec->buffer->n_commands++] = c;
    return 0;
}

int
recording_end(struct session *s, struct recording *rec, struct object *const *used,
              unsigned n_used, uint64_t tag)
{
    int rc = rec->rc == CL_SUCCESS ? buffer_keep(s, rec, used, n_used) : 0;

    if (rec->kernel)
        s->cl->clReleaseKernel(rec->kernel);
    kernel_args_unref(s, rec->args);
    object_unref(s, rec->launched);
    if (rc < 0)
        return rc;
    reply_status(s, tag, rec->rc);
    return 0;
}

/*
 * A recorded kernel keeps the arguments that it has now; there are drivers that look at them only
 * when they replay (PoCL 3.1). So a copy is recorded, which nobody changes.
 */
static cl_kernel
kernel_copy(struct session *s, cl_kernel kernel, cl_int *ret_rc)
{
    if (s->device.version < CL_MAKE_VERSION(2, 1, 0) || !s->cl->clCloneKernel) {
        *ret_rc = s->cl->clRetainKernel(kernel);
        return *ret_rc == CL_SUCCESS ? kernel : NULL;
    }
    return s->cl->clCloneKernel(kernel, ret_rc);
}

/* What it takes to record it again: the guest may set other arguments, or release the kernel. */
static void
recording_keep_launch(struct session *s, struct recording *rec, struct object *kernel)
{
    rec->args = kernel_args_ref(s, kernel_of(kernel));
    if (!rec->args)
        rec->rc = CL_OUT_OF_HOST_MEMORY;
    rec->launched = kernel;
    object_ref(kernel);
}

int
op_clCommandNDRangeKernelKHR(struct session *s,
                             const struct req_clCommandNDRangeKernelKHR *r)
{
    struct object **used;
    struct recording rec;
    unsigned n_used = 0;
    int bad = recording_begin(s, &rec, r->command_buffer, r->sync_point_wait_list,
                              r->n_sync_point_wait_list);

    if (bad < 0)
        return bad;
    if (rec.rc == CL_SUCCESS && !s->device.ext.clCommandNDRangeKernelKHR)
        rec.rc = CL_INVALID_OPERATION;
    if (rec.rc == CL_SUCCESS && (r->work_dim < 1 || r->work_dim > 3))
        rec.rc = CL_INVALID_WORK_DIMENSION;
    if (rec.rc == CL_SUCCESS)
        rec.rc = kernel_args_error(s, r->kernel);
    used = rec.rc == CL_SUCCESS ? kernel_arg_objects(s, r->kernel, &n_used) : NULL;
    if (rec.rc == CL_SUCCESS && !used)
        rec.rc = CL_OUT_OF_HOST_MEMORY;
    if (rec.rc == CL_SUCCESS)
        rec.rc = kernel_make_current(s, kernel_of(r->kernel));
    if (rec.rc == CL_SUCCESS)
        rec.kernel = kernel_copy(s, r->kernel->h.kernel, &rec.rc);
    if (rec.rc == CL_SUCCESS)
        recording_keep_launch(s, &rec, r->kernel);
    if (rec.rc == CL_SUCCESS)
        rec.rc = s->device.ext.clCommandNDRangeKernelKHR(
            r->command_buffer->h.command_buffer, NULL, NULL, rec.kernel,
            (cl_uint)r->work_dim, r->given & GIVEN_OFFSET ? r->global_work_offset : NULL,
            r->global_work_size, r->given & GIVEN_LOCAL ? r->local_work_size : NULL,
            rec.n_syncs, rec.syncs, &rec.sync_point, NULL);
    bad = recording_end(s, &rec, used, n_used, r->tag);
    free(used);
    return bad;
}

/* ---- replays ----------------------------------------------------------------------- */

/* Lets go of finished replays from the front, no more than max. */
static void
runs_harvest(struct session *s, struct command_buffer *b, unsigned max)
{
    for (; max > 0 && b->first_run < b->n_runs; max--) {
        if (event_status(s, b->runs[b->first_run]) > CL_COMPLETE)
            break;
        s->cl->clReleaseEvent(b->runs[b->first_run++]);
    }
    if (b->first_run < b->n_runs / 2 || b->first_run == 0)
        return;
    memmove(b->runs, b->runs + b->first_run,
            (b->n_runs - b->first_run) * sizeof(cl_event));
    b->n_runs -= b->first_run;
    b->first_run = 0;
}

static cl_int
runs_make_room(struct command_buffer *b)
{
    unsigned cap = b->cap_runs ? b->cap_runs * 2 : 8;
    cl_event *bigger;

    if (b->n_runs < b->cap_runs)
        return CL_SUCCESS;
    if (b->n_runs >= QUEUE_COMMANDS)
        return CL_OUT_OF_RESOURCES;
    bigger = realloc(b->runs, cap * sizeof(cl_event));
    if (!bigger)
        return CL_OUT_OF_HOST_MEMORY;
    b->runs = bigger;
    b->cap_runs = cap;
    return CL_SUCCESS;
}

/* Its kernels may be new to the driver, which then compiles them at the first replay. */
void
cost_clEnqueueCommandBufferKHR(struct session *s,
                               const struct req_clEnqueueCommandBufferKHR *r,
                               struct held_spec *spec)
{
    spec->keys.cost =
        cost_mix(OP_clEnqueueCommandBufferKHR, r->command_buffer->serial) | 1;
    if (s->device.compiles_late)
        spec->keys.code = spec->keys.cost;
}

int
held_clEnqueueCommandBufferKHR(struct session *s, struct held *h,
                               struct req_clEnqueueCommandBufferKHR *r)
{
    (void)s;
    (void)h;
    buffer_of(r->command_buffer)->n_held++;
    return 0;
}

int
op_clEnqueueCommandBufferKHR(struct session *s,
                             const struct req_clEnqueueCommandBufferKHR *r)
{
    struct command_buffer *b = buffer_of(r->command_buffer);
    cl_command_queue queue = r->command_queue->h.queue;
    struct submission sub;
    cl_int rc;

    if (s->held.running)
        b->n_held--;
    if (!r->given && r->command_queue != &b->queue->o)
        return request_bad_field(s, "command_queue", "not the one it was made for");
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    runs_harvest(s, b, RUNS_AT_SUBMIT);
    if (rc == CL_SUCCESS)
        rc = runs_make_room(b);
    if (rc == CL_SUCCESS && !s->device.ext.clEnqueueCommandBufferKHR)
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS)
        rc = s->device.ext.clEnqueueCommandBufferKHR(
            r->given ? 1 : 0, r->given ? &queue : NULL,
            r->command_buffer->h.command_buffer, sub.n_waits, sub.waits, &sub.event);
    if (rc == CL_SUCCESS) {
        s->cl->clRetainEvent(sub.event);
        b->runs[b->n_runs++] = sub.event;
    }
    return submission_end(s, &sub, rc, r->tag);
}

int
op_tessera_command_buffer_state(struct session *s,
                                const struct req_tessera_command_buffer_state *r)
{
    struct command_buffer *b = buffer_of(r->command_buffer);
    int64_t state = s->request.error;

    if (state == CL_SUCCESS) {
        state = b->n_held > 0 ? CL_COMMAND_BUFFER_STATE_PENDING_KHR
                              : CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR;
        runs_harvest(s, b, UINT_MAX);
    }
    for (unsigned i = b->first_run; i < b->n_runs && state >= 0; i++) {
        if (event_status(s, b->runs[i]) > CL_COMPLETE)
            state = CL_COMMAND_BUFFER_STATE_PENDING_KHR;
    }
    reply_status(s, r->tag, state);
    return 0;
}
