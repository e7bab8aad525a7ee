/* SPDX-License-Identifier: MIT */
/*
 * Command buffers of the fake driver: a list of commands, enqueued one by one at each replay, with
 * events in place of their sync points.
 */
#include "worker/fake_internal.h"

#include <stdlib.h>
#include <string.h>

struct fake_recorded {
    cl_command_type type;
    cl_sync_point_khr *points; /* owned: what it waits for, from 1 */
    cl_uint num_points;
    cl_mem src, dst; /* references; of a fill: dst */
    size_t src_offset, dst_offset, size;
    size_t origin[2][3], region[3], pitch[4];
    uint8_t pattern[FAKE_MAX_PATTERN];
    size_t pattern_bytes;
    struct fake_launch launch; /* its buffers are references */
};

struct _cl_command_buffer_khr {
    struct fake_object base;
    cl_command_queue queue; /* a reference */
    cl_command_buffer_flags_khr flags;
    struct fake_recorded *commands; /* owned */
    cl_uint num, cap;
    bool finalized;
    cl_event last; /* a reference: of the last replay */
};

static void
recorded_fini(struct fake_recorded *r)
{
    fake_unref(r->src);
    fake_unref(r->dst);
    for (cl_uint i = 0; r->launch.code && i < r->launch.code->num_params; i++)
        fake_unref(r->launch.args[i].mem);
    free(r->points);
}

static void
buffer_destroy(void *self)
{
    cl_command_buffer_khr b = self;

    for (cl_uint i = 0; i < b->num; i++)
        recorded_fini(&b->commands[i]);
    fake_unref(b->last);
    fake_unref(b->queue);
    free(b->commands);
    b->base.kind = FAKE_DEAD;
    free(b);
}

cl_command_buffer_khr
fake_clCreateCommandBufferKHR(cl_uint num_queues, const cl_command_queue *queues,
                              const cl_command_buffer_properties_khr *properties,
                              cl_int *errcode_ret)
{
    cl_command_buffer_khr b;

    if (num_queues != 1 || !queues)
        return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);
    if (!fake_is(queues[0], FAKE_QUEUE))
        return fake_ret(errcode_ret, CL_INVALID_COMMAND_QUEUE, NULL);
    b = calloc(1, sizeof(*b));
    if (!b)
        return fake_ret(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    fake_object_init(b, FAKE_COMMAND_BUFFER, buffer_destroy);
    b->queue = fake_ref(queues[0]);
    if (properties && properties[0] == CL_COMMAND_BUFFER_FLAGS_KHR)
        b->flags = properties[1];
    return fake_ret(errcode_ret, CL_SUCCESS, b);
}

cl_int
fake_clFinalizeCommandBufferKHR(cl_command_buffer_khr command_buffer)
{
    if (!fake_is(command_buffer, FAKE_COMMAND_BUFFER))
        return CL_INVALID_COMMAND_BUFFER_KHR;
    command_buffer->finalized = true;
    return CL_SUCCESS;
}

/* ---- recording --------------------------------------------------------------------- */

/* The end of every recorder's parameter list, and the queue, which must be none. */
struct fake_record {
    cl_command_buffer_khr b;
    cl_command_queue queue;
    cl_uint num;
    const cl_sync_point_khr *points;
    cl_sync_point_khr *ret;
    cl_mutable_command_khr *handle;
};

static cl_int
record_check(const struct fake_record *s)
{
    if (!fake_is(s->b, FAKE_COMMAND_BUFFER))
        return CL_INVALID_COMMAND_BUFFER_KHR;
    if (s->queue)
        return CL_INVALID_COMMAND_QUEUE;
    if (s->handle)
        return CL_INVALID_VALUE;
    if (s->b->finalized)
        return CL_INVALID_OPERATION;
    if (!s->num != !s->points)
        return CL_INVALID_SYNC_POINT_WAIT_LIST_KHR;
    for (cl_uint i = 0; i < s->num; i++) {
        if (s->points[i] == 0 || s->points[i] > s->b->num)
            return CL_INVALID_SYNC_POINT_WAIT_LIST_KHR;
    }
    return CL_SUCCESS;
}

static bool
buffer_make_room(cl_command_buffer_khr b)
{
    cl_uint cap = b->cap ? b->cap * 2 : 4;
    struct fake_recorded *bigger;

    if (b->num < b->cap)
        return true;
    bigger = realloc(b->commands, cap * sizeof(*bigger));
    if (!bigger)
        return false;
    b->commands = bigger;
    b->cap = cap;
    return true;
}

/* Keeps a copy of r, which has passed its checks. */
static cl_int
record(const struct fake_record *s, struct fake_recorded *r)
{
    if (!buffer_make_room(s->b))
        return CL_OUT_OF_HOST_MEMORY;
    r->points = calloc(s->num + 1, sizeof(*r->points));
    if (!r->points)
        return CL_OUT_OF_HOST_MEMORY;
    if (s->num)
        memcpy(r->points, s->points, s->num * sizeof(*r->points));
    r->num_points = s->num;
    if (r->src)
        fake_ref(r->src);
    if (r->dst)
        fake_ref(r->dst);
    for (cl_uint i = 0; r->launch.code && i < r->launch.code->num_params; i++) {
        if (r->launch.args[i].mem)
            fake_ref(r->launch.args[i].mem);
    }
    s->b->commands[s->b->num++] = *r;
    if (s->ret)
        *s->ret = s->b->num;
    return CL_SUCCESS;
}

/* NOLINTBEGIN(readability-function-size): the parameters are OpenCL's. */
cl_int
fake_clCommandBarrierWithWaitListKHR(cl_command_buffer_khr command_buffer,
                                     cl_command_queue command_queue, cl_uint num,
                                     const cl_sync_point_khr *points,
                                     cl_sync_point_khr *sync_point,
                                     cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    struct fake_recorded r = {.type = CL_COMMAND_BARRIER};
    cl_int err = record_check(&s);

    return err ? err : record(&s, &r);
}

cl_int
fake_clCommandCopyBufferKHR(cl_command_buffer_khr command_buffer,
                            cl_command_queue command_queue, cl_mem src_buffer,
                            cl_mem dst_buffer, size_t src_offset, size_t dst_offset,
                            size_t size, cl_uint num, const cl_sync_point_khr *points,
                            cl_sync_point_khr *sync_point, cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    struct fake_recorded r = {.type = CL_COMMAND_COPY_BUFFER,
                              .src = src_buffer,
                              .dst = dst_buffer,
                              .src_offset = src_offset,
                              .dst_offset = dst_offset,
                              .size = size};
    cl_int err = record_check(&s);

    if (!err)
        err = fake_mem_check(command_buffer->queue, src_buffer, src_offset, size);
    if (!err)
        err = fake_mem_check(command_buffer->queue, dst_buffer, dst_offset, size);
    return err ? err : record(&s, &r);
}

cl_int
fake_clCommandCopyBufferRectKHR(cl_command_buffer_khr command_buffer,
                                cl_command_queue command_queue, cl_mem src_buffer,
                                cl_mem dst_buffer, const size_t *src_origin,
                                const size_t *dst_origin, const size_t *region,
                                size_t src_row_pitch, size_t src_slice_pitch,
                                size_t dst_row_pitch, size_t dst_slice_pitch, cl_uint num,
                                const cl_sync_point_khr *points,
                                cl_sync_point_khr *sync_point,
                                cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    struct fake_recorded r = {
        .type = CL_COMMAND_COPY_BUFFER_RECT,
        .src = src_buffer,
        .dst = dst_buffer,
        .pitch = {src_row_pitch, src_slice_pitch, dst_row_pitch, dst_slice_pitch}};
    cl_int err = record_check(&s);

    if (!err)
        err = fake_mem_check(command_buffer->queue, src_buffer, 0, 1);
    if (!err)
        err = fake_mem_check(command_buffer->queue, dst_buffer, 0, 1);
    if (err)
        return err;
    memcpy(r.origin[0], src_origin, sizeof(r.origin[0]));
    memcpy(r.origin[1], dst_origin, sizeof(r.origin[1]));
    memcpy(r.region, region, sizeof(r.region));
    return record(&s, &r);
}

cl_int
fake_clCommandFillBufferKHR(cl_command_buffer_khr command_buffer,
                            cl_command_queue command_queue, cl_mem buffer,
                            const void *pattern, size_t pattern_size, size_t offset,
                            size_t size, cl_uint num, const cl_sync_point_khr *points,
                            cl_sync_point_khr *sync_point, cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    struct fake_recorded r = {.type = CL_COMMAND_FILL_BUFFER,
                              .dst = buffer,
                              .dst_offset = offset,
                              .size = size,
                              .pattern_bytes = pattern_size};
    cl_int err = record_check(&s);

    if (!err)
        err = fake_mem_check(command_buffer->queue, buffer, offset, size);
    if (!err && (!pattern || pattern_size == 0 || pattern_size > FAKE_MAX_PATTERN))
        err = CL_INVALID_VALUE;
    if (err)
        return err;
    memcpy(r.pattern, pattern, pattern_size);
    return record(&s, &r);
}

cl_int
fake_clCommandNDRangeKernelKHR(
    cl_command_buffer_khr command_buffer, cl_command_queue command_queue,
    const cl_ndrange_kernel_command_properties_khr *properties, cl_kernel kernel,
    cl_uint work_dim, const size_t *global_work_offset, const size_t *global_work_size,
    const size_t *local_work_size, cl_uint num, const cl_sync_point_khr *points,
    cl_sync_point_khr *sync_point, cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    const size_t *sizes[] = {global_work_offset, global_work_size, local_work_size};
    struct fake_recorded r = {.type = CL_COMMAND_NDRANGE_KERNEL};
    cl_int err = record_check(&s);

    if (!err && properties && properties[0])
        err = CL_INVALID_VALUE;
    if (!err)
        err = fake_launch_read(&r.launch, command_buffer->queue, kernel, work_dim, sizes);
    return err ? err : record(&s, &r);
}

/* What an image's replay checks it checks again here, so that the recorder tells. */
static cl_int
record_image(const struct fake_record *s, struct fake_recorded *r,
             const size_t *origins[2], const size_t *region)
{
    cl_int err = record_check(s);

    if (!err && r->src)
        err = fake_mem_check(s->b->queue, r->src, 0, 0);
    if (!err)
        err = fake_mem_check(s->b->queue, r->dst, 0, 0);
    if (!err && ((origins[0] && !r->src->shape.element) ||
                 (origins[1] && !r->dst->shape.element)))
        err = CL_INVALID_MEM_OBJECT; /* an origin is an image's */
    if (err)
        return err;
    for (int i = 0; i < 2; i++) {
        if (origins[i])
            memcpy(r->origin[i], origins[i], sizeof(r->origin[i]));
    }
    memcpy(r->region, region, sizeof(r->region));
    return record(s, r);
}

cl_int
fake_clCommandCopyBufferToImageKHR(cl_command_buffer_khr command_buffer,
                                   cl_command_queue command_queue, cl_mem src_buffer,
                                   cl_mem dst_image, size_t src_offset,
                                   const size_t *dst_origin, const size_t *region,
                                   cl_uint num, const cl_sync_point_khr *points,
                                   cl_sync_point_khr *sync_point,
                                   cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    struct fake_recorded r = {.type = CL_COMMAND_COPY_BUFFER_TO_IMAGE,
                              .src = src_buffer,
                              .dst = dst_image,
                              .src_offset = src_offset};

    return record_image(&s, &r, (const size_t *[2]){NULL, dst_origin}, region);
}

cl_int
fake_clCommandCopyImageKHR(cl_command_buffer_khr command_buffer,
                           cl_command_queue command_queue, cl_mem src_image,
                           cl_mem dst_image, const size_t *src_origin,
                           const size_t *dst_origin, const size_t *region, cl_uint num,
                           const cl_sync_point_khr *points, cl_sync_point_khr *sync_point,
                           cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    struct fake_recorded r = {
        .type = CL_COMMAND_COPY_IMAGE, .src = src_image, .dst = dst_image};

    return record_image(&s, &r, (const size_t *[2]){src_origin, dst_origin}, region);
}

cl_int
fake_clCommandCopyImageToBufferKHR(cl_command_buffer_khr command_buffer,
                                   cl_command_queue command_queue, cl_mem src_image,
                                   cl_mem dst_buffer, const size_t *src_origin,
                                   const size_t *region, size_t dst_offset, cl_uint num,
                                   const cl_sync_point_khr *points,
                                   cl_sync_point_khr *sync_point,
                                   cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    struct fake_recorded r = {.type = CL_COMMAND_COPY_IMAGE_TO_BUFFER,
                              .src = src_image,
                              .dst = dst_buffer,
                              .dst_offset = dst_offset};

    return record_image(&s, &r, (const size_t *[2]){src_origin, NULL}, region);
}

cl_int
fake_clCommandFillImageKHR(cl_command_buffer_khr command_buffer,
                           cl_command_queue command_queue, cl_mem image,
                           const void *fill_color, const size_t *origin,
                           const size_t *region, cl_uint num,
                           const cl_sync_point_khr *points, cl_sync_point_khr *sync_point,
                           cl_mutable_command_khr *handle)
{
    const struct fake_record s = {command_buffer, command_queue, num,
                                  points,         sync_point,    handle};
    struct fake_recorded r = {.type = CL_COMMAND_FILL_IMAGE, .dst = image};

    memcpy(r.pattern, fill_color, sizeof(cl_uint4));
    return record_image(&s, &r, (const size_t *[2]){NULL, origin}, region);
}

/* NOLINTEND(readability-function-size) */

/* ---- replays ----------------------------------------------------------------------- */

static cl_int
replay_command(cl_command_queue q, const struct fake_recorded *r, cl_uint n,
               const cl_event *waits, cl_event *ret)
{
    const struct fake_sync s = {n, n ? waits : NULL, ret, CL_FALSE};

    switch (r->type) {
    case CL_COMMAND_COPY_BUFFER:
        return fake_clEnqueueCopyBuffer(q, r->src, r->dst, r->src_offset, r->dst_offset,
                                        r->size, n, s.waits, ret);
    case CL_COMMAND_COPY_BUFFER_RECT:
        return fake_clEnqueueCopyBufferRect(q, r->src, r->dst, r->origin[0], r->origin[1],
                                            r->region, r->pitch[0], r->pitch[1],
                                            r->pitch[2], r->pitch[3], n, s.waits, ret);
    case CL_COMMAND_FILL_BUFFER:
        return fake_clEnqueueFillBuffer(q, r->dst, r->pattern, r->pattern_bytes,
                                        r->dst_offset, r->size, n, s.waits, ret);
    case CL_COMMAND_COPY_IMAGE:
        return fake_clEnqueueCopyImage(q, r->src, r->dst, r->origin[0], r->origin[1],
                                       r->region, n, s.waits, ret);
    case CL_COMMAND_COPY_IMAGE_TO_BUFFER:
        return fake_clEnqueueCopyImageToBuffer(q, r->src, r->dst, r->origin[0], r->region,
                                               r->dst_offset, n, s.waits, ret);
    case CL_COMMAND_COPY_BUFFER_TO_IMAGE:
        return fake_clEnqueueCopyBufferToImage(q, r->src, r->dst, r->src_offset,
                                               r->origin[1], r->region, n, s.waits, ret);
    case CL_COMMAND_FILL_IMAGE:
        return fake_clEnqueueFillImage(q, r->dst, r->pattern, r->origin[1], r->region, n,
                                       s.waits, ret);
    case CL_COMMAND_NDRANGE_KERNEL:
        return fake_launch_submit(q, &r->launch, &s);
    default:
        return fake_clEnqueueBarrierWithWaitList(q, n, s.waits, ret);
    }
}

/* Enqueues command i behind the events of its sync points and behind all of sync. */
static cl_int
replay_one(cl_command_buffer_khr b, cl_uint i, const struct fake_sync *sync,
           cl_command_queue q, cl_event *events)
{
    const struct fake_recorded *r = &b->commands[i];
    cl_event *waits = calloc(r->num_points + sync->num_waits + 1, sizeof(cl_event));
    cl_uint n = 0;
    cl_int err;

    if (!waits)
        return CL_OUT_OF_HOST_MEMORY;
    for (cl_uint p = 0; p < r->num_points; p++)
        waits[n++] = events[r->points[p] - 1];
    for (cl_uint w = 0; w < sync->num_waits; w++)
        waits[n++] = sync->waits[w];
    err = replay_command(q, r, n, waits, &events[i]);
    free(waits);
    return err;
}

/* The event of the whole: complete after all. */
static cl_int
replay_end(cl_command_queue q, cl_uint num, const cl_event *events, cl_event *ret)
{
    const struct fake_sync s = {num, num ? events : NULL, ret, CL_FALSE};
    struct fake_command *c;
    cl_int err = fake_command_new(q, CL_COMMAND_COMMAND_BUFFER_KHR, &s, &c);

    return err ? err : fake_command_submit(c, &s);
}

static cl_int
replay(cl_command_buffer_khr b, cl_command_queue q, const struct fake_sync *sync,
       cl_event *ret)
{
    cl_event *events = calloc(b->num + 1, sizeof(cl_event));
    cl_uint made = 0;
    cl_int err = events ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;

    for (; !err && made < b->num; made += !err)
        err = replay_one(b, made, sync, q, events);
    if (!err)
        err = replay_end(q, b->num ? b->num : sync->num_waits,
                         b->num ? events : sync->waits, ret);
    while (made > 0)
        fake_clReleaseEvent(events[--made]);
    free(events);
    return err;
}

static bool
buffer_pending(cl_command_buffer_khr b)
{
    bool pending;

    if (!b->last)
        return false;
    pthread_mutex_lock(&fake_lock);
    pending = b->last->status > CL_COMPLETE;
    pthread_mutex_unlock(&fake_lock);
    return pending;
}

cl_int
fake_clEnqueueCommandBufferKHR(cl_uint num_queues, cl_command_queue *queues,
                               cl_command_buffer_khr command_buffer,
                               cl_uint num_events_in_wait_list,
                               const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync sync = {num_events_in_wait_list, event_wait_list, NULL,
                                   CL_FALSE};
    cl_command_buffer_khr b = command_buffer;
    cl_event last = NULL;
    cl_int err;

    if (!fake_is(b, FAKE_COMMAND_BUFFER))
        return CL_INVALID_COMMAND_BUFFER_KHR;
    if (!b->finalized ||
        (!(b->flags & CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR) && buffer_pending(b)))
        return CL_INVALID_OPERATION;
    if (!num_queues != !queues || num_queues > 1)
        return CL_INVALID_VALUE;
    if (queues && !fake_is(queues[0], FAKE_QUEUE))
        return CL_INVALID_COMMAND_QUEUE;
    if (queues && queues[0]->context != b->queue->context)
        return CL_INVALID_CONTEXT;
    if (queues && queues[0]->flags != b->queue->flags)
        return CL_INCOMPATIBLE_COMMAND_QUEUE_KHR;
    err = replay(b, queues ? queues[0] : b->queue, &sync, &last);
    if (err)
        return err;
    fake_unref(b->last);
    b->last = fake_ref(last);
    if (event)
        *event = last;
    else
        fake_clReleaseEvent(last);
    return CL_SUCCESS;
}

cl_int
fake_clGetCommandBufferInfoKHR(cl_command_buffer_khr command_buffer,
                               cl_command_buffer_info_khr param_name,
                               size_t param_value_size, void *param_value,
                               size_t *param_value_size_ret)
{
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    cl_command_buffer_state_khr state = CL_COMMAND_BUFFER_STATE_RECORDING_KHR;
    const cl_uint one = 1;
    cl_uint users;

    if (!fake_is(command_buffer, FAKE_COMMAND_BUFFER))
        return CL_INVALID_COMMAND_BUFFER_KHR;
    users = command_buffer->base.users;
    if (command_buffer->finalized)
        state = buffer_pending(command_buffer) ? CL_COMMAND_BUFFER_STATE_PENDING_KHR
                                               : CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR;

    const struct fake_info table[] = {
        FAKE_INFO(CL_COMMAND_BUFFER_NUM_QUEUES_KHR, one),
        FAKE_INFO(CL_COMMAND_BUFFER_QUEUES_KHR, command_buffer->queue),
        FAKE_INFO(CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR, users),
        FAKE_INFO(CL_COMMAND_BUFFER_STATE_KHR, state),
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}
