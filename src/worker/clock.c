/* SPDX-License-Identifier: MIT */
/* Clocks: OpenCL 3.0, section 4.2 (timers), and the device's own for copies that a guest does. */
#include "worker/clock.h"

#include "api/opencl_request.h"
#include "base/io.h"

#include <stdlib.h>

#define NO_EXTENT ((struct extent){EXTENT_NONE, 0})

int
op_clGetDeviceAndHostTimer(struct session *s, const struct req_clGetDeviceAndHostTimer *r)
{
    uint64_t answer[2] = {0};
    cl_ulong device = 0, host = 0;
    cl_int rc = s->request.error;

    if (rc == CL_SUCCESS &&
        (s->device.version < CL_MAKE_VERSION(2, 1, 0) || !s->cl->clGetDeviceAndHostTimer))
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS)
        rc = s->cl->clGetDeviceAndHostTimer(r->device->h.device, &device, &host);
    answer[0] = device;
    answer[1] = host;
    reply_bytes(s, r->tag, rc, answer, sizeof answer, NO_EXTENT);
    return 0;
}

/* ---- both clocks at one moment ------------------------------------------------------ */

/* A marker is enqueued within some microseconds, unless the thread is interrupted meanwhile. */
#define MARK_TRIES 8u
#define MARK_NARROW_NS 20000u

cl_int
clock_mark(const struct _cl_icd_dispatch *cl, cl_command_queue queue,
           struct clock_mark *ret)
{
    uint64_t narrowest = UINT64_MAX;

    *ret = (struct clock_mark){0};
    for (unsigned i = 0; i < MARK_TRIES && narrowest > MARK_NARROW_NS; i++) {
        cl_event marker = NULL;
        const uint64_t before = now_ns();
        cl_int rc = cl->clEnqueueMarkerWithWaitList(queue, 0, NULL, &marker);
        const uint64_t width = now_ns() - before;

        if (rc == CL_SUCCESS && width < narrowest) {
            cl_event wide = ret->event;

            *ret = (struct clock_mark){marker, before + width / 2};
            narrowest = width;
            marker = wide;
        }
        if (marker)
            cl->clReleaseEvent(marker);
        if (rc != CL_SUCCESS && !ret->event)
            return rc;
    }
    return CL_SUCCESS;
}

struct look {
    struct clock_mark mark;
    uint64_t tag;
};

static void
look_done(struct session *s, void *arg, cl_int status)
{
    struct look *l = arg;
    cl_ulong queued = 0;
    cl_int rc = status;
    uint64_t answer[2];

    if (rc == CL_SUCCESS)
        rc = s->cl->clGetEventProfilingInfo(l->mark.event, CL_PROFILING_COMMAND_QUEUED,
                                            sizeof queued, &queued, NULL);
    answer[0] = queued;
    answer[1] = l->mark.host_ns;
    reply_bytes(s, l->tag, rc, answer, sizeof answer, NO_EXTENT);
    s->cl->clReleaseEvent(l->mark.event);
    free(l);
}

int
op_tessera_device_clock(struct session *s, const struct req_tessera_device_clock *r)
{
    cl_command_queue queue = r->command_queue->h.queue;
    struct look *l = calloc(1, sizeof *l);
    cl_int rc = s->request.error;

    if (!l)
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = clock_mark(s->cl, queue, &l->mark);
    if (rc != CL_SUCCESS) {
        free(l);
        reply_status(s, r->tag, rc);
        return 0;
    }
    l->tag = r->tag;
    s->cl->clFlush(queue);
    watch_event(s, NULL, l->mark.event, CL_COMPLETE, look_done, l);
    return 0;
}
