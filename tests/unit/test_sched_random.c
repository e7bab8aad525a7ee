/* SPDX-License-Identifier: MIT */
/*
 * What must hold of the policies over thousands of random histories: kernels from 50 us to 100 ms,
 * pauses, joins, leaves, changes of policy. A property is checked after every turn, from outside:
 * by what each vGPU got, never by the policy's own clocks. A failure prints its history's seed.
 */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define MAX_VGPUS 12
#define HISTORIES 2000
#define TURNS 400

/* One vGPU of a history, and what it had of the device. */
struct guest {
    struct sched_vgpu v;
    uint64_t kernel_ns; /* its kernels' length, give or take a half */
    bool pauses;        /* it stops being ready now and then */
    int64_t got_ns;     /* it used */
    int64_t had_ns;     /* it used or let pass */
    int64_t due_ns;     /* it was promised, since its account began */
    uint64_t waited_ns; /* it has been ready without a turn */
};

struct history {
    uint64_t seed, rng;
    struct sched s;
    struct guest g[MAX_VGPUS];
    unsigned n;
    uint64_t longest_ns; /* longest turn beyond its slice, a whole kernel */
    uint64_t passed_ns;
    bool ahead; /* the next turn is picked while one is under way, as the arbiter does */
    struct sched_turn turn; /* picked ahead */
    /* got[i] - got[j]: how far it has risen since the lowest it was. */
    int64_t low[MAX_VGPUS][MAX_VGPUS];
};

static uint64_t
rnd(struct history *h)
{
    h->rng ^= h->rng << 13;
    h->rng ^= h->rng >> 7;
    h->rng ^= h->rng << 17;
    return h->rng * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static uint64_t
rnd_below(struct history *h, uint64_t n)
{
    return rnd(h) % n;
}

static bool
one_in(struct history *h, uint64_t n)
{
    return rnd_below(h, n) == 0;
}

/* Ends the test, naming the history. */
#define check(h, what)                                                                   \
    do {                                                                                 \
        if (!(what)) {                                                                   \
            print_error("history %llu, after %llu ns\n", (unsigned long long)(h)->seed,  \
                        (unsigned long long)(h)->passed_ns);                             \
            assert_true(what);                                                           \
        }                                                                                \
    } while (0)

static uint64_t
random_kernel(struct history *h)
{
    switch (rnd_below(h, 4)) {
    case 0:
        return 20 * MS + rnd_below(h, 80 * MS);
    case 1:
        return 100 * MS;
    default:
        return 50 * US + rnd_below(h, 3 * MS);
    }
}

/* n vGPUs whose shares leave a part that nobody owns, or (full) none. */
static void
history_init(struct history *h, uint64_t seed, enum sched_policy policy, bool full)
{
    struct sched_params p = {.slice_ns = 0};
    uint64_t left = SCHED_SHARE_ONE;

    memset(h, 0, sizeof *h);
    h->seed = seed;
    h->rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    p.slice_ns = SCHED_SLICE_MIN_NS + rnd_below(h, 4 * MS);
    h->n = 2 + (unsigned)rnd_below(h, MAX_VGPUS - 1);
    sched_init(&h->s, policy, &p);
    for (unsigned i = 0; i < h->n; i++) {
        const bool last = full && i == h->n - 1;

        h->g[i].v.share = last ? left : 1 + left / (2 + rnd_below(h, 4));
        left -= h->g[i].v.share;
        h->g[i].kernel_ns = random_kernel(h);
    }
}

static void
history_join_all(struct history *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        sched_join(&h->s, &h->g[i].v);
        sched_ready(&h->s, &h->g[i].v);
    }
}

static struct guest *
guest_of(struct sched_vgpu *v)
{
    return v ? container_of(v, struct guest, v) : NULL;
}

/* Kernels back to back until the slice is over; a pause may cut them short. */
static uint64_t
run_kernels(struct history *h, struct guest *g, uint64_t slice_ns)
{
    uint64_t used = 0;

    if (!g->v.ready)
        return 0;
    do {
        used += g->kernel_ns / 2 + rnd_below(h, g->kernel_ns / 2);
        if (g->pauses && one_in(h, 3))
            sched_idle(&h->s, &g->v);
    } while (g->v.ready && used < slice_ns);
    if (used > slice_ns && used - slice_ns > h->longest_ns)
        h->longest_ns = used - slice_ns;
    return used;
}

static void
time_passes(struct history *h, uint64_t ns)
{
    h->passed_ns += ns;
    for (unsigned i = 0; i < h->n; i++) {
        struct guest *g = &h->g[i];

        g->due_ns += (int64_t)((unsigned __int128)ns * sched_promised(&h->s, &g->v) /
                               SCHED_SHARE_ONE);
        g->waited_ns = g->v.ready ? g->waited_ns + ns : 0;
    }
}

/* Picks, ahead or not; gives the turn to be run now. false: there is none. */
static bool
next_turn(struct history *h, struct sched_turn *ret)
{
    const struct sched_turn had = h->turn;

    if (!h->ahead)
        return sched_pick(&h->s, ret);
    if (!sched_pick(&h->s, &h->turn))
        h->turn.slice_ns = 0;
    if (had.slice_ns == 0) { /* the first */
        *ret = h->turn;
        if (!sched_pick(&h->s, &h->turn))
            h->turn.slice_ns = 0;
        return ret->slice_ns != 0;
    }
    *ret = had;
    return true;
}

/* One turn, whole. false: there was none, and a millisecond passes. */
static bool
history_turn(struct history *h)
{
    struct sched_turn turn;
    struct guest *g;
    uint64_t used, passed;

    if (!next_turn(h, &turn)) {
        time_passes(h, MS);
        return false;
    }
    g = guest_of(turn.vgpu);
    used = g ? run_kernels(h, g, turn.slice_ns) : 0;
    passed = turn.owned && used < turn.slice_ns ? turn.slice_ns : used;
    time_passes(h, passed);
    if (g) {
        g->got_ns += (int64_t)used;
        g->had_ns += (int64_t)passed;
        g->waited_ns = 0;
    }
    sched_charge(&h->s, &turn, used);
    return true;
}

/*
 * One longest kernel and one slice. Where the next turn is picked while one is under way, whose
 * length can only be guessed: a slice and half a kernel more.
 */
static int64_t
bound_of(const struct history *h)
{
    if (h->ahead)
        return (int64_t)(h->longest_ns * 3 / 2 + h->s.params.slice_ns * 2);
    return (int64_t)(h->longest_ns + h->s.params.slice_ns);
}

/* ---- shares ------------------------------------------------------------------------ */

static void
check_shares(struct history *h)
{
    const int64_t bound = bound_of(h);

    for (unsigned i = 0; i < h->n; i++) {
        const int64_t lag = h->g[i].due_ns - h->g[i].had_ns;

        check(h, lag <= bound + 1000 && -lag <= bound + 1000);
    }
}

/* Members stay; some (not under best effort, which promises nothing to the idle) pause. */
static void
shares_are_kept_within_a_kernel_and_a_slice(void **state)
{
    struct history h;

    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        const enum sched_policy policy = (enum sched_policy)(seed % SCHED_POLICIES);

        history_init(&h, seed, policy, seed % 2);
        h.ahead = seed % 5 == 0;
        for (unsigned i = 0; i < h.n; i++)
            h.g[i].pauses = policy != SCHED_BEST_EFFORT && one_in(&h, 3);
        history_join_all(&h);
        for (unsigned i = 0; i < TURNS; i++) {
            assert_true(history_turn(&h));
            check_shares(&h);
            for (unsigned k = 0; k < h.n; k++)
                if (one_in(&h, 4))
                    sched_ready(&h.s, &h.g[k].v);
        }
    }
}

/* The promise to one who stays, whatever the others do: run, overrun, leave and come again. */
static void
fixed_share_is_kept_whoever_comes_and_goes(void **state)
{
    struct history h;

    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history_init(&h, seed, SCHED_FIXED_SHARE, false);
        history_join_all(&h);
        for (unsigned i = 0; i < TURNS; i++) {
            struct guest *g = &h.g[1 + rnd_below(&h, h.n - 1)];

            assert_true(history_turn(&h));
            check(&h, h.g[0].due_ns - h.g[0].had_ns <= bound_of(&h) + 1000);
            if (one_in(&h, 4) && g->v.joined)
                sched_leave(&h.s, &g->v);
            else if (one_in(&h, 3))
                sched_join(&h.s, &g->v);
            if (g->v.joined)
                sched_ready(&h.s, &g->v);
        }
    }
}

/* Nobody gets time that another owns, idle or not. */
static void
what_is_owned_is_never_given_away(void **state)
{
    struct history h;

    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history_init(&h, seed, seed % 2 ? SCHED_EQUAL_SHARE : SCHED_FIXED_SHARE, false);
        history_join_all(&h);
        for (unsigned k = 1; k < h.n; k++)
            sched_idle(&h.s, &h.g[k].v);
        for (unsigned i = 0; i < TURNS; i++) {
            assert_true(history_turn(&h));
            check(&h, h.g[0].got_ns - h.g[0].due_ns <= bound_of(&h) + 1000);
            check(&h, h.g[0].due_ns - h.g[0].got_ns <= bound_of(&h) + 1000);
        }
    }
}

/* ---- pairs ------------------------------------------------------------------------- */

/* From here on, what i gets more than j counts anew. */
static void
forget_pairs_of(struct history *h, unsigned j)
{
    for (unsigned i = 0; i < h->n; i++)
        h->low[i][j] = h->g[i].got_ns - h->g[j].got_ns;
}

/* No two that are always ready drift apart. Each may be one bound ahead, or behind. */
static void
check_pairs(struct history *h)
{
    for (unsigned i = 0; i < h->n; i++)
        for (unsigned j = 0; j < h->n; j++) {
            const int64_t more = h->g[i].got_ns - h->g[j].got_ns;

            if (more < h->low[i][j])
                h->low[i][j] = more;
            check(h, more - h->low[i][j] <= 2 * bound_of(h) + 1000);
        }
}

/* i leaves and is back at once: it may lose by that, never win. */
static void
hop(struct history *h, unsigned i)
{
    struct sched_vgpu *v = &h->g[i].v;

    sched_leave(&h->s, v);
    sched_join(&h->s, v);
    sched_ready(&h->s, v);
    forget_pairs_of(h, i);
}

static void
nobody_wins_by_leaving_for_a_moment(void **state)
{
    struct history h;

    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history_init(&h, seed, seed % 2 ? SCHED_BEST_EFFORT : SCHED_EQUAL_SHARE, false);
        history_join_all(&h);
        for (unsigned i = 0; i < TURNS; i++) {
            assert_true(history_turn(&h));
            check_pairs(&h);
            if (one_in(&h, 3))
                hop(&h, (unsigned)rnd_below(&h, h.n));
        }
    }
}

/* Equal promises under each policy, so that no change may favour anybody. */
static void
debts_survive_changes_of_policy(void **state)
{
    struct history h;

    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history_init(&h, seed, (enum sched_policy)(seed % SCHED_POLICIES), false);
        h.ahead = seed % 5 == 0;
        for (unsigned i = 0; i < h.n; i++)
            h.g[i].v.share = sched_share_of_instances(MAX_VGPUS);
        history_join_all(&h);
        for (unsigned i = 0; i < TURNS; i++) {
            assert_true(history_turn(&h));
            check_pairs(&h);
            if (one_in(&h, 10))
                sched_change(&h.s, (enum sched_policy)rnd_below(&h, SCHED_POLICIES),
                             &h.s.params);
        }
    }
}

/* ---- waiting ----------------------------------------------------------------------- */

/* Who keeps within its slice waits for one turn of each other one, and for what it is ahead. */
static void
check_waiting(struct history *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        const struct guest *g = &h->g[i];
        const uint64_t promised = h->s.policy == SCHED_BEST_EFFORT
                                      ? SCHED_SHARE_ONE / h->n /* the most it may be */
                                      : sched_promised(&h->s, &g->v);
        const uint64_t turn = h->longest_ns + h->s.params.slice_ns;
        const uint64_t most =
            (uint64_t)((unsigned __int128)2 * turn * SCHED_SHARE_ONE / promised);

        check(h, g->waited_ns <= most + 1000);
    }
}

static void
nobody_who_is_ready_starves(void **state)
{
    struct history h;

    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history_init(&h, seed, (enum sched_policy)(seed % SCHED_POLICIES), seed % 2);
        history_join_all(&h);
        for (unsigned i = 0; i < h.n; i++)
            h.g[i].pauses = one_in(&h, 2);
        for (unsigned i = 0; i < TURNS; i++) {
            history_turn(&h);
            check_waiting(&h);
            sched_ready(&h.s, &h.g[rnd_below(&h, h.n)].v);
        }
    }
}

static void
best_effort_never_idles_while_someone_is_ready(void **state)
{
    struct history h;

    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history_init(&h, seed, SCHED_BEST_EFFORT, false);
        history_join_all(&h);
        for (unsigned i = 0; i < TURNS; i++) {
            struct sched_vgpu *v = &h.g[rnd_below(&h, h.n)].v;
            struct sched_turn turn;
            unsigned ready = 0;

            if (one_in(&h, 2))
                sched_ready(&h.s, v);
            else if (one_in(&h, 2))
                sched_idle(&h.s, v);
            for (unsigned k = 0; k < h.n; k++)
                ready += h.g[k].v.ready;
            check(&h, sched_pick(&h.s, &turn) == (ready > 0));
            if (ready == 0)
                continue;
            check(&h, turn.vgpu && turn.vgpu->ready && !turn.owned);
            check(&h, turn.open == (ready == 1));
            sched_charge(&h.s, &turn, rnd_below(&h, 10 * MS));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_kept_within_a_kernel_and_a_slice),
        cmocka_unit_test(fixed_share_is_kept_whoever_comes_and_goes),
        cmocka_unit_test(what_is_owned_is_never_given_away),
        cmocka_unit_test(nobody_wins_by_leaving_for_a_moment),
        cmocka_unit_test(debts_survive_changes_of_policy),
        cmocka_unit_test(nobody_who_is_ready_starves),
        cmocka_unit_test(best_effort_never_idles_while_someone_is_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
