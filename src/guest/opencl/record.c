/* SPDX-License-Identifier: MIT */
/* cl_khr_command_buffer: recording commands (section 5.X.3). Most recorders are generated. */
#include "guest/opencl/command_buffer.h"

#include "api/opencl_send.h"
#include "guest/opencl/image.h"
#include "guest/opencl/launch.h"
#include "guest/opencl/mem.h"

#include <stdlib.h>

static cl_int
check_sync_points(const struct _cl_command_buffer_khr *b, cl_uint n,
                  const cl_sync_point_khr *waits)
{
    if ((n == 0) != (waits == NULL))
        return CL_INVALID_SYNC_POINT_WAIT_LIST_KHR;
    for (cl_uint i = 0; i < n; i++) {
        if (waits[i] == 0 || waits[i] > b->n_points)
            return CL_INVALID_SYNC_POINT_WAIT_LIST_KHR;
    }
    return CL_SUCCESS;
}

cl_int
record_begin(struct recording *r, cl_command_buffer_khr buffer, cl_command_queue queue,
             cl_uint n_waits, const cl_sync_point_khr *waits,
             cl_mutable_command_khr *handle)
{
    cl_int rc = CL_SUCCESS;

    if (!object_is(buffer, KIND_command_buffer))
        return CL_INVALID_COMMAND_BUFFER_KHR;
    if (queue)
        return CL_INVALID_COMMAND_QUEUE;
    if (handle)
        return CL_INVALID_VALUE;
    if (session_is_dead(buffer->o.session))
        return CL_OUT_OF_RESOURCES;
    *r = (struct recording){.q = {.session = buffer->o.session, .queue = buffer->queue},
                            .buffer = buffer};
    pthread_mutex_lock(&buffer->lock);
    if (buffer->finalized)
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS)
        rc = check_sync_points(buffer, n_waits, waits);
    if (rc != CL_SUCCESS)
        pthread_mutex_unlock(&buffer->lock);
    return rc;
}

cl_int
record_uses(struct recording *r, struct object *o)
{
    struct _cl_command_buffer_khr *b = r->buffer;
    size_t cap = b->cap_used ? b->cap_used * 2 : 16;
    struct object **bigger;

    if (b->n_used == b->cap_used) {
        bigger = realloc(b->used, cap * sizeof *bigger);
        if (!bigger)
            return CL_OUT_OF_HOST_MEMORY;
        b->used = bigger;
        b->cap_used = cap;
    }
    b->used[b->n_used++] = o;
    r->n_used++;
    return CL_SUCCESS;
}

/* The kernel and the memory objects that are its arguments now. */
static cl_int
record_uses_kernel(struct recording *r, cl_kernel kernel)
{
    cl_int rc = record_uses(r, &kernel->o);

    pthread_mutex_lock(&kernel->lock);
    for (cl_uint i = 0; rc == CL_SUCCESS && i < kernel->meta->n_args; i++) {
        struct _cl_mem *m = kernel->args[i].mem;

        /* It was not retained when it was set, and may be gone. */
        if (m && handle_is_mem(m))
            rc = record_uses(r, &m->o);
    }
    pthread_mutex_unlock(&kernel->lock);
    return rc;
}

/* The new uses are the buffer's, or are forgotten. */
static void
record_settle(struct recording *r, cl_int rc)
{
    struct _cl_command_buffer_khr *b = r->buffer;

    if (rc != CL_SUCCESS)
        b->n_used -= r->n_used;
    for (size_t i = 0; rc == CL_SUCCESS && i < r->n_used; i++)
        object_retain(b->used[b->n_used - 1 - i]);
}

cl_int
record_end(struct recording *r, cl_int rc, cl_sync_point_khr *ret)
{
    if (rc == CL_SUCCESS)
        rc = session_wait(r->q.session, &r->pending);
    if (rc == CL_SUCCESS)
        rc = (cl_int)r->pending.status;
    record_settle(r, rc);
    if (rc == CL_SUCCESS)
        r->buffer->n_points++;
    if (rc == CL_SUCCESS && ret)
        *ret = r->buffer->n_points;
    pthread_mutex_unlock(&r->buffer->lock);
    return rc;
}

static cl_int
record_launch(struct recording *r, cl_kernel kernel, cl_uint dims, const size_t *offset,
              const size_t *global, const size_t *local, cl_uint n,
              const cl_sync_point_khr *waits)
{
    struct launch_size size = launch_size_of(dims, offset, global, local);

    return send_clCommandNDRangeKernelKHR(r->q.session, &r->pending, r->buffer->o.id,
                                          kernel->o.id, dims, size.given, size.offset,
                                          size.global, size.local, n, waits);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clCommandNDRangeKernelKHR(
    cl_command_buffer_khr command_buffer, cl_command_queue command_queue,
    const cl_ndrange_kernel_command_properties_khr *properties, cl_kernel kernel,
    cl_uint work_dim, const size_t *global_work_offset, const size_t *global_work_size,
    const size_t *local_work_size, cl_uint num_sync_points_in_wait_list,
    const cl_sync_point_khr *sync_point_wait_list, cl_sync_point_khr *sync_point,
    cl_mutable_command_khr *mutable_handle)
{
    struct recording r;
    bool empty;
    cl_int rc =
        record_begin(&r, command_buffer, command_queue, num_sync_points_in_wait_list,
                     sync_point_wait_list, mutable_handle);

    if (rc != CL_SUCCESS)
        return rc;
    if (properties && properties[0] != 0) /* none are defined */
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = check_launch(&r.q, kernel, work_dim, global_work_offset, global_work_size,
                          local_work_size, &empty);
    /* Nothing to run: it only keeps its place in the order. */
    if (rc == CL_SUCCESS && !empty)
        rc = record_uses_kernel(&r, kernel);
    if (rc == CL_SUCCESS && empty)
        rc = send_clCommandBarrierWithWaitListKHR(r.q.session, &r.pending, r.buffer->o.id,
                                                  num_sync_points_in_wait_list,
                                                  sync_point_wait_list);
    else if (rc == CL_SUCCESS)
        rc = record_launch(&r, kernel, work_dim, global_work_offset, global_work_size,
                           local_work_size, num_sync_points_in_wait_list,
                           sync_point_wait_list);
    return record_end(&r, rc, sync_point);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clCommandFillImageKHR(cl_command_buffer_khr command_buffer,
                          cl_command_queue command_queue, cl_mem image,
                          const void *fill_color, const size_t *origin,
                          const size_t *region, cl_uint num_sync_points_in_wait_list,
                          const cl_sync_point_khr *sync_point_wait_list,
                          cl_sync_point_khr *sync_point,
                          cl_mutable_command_khr *mutable_handle)
{
    struct recording r;
    size_t bytes;
    cl_int rc =
        record_begin(&r, command_buffer, command_queue, num_sync_points_in_wait_list,
                     sync_point_wait_list, mutable_handle);

    if (rc != CL_SUCCESS)
        return rc;
    rc = image_check_fill(&r.q, image, fill_color, origin, region, &bytes);
    if (rc == CL_SUCCESS)
        rc = record_uses(&r, &image->o);
    if (rc == CL_SUCCESS) {
        const uint64_t o[3] = {origin[0], origin[1], origin[2]};
        const uint64_t n[3] = {region[0], region[1], region[2]};

        rc = send_clCommandFillImageKHR(
            r.q.session, &r.pending, r.buffer->o.id, image->o.id, fill_color, bytes, o, n,
            num_sync_points_in_wait_list, sync_point_wait_list);
    }
    return record_end(&r, rc, sync_point);
}
