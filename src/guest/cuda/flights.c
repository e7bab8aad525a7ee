/* SPDX-License-Identifier: MIT */
#include "guest/cuda/flights.h"

#include "base/futex.h"
#include "base/io.h"
#include "guest/cuda/calls.h"

#include <string.h>

#define LET_GO_LOOK_NS 100000u

void
flights_init(struct flights *f)
{
    memset(f, 0, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
}

/* ---- events ------------------------------------------------------------------------- */

/* Lock held. */
static void *
take_event(struct flights *f, const void *context)
{
    void *event = NULL;

    for (unsigned i = 0; i < f->n_spare; i++) {
        if (f->spare[i].context != context)
            continue;
        event = f->spare[i].event;
        f->spare[i] = f->spare[--f->n_spare];
        return event;
    }
    return call_event_new(&event) == CUDA_SUCCESS ? event : NULL;
}

/* Lock held. */
static void
keep_event(struct flights *f, void *context, void *event)
{
    /* Of several contexts: it goes with its own. Somebody may wait for it, so it is not freed. */
    if (f->n_spare == FLIGHTS_SPARE_MAX)
        return;
    f->spare[f->n_spare].context = context;
    f->spare[f->n_spare++].event = event;
}

/* ---- flights ------------------------------------------------------------------------ */

/* Lock held. */
static struct flight *
flight_at(struct flights *f, unsigned i)
{
    return &f->ring[(f->first + i) % FLIGHTS_MAX];
}

static bool
add(struct flights *f, const struct flight *what, void *context, void *stream)
{
    struct flight *const at = flight_at(f, f->n);
    void *event = NULL;

    if (f->n == FLIGHTS_MAX || !context)
        return false;
    event = take_event(f, context);
    if (!event)
        return false;
    if (call_event_record(event, stream) != CUDA_SUCCESS) {
        keep_event(f, context, event);
        return false;
    }
    *at = *what;
    at->context = context;
    at->event = event;
    f->n++;
    return true;
}

/* A stream may be of another context than the current one. */
static bool
add_elsewhere(struct flights *f, const struct flight *what, void *stream)
{
    void *const context = call_context_of(stream);
    bool added;

    if (!context || call_push(context) != CUDA_SUCCESS)
        return false;
    added = add(f, what, context, stream);
    call_pop();
    return added;
}

bool
flights_add(struct flights *f, const struct flight *what, void *stream)
{
    bool added;

    pthread_mutex_lock(&f->lock);
    added = add(f, what, call_current(), stream) || add_elsewhere(f, what, stream);
    pthread_mutex_unlock(&f->lock);
    return added;
}

/* Lock held. By the device's clock, if that can be told; else it has just ended. */
static uint64_t
end_of(const struct flights *f, const struct flight *what, uint64_t now)
{
    uint64_t passed;

    if (!f->last.event || !what->event || f->last.context != what->context ||
        call_event_elapsed(f->last.event, what->event, &passed) != CUDA_SUCCESS)
        return now;
    return f->last_end_ns + passed < now ? f->last_end_ns + passed : now;
}

/* Lock held. */
static struct gate_times
times_of(struct flights *f, const struct flight *what)
{
    const uint64_t end = end_of(f, what, now_ns());
    uint64_t start = what->submit_ns > f->last_end_ns ? what->submit_ns : f->last_end_ns;

    if (start > end)
        start = end;
    if (f->last.event)
        keep_event(f, f->last.context, f->last.event);
    f->last.context = what->context;
    f->last.event = what->event;
    f->last_end_ns = end;
    return (struct gate_times){what->submit_ns, start, end};
}

/* Lock held. An error is an end, too: there will be no other. */
static bool
oldest_has_ended(struct flights *f)
{
    struct flight *const oldest = flight_at(f, 0);
    int result;

    if (call_push(oldest->context) != CUDA_SUCCESS) {
        /* It is gone, with its events. */
        oldest->event = NULL;
        return true;
    }
    result = call_event_query(oldest->event);
    call_pop();
    return result != CUDA_ERROR_NOT_READY;
}

bool
flights_collect(struct flights *f, struct flight *ret, struct gate_times *ret_at)
{
    bool collected = false;

    pthread_mutex_lock(&f->lock);
    if (f->n > 0) {
        const struct call_relaxed before = call_relax();

        collected = oldest_has_ended(f);
        if (collected) {
            *ret = *flight_at(f, 0);
            f->first = (f->first + 1) % FLIGHTS_MAX;
            f->n--;
            *ret_at = times_of(f, ret);
        }
        call_unrelax(before);
    }
    pthread_mutex_unlock(&f->lock);
    return collected;
}

bool
flights_wait_in(struct flights *f, void *context)
{
    bool mine;

    pthread_mutex_lock(&f->lock);
    mine = f->waited_for == NULL;
    if (mine)
        f->waited_for = context;
    pthread_mutex_unlock(&f->lock);
    return mine;
}

void
flights_waited(struct flights *f)
{
    pthread_mutex_lock(&f->lock);
    f->waited_for = NULL;
    pthread_mutex_unlock(&f->lock);
}

void
flights_let_go(struct flights *f, const void *context)
{
    _Atomic uint32_t nobody_rings = 0;
    bool waits;

    do {
        pthread_mutex_lock(&f->lock);
        waits = f->waited_for == context;
        pthread_mutex_unlock(&f->lock);
        if (waits)
            futex_wait_until(&nobody_rings, 0, now_ns() + LET_GO_LOOK_NS);
    } while (waits);
}

static bool
wait_for(struct flights *f, const struct flight *which)
{
    const struct call_relaxed before = call_relax();
    bool waited = false;

    if (call_push(which->context) == CUDA_SUCCESS) {
        waited = call_event_wait(which->event) == CUDA_SUCCESS;
        call_pop();
    }
    call_unrelax(before);
    flights_waited(f);
    return waited;
}

bool
flights_wait(struct flights *f, bool oldest)
{
    struct flight which;
    bool any;

    pthread_mutex_lock(&f->lock);
    any = f->n > 0 && f->waited_for == NULL;
    if (any) {
        which = *flight_at(f, oldest ? 0 : f->n - 1);
        f->waited_for = which.context;
    }
    pthread_mutex_unlock(&f->lock);
    return any && wait_for(f, &which);
}

uint64_t
flights_oldest_ns(struct flights *f)
{
    uint64_t ns;

    pthread_mutex_lock(&f->lock);
    ns = f->n > 0 ? flight_at(f, 0)->submit_ns : UINT64_MAX;
    pthread_mutex_unlock(&f->lock);
    return ns;
}

/* Lock held. */
static void
forget_events(struct flights *f, const void *context)
{
    for (unsigned i = 0; i < f->n_spare;) {
        if (f->spare[i].context != context) {
            i++;
            continue;
        }
        call_event_free(f->spare[i].event);
        f->spare[i] = f->spare[--f->n_spare];
    }
    if (f->last.context != context)
        return;
    if (f->last.event)
        call_event_free(f->last.event);
    f->last.context = f->last.event = NULL;
}

bool
flights_take_of_context(struct flights *f, const void *context, struct flight *ret)
{
    bool found = false;

    pthread_mutex_lock(&f->lock);
    for (unsigned i = 0; i < f->n && !found; i++) {
        if (flight_at(f, i)->context != context)
            continue;
        found = true;
        *ret = *flight_at(f, i);
        call_event_free(ret->event);
        ret->event = NULL;
        for (f->n--; i < f->n; i++)
            *flight_at(f, i) = *flight_at(f, i + 1);
    }
    if (!found)
        forget_events(f, context);
    pthread_mutex_unlock(&f->lock);
    return found;
}

unsigned
flights_count(struct flights *f)
{
    unsigned n;

    pthread_mutex_lock(&f->lock);
    n = f->n;
    pthread_mutex_unlock(&f->lock);
    return n;
}
