/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include "api/opencl_request.h"
#include "worker/event.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the driver itself would do for hours is no finding: of a launch, in one dimension. */
#define GLOBAL_MOST 255u
/* And of `spin`, which takes so many microseconds. */
#define SPIN_MASK 0x3ffu

static _Thread_local bool is_dispatcher;

int
session_fail(struct session *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(s->reason, sizeof s->reason, fmt, ap);
    va_end(ap);
    return -EPROTO;
}

/* Nothing may lead here: these are ends by memory and by the rings. */
void
session_end(struct session *s, const char *fmt, ...)
{
    (void)s;
    fprintf(stderr, "session_end: %s\n", fmt);
    abort();
}

bool
session_is_dispatcher(const struct session *s)
{
    (void)s;
    return is_dispatcher;
}

int
session_prepare_restored(struct session *s)
{
    stage_prepare(container_of(s, struct stage, s));
    return 0;
}

/* ---- the device ---------------------------------------------------------------------------- */

static const struct _cl_icd_dispatch *untamed;

static bool
is_wild(cl_uint dimensions, const size_t *global)
{
    for (cl_uint i = 0; i < dimensions; i++) {
        if (global[i] > GLOBAL_MOST)
            return true;
    }
    return false;
}

static cl_int CL_API_CALL
tame_launch(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
            const size_t *offset, const size_t *global, const size_t *local,
            cl_uint n_waits, const cl_event *waits, cl_event *event)
{
    if (is_wild(dimensions, global))
        return CL_OUT_OF_RESOURCES;
    return untamed->clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global,
                                           local, n_waits, waits, event);
}

static cl_int CL_API_CALL
tame_arg(cl_kernel kernel, cl_uint index, size_t size, const void *value)
{
    cl_uint tame;

    if (size != sizeof tame || !value)
        return untamed->clSetKernelArg(kernel, index, size, value);
    memcpy(&tame, value, sizeof tame);
    tame &= SPIN_MASK;
    return untamed->clSetKernelArg(kernel, index, sizeof tame, &tame);
}

/* ---- callbacks: a session is not over before the driver's threads have made all of them ---- */

static _Atomic unsigned callbacks_open;

struct counted {
    union {
        void(CL_CALLBACK *event)(cl_event, cl_int, void *);
        void(CL_CALLBACK *mem)(cl_mem, void *);
        void(CL_CALLBACK *context)(cl_context, void *);
    };
    void *arg;
};

static struct counted *
counted_new(void *arg)
{
    struct counted *c = malloc(sizeof *c);

    if (!c)
        abort();
    c->arg = arg;
    atomic_fetch_add(&callbacks_open, 1);
    return c;
}

static cl_int
counted_if(cl_int rc, struct counted *c)
{
    if (rc != CL_SUCCESS) {
        free(c);
        atomic_fetch_sub(&callbacks_open, 1);
    }
    return rc;
}

static void CL_CALLBACK
counted_event(cl_event event, cl_int status, void *arg)
{
    struct counted *c = arg;

    c->event(event, status, c->arg);
    free(c);
    atomic_fetch_sub(&callbacks_open, 1);
}

static void CL_CALLBACK
counted_mem(cl_mem mem, void *arg)
{
    struct counted *c = arg;

    c->mem(mem, c->arg);
    free(c);
    atomic_fetch_sub(&callbacks_open, 1);
}

static void CL_CALLBACK
counted_context(cl_context context, void *arg)
{
    struct counted *c = arg;

    c->context(context, c->arg);
    free(c);
    atomic_fetch_sub(&callbacks_open, 1);
}

static cl_int CL_API_CALL
set_event_callback(cl_event event, cl_int type,
                   void(CL_CALLBACK *fn)(cl_event, cl_int, void *), void *arg)
{
    struct counted *c = counted_new(arg);

    c->event = fn;
    return counted_if(untamed->clSetEventCallback(event, type, counted_event, c), c);
}

static cl_int CL_API_CALL
set_mem_callback(cl_mem mem, void(CL_CALLBACK *fn)(cl_mem, void *), void *arg)
{
    struct counted *c = counted_new(arg);

    c->mem = fn;
    return counted_if(untamed->clSetMemObjectDestructorCallback(mem, counted_mem, c), c);
}

static cl_int CL_API_CALL
set_context_callback(cl_context context, void(CL_CALLBACK *fn)(cl_context, void *),
                     void *arg)
{
    struct counted *c = counted_new(arg);

    c->context = fn;
    return counted_if(
        untamed->clSetContextDestructorCallback(context, counted_context, c), c);
}

static void
open_device(struct session *s)
{
    static struct _cl_icd_dispatch tamed;
    char reason[ACCOUNT_REASON_BYTES];

    if (device_open(&s->device, &s->options->device, reason) < 0)
        abort();
    untamed = s->device.cl;
    tamed = *untamed;
    tamed.clEnqueueNDRangeKernel = tame_launch;
    tamed.clSetKernelArg = tame_arg;
    tamed.clSetEventCallback = set_event_callback;
    tamed.clSetMemObjectDestructorCallback = set_mem_callback;
    tamed.clSetContextDestructorCallback = set_context_callback;
    s->cl = &tamed;
    s->root_device = (struct object){
        .id.v = ROOT_DEVICE_ID, .kind = KIND_device, .refs = 1, .h.device = s->device.id};
}

/* ---- the session --------------------------------------------------------------------------- */

static void
open_account(struct session *s)
{
    char path[] = "/tmp/tessera-fuzz-XXXXXX";
    int fd = mkstemp(path), account_fd;

    if (fd < 0 || account_create(path, FRAMEBUFFER_BYTES, &s->account, &account_fd) < 0)
        abort();
    unlink(path);
    close(fd);
    close(account_fd);
    s->slot = &s->account->slot[account_slot_take(s->account)];
    gate_init(&s->gate, &s->slot->gate);
}

void
stage_open(struct stage *g)
{
    static const struct session_options options = {
        .framebuffer_bytes = FRAMEBUFFER_BYTES, .device.fake = true, .bar_fd = -1};
    struct session *s = &g->s;

    s->options = &options;
    s->memory_fds[0] = s->memory_fds[1] = -1;
    open_account(s);
    open_device(s);
    jobs_init(&s->builds, 2);
    jobs_init(&s->asks, 1);
    jobs_init(&s->waits, 4);
    is_dispatcher = true;
}

void
stage_prepare(struct stage *g)
{
    struct session *s = &g->s;
    const uint32_t max = ring_max_frame(s->channel.rx.size);

    g->callbacks = atomic_load(&callbacks_open);
    pthread_mutex_init(&s->queues_lock, NULL);
    list_init(&s->queues);
    list_init(&s->objects);
    pthread_mutex_init(&s->asks_lock, NULL);
    list_init(&s->parked_asks);
    replies_init(&s->replies);
    watches_init(&s->watches);
    runner_init(&s->runner);
    s->frame = malloc(max);
    s->request.scratch = malloc(2ull * max);
    if (!s->frame || !s->request.scratch)
        abort();
}

/* ---- replies ------------------------------------------------------------------------------- */

static void
no_kick(struct channel *c)
{
    (void)c;
}

void
stage_connect(struct stage *g)
{
    static const struct transport_ops ops = {.name = "none", .kick = no_kick};
    struct session *s = &g->s;

    s->channel.transport = &ops;
    ring_init(&g->replies, &s->channel.page->replies, s->channel.tx.data,
              s->channel.tx.size);
    ring_go_on(&g->replies, s->channel.tx.cur, true);
    atomic_store(&s->channel.page->replies.tail, s->channel.tx.cur);
    atomic_store(&s->channel.page->replies.head, s->channel.tx.cur);
}

bool
stage_read_replies(struct stage *g, uint64_t tag)
{
    static uint64_t buf[(1u << 20) / 8];
    const struct frame_header *h = (const void *)buf;
    bool found = false;
    int n;

    do {
        while ((n = ring_read(&g->replies, buf, sizeof buf)) > 0)
            found |= h->op == FRAME_REPLY && h->tag == tag;
        if (n < 0)
            abort();
    } while (!replies_flush(&g->s));
    return found;
}

/* ---- its end ------------------------------------------------------------------------------- */

int
stage_run(struct stage *g)
{
    runner_enter(&g->s);
    g->s.runner.due = true;
    return runner_leave(&g->s);
}

void
stage_close_user_event(struct session *s, struct object *o)
{
    const struct req_clSetUserEventStatus set = {.event = o, .execution_status = -1};

    if (o->kind == KIND_event && container_of(o, struct event, o)->open)
        op_clSetUserEventStatus(s, &set);
}

/* Is there anything that a limit counts? */
static bool
uses_allowances(const struct session *s)
{
    for (unsigned which = 0; which < LIMIT_COUNT; which++) {
        if (s->allowances[which].used != 0)
            return true;
    }
    return false;
}

bool
stage_is_settled(struct stage *g)
{
    struct session *s = &g->s;
    bool busy;

    stage_read_replies(g, 0);
    objects_bury(s);
    watches_poll(s);
    busy = queues_busy(s);
    queues_retire(s);
    queues_give_back(s);
    inflight_settle(s);
    gate_guest_copied(&s->gate, atomic_load(&s->channel.page->copied_bytes));
    return !busy && s->held.total == 0 && !s->runner.first && !watches_any(&s->watches) &&
           list_empty(&s->queues) && atomic_load(&s->slot->used_bytes) == 0 &&
           !uses_allowances(s) && atomic_load(&callbacks_open) <= g->callbacks;
}

void
stage_tell_rest(const struct session *s)
{
    fprintf(stderr, "%lu bytes stay charged, %u commands held, %u callbacks to come\n",
            (unsigned long)atomic_load(&s->slot->used_bytes), s->held.total,
            atomic_load(&callbacks_open));
    for (unsigned which = 0; which < LIMIT_COUNT; which++)
        fprintf(stderr, "%s: %llu stay used\n", limit_rows[which].name,
                (unsigned long long)s->allowances[which].used);
    abort();
}
