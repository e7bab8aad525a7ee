/* SPDX-License-Identifier: MIT */
/* For programs of CUDA's: commands that go without a word, and those that others may wait for. */
#include "gate/gate_internal.h"

#include "base/io.h"

/* Of what nobody knows the length; and estimates may be wrong by that factor. */
#define FORCE_PASSED_FACTOR 10u
#define FORCE_FACTOR 4u

/* ---- passing ----------------------------------------------------------------------- */

bool
gate_pass(struct gate *g)
{
    const uint64_t now = now_ns();
    bool may;

    pthread_mutex_lock(&g->lock);
    may = g->passing;
    if (!may && g->governed && g->turn && !g->first_ns && !g->passed &&
        !turn_is_shared(g) && now - g->open_ns >= ALONE_AFTER_NS) {
        may = g->passing = true;
        if (g->inflight == 0)
            gate_begins(g, now);
        g->fresh = false;
        g->inflight++;
        gate_show_since(g);
    }
    pthread_mutex_unlock(&g->lock);
    return may;
}

void
gate_pass_is_idle(struct gate *g, bool idle)
{
    const uint64_t now = now_ns();

    pthread_mutex_lock(&g->lock);
    if (g->passing && idle && !g->idle_ns) {
        gate_settle_used(g, now);
        g->idle_ns = now;
    } else if (g->passing && !idle && g->idle_ns) {
        gate_begins(g, now);
    }
    pthread_mutex_unlock(&g->lock);
}

bool
gate_pass_ends(struct gate *g, struct gate_ticket *ret)
{
    const uint64_t now = now_ns();
    bool ends;

    pthread_mutex_lock(&g->lock);
    ends = g->passing;
    if (ends) {
        gate_settle_used(g, now);
        g->passing = false;
        g->passed = true;
        g->front_ns = now;
        if (g->idle_ns)
            gate_begins(g, now);
        *ret = (struct gate_ticket){.counted = true, .passed = true};
        gate_show_since(g);
    }
    pthread_mutex_unlock(&g->lock);
    return ends;
}

/* Lock held. */
static bool
gate_is_stuck(const struct gate *g, uint64_t now, uint64_t by_ns)
{
    if ((g->turn == 0 && !g->loose) || g->inflight == 0)
        return false;
    if (g->passed)
        return now > g->front_ns + FORCE_PASSED_FACTOR * by_ns;
    return now > g->front_ns + FORCE_FACTOR * g->queued_ns + by_ns;
}

bool
gate_force(struct gate *g, struct gate_ticket *t, uint64_t by_ns)
{
    const uint64_t now = now_ns();
    bool forced;

    pthread_mutex_lock(&g->lock);
    forced = gate_is_stuck(g, now, by_ns);
    if (forced) {
        page_add(&g->page->commands, 1);
        page_add(&g->page->kernels, t->kernel);
        gate_count(g, t, now);
        g->front_ns = now;
    }
    pthread_mutex_unlock(&g->lock);
    return forced;
}
