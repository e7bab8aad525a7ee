/* SPDX-License-Identifier: MIT */
/* Clocks: OpenCL 3.0, section 4.2 (timers), and the device's own for copies that a guest does. */
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

/* A look at the device's clock: when a marker was enqueued, by both clocks. */
struct look {
    cl_event marker; /* a reference of our own */
    uint64_t tag, host_ns;
};

static void
look_done(struct session *s, void *arg, cl_int status)
{
    struct look *l = arg;
    cl_ulong queued = 0;
    cl_int rc = status;
    uint64_t answer[2];

    if (rc == CL_SUCCESS)
        rc = s->cl->clGetEventProfilingInfo(l->marker, CL_PROFILING_COMMAND_QUEUED,
                                            sizeof queued, &queued, NULL);
    answer[0] = queued;
    answer[1] = l->host_ns;
    reply_bytes(s, l->tag, rc, answer, sizeof answer, NO_EXTENT);
    s->cl->clReleaseEvent(l->marker);
    free(l);
}

int
op_tessera_device_clock(struct session *s, const struct req_tessera_device_clock *r)
{
    cl_command_queue queue = r->command_queue->h.queue;
    struct look *l = calloc(1, sizeof *l);
    cl_int rc = s->request.error;
    uint64_t before;

    if (!l)
        rc = CL_OUT_OF_HOST_MEMORY;
    before = now_ns();
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueMarkerWithWaitList(queue, 0, NULL, &l->marker);
    if (rc != CL_SUCCESS) {
        free(l);
        reply_status(s, r->tag, rc);
        return 0;
    }
    l->tag = r->tag;
    l->host_ns = before + (now_ns() - before) / 2;
    s->cl->clFlush(queue);
    watch_event(s, l->marker, CL_COMPLETE, look_done, l);
    return 0;
}
