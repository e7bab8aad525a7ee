/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, sections 5.2, 5.5 and 5.12: commands on buffers, migration, markers and barriers.
 */
#include "guest/opencl/multi/command.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <stdlib.h>

/* Section 5.2.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer,
                          cl_bool blocking_read, size_t offset, size_t size, void *ptr,
                          cl_uint num_events_in_wait_list,
                          const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_READ_BUFFER,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use(&c, buffer, offset, size, USE_READ, &inner);
    if (blocking_read)
        command_unlock(&c);
    if (rc == CL_SUCCESS)
        rc = mem_host_access(buffer, true, false);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueReadBuffer(c.queue->inner, inner, blocking_read, offset,
                                           size, ptr, c.n_waits, c.waits,
                                           event ? &c.inner : NULL);
    return command_end(&c, rc, event);
}

/*
 * Section 5.2.2. A write takes its bytes before it returns (transfer.c), so it never holds the lock
 * for long.
 */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer,
                           cl_bool blocking_write, size_t offset, size_t size,
                           const void *ptr, cl_uint num_events_in_wait_list,
                           const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_WRITE_BUFFER,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use(&c, buffer, offset, size, USE_OVERWRITE, &inner);
    if (rc == CL_SUCCESS)
        rc = mem_host_access(buffer, false, true);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueWriteBuffer(c.queue->inner, inner, CL_FALSE, offset, size,
                                            ptr, c.n_waits, c.waits, &c.inner);
    return blocking_write ? command_end_blocking(&c, rc, event)
                          : command_end(&c, rc, event);
}

/* ---- rectangles -------------------------------------------------------------------- */

struct span {
    size_t offset, size;
    bool whole; /* every byte of it belongs to the rectangle */
};

/*
 * The bytes from the first to the last; 0 where the ordinary function will refuse the rectangle.
 */
static struct span
rect_span(const size_t *origin, const size_t *region, size_t row, size_t slice)
{
    uint64_t y, z, first, last;

    if (!origin || !region || !region[0] || !region[1] || !region[2])
        return (struct span){0};
    row = row ? row : region[0];
    if (!slice && (!checked_mul(region[1], row, &z) || (slice = z) == 0))
        return (struct span){0};
    if (!checked_mul(origin[1], row, &y) || !checked_mul(origin[2], slice, &z) ||
        !checked_add(y, z, &first) || !checked_add(first, origin[0], &first))
        return (struct span){0};
    if (!checked_mul(region[1] - 1, row, &y) || !checked_mul(region[2] - 1, slice, &z) ||
        !checked_add(y, z, &last) || !checked_add(last, region[0], &last))
        return (struct span){0};
    return (struct span){first, last,
                         (region[1] == 1 || row == region[0]) &&
                             (region[2] == 1 || slice == region[0] * region[1])};
}

/* Section 5.2.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueReadBufferRect(cl_command_queue command_queue, cl_mem buffer,
                              cl_bool blocking_read, const size_t *buffer_origin,
                              const size_t *host_origin, const size_t *region,
                              size_t buffer_row_pitch, size_t buffer_slice_pitch,
                              size_t host_row_pitch, size_t host_slice_pitch, void *ptr,
                              cl_uint num_events_in_wait_list,
                              const cl_event *event_wait_list, cl_event *event)
{
    const struct span s =
        rect_span(buffer_origin, region, buffer_row_pitch, buffer_slice_pitch);
    struct command c;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_READ_BUFFER_RECT,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use(&c, buffer, s.offset, s.size, USE_READ, &inner);
    if (blocking_read)
        command_unlock(&c);
    if (rc == CL_SUCCESS)
        rc = mem_host_access(buffer, true, false);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueReadBufferRect(
            c.queue->inner, inner, blocking_read, buffer_origin, host_origin, region,
            buffer_row_pitch, buffer_slice_pitch, host_row_pitch, host_slice_pitch, ptr,
            c.n_waits, c.waits, event ? &c.inner : NULL);
    return command_end(&c, rc, event);
}

/* Section 5.2.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueWriteBufferRect(cl_command_queue command_queue, cl_mem buffer,
                               cl_bool blocking_write, const size_t *buffer_origin,
                               const size_t *host_origin, const size_t *region,
                               size_t buffer_row_pitch, size_t buffer_slice_pitch,
                               size_t host_row_pitch, size_t host_slice_pitch,
                               const void *ptr, cl_uint num_events_in_wait_list,
                               const cl_event *event_wait_list, cl_event *event)
{
    const struct span s =
        rect_span(buffer_origin, region, buffer_row_pitch, buffer_slice_pitch);
    struct command c;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_WRITE_BUFFER_RECT,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use(&c, buffer, s.offset, s.size, s.whole ? USE_OVERWRITE : USE_UPDATE,
                     &inner);
    if (rc == CL_SUCCESS)
        rc = mem_host_access(buffer, false, true);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueWriteBufferRect(
            c.queue->inner, inner, CL_FALSE, buffer_origin, host_origin, region,
            buffer_row_pitch, buffer_slice_pitch, host_row_pitch, host_slice_pitch, ptr,
            c.n_waits, c.waits, &c.inner);
    return blocking_write ? command_end_blocking(&c, rc, event)
                          : command_end(&c, rc, event);
}

/* Section 5.2.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueCopyBufferRect(cl_command_queue command_queue, cl_mem src_buffer,
                              cl_mem dst_buffer, const size_t *src_origin,
                              const size_t *dst_origin, const size_t *region,
                              size_t src_row_pitch, size_t src_slice_pitch,
                              size_t dst_row_pitch, size_t dst_slice_pitch,
                              cl_uint num_events_in_wait_list,
                              const cl_event *event_wait_list, cl_event *event)
{
    const struct span from =
        rect_span(src_origin, region, src_row_pitch, src_slice_pitch);
    const struct span to = rect_span(dst_origin, region, dst_row_pitch, dst_slice_pitch);
    struct command c;
    cl_mem src, dst;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_COPY_BUFFER_RECT,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use(&c, src_buffer, from.offset, from.size, USE_READ, &src);
    if (rc == CL_SUCCESS)
        rc = command_use(&c, dst_buffer, to.offset, to.size,
                         to.whole ? USE_OVERWRITE : USE_UPDATE, &dst);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueCopyBufferRect(
            c.queue->inner, src, dst, src_origin, dst_origin, region, src_row_pitch,
            src_slice_pitch, dst_row_pitch, dst_slice_pitch, c.n_waits, c.waits,
            &c.inner);
    return command_end(&c, rc, event);
}

/* ---- on the device alone ----------------------------------------------------------- */

/* Section 5.2.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueCopyBuffer(cl_command_queue command_queue, cl_mem src_buffer,
                          cl_mem dst_buffer, size_t src_offset, size_t dst_offset,
                          size_t size, cl_uint num_events_in_wait_list,
                          const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_mem src, dst;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_COPY_BUFFER,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use(&c, src_buffer, src_offset, size, USE_READ, &src);
    if (rc == CL_SUCCESS)
        rc = command_use(&c, dst_buffer, dst_offset, size, USE_OVERWRITE, &dst);
    if (rc == CL_SUCCESS)
        rc =
            ordinary->clEnqueueCopyBuffer(c.queue->inner, src, dst, src_offset,
                                          dst_offset, size, c.n_waits, c.waits, &c.inner);
    return command_end(&c, rc, event);
}

/* Section 5.2.3. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueFillBuffer(cl_command_queue command_queue, cl_mem buffer,
                          const void *pattern, size_t pattern_size, size_t offset,
                          size_t size, cl_uint num_events_in_wait_list,
                          const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_FILL_BUFFER,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use(&c, buffer, offset, size, USE_OVERWRITE, &inner);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueFillBuffer(c.queue->inner, inner, pattern, pattern_size,
                                           offset, size, c.n_waits, c.waits, &c.inner);
    return command_end(&c, rc, event);
}

/* Section 5.5.4. Moves for real: to this vGPU, or nowhere when the host shall have them. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueMigrateMemObjects(cl_command_queue command_queue, cl_uint num_mem_objects,
                                 const cl_mem *mem_objects, cl_mem_migration_flags flags,
                                 cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event)
{
    const cl_mem_migration_flags stays =
        CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;
    _cleanup_free_ cl_mem *inner = NULL;
    struct command c;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_MIGRATE_MEM_OBJECTS,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    if (num_mem_objects == 0 || !mem_objects || (flags & ~stays))
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS) {
        inner = calloc(num_mem_objects, sizeof *inner);
        rc = inner ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    for (cl_uint i = 0; rc == CL_SUCCESS && i < num_mem_objects; i++)
        rc = flags & stays ? command_use(&c, mem_objects[i], 0, 0, USE_READ, &inner[i])
                           : command_use_all(&c, mem_objects[i], USE_READ, &inner[i]);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueMigrateMemObjects(c.queue->inner, num_mem_objects, inner,
                                                  flags, c.n_waits, c.waits, &c.inner);
    return command_end(&c, rc, event);
}

/* ---- order ------------------------------------------------------------------------- */

/* Section 5.12. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueMarkerWithWaitList(cl_command_queue command_queue,
                                  cl_uint num_events_in_wait_list,
                                  const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_MARKER,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = ordinary->clEnqueueMarkerWithWaitList(c.queue->inner, c.n_waits, c.waits,
                                               &c.inner);
    return command_end(&c, rc, event);
}

/* Section 5.12. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueBarrierWithWaitList(cl_command_queue command_queue,
                                   cl_uint num_events_in_wait_list,
                                   const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_BARRIER,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = ordinary->clEnqueueBarrierWithWaitList(c.queue->inner, c.n_waits, c.waits,
                                                &c.inner);
    return command_end(&c, rc, event);
}

/* Section 5.12. The deprecated ones are on top of their successors. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueMarker(cl_command_queue command_queue, cl_event *event)
{
    if (multi_queue_of(command_queue) && !event)
        return CL_INVALID_VALUE;
    return multi_clEnqueueMarkerWithWaitList(command_queue, 0, NULL, event);
}

/* Section 5.12. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueBarrier(cl_command_queue command_queue)
{
    return multi_clEnqueueBarrierWithWaitList(command_queue, 0, NULL, NULL);
}

/* Section 5.12. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueWaitForEvents(cl_command_queue command_queue, cl_uint num_events,
                             const cl_event *event_list)
{
    cl_int rc;

    if (multi_queue_of(command_queue) && (num_events == 0 || !event_list))
        return CL_INVALID_VALUE;
    rc = multi_clEnqueueBarrierWithWaitList(command_queue, num_events, event_list, NULL);
    return rc == CL_INVALID_EVENT_WAIT_LIST ? CL_INVALID_EVENT : rc;
}
