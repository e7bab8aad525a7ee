/* SPDX-License-Identifier: MIT */
#include "manager/arbiter_core.h"

#include "manager/arbiter_internal.h"

/* Numbers go on from the last that any gate was offered. */
static uint64_t
last_number(const struct turn_file *f)
{
    uint64_t last = 0;

    for (unsigned n = 0; n < TURN_GATES; n++) {
        const uint64_t turn = atomic_load(&f->offer[n].turn);

        if (turn > last)
            last = turn;
    }
    return last;
}

void
arbiter_core_init(struct arbiter_core *c, struct turn_file *f, enum sched_policy policy,
                  const struct sched_params *p)
{
    c->file = f;
    c->params = *p;
    c->last_number = last_number(f);
    c->before_gate = GATE_NONE;
    list_init(&c->vgpus);
    sched_init(&c->sched, policy, p);
    atomic_store(&f->header.window_ns, p->slice_ns);
}

void
arbiter_core_change(struct arbiter_core *c, enum sched_policy policy,
                    const struct sched_params *p, uint64_t now_ns)
{
    c->now_ns = now_ns;
    arbiter_cut_open(c);
    c->params = *p;
    sched_change(&c->sched, policy, p);
    /* A slice that passes unused is no use under best effort; under the others it begins anew. */
    arbiter_cut_passing(c);
    atomic_store(&c->file->header.window_ns, p->slice_ns);
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Gates look for this to know that they are still governed. */
static bool
must_beat(const struct arbiter_core *c)
{
    return c->n_wanting > 0 || c->n_adopted > 0 || c->current.kind == ARBITER_HELD;
}

uint64_t
arbiter_core_step(struct arbiter_core *c, uint64_t now_ns)
{
    uint64_t until = UINT64_MAX;

    c->now_ns = now_ns;
    atomic_store(&c->file->header.beat_ns, now_ns);
    if (c->n_adopted == 0)
        arbiter_advance(c); /* what is over is over before what is new */
    arbiter_look(c);
    /* Who still has a turn of the manager before us keeps it to its end; nobody else has one. */
    if (c->n_adopted == 0) {
        arbiter_advance(c);
        arbiter_plan(c);
        until = arbiter_plan_due(c);
    }
    if (must_beat(c))
        until = sooner(until, now_ns + TURN_BEAT_NS / 2);
    return until;
}
