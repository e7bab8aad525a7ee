/* SPDX-License-Identifier: MIT */
#include "worker/held.h"

#include "base/io.h"
#include "gate/cost.h"
#include "worker/event.h"
#include "worker/kernel.h"
#include "worker/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- ready ones -------------------------------------------------------------------- */

static bool
heap_before(const struct held_heap *h, unsigned a, unsigned b)
{
    return h->at[a]->number < h->at[b]->number;
}

static void
heap_swap(struct held_heap *h, unsigned a, unsigned b)
{
    struct held *t = h->at[a];

    h->at[a] = h->at[b];
    h->at[b] = t;
}

static void
heap_put(struct session *s, struct held_heap *h, struct held *c)
{
    unsigned i = h->n;

    if (h->n == h->cap) {
        unsigned cap = h->cap ? 2 * h->cap : 64;
        struct held **bigger = realloc(h->at, cap * sizeof(struct held *));

        if (!bigger)
            session_end(s, "the worker has no memory left");
        h->at = bigger;
        h->cap = cap;
    }
    h->at[h->n++] = c;
    for (; i > 0 && heap_before(h, i, (i - 1) / 2); i = (i - 1) / 2)
        heap_swap(h, i, (i - 1) / 2);
}

static struct held *
heap_take(struct held_heap *h)
{
    struct held *first = h->at[0];
    unsigned i = 0, least;

    h->at[0] = h->at[--h->n];
    for (;;) {
        least = i;
        for (unsigned child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++) {
            if (heap_before(h, child, least))
                least = child;
        }
        if (least == i)
            return first;
        heap_swap(h, i, least);
        i = least;
    }
}

static const struct held *
heap_first(const struct held_heap *h)
{
    return h->n > 0 ? h->at[0] : NULL;
}

/* ---- what it waits for ------------------------------------------------------------- */

static struct event *
event_of(const struct object *o)
{
    return container_of(o, struct event, o);
}

/* Has the event's command not reached the driver, or is it the guest's to set? */
static bool
event_is_pending(const struct event *e)
{
    return e->held || e->open;
}

static bool
any_pending(uint64_t n, struct object *const *waits)
{
    for (uint64_t i = 0; i < n; i++) {
        if (event_is_pending(event_of(waits[i])))
            return true;
    }
    return false;
}

/* One that fails by its wait list takes no device time: it need not wait for a turn to. */
static bool
any_failed(uint64_t n, struct object *const *waits)
{
    for (uint64_t i = 0; i < n; i++) {
        if (waits[i]->error != CL_SUCCESS)
            return true;
    }
    return false;
}

static void
held_is_ready(struct session *s, struct held *h)
{
    struct held_commands *all = &s->held;

    /* The edges' things are its wait list. */
    if (h->ticket.counted && any_failed(h->n_uses, h->uses))
        h->ticket.counted = false;
    if (h->ticket.counted) {
        heap_put(s, &all->ready, h);
        atomic_store_explicit(&all->waiting, all->ready.n, memory_order_relaxed);
    } else {
        heap_put(s, &all->free, h);
    }
    s->runner.due = true;
}

static void
held_unblock(struct session *s, struct held *h)
{
    if (--h->blockers == 0)
        held_is_ready(s, h);
}

static void
held_wait_for(struct held *h, struct held_edge **dependents)
{
    struct held_edge *e = &h->edges[h->n_edges++];

    *e = (struct held_edge){.next = *dependents, .command = h};
    *dependents = e;
    h->blockers++;
}

static void
edges_settle(struct session *s, struct held_edge *e)
{
    while (e) {
        /* The command may go away with its edges. */
        struct held_edge *next = e->next;

        held_unblock(s, e->command);
        e = next;
    }
}

/* Does it wait for all before it in its queue, and are some held? */
static bool
held_is_behind(const struct queue *q, const struct held_spec *spec)
{
    const bool whole = !q->out_of_order || (spec->sync && spec->n_waits == 0);

    return whole && !list_empty(&q->held);
}

static void
held_find_blockers(struct held *h, const struct held_spec *spec)
{
    struct queue *q = h->queue;

    h->behind = held_is_behind(q, spec);
    h->blockers = h->behind;
    if (q->held_barrier)
        held_wait_for(h, &q->held_barrier->dependents);
    for (uint64_t i = 0; i < spec->n_waits; i++) {
        struct event *e = event_of(spec->waits[i]);

        if (e->held)
            held_wait_for(h, &e->held->dependents);
        else if (e->open)
            held_wait_for(h, &e->dependents);
    }
}

static void
held_join_queue(struct held *h)
{
    struct queue *q = h->queue;

    list_add_tail(&q->held, &h->node);
    /* A question takes no room: the commands before it were promised theirs. */
    if (!h->question)
        queue_count_held(q, 1);
    if (h->barrier && q->out_of_order)
        q->held_barrier = h;
}

/* Who is first now may have waited for that. */
static void
held_leave_queue(struct session *s, struct held *h)
{
    struct queue *q = h->queue;
    struct held *first;

    list_del(&h->node);
    if (!h->question)
        queue_count_held(q, -1);
    if (q->held_barrier == h)
        q->held_barrier = NULL;
    if (list_empty(&q->held))
        return;
    first = container_of(q->held.next, struct held, node);
    if (first->behind) {
        first->behind = false;
        held_unblock(s, first);
    }
}

/* ---- keeping ----------------------------------------------------------------------- */

/*
 * What it will take: as it did, or as such commands do with other arguments; and whether it must be
 * compiled first. To be asked again when it goes, since more is known then.
 */
static void
ticket_estimate(struct session *s, struct gate_ticket *t, const struct cost_keys *keys)
{
    t->guess = false;
    t->first = keys->code != 0 && !cost_compiled(&s->costs, keys->code);
    if (cost_known(&s->costs, keys->cost, &t->est_ns))
        return;
    t->guess = keys->like != 0 && cost_known(&s->costs, keys->like, &t->est_ns);
    if (!t->guess)
        t->est_ns = COST_UNKNOWN_NS;
}

bool
held_must(struct session *s, struct held_spec *spec)
{
    struct queue *q = container_of(spec->queue, struct queue, o);
    struct gate_ticket *t = &spec->ticket;
    enum gate_answer answer;

    s->admitted = (struct admitted){0};
    if (s->request.error != CL_SUCCESS)
        return false;
    if (s->restoring.active)
        return true;
    if (t->counted)
        ticket_estimate(s, t, &spec->keys);
    if (held_is_behind(q, spec) || q->held_barrier ||
        any_pending(spec->n_waits, spec->waits))
        return true;
    if (t->counted && s->held.ready.n > 0)
        return true;
    answer = gate_admit(&s->gate, t);
    if (answer == GATE_FULL && queues_busy(s))
        answer = gate_admit(&s->gate, t);
    if (answer != GATE_GO)
        return true;
    s->admitted = (struct admitted){true, *t, spec->keys};
    return false;
}

static size_t
rounded(size_t bytes)
{
    return (bytes + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
}

/* The parts that lie behind it, one after the other. */
static void
held_lay_out(struct held *h, const struct request *q, const struct held_spec *spec)
{
    uint8_t *p = (uint8_t *)h->tail;

    h->request = p;
    p += rounded(spec->request_bytes);
    h->frame = memcpy(p, q->frame, q->len);
    h->frame_len = (uint32_t)q->len;
    p += rounded(q->len);
    h->uses = (struct object **)p;
    p += rounded((spec->n_uses + spec->n_waits) * sizeof(struct object *));
    h->edges = (struct held_edge *)p;
}

static size_t
held_size(const struct request *q, const struct held_spec *spec)
{
    return sizeof(struct held) + rounded(spec->request_bytes) + rounded(q->len) +
           rounded((spec->n_uses + spec->n_waits) * sizeof(struct object *)) +
           (spec->n_waits + 1) * sizeof(struct held_edge);
}

/* Its event exists from now on, though the driver has none. */
static int
held_make_event(struct session *s, struct held *h, struct guest_id id)
{
    struct event *e = id.v != 0 ? object_new(s, id, KIND_event) : NULL;

    if (id.v != 0 && !e)
        return -ENOMEM;
    if (!e)
        return 0;
    e->queue = h->queue;
    object_ref(&e->queue->o);
    e->held = h;
    h->event = e;
    object_ref(&e->o);
    return 0;
}

struct held *
held_new(struct session *s, const struct held_spec *spec)
{
    struct queue *q = container_of(spec->queue, struct queue, o);
    const size_t bytes = held_size(&s->request, spec);
    struct held *h = NULL;

    s->request.error = spec->question ? CL_SUCCESS : queue_admit(s, q);
    if (s->request.error != CL_SUCCESS)
        return NULL;
    if (inflight_take(s, bytes))
        h = malloc(bytes);
    if (!h) {
        s->request.error = CL_OUT_OF_HOST_MEMORY;
        return NULL;
    }
    *h = (struct held){.queue = q,
                       .number = session_moment(s),
                       .since_ns = now_ns(),
                       .ticket = spec->ticket,
                       .keys = spec->keys,
                       .barrier = spec->barrier,
                       .question = spec->question,
                       .bytes = bytes,
                       .op = s->request.op};
    object_ref(&q->o);
    list_init(&h->node);
    held_lay_out(h, &s->request, spec);
    if (held_make_event(s, h, spec->event) < 0) {
        inflight_give(s, bytes);
        object_unref(s, &q->o);
        free(h);
        return NULL;
    }
    s->held.total++;
    return h;
}

const void *
held_moved(const struct session *s, const struct held *h, const void *p)
{
    if (!p)
        return NULL;
    return (const uint8_t *)h->frame +
           ((const uint8_t *)p - (const uint8_t *)s->request.frame);
}

void
held_use(struct held *h, struct object *o)
{
    if (!o)
        return;
    object_ref(o);
    h->uses[h->n_uses++] = o;
}

struct object **
held_use_all(struct held *h, struct object **objects, uint64_t n)
{
    struct object **first = &h->uses[h->n_uses];

    for (uint64_t i = 0; i < n; i++)
        held_use(h, objects[i]);
    return first;
}

/* Each request begins with its tag. Who waits for it may be whom the command waits for. */
static void
held_answer(struct session *s, struct held *h)
{
    uint64_t *tag = h->request;

    if (*tag != 0)
        reply_status(s, *tag, CL_SUCCESS);
    *tag = 0;
}

int
held_done(struct session *s, struct held *h, const struct held_spec *spec, held_fn *run)
{
    h->run = run;
    s->restoring.held = h;
    held_find_blockers(h, spec);
    if (spec->answers_now && h->blockers > 0)
        held_answer(s, h);
    held_join_queue(h);
    if (h->blockers == 0)
        held_is_ready(s, h);
    return 0;
}

int
held_ask(struct session *s, struct queue *q, held_fn *run, uint64_t tag)
{
    const struct held_spec spec = {.queue = &q->o, .sync = true, .question = true};
    struct held *h = held_new(s, &spec);

    if (!h)
        return -ENOMEM;
    h->tag = tag;
    return held_done(s, h, &spec, run);
}

/* ---- running ----------------------------------------------------------------------- */

static void
held_free(struct session *s, struct held *h)
{
    kernel_args_unref(s, h->args);
    for (unsigned i = 0; i < h->n_uses; i++)
        object_unref(s, h->uses[i]);
    if (h->event)
        object_unref(s, &h->event->o);
    object_unref(s, &h->queue->o);
    s->held.total--;
    free(h);
}

void
held_watch(struct session *s, struct held *h, cl_int type, watch_fn *done, void *arg)
{
    struct held_waiter *w = malloc(sizeof *w);

    if (!w)
        session_end(s, "the worker has no memory left");
    *w = (struct held_waiter){.next = h->waiters, .type = type, .done = done, .arg = arg};
    h->waiters = w;
}

static void
waiters_tell(struct session *s, struct held *h, cl_event event, cl_int rc)
{
    struct held_waiter *w = take_ptr(h->waiters);

    while (w) {
        struct held_waiter *next = w->next;

        if (rc == CL_SUCCESS)
            watch_event(s, h->queue, event, w->type, w->done, w->arg);
        else
            w->done(s, w->arg, rc);
        free(w);
        w = next;
    }
}

void
held_event_is(struct session *s, struct held *h, cl_event event, cl_int rc)
{
    struct event *e = h->event;

    if (!e)
        return;
    e->held = NULL;
    e->behind = h->queue->lane.made;
    e->o.error = rc;
    if (rc == CL_SUCCESS) {
        e->o.h.event = event;
        e->held_ns = h->went_ns - h->since_ns;
        s->cl->clRetainEvent(event);
    }
    waiters_tell(s, h, event, rc);
}

void
held_user_event_set(struct session *s, struct event *e)
{
    edges_settle(s, take_ptr(e->dependents));
}

/* As the handler of a message that has just come. */
static int
held_run(struct session *s, struct held *h)
{
    struct request *q = &s->request;
    int rc;

    q->frame = h->frame;
    q->len = h->frame_len;
    q->op = h->op;
    q->recipe = false;
    q->error = CL_SUCCESS;
    q->why = NULL;
    q->scratch_used = 0;
    held_leave_queue(s, h);
    /* What it takes from here on is charged by itself. */
    inflight_give(s, h->bytes);
    s->held.running = h;
    h->went_ns = now_ns();
    rc = h->run(s, h);
    s->held.running = NULL;
    /* The session ends with a bad message; nobody must wait for the command until then. */
    if (rc < 0)
        held_event_is(s, h, NULL, CL_INVALID_OPERATION);
    edges_settle(s, take_ptr(h->dependents));
    held_free(s, h);
    return rc;
}

/* The next that may go, already past the gate; NULL: there is none. */
static struct held *
held_next(struct session *s)
{
    struct held_commands *all = &s->held;
    const struct held *ready = heap_first(&all->ready), *free = heap_first(&all->free);

    if (ready && (!free || ready->number < free->number)) {
        struct gate_ticket t = ready->ticket;

        ticket_estimate(s, &t, &ready->keys);
        if (gate_admit(&s->gate, &t) == GATE_GO) {
            struct held *h = heap_take(&all->ready);

            atomic_store_explicit(&all->waiting, all->ready.n, memory_order_relaxed);
            s->admitted = (struct admitted){true, t, h->keys};
            return h;
        }
    }
    if (!free)
        return NULL;
    s->admitted = (struct admitted){!free->question, free->ticket, {0}};
    if (!free->question)
        gate_admit(&s->gate, &s->admitted.ticket);
    return heap_take(&all->free);
}

int
held_pump(struct session *s, unsigned n)
{
    struct queue *last = NULL;
    unsigned done = 0;
    int rc = 0;

    while (done < n && rc == 0) {
        struct held *h = held_next(s);

        if (!h)
            break;
        if (last && last != h->queue)
            queue_flush_unref(s, take_ptr(last));
        if (!last) {
            last = h->queue;
            object_ref(&last->o);
        }
        rc = held_run(s, h);
        done++;
    }
    if (last)
        queue_flush_unref(s, last);
    return rc < 0 ? rc : (int)done;
}
