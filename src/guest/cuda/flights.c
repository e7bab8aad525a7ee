/* SPDX-License-Identifier: MIT */
#include "guest/cuda/flights.h"

#include "base/io.h"
#include "guest/cuda/calls.h"

#include <string.h>

void
flights_init(struct flights *f)
{
    memset(f, 0, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    pthread_mutex_init(&f->waits, NULL);
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
add(struct flights *f, const struct flight *what, void *stream)
{
    struct flight *const at = flight_at(f, f->n);
    void *context = call_current();
    void *event;

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

bool
flights_add(struct flights *f, const struct flight *what, void *stream)
{
    bool added;

    pthread_mutex_lock(&f->lock);
    added = add(f, what, stream);
    pthread_mutex_unlock(&f->lock);
    return added;
}

/* Lock held. By the device's clock, if that can be told; else it has just ended. */
static uint64_t
end_of(const struct flights *f, const struct flight *what, uint64_t now)
{
    uint64_t passed;

    if (!f->last.event || f->last.context != what->context ||
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
    const struct flight *const oldest = flight_at(f, 0);
    int result;

    if (call_push(oldest->context) != CUDA_SUCCESS)
        return true;
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
flights_wait(struct flights *f)
{
    struct flight newest;
    bool any;

    pthread_mutex_lock(&f->waits);
    pthread_mutex_lock(&f->lock);
    any = f->n > 0;
    if (any)
        newest = *flight_at(f, f->n - 1);
    pthread_mutex_unlock(&f->lock);
    if (any && call_push(newest.context) == CUDA_SUCCESS) {
        call_event_wait(newest.event);
        call_pop();
    }
    pthread_mutex_unlock(&f->waits);
    return any;
}

/* Lock held. */
static void
forget_events(struct flights *f, const void *context)
{
    for (unsigned i = 0; i < f->n_spare;) {
        if (f->spare[i].context == context)
            f->spare[i] = f->spare[--f->n_spare];
        else
            i++;
    }
    if (f->last.context == context)
        f->last.context = f->last.event = NULL;
}

bool
flights_take_of_context(struct flights *f, const void *context, struct flight *ret)
{
    bool found = false;

    pthread_mutex_lock(&f->waits);
    pthread_mutex_lock(&f->lock);
    for (unsigned i = 0; i < f->n && !found; i++) {
        if (flight_at(f, i)->context != context)
            continue;
        found = true;
        *ret = *flight_at(f, i);
        for (f->n--; i < f->n; i++)
            *flight_at(f, i) = *flight_at(f, i + 1);
    }
    if (!found)
        forget_events(f, context);
    pthread_mutex_unlock(&f->lock);
    pthread_mutex_unlock(&f->waits);
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
