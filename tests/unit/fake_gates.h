/* SPDX-License-Identifier: MIT */
/*
 * An arbiter and gates of fake guests on a virtual clock: nothing sleeps. A guest runs kernels of
 * one length, back to back or with a pause after each, and its gate keeps to link/turn.h.
 */
#ifndef TESSERA_TESTS_FAKE_GATES_H
#define TESSERA_TESTS_FAKE_GATES_H

#include "manager/arbiter_core.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define GUESTS_MAX 16
#define WORLD_BEGIN_NS (1000 * MS)

struct guest {
    struct arbiter_vgpu *vgpu;
    unsigned gate;
    struct turn_view view;
    uint64_t kernel_ns, pause_ns; /* kernel_ns 0: it wants nothing */
    uint64_t begins_ns;           /* passes before a turn's first kernel begins */
    uint64_t runs_on_ns;          /* beyond each turn: a debt */
    bool lies;                    /* says that it took no time */
    bool hangs;                   /* its kernel never ends */
    bool dead;
    /* The gate's: */
    bool holds, runs, fresh;
    struct turn_terms terms;
    uint64_t taken_ns, kernel_end_ns, wants_at_ns, idle_from_ns, used_ns;
    uint64_t late_ns, owed_ns, worked_ns, kernels, longest_wait_ns, wanted_from_ns;
};

struct world {
    struct turn_file *file;
    struct arbiter_core *core;
    uint64_t now_ns, until_ns, arbiter_late_ns;
    uint32_t bell;
    unsigned steps;
    struct arbiter_vgpu vgpus[GUESTS_MAX];
    struct guest guests[GUESTS_MAX];
    unsigned n_vgpus, n_guests, holders;
};

static struct world *
world_new(enum sched_policy policy)
{
    const struct sched_params p = {.slice_ns = 2 * MS};
    struct world *w = calloc(1, sizeof *w);

    w->file = mmap(NULL, sizeof *w->file, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(w->file, MAP_FAILED);
    w->core = calloc(1, sizeof *w->core);
    w->now_ns = WORLD_BEGIN_NS;
    arbiter_core_init(w->core, w->file, policy, &p);
    return w;
}

static void
world_free(struct world *w)
{
    free(w->core);
    munmap(w->file, sizeof *w->file);
    free(w);
}

static struct arbiter_vgpu *
world_vgpu(struct world *w, uint64_t share)
{
    struct arbiter_vgpu *v = &w->vgpus[w->n_vgpus];
    char name[8];

    snprintf(name, sizeof name, "v%u", w->n_vgpus++);
    arbiter_core_add(w->core, v, name, share);
    return v;
}

static struct guest *
world_guest(struct world *w, struct arbiter_vgpu *v, uint64_t kernel_ns,
            uint64_t pause_ns)
{
    struct guest *g = &w->guests[w->n_guests];
    const int n = arbiter_core_open_gate(w->core, v, w->n_guests++, w->now_ns);

    assert_true(n >= 0);
    *g = (struct guest){.vgpu = v,
                        .gate = (unsigned)n,
                        .kernel_ns = kernel_ns,
                        .pause_ns = pause_ns,
                        .wants_at_ns = kernel_ns ? w->now_ns : UINT64_MAX};
    g->view = (struct turn_view){.file = w->file,
                                 .bell = &w->file->bell,
                                 .own = &w->file->gate[n],
                                 .gate = (unsigned)n};
    return g;
}

/* One guest on a vGPU of its own that owns 1/8. */
static struct guest *
world_tenant(struct world *w, uint64_t kernel_ns, uint64_t pause_ns)
{
    return world_guest(w, world_vgpu(w, SCHED_SHARE_ONE / 8), kernel_ns, pause_ns);
}

static void
guest_wakes(struct world *w, struct guest *g)
{
    g->wants_at_ns = UINT64_MAX;
    g->wanted_from_ns = w->now_ns;
    turn_want(&g->view, true);
}

static void
guest_kernel_ends(struct world *w, struct guest *g)
{
    g->runs = false;
    if (g->late_ns > 0)
        turn_take(&g->view, g->terms.turn, g->taken_ns += g->late_ns);
    g->late_ns = 0;
    g->kernels++;
    g->worked_ns += g->kernel_ns;
    g->used_ns += g->kernel_ns;
    g->idle_from_ns = w->now_ns;
    g->wanted_from_ns = w->now_ns;
    atomic_store(&g->view.own->since_ns, 0);
    if (g->pause_ns == 0)
        return;
    g->wants_at_ns = w->now_ns + g->pause_ns;
    turn_want(&g->view, false);
}

static void
guest_takes(struct world *w, struct guest *g)
{
    assert_int_equal(w->holders, 0); /* one turn at a time */
    w->holders++;
    g->holds = true;
    g->fresh = true;
    g->taken_ns = g->idle_from_ns = w->now_ns;
    g->used_ns = 0;
    turn_take(&g->view, g->terms.turn, w->now_ns);
}

static void
guest_gives(struct world *w, struct guest *g)
{
    w->holders--;
    g->holds = false;
    turn_give_back(&g->view, g->terms.turn, g->used_ns, w->now_ns);
    g->owed_ns += g->runs_on_ns;
    atomic_fetch_add(&g->view.own->debt_ns, g->runs_on_ns);
    if (g->lies) {
        atomic_store(&g->view.own->taken_ns, w->now_ns);
        atomic_store(&g->view.own->given_ns, 0);
    }
}

static uint64_t
sum_or_never(uint64_t a, uint64_t b)
{
    return b >= UINT64_MAX - a ? UINT64_MAX : a + b;
}

static void
guest_launches(struct world *w, struct guest *g)
{
    if (w->now_ns - g->wanted_from_ns > g->longest_wait_ns)
        g->longest_wait_ns = w->now_ns - g->wanted_from_ns;
    g->runs = true;
    g->late_ns = g->fresh ? g->begins_ns : 0;
    g->fresh = false;
    g->kernel_end_ns = g->hangs ? UINT64_MAX : w->now_ns + g->late_ns + g->kernel_ns;
    atomic_store(&g->view.own->since_ns, w->now_ns);
}

/* Uses its turn; false: nothing to do before guest_next_ns(). */
static bool
guest_in_turn(struct world *w, struct guest *g)
{
    const bool wants = atomic_load(&g->view.own->wants);

    assert_true(turn_offered(&g->view, &g->terms));
    if (g->runs)
        return false;
    if (w->now_ns >= sum_or_never(g->taken_ns, g->terms.slice_ns) ||
        turn_is_revoked(&g->view, g->terms.turn) ||
        (!wants && w->now_ns >= sum_or_never(g->idle_from_ns, g->terms.linger_ns)))
        guest_gives(w, g);
    else if (wants)
        guest_launches(w, g);
    else
        return false;
    return true;
}

static bool
guest_step(struct world *w, struct guest *g)
{
    if (g->dead)
        return false;
    if (w->now_ns >= g->wants_at_ns) {
        guest_wakes(w, g);
        return true;
    }
    if (g->runs && w->now_ns >= g->kernel_end_ns) {
        guest_kernel_ends(w, g);
        return true;
    }
    if (g->holds)
        return guest_in_turn(w, g);
    if (!turn_offered(&g->view, &g->terms) || !turn_is_open(&g->view, &g->terms))
        return false;
    guest_takes(w, g);
    return true;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
guest_next_ns(const struct guest *g)
{
    uint64_t next = g->wants_at_ns;

    if (g->dead)
        return UINT64_MAX;
    if (g->runs)
        return least(next, g->kernel_end_ns);
    if (!g->holds)
        return next;
    next = least(next, sum_or_never(g->taken_ns, g->terms.slice_ns));
    return least(next, sum_or_never(g->idle_from_ns, g->terms.linger_ns));
}

/* All that happens at this instant. */
static void
world_settle(struct world *w)
{
    bool again = true;

    while (again) {
        again = false;
        for (unsigned i = 0; i < w->n_guests; i++)
            again |= guest_step(w, &w->guests[i]);
    }
}

static void
world_arbiter(struct world *w)
{
    if (atomic_load(&w->file->bell.word) == w->bell && w->now_ns < w->until_ns)
        return;
    w->bell = atomic_load(&w->file->bell.word);
    w->until_ns = arbiter_core_step(w->core, w->now_ns);
    w->steps++;
}

/* Goes on for that long. Without an arbiter nobody decides, and gates do what was promised. */
static void
world_run(struct world *w, uint64_t for_ns, bool arbiter)
{
    const uint64_t end = w->now_ns + for_ns;

    for (;;) {
        uint64_t next = end;

        world_settle(w);
        if (arbiter)
            world_arbiter(w);
        world_settle(w);
        if (arbiter && atomic_load(&w->file->bell.word) != w->bell)
            continue;
        for (unsigned i = 0; i < w->n_guests; i++)
            next = least(next, guest_next_ns(&w->guests[i]));
        if (arbiter)
            next = least(next, w->until_ns);
        if (next >= end) {
            w->now_ns = end;
            return;
        }
        if (next > w->now_ns)
            w->now_ns = next;
    }
}

static double
share_of(const struct guest *g, uint64_t of_ns)
{
    return (double)g->worked_ns / (double)of_ns;
}

static void
assert_near(double is, double wanted, double most)
{
    if (fabs(is - wanted) > most)
        print_message("%f is not within %f of %f\n", is, most, wanted);
    assert_true(fabs(is - wanted) <= most);
}

#endif
