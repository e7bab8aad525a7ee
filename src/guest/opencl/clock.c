/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 4.2: host and device timers; and the device's clock for our own copies. */
#include "guest/opencl/clock.h"

#include "api/opencl_send.h"
#include "base/io.h"

#include <stdlib.h>
#include <string.h>

/* Clocks run apart by some millionths: the offset is good for so long. */
#define OFFSET_AGE_NS 250000000ull
#define ASK_TRIES 5
#define GOOD_DOUBT_NS 20000u

/* Two numbers for an answer. */
static cl_int
take_two(struct session *s, cl_int rc, struct pending *p, uint64_t ret[2])
{
    if (rc == CL_SUCCESS)
        rc = session_wait(s, p);
    if (rc == CL_SUCCESS)
        rc = (cl_int)p->status;
    if (rc == CL_SUCCESS && (!p->answer || p->answer_len != 2 * sizeof *ret))
        rc = CL_OUT_OF_RESOURCES;
    if (rc == CL_SUCCESS)
        memcpy(ret, p->answer, 2 * sizeof *ret);
    free(p->answer);
    return rc;
}

/* ---- the device's clock ------------------------------------------------------------ */

struct clock_answer {
    int64_t offset_ns;
    uint64_t doubt_ns; /* it may be wrong by so much */
};

static cl_int
clock_ask_once(struct _cl_command_queue *q, struct clock_answer *ret)
{
    struct session *s = q->o.session;
    struct pending p = {0};
    const uint64_t began = now_ns();
    uint64_t times[2], ended, half; /* device, host */
    cl_int rc = take_two(s, send_tessera_device_clock(s, &p, q->o.id), &p, times);

    ended = now_ns();
    if (rc != CL_SUCCESS || times[0] == 0)
        return rc != CL_SUCCESS ? rc : CL_PROFILING_INFO_NOT_AVAILABLE;
    half = (ended - began) / 2;
    /* The host's clock is ours too, or it would not lie between. */
    if (times[1] >= began && times[1] <= ended)
        *ret = (struct clock_answer){(int64_t)(times[0] - times[1]), 0};
    else
        *ret = (struct clock_answer){(int64_t)(times[0] - began - half), half};
    return CL_SUCCESS;
}

/* In a virtual machine, whose clock is another one: the answer that came soonest. */
static int64_t
clock_ask(struct _cl_command_queue *q)
{
    struct clock_answer best = {.doubt_ns = UINT64_MAX};

    for (unsigned i = 0; i < ASK_TRIES && best.doubt_ns > GOOD_DOUBT_NS; i++) {
        struct clock_answer a;

        if (clock_ask_once(q, &a) != CL_SUCCESS)
            break;
        if (a.doubt_ns < best.doubt_ns)
            best = a;
    }
    return best.offset_ns;
}

int64_t
clock_offset_ns(struct _cl_command_queue *q)
{
    struct session *s = q->o.session;
    uint64_t asked = atomic_load_explicit(&s->clock_asked_ns, memory_order_acquire);

    if (asked == 0 || now_ns() - asked > OFFSET_AGE_NS) {
        const uint32_t rejoins = atomic_load_explicit(&s->rejoins, memory_order_relaxed);

        atomic_store_explicit(&s->clock_offset_ns, clock_ask(q), memory_order_relaxed);
        /* What another device's clock said is not kept. */
        if (rejoins == atomic_load_explicit(&s->rejoins, memory_order_relaxed))
            atomic_store_explicit(&s->clock_asked_ns, now_ns(), memory_order_release);
    }
    return atomic_load_explicit(&s->clock_offset_ns, memory_order_relaxed);
}

/* ---- timers ------------------------------------------------------------------------ */

static cl_ulong
device_timer_resolution(struct device *d)
{
    struct session *s;

    if (!d->info) {
        if (device_session(d, &s) != CL_SUCCESS)
            return 0;
        session_unhold(s);
    }
    return device_number(d, CL_PLATFORM_HOST_TIMER_RESOLUTION, 0);
}

cl_ulong
platform_timer_resolution(void)
{
    cl_ulong coarsest = 0;
    unsigned n;
    struct device *const *all = devices_all(&n);

    for (unsigned i = 0; i < n; i++) {
        cl_ulong resolution = device_timer_resolution(all[i]);

        if (resolution == 0)
            return 0;
        if (resolution > coarsest)
            coarsest = resolution;
    }
    return coarsest;
}

/* *ret: device, host. */
static cl_int
timers_ask(cl_device_id device, uint64_t ret[2])
{
    struct session *s = device->o.session;
    struct pending p = {0};
    cl_int rc = CL_SUCCESS;

    if (platform_timer_resolution() == 0)
        return CL_INVALID_OPERATION;
    if (s)
        session_hold(s);
    else
        rc = device_session(device->d, &s);
    if (rc != CL_SUCCESS)
        return rc;
    rc = take_two(s, send_clGetDeviceAndHostTimer(s, &p, device->o.id), &p, ret);
    session_unhold(s);
    return rc;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetHostTimer(cl_device_id device, cl_ulong *host_timestamp)
{
    uint64_t times[2];
    cl_int rc;

    if (!object_is(device, KIND_device))
        return CL_INVALID_DEVICE;
    if (!host_timestamp)
        return CL_INVALID_VALUE;
    rc = timers_ask(device, times);
    if (rc == CL_SUCCESS)
        *host_timestamp = times[1];
    return rc;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetDeviceAndHostTimer(cl_device_id device, cl_ulong *device_timestamp,
                            cl_ulong *host_timestamp)
{
    uint64_t times[2];
    cl_int rc;

    if (!object_is(device, KIND_device))
        return CL_INVALID_DEVICE;
    if (!device_timestamp || !host_timestamp)
        return CL_INVALID_VALUE;
    rc = timers_ask(device, times);
    if (rc != CL_SUCCESS)
        return rc;
    *device_timestamp = times[0];
    *host_timestamp = times[1];
    return CL_SUCCESS;
}
