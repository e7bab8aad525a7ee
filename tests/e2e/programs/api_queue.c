/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.1, 5.5.4, 5.12, 5.15: queues, migration, markers, flush, finish. */
#include "api_use.h"

/* ---- 5.1 creation and queries ------------------------------------------------------ */

static cl_int
create(struct use *u, cl_context c, cl_device_id d, cl_command_queue_properties p)
{
    return NEW(u, clCreateCommandQueue(c, d, p, &u->rc));
}

static cl_int
create_with(struct use *u, cl_context c, cl_device_id d, const cl_queue_properties *p)
{
    return NEW(u, clCreateCommandQueueWithProperties(c, d, p, &u->rc));
}

static bool
queue_tells(struct use *u, cl_command_queue q, cl_command_queue_properties p)
{
    return NUMBER(clGetCommandQueueInfo, q, CL_QUEUE_CONTEXT) == (uintptr_t)u->context &&
           NUMBER(clGetCommandQueueInfo, q, CL_QUEUE_DEVICE) == (uintptr_t)u->device &&
           NUMBER(clGetCommandQueueInfo, q, CL_QUEUE_REFERENCE_COUNT) == 1 &&
           NUMBER(clGetCommandQueueInfo, q, CL_QUEUE_PROPERTIES) == p &&
           NUMBER(clGetCommandQueueInfo, q, CL_QUEUE_DEVICE_DEFAULT) == 0;
}

static bool
older_queue_tells(struct use *u)
{
    cl_command_queue q =
        clCreateCommandQueue(u->context, u->device, CL_QUEUE_PROFILING_ENABLE, &u->rc);
    size_t size = 1;
    bool good = q && u->rc == CL_SUCCESS && queue_tells(u, q, CL_QUEUE_PROFILING_ENABLE);

    good = good &&
           clGetCommandQueueInfo(q, CL_QUEUE_PROPERTIES_ARRAY, 0, NULL, &size) ==
               CL_SUCCESS &&
           size == 0;
    return q && clReleaseCommandQueue(q) == CL_SUCCESS && good;
}

static bool
properties_are_told(struct use *u)
{
    const cl_queue_properties p[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
    cl_queue_properties got[3] = {1, 1, 1};
    size_t size = 0;
    cl_command_queue q =
        clCreateCommandQueueWithProperties(u->context, u->device, p, &u->rc);
    bool good =
        q && u->rc == CL_SUCCESS && queue_tells(u, q, CL_QUEUE_PROFILING_ENABLE) &&
        clGetCommandQueueInfo(q, CL_QUEUE_PROPERTIES_ARRAY, sizeof got, got, &size) ==
            CL_SUCCESS &&
        size == sizeof p && memcmp(got, p, sizeof p) == 0;

    return q && clReleaseCommandQueue(q) == CL_SUCCESS && good;
}

static void
creation(struct use *u)
{
    const cl_command_queue_properties on_device =
        CL_QUEUE_ON_DEVICE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
    const char *const call = "clCreateCommandQueue";
    cl_context no_context = (cl_context)u->buffer;
    cl_device_id no_device = (cl_device_id)u->buffer;

    RIGHT(call, "it tells what it was made of", older_queue_tells(u));
    WRONG(call, "no context", CL_INVALID_CONTEXT, create(u, NULL, u->device, 0));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               create(u, no_context, u->device, 0));
    WRONG(call, "no device", CL_INVALID_DEVICE, create(u, u->context, NULL, 0));
    WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
               create(u, u->context, no_device, 0));
    WRONG(call, "a property that there is not", CL_INVALID_VALUE,
          create(u, u->context, u->device, 1 << 20));
    /* Of this older call's bit-field, queues on the device are no valid bit either. */
    if (!device_number(u, CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES))
        WRONG_OR_DIFFERS("queue-on-device", CL_SUCCESS, call,
                         "a property that the device has not",
                         CL_INVALID_QUEUE_PROPERTIES, CL_INVALID_VALUE,
                         create(u, u->context, u->device, on_device));
}

static void
creation_with_properties(struct use *u)
{
    const cl_queue_properties unknown[] = {0x7ffffff0, 1, 0};
    const cl_queue_properties bits[] = {CL_QUEUE_PROPERTIES, 1 << 20, 0};
    const cl_queue_properties size[] = {CL_QUEUE_SIZE, 1024, 0};
    const cl_queue_properties on_device[] = {
        CL_QUEUE_PROPERTIES, CL_QUEUE_ON_DEVICE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE,
        0};
    const char *const call = "clCreateCommandQueueWithProperties";
    cl_context no_context = (cl_context)u->buffer;
    cl_device_id no_device = (cl_device_id)u->buffer;

    RIGHT(call, "its properties are told again", properties_are_told(u));
    WRONG(call, "no context", CL_INVALID_CONTEXT, create_with(u, NULL, u->device, NULL));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               create_with(u, no_context, u->device, NULL));
    WRONG(call, "no device", CL_INVALID_DEVICE, create_with(u, u->context, NULL, NULL));
    WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
               create_with(u, u->context, no_device, NULL));
    WRONG(call, "a property that there is not", CL_INVALID_VALUE,
          create_with(u, u->context, u->device, unknown));
    WRONG(call, "a bit that there is not", CL_INVALID_VALUE,
          create_with(u, u->context, u->device, bits));
    /* Not valid without CL_QUEUE_ON_DEVICE, and nothing that the device supports. */
    WRONG_OR_DIFFERS("queue-size", CL_SUCCESS, call, "a size for a queue on the host",
                     CL_INVALID_VALUE, CL_INVALID_QUEUE_PROPERTIES,
                     create_with(u, u->context, u->device, size));
    if (!device_number(u, CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES))
        REFUSED_CRASHES("queue-on-device", call, "queues on the device are not reported",
                        CL_INVALID_QUEUE_PROPERTIES,
                        create_with(u, u->context, u->device, on_device));
}

/* Deprecated with 1.1; a driver may have no such entry, or refuse to change a queue. */
static void
property_change(struct use *u)
{
    const struct _cl_icd_dispatch *table = *(struct _cl_icd_dispatch **)u->queue;
    const char *const call = "clSetCommandQueueProperty";
    cl_command_queue wrong = (cl_command_queue)u->buffer;
    cl_command_queue_properties old = 0;
    bool has = table->clSetCommandQueueProperty != NULL;

    REFUSED(call, "a living queue does not change", CL_INVALID_OPERATION,
            has ? table->clSetCommandQueueProperty(u->queue, CL_QUEUE_PROFILING_ENABLE,
                                                   CL_FALSE, &old)
                : CL_INVALID_OPERATION);
    RIGHT(call, "and keeps its properties",
          NUMBER(clGetCommandQueueInfo, u->queue, CL_QUEUE_PROPERTIES) ==
              CL_QUEUE_PROFILING_ENABLE);
    WRONG_KIND_OR(call, "a queue that is a buffer", CL_INVALID_COMMAND_QUEUE,
                  has ? NO_STATUS : CL_INVALID_OPERATION,
                  has ? table->clSetCommandQueueProperty(wrong, CL_QUEUE_PROFILING_ENABLE,
                                                         CL_FALSE, &old)
                      : CL_INVALID_OPERATION);
}

/* ---- 5.15 flush and finish --------------------------------------------------------- */

static bool
finish_completes(struct use *u)
{
    cl_event e = NULL;
    bool good;

    MUST(clEnqueueFillBuffer(u->queue, u->buffer, "x", 1, 0, USE_BYTES, 0, NULL, &e));
    good = clFinish(u->queue) == CL_SUCCESS &&
           NUMBER(clGetEventInfo, e, CL_EVENT_COMMAND_EXECUTION_STATUS) == CL_COMPLETE;
    return clReleaseEvent(e) == CL_SUCCESS && good;
}

/* Section 5.15: what was flushed is submitted, and completes with nobody waiting for it. */
static bool
flush_submits(struct use *u)
{
    cl_event e = NULL;
    bool good;

    MUST(clEnqueueFillBuffer(u->queue, u->buffer, "x", 1, 0, USE_BYTES, 0, NULL, &e));
    good = clFlush(u->queue) == CL_SUCCESS && event_comes_to(e, CL_COMPLETE);
    return clReleaseEvent(e) == CL_SUCCESS && good;
}

static void
flush_and_finish(struct use *u)
{
    cl_command_queue wrong = (cl_command_queue)u->buffer;

    RIGHT("clFlush", "what was flushed completes", flush_submits(u));
    WRONG("clFlush", "no queue", CL_INVALID_COMMAND_QUEUE, clFlush(NULL));
    WRONG_KIND("clFlush", "a queue that is a buffer", CL_INVALID_COMMAND_QUEUE,
               clFlush(wrong));
    RIGHT("clFinish", "everything before it is complete", finish_completes(u));
    WRONG("clFinish", "no queue", CL_INVALID_COMMAND_QUEUE, clFinish(NULL));
    WRONG_KIND("clFinish", "a queue that is a buffer", CL_INVALID_COMMAND_QUEUE,
               clFinish(wrong));
}

/* ---- 5.12 markers, barriers -------------------------------------------------------- */

static cl_int
marker_list(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueMarkerWithWaitList(q, n, w, e);
}

static cl_int
barrier_list(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueBarrierWithWaitList(q, n, w, e);
}

/* On a queue out of order: complete only after what it waits for. */
static bool
waits_for_user_event(struct use *u, enqueue_fn enqueue)
{
    cl_command_queue q = clCreateCommandQueue(
        u->context, u->device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &u->rc);
    cl_event gate, e = NULL;
    bool good;

    if (u->rc == CL_INVALID_QUEUE_PROPERTIES) /* no such queues on this device */
        q = clCreateCommandQueue(u->context, u->device, 0, &u->rc);
    MUST(u->rc);
    gate = clCreateUserEvent(u->context, &u->rc);
    MUST(u->rc);
    good = enqueue(u, q, 1, &gate, &e) == CL_SUCCESS && clFlush(q) == CL_SUCCESS &&
           NUMBER(clGetEventInfo, e, CL_EVENT_COMMAND_EXECUTION_STATUS) != CL_COMPLETE;
    MUST(clSetUserEventStatus(gate, CL_COMPLETE));
    good = good && clWaitForEvents(1, &e) == CL_SUCCESS;
    MUST(clFinish(q));
    MUST(clReleaseEvent(gate));
    MUST(clReleaseEvent(e));
    MUST(clReleaseCommandQueue(q));
    return good;
}

static cl_int
older_wait(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    cl_int rc = clEnqueueWaitForEvents(q, n, w);

    (void)u;
    return rc == CL_SUCCESS ? clEnqueueMarker(q, e) : rc;
}

static bool
older_marker_completes(struct use *u)
{
    cl_event e = NULL;
    bool good = clEnqueueMarker(u->queue, &e) == CL_SUCCESS &&
                clWaitForEvents(1, &e) == CL_SUCCESS &&
                NUMBER(clGetEventInfo, e, CL_EVENT_COMMAND_TYPE) == CL_COMMAND_MARKER;

    return good && clReleaseEvent(e) == CL_SUCCESS;
}

static void
older_synchronisation(struct use *u)
{
    cl_command_queue wrong = (cl_command_queue)u->buffer;
    cl_event no_event = (cl_event)u->buffer, e;
    const char *const call = "clEnqueueWaitForEvents";

    RIGHT("clEnqueueMarker", "its event completes", older_marker_completes(u));
    WRONG("clEnqueueMarker", "no queue", CL_INVALID_COMMAND_QUEUE,
          clEnqueueMarker(NULL, &e));
    WRONG_KIND("clEnqueueMarker", "a queue that is a buffer", CL_INVALID_COMMAND_QUEUE,
               clEnqueueMarker(wrong, &e));
    WRONG("clEnqueueMarker", "nowhere to put the event", CL_INVALID_VALUE,
          clEnqueueMarker(u->queue, NULL));
    RIGHT("clEnqueueBarrier", "the queue goes on behind it",
          clEnqueueBarrier(u->queue) == CL_SUCCESS && clFinish(u->queue) == CL_SUCCESS);
    WRONG("clEnqueueBarrier", "no queue", CL_INVALID_COMMAND_QUEUE,
          clEnqueueBarrier(NULL));
    WRONG_KIND("clEnqueueBarrier", "a queue that is a buffer", CL_INVALID_COMMAND_QUEUE,
               clEnqueueBarrier(wrong));
    RIGHT_CRASHES("wait-for-events", call, "what follows waits",
                  waits_for_user_event(u, older_wait));
    WRONG(call, "no queue", CL_INVALID_COMMAND_QUEUE,
          clEnqueueWaitForEvents(NULL, 1, &u->user_event));
    WRONG_KIND(call, "a queue that is a buffer", CL_INVALID_COMMAND_QUEUE,
               clEnqueueWaitForEvents(wrong, 1, &u->user_event));
    WRONG_CRASHES("wait-for-events", call, "no events", CL_INVALID_VALUE,
                  clEnqueueWaitForEvents(u->queue, 0, &u->user_event));
    WRONG_CRASHES("wait-for-events", call, "no list", CL_INVALID_VALUE,
                  clEnqueueWaitForEvents(u->queue, 1, NULL));
    WRONG_KIND(call, "an event that is a buffer", CL_INVALID_EVENT,
               clEnqueueWaitForEvents(u->queue, 1, &no_event));
    WRONG_CRASHES("wait-for-events", call, "an event of another context",
                  CL_INVALID_CONTEXT,
                  clEnqueueWaitForEvents(u->queue, 1, &u->other_event));
    MUST(clFinish(u->queue));
}

/* ---- 5.5.4 migration --------------------------------------------------------------- */

static cl_int
migrate(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    return clEnqueueMigrateMemObjects(q, 1, &u->buffer, 0, n, w, e);
}

static bool
migration_keeps_bytes(struct use *u)
{
    const uint8_t want[4] = {3, 4, 5, 6};

    buffer_fill(u, 3);
    return clEnqueueMigrateMemObjects(u->queue, 1, &u->buffer, CL_MIGRATE_MEM_OBJECT_HOST,
                                      0, NULL, NULL) == CL_SUCCESS &&
           clEnqueueMigrateMemObjects(u->queue, 1, &u->buffer, 0, 0, NULL, NULL) ==
               CL_SUCCESS &&
           buffer_is(u, 0, want, sizeof want);
}

static cl_int
migrate_these(struct use *u, cl_mem a, cl_mem b, cl_mem_migration_flags flags)
{
    const cl_mem both[2] = {a, b};

    return clEnqueueMigrateMemObjects(u->queue, 2, both, flags, 0, NULL, NULL);
}

static void
migration(struct use *u)
{
    const struct enqueued e = {"clEnqueueMigrateMemObjects",
                               migrate,
                               CL_COMMAND_MIGRATE_MEM_OBJECTS,
                               true,
                               false,
                               NULL,
                               NULL};

    use_enqueue(u, &e);
    RIGHT(e.entry, "there and back, the bytes stay", migration_keeps_bytes(u));
    WRONG(e.entry, "no objects", CL_INVALID_VALUE,
          clEnqueueMigrateMemObjects(u->queue, 0, &u->buffer, 0, 0, NULL, NULL));
    WRONG(e.entry, "no list", CL_INVALID_VALUE,
          clEnqueueMigrateMemObjects(u->queue, 1, NULL, 0, 0, NULL, NULL));
    WRONG(e.entry, "a flag that there is not", CL_INVALID_VALUE,
          migrate_these(u, u->buffer, u->buffer, 1 << 20));
    WRONG(e.entry, "a second object that is none", CL_INVALID_MEM_OBJECT,
          migrate_these(u, u->buffer, NULL, 0));
    WRONG_KIND(e.entry, "a second object that is a queue", CL_INVALID_MEM_OBJECT,
               migrate_these(u, u->buffer, (cl_mem)u->queue, 0));
    WRONG(e.entry, "a second object of another context", CL_INVALID_CONTEXT,
          migrate_these(u, u->buffer, u->other_buffer, 0));
}

void
api_queue(struct use *u)
{
    const struct enqueued marker = {"clEnqueueMarkerWithWaitList",
                                    marker_list,
                                    CL_COMMAND_MARKER,
                                    false,
                                    false,
                                    NULL,
                                    NULL};
    const struct enqueued barrier = {"clEnqueueBarrierWithWaitList",
                                     barrier_list,
                                     CL_COMMAND_BARRIER,
                                     false,
                                     false,
                                     NULL,
                                     NULL};
    const struct query q = {"clGetCommandQueueInfo",
                            (query_fn)clGetCommandQueueInfo,
                            u->queue,
                            u->buffer,
                            CL_INVALID_COMMAND_QUEUE,
                            CL_QUEUE_REFERENCE_COUNT,
                            sizeof(cl_uint)};
    const struct counted counts = {"clRetainCommandQueue", "clReleaseCommandQueue",
                                   (count_fn)clRetainCommandQueue,
                                   (count_fn)clReleaseCommandQueue, q};
    cl_uint size;

    creation(u);
    creation_with_properties(u);
    property_change(u);
    use_query(&q);
    WRONG("clGetCommandQueueInfo", "the size of a queue on the host",
          CL_INVALID_COMMAND_QUEUE,
          clGetCommandQueueInfo(u->queue, CL_QUEUE_SIZE, sizeof size, &size, NULL));
    use_counts(&counts);
    flush_and_finish(u);
    use_enqueue(u, &marker);
    RIGHT(marker.entry, "not complete before its wait list",
          waits_for_user_event(u, marker_list));
    use_enqueue(u, &barrier);
    RIGHT(barrier.entry, "not complete before its wait list",
          waits_for_user_event(u, barrier_list));
    older_synchronisation(u);
    migration(u);
}
