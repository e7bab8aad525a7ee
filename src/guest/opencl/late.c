/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.2.2: "does not block" holds also where there is no room for the bytes. */
#include "guest/opencl/late.h"

#include "api/opencl_send.h"

#include <stdlib.h>

struct late {
    struct _cl_mem *mem; /* retained, and with it the context */
    cl_device_id device;
    struct rect rect;
    void *dst;      /* of a read */
    uint8_t *bytes; /* of a write: ours, tight */
    cl_event done;  /* user event; retained */
};

static void
late_free(struct late *l)
{
    if (l->done)
        tsr_clReleaseEvent(l->done);
    if (l->mem)
        object_release(&l->mem->o);
    free(l->bytes);
    free(l);
}

static void
late_end(struct late *l, cl_int status)
{
    tsr_clSetUserEventStatus(l->done, status);
    late_free(l);
}

/* Waits for room and for the device. */
static cl_int
late_run(struct late *l)
{
    cl_command_type type = l->dst ? CL_COMMAND_READ_BUFFER : CL_COMMAND_WRITE_BUFFER;
    cl_command_queue queue;
    struct enqueue q;
    cl_event e = NULL;
    cl_int rc;

    queue = tsr_clCreateCommandQueue(l->mem->context, l->device, 0, &rc);
    if (!queue)
        return rc;
    rc = enqueue_begin(&q, queue, type, 0, NULL, &e);
    if (rc == CL_SUCCESS) {
        rc = l->dst ? transfer_read(&q, l->mem, &l->rect, l->dst, true)
                    : transfer_write(&q, l->mem, &l->rect, l->bytes, true);
        rc = enqueue_end(&q, rc, &e);
    }
    if (rc == CL_SUCCESS) {
        rc = tsr_clWaitForEvents(1, &e);
        tsr_clReleaseEvent(e);
    }
    tsr_clReleaseCommandQueue(queue);
    return rc;
}

static void *
late_main(void *arg)
{
    struct late *l = arg;

    late_end(l, late_run(l)); /* CL_SUCCESS is CL_COMPLETE */
    return NULL;
}

static void
late_start(struct late *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attr, late_main, l);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        late_end(l, CL_OUT_OF_HOST_MEMORY);
}

static void CL_CALLBACK
late_due(cl_event before, cl_int status, void *arg)
{
    (void)before;
    if (status < 0)
        late_end(arg, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    else
        late_start(arg);
}

static struct late *
late_new(const struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *dst,
         const void *src)
{
    struct late *l = calloc(1, sizeof *l);
    cl_int rc;

    if (!l)
        return NULL;
    object_retain(&m->o);
    l->mem = m;
    l->device = q->queue->device;
    l->rect = *r;
    l->dst = dst;
    if (src && (l->bytes = malloc(r->region[0] * r->region[1] * r->region[2]))) {
        rect_gather(r, l->bytes, src);
        l->rect.host_origin[0] = l->rect.host_origin[1] = l->rect.host_origin[2] = 0;
        l->rect.host_row = r->region[0];
        l->rect.host_slice = r->region[0] * r->region[1];
    }
    l->done = tsr_clCreateUserEvent(m->context, &rc);
    if (l->done && (dst || l->bytes))
        return l;
    if (l->done)
        tsr_clSetUserEventStatus(l->done, CL_OUT_OF_HOST_MEMORY);
    late_free(l);
    return NULL;
}

/* A marker behind what the transfer comes after. */
static cl_int
late_before(struct enqueue *q, struct _cl_event **ret)
{
    struct _cl_event *e = event_new(q->queue->context, q->queue, CL_COMMAND_MARKER);
    cl_int rc = CL_OUT_OF_HOST_MEMORY;

    if (!e)
        return rc;
    rc = send_clEnqueueMarkerWithWaitList(q->session, NULL, q->queue->o.id, q->n_waits,
                                          q->waits, e->o.id);
    if (rc == CL_SUCCESS)
        *ret = e;
    else
        event_discard(e);
    return rc;
}

cl_int
late_transfer(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *dst,
              const void *src)
{
    struct late *l = late_new(q, m, r, dst, src);
    struct _cl_event *before = NULL;
    cl_int rc = l ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;

    if (rc == CL_SUCCESS && (q->n_waits > 0 || queue_in_order(q->queue)))
        rc = late_before(q, &before);
    if (rc == CL_SUCCESS)
        rc = send_clEnqueueMarkerWithWaitList(q->session, NULL, q->queue->o.id, 1,
                                              &l->done, q->event_id);
    if (rc != CL_SUCCESS) {
        if (l)
            late_end(l, rc);
    } else if (!before) {
        late_start(l);
    } else if (tsr_clSetEventCallback(before, CL_COMPLETE, late_due, l) != CL_SUCCESS) {
        late_end(l, CL_OUT_OF_RESOURCES);
    }
    if (before)
        tsr_clReleaseEvent(before);
    return rc;
}
