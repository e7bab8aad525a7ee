/* SPDX-License-Identifier: MIT */
/* What each policy does, one behaviour a test. Over random histories: test_sched_random.c. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define SLICE (2 * MS)
#define MAX_VGPUS 32

/* One GPU with vGPUs, each of a share of 1/8 unless the test says otherwise. */
struct site {
    struct sched sched;
    struct sched_vgpu v[MAX_VGPUS];
    uint64_t got[MAX_VGPUS], idle; /* device time used; time that passed idle */
};

static void
site_init(struct site *t, enum sched_policy policy)
{
    const struct sched_params p = {.slice_ns = SLICE};

    memset(t, 0, sizeof *t);
    for (unsigned i = 0; i < MAX_VGPUS; i++)
        t->v[i].share = sched_share_of_instances(8);
    sched_init(&t->sched, policy, &p);
}

static void
site_join(struct site *t, unsigned n, bool ready)
{
    for (unsigned i = 0; i < n; i++) {
        sched_join(&t->sched, &t->v[i]);
        if (ready)
            sched_ready(&t->sched, &t->v[i]);
    }
}

/* The next turn, which takes kernel_ns of its owner if that is more than the slice. */
static int
site_turn(struct site *t, const uint64_t *kernel_ns)
{
    struct sched_turn turn;
    uint64_t used;
    int i;

    assert_true(sched_pick(&t->sched, &turn));
    if (!turn.vgpu) {
        t->idle += turn.slice_ns;
        sched_charge(&t->sched, &turn, turn.slice_ns);
        return -1;
    }
    i = (int)(turn.vgpu - t->v);
    used = turn.vgpu->ready ? turn.slice_ns : 0;
    if (used > 0 && kernel_ns && kernel_ns[i] > used)
        used = kernel_ns[i];
    t->got[i] += used;
    t->idle += used < turn.slice_ns && turn.owned ? turn.slice_ns - used : 0;
    sched_charge(&t->sched, &turn, used);
    return i;
}

/* Turns until that much time has passed; returns the time. */
static uint64_t
site_run(struct site *t, uint64_t ns, const uint64_t *kernel_ns)
{
    uint64_t passed = 0;

    memset(t->got, 0, sizeof t->got);
    t->idle = 0;
    while (passed < ns) {
        site_turn(t, kernel_ns);
        passed = t->idle;
        for (unsigned i = 0; i < MAX_VGPUS; i++)
            passed += t->got[i];
    }
    return passed;
}

#define assert_about(a, b, within)                                                       \
    assert_in_range((a), (b) > (within) ? (b) - (within) : 0, (b) + (within))

/* ---- words and numbers ------------------------------------------------------------- */

static void
each_policy_has_a_word(void **state)
{
    enum sched_policy p = SCHED_FIXED_SHARE;

    (void)state;
    for (unsigned i = 0; i < SCHED_POLICIES; i++) {
        assert_true(sched_policy_parse(sched_policy_word((enum sched_policy)i), &p));
        assert_int_equal(p, i);
    }
    assert_true(sched_policy_parse("equal-share", &p));
    assert_int_equal(p, SCHED_EQUAL_SHARE);
    assert_false(sched_policy_parse("equal", &p));
    assert_int_equal(p, SCHED_EQUAL_SHARE);
}

static void
slices_are_shorter_for_more_than_8(void **state)
{
    (void)state;
    assert_int_equal(sched_default_slice_ns(1), 2 * MS);
    assert_int_equal(sched_default_slice_ns(8), 2 * MS);
    assert_int_equal(sched_default_slice_ns(10), 1 * MS);
}

static void
a_share_is_one_of_most_or_the_part_of_the_framebuffer(void **state)
{
    const uint64_t gib = UINT64_C(1) << 30;

    (void)state;
    assert_int_equal(sched_share_of_instances(8), SCHED_SHARE_ONE / 8);
    assert_int_equal(sched_share_of_instances(1), SCHED_SHARE_ONE);
    assert_int_equal(sched_share_of_bytes(70 * gib, 140 * gib), SCHED_SHARE_ONE / 2);
    assert_int_equal(sched_share_of_bytes(140 * gib, 140 * gib), SCHED_SHARE_ONE);
    assert_int_equal(sched_share_of_bytes(7 * gib, 140 * gib), SCHED_SHARE_ONE / 20);
}

static void
a_promise_counts_who_counts(void **state)
{
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    assert_int_equal(sched_promised(&t.sched, &t.v[0]), 0);
    site_join(&t, 4, false);
    sched_ready(&t.sched, &t.v[0]);
    assert_int_equal(sched_promised(&t.sched, &t.v[0]), SCHED_SHARE_ONE);
    assert_int_equal(sched_promised(&t.sched, &t.v[1]), SCHED_SHARE_ONE / 2);
    sched_change(&t.sched, SCHED_EQUAL_SHARE, &t.sched.params);
    assert_int_equal(sched_promised(&t.sched, &t.v[0]), SCHED_SHARE_ONE / 4);
    sched_change(&t.sched, SCHED_FIXED_SHARE, &t.sched.params);
    assert_int_equal(sched_promised(&t.sched, &t.v[0]), SCHED_SHARE_ONE / 8);
}

/* ---- best effort ------------------------------------------------------------------- */

static void
best_effort_has_no_turn_when_nobody_is_ready(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    assert_false(sched_pick(&t.sched, &turn));
    site_join(&t, 3, false);
    assert_false(sched_pick(&t.sched, &turn));
    sched_ready(&t.sched, &t.v[1]);
    assert_true(sched_pick(&t.sched, &turn));
    assert_ptr_equal(turn.vgpu, &t.v[1]);
    sched_idle(&t.sched, &t.v[1]);
    assert_false(sched_pick(&t.sched, &turn));
}

static void
best_effort_goes_round(void **state)
{
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 3, true);
    for (int i = 0; i < 9; i++)
        assert_int_equal(site_turn(&t, NULL), i % 3);
}

static void
best_effort_alone_is_open_and_not_owned(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, false);
    sched_ready(&t.sched, &t.v[0]);
    assert_true(sched_pick(&t.sched, &turn));
    assert_true(turn.open);
    assert_false(turn.owned);
    sched_ready(&t.sched, &t.v[1]);
    assert_true(sched_pick(&t.sched, &turn));
    assert_false(turn.open);
}

static void
best_effort_charges_what_was_used(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, true);
    /* Half a slice each time: it goes twice for each turn of the other. */
    for (unsigned i = 0; i < 3000; i++) {
        assert_true(sched_pick(&t.sched, &turn));
        t.got[turn.vgpu - t.v]++;
        sched_charge(&t.sched, &turn, turn.vgpu == &t.v[0] ? SLICE / 2 : SLICE);
    }
    assert_about(t.got[0], 2000, 1);
    assert_about(t.got[1], 1000, 1);
}

static void
best_effort_charges_overrun_back(void **state)
{
    const uint64_t kernels[MAX_VGPUS] = {100 * MS, 0};
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, true);
    assert_int_equal(site_turn(&t, kernels), 0);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(site_turn(&t, kernels), 1);
    site_run(&t, 10000 * MS, kernels);
    assert_about(t.got[0], t.got[1], 100 * MS);
}

static void
best_effort_saves_one_slice_at_most(void **state)
{
    struct site t;
    unsigned first = 0;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 3, false);
    sched_ready(&t.sched, &t.v[1]);
    sched_ready(&t.sched, &t.v[2]);
    site_run(&t, 1000 * MS, NULL);
    sched_ready(&t.sched, &t.v[0]);
    while (site_turn(&t, NULL) == 0)
        first++;
    assert_in_range(first, 1, 2);
}

static void
best_effort_alone_owes_nothing_to_later_ones(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, false);
    sched_ready(&t.sched, &t.v[0]);
    assert_true(sched_pick(&t.sched, &turn));
    sched_charge(&t.sched, &turn, 60000 * MS);
    sched_idle(&t.sched, &t.v[0]);
    sched_ready(&t.sched, &t.v[1]);
    sched_ready(&t.sched, &t.v[0]);
    site_run(&t, 40 * MS, NULL);
    assert_about(t.got[0], 20 * MS, 2 * SLICE);
}

/* The driver may tell that it has nothing more before it tells how long its turn took. */
static void
best_effort_alone_owes_nothing_for_a_turn_charged_late(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, false);
    sched_ready(&t.sched, &t.v[0]);
    assert_true(sched_pick(&t.sched, &turn));
    sched_idle(&t.sched, &t.v[0]);
    sched_charge(&t.sched, &turn, 60000 * MS);
    sched_ready(&t.sched, &t.v[1]);
    sched_ready(&t.sched, &t.v[0]);
    site_run(&t, 40 * MS, NULL);
    assert_about(t.got[0], 20 * MS, 2 * SLICE);
}

/* Of what one owed to another who went, it owes nothing to those who come after a pause of all. */
static void
best_effort_starts_anew_after_a_pause_of_all(void **state)
{
    const uint64_t kernels[MAX_VGPUS] = {100 * MS, 0};
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 3, false);
    sched_ready(&t.sched, &t.v[0]);
    sched_ready(&t.sched, &t.v[1]);
    assert_int_equal(site_turn(&t, kernels), 0);
    sched_idle(&t.sched, &t.v[1]);
    sched_idle(&t.sched, &t.v[0]);
    sched_ready(&t.sched, &t.v[2]);
    sched_ready(&t.sched, &t.v[0]);
    site_run(&t, 40 * MS, NULL);
    assert_about(t.got[0], 20 * MS, 2 * SLICE);
}

/* A turn that nothing came of moves no clock; the others must have theirs all the same. */
static void
best_effort_goes_on_to_the_next_after_an_unused_turn(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 3, true);
    for (unsigned i = 0; i < 9; i++) {
        assert_true(sched_pick(&t.sched, &turn));
        assert_ptr_equal(turn.vgpu, &t.v[i % 3]);
        sched_charge(&t.sched, &turn, 0);
    }
}

static void
best_effort_newcomer_beside_an_open_turn_saves_one_slice(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, false);
    sched_ready(&t.sched, &t.v[0]);
    assert_true(sched_pick(&t.sched, &turn));
    sched_ready(&t.sched, &t.v[1]);
    sched_charge(&t.sched, &turn, 60000 * MS);
    site_run(&t, 40 * MS, NULL);
    assert_about(t.got[0], 20 * MS, 2 * SLICE);
}

static void
best_effort_wait_for_the_end_of_an_open_turn_is_made_up_for(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, false);
    sched_ready(&t.sched, &t.v[0]);
    assert_true(sched_pick(&t.sched, &turn));
    sched_charge(&t.sched, &turn, 60000 * MS);
    sched_ready(&t.sched, &t.v[1]);
    sched_debt(&t.sched, &t.v[0], 100 * MS);
    for (unsigned i = 0; i < 49; i++)
        assert_int_equal(site_turn(&t, NULL), 1);
}

static void
best_effort_pause_without_loss_to_others_keeps_a_claim(void **state)
{
    const uint64_t kernels[MAX_VGPUS] = {100 * MS, 0};
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, true);
    assert_int_equal(site_turn(&t, kernels), 0);
    for (unsigned i = 0; i < 49; i++) {
        assert_int_equal(site_turn(&t, kernels), 1);
        sched_idle(&t.sched, &t.v[1]);
        sched_ready(&t.sched, &t.v[1]);
    }
}

/* ---- equal share ------------------------------------------------------------------- */

static void
equal_share_gives_idle_owners_their_slices(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_EQUAL_SHARE);
    assert_false(sched_pick(&t.sched, &turn));
    site_join(&t, 3, false);
    sched_ready(&t.sched, &t.v[2]);
    for (unsigned i = 0; i < 30; i++) {
        assert_true(sched_pick(&t.sched, &turn));
        assert_ptr_equal(turn.vgpu, &t.v[i % 3]);
        assert_true(turn.owned);
        assert_false(turn.open);
        sched_charge(&t.sched, &turn, 0);
    }
}

static void
equal_share_follows_who_runs(void **state)
{
    struct site t;

    (void)state;
    site_init(&t, SCHED_EQUAL_SHARE);
    site_join(&t, 4, true);
    site_run(&t, 400 * MS, NULL);
    assert_about(t.got[0], 100 * MS, SLICE);
    sched_leave(&t.sched, &t.v[3]);
    sched_leave(&t.sched, &t.v[2]);
    site_run(&t, 400 * MS, NULL);
    assert_about(t.got[0], 200 * MS, SLICE);
}

static void
equal_share_newcomer_has_neither_credit_nor_debt(void **state)
{
    struct site t;

    (void)state;
    site_init(&t, SCHED_EQUAL_SHARE);
    site_join(&t, 2, true);
    site_run(&t, 10000 * MS, NULL);
    sched_join(&t.sched, &t.v[2]);
    sched_ready(&t.sched, &t.v[2]);
    site_run(&t, 30 * MS, NULL);
    assert_about(t.got[2], 10 * MS, SLICE);
}

/* ---- fixed share ------------------------------------------------------------------- */

static void
fixed_share_leaves_what_nobody_owns(void **state)
{
    struct site t;
    uint64_t passed;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    site_join(&t, 1, true);
    passed = site_run(&t, 1600 * MS, NULL);
    assert_about(t.got[0], passed / 8, SLICE);
    assert_about(t.idle, passed * 7 / 8, SLICE);
}

static void
fixed_share_of_all_leaves_nothing(void **state)
{
    struct site t;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    for (unsigned i = 0; i < 3; i++)
        t.v[i].share = sched_share_of_instances(3);
    site_join(&t, 3, true);
    site_run(&t, 3000 * MS, NULL);
    assert_int_equal(t.idle, 0);
    assert_about(t.got[0], 1000 * MS, SLICE);
}

static void
fixed_share_mixes_sizes(void **state)
{
    struct site t;
    uint64_t passed;

    (void)state;
    for (unsigned full = 0; full < 2; full++) {
        site_init(&t, SCHED_FIXED_SHARE);
        t.v[0].share = sched_share_of_bytes(70, 140);
        for (unsigned i = 1; i < 11; i++)
            t.v[i].share = sched_share_of_bytes(7, 140);
        site_join(&t, full ? 11 : 2, true);
        passed = site_run(&t, 4000 * MS, NULL);
        assert_about(t.got[0], passed / 2, 2 * SLICE);
        assert_about(t.got[1], passed / 20, 2 * SLICE);
    }
}

/* Its slices are spread out: it does not wait for each of the ten small ones. */
static void
fixed_share_of_a_half_gets_every_second_slice(void **state)
{
    struct site t;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    t.v[0].share = SCHED_SHARE_ONE / 2;
    for (unsigned i = 1; i < 11; i++)
        t.v[i].share = SCHED_SHARE_ONE / 20;
    site_join(&t, 11, true);
    for (unsigned i = 0; i < 200; i++) {
        site_turn(&t, NULL);
        assert_about(t.got[0], (i + 1) * SLICE / 2, SLICE);
    }
}

static void
fixed_share_grows_by_the_elastic_percentage(void **state)
{
    struct site t;
    uint64_t passed;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    site_join(&t, 2, true);
    sched_change(&t.sched, SCHED_FIXED_SHARE,
                 &(struct sched_params){.slice_ns = SLICE, .elastic_percent = 50});
    passed = site_run(&t, 4000 * MS, NULL);
    assert_about(t.got[0], passed * 3 / 16, 2 * SLICE);
    assert_about(t.idle, passed * 10 / 16, 2 * SLICE);
}

static void
fixed_share_grows_no_further_than_the_gpu(void **state)
{
    struct site t;
    uint64_t passed;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    sched_change(&t.sched, SCHED_FIXED_SHARE,
                 &(struct sched_params){.slice_ns = SLICE, .elastic_percent = 50});
    site_join(&t, 7, true);
    passed = site_run(&t, 7000 * MS, NULL);
    assert_about(t.got[6], passed / 7, SLICE);
    assert_int_equal(t.idle, 0);
}

/* ---- debts ------------------------------------------------------------------------- */

/* How many turns the other gets before the one with the debt, v[0], gets one. */
static unsigned
turns_before(struct site *t)
{
    unsigned n = 0;
    int i;

    while ((i = site_turn(t, NULL)) != 0)
        n += i == 1;
    return n;
}

/* Two of a half each, of which v[0] owes 100 ms. */
static void
site_with_debt(struct site *t, enum sched_policy policy)
{
    site_init(t, policy);
    t->v[0].share = t->v[1].share = SCHED_SHARE_ONE / 2;
    site_join(t, 2, true);
    sched_debt(&t->sched, &t->v[0], 100 * MS);
}

static void
debt_outside_of_turns_is_charged(void **state)
{
    struct site t;

    (void)state;
    for (unsigned p = 0; p < SCHED_POLICIES; p++) {
        site_with_debt(&t, (enum sched_policy)p);
        assert_in_range(turns_before(&t), 49, 51);
    }
}

static void
debt_is_not_shed_by_leaving(void **state)
{
    struct site t;

    (void)state;
    for (unsigned p = 0; p < SCHED_POLICIES; p++) {
        site_with_debt(&t, (enum sched_policy)p);
        for (unsigned i = 0; i < 100; i++) {
            sched_leave(&t.sched, &t.v[0]);
            sched_join(&t.sched, &t.v[0]);
            sched_ready(&t.sched, &t.v[0]);
        }
        assert_in_range(turns_before(&t), 49, 51);
    }
}

static void
debt_is_not_shed_by_leaving_while_the_other_pauses(void **state)
{
    struct site t;

    (void)state;
    site_with_debt(&t, SCHED_BEST_EFFORT);
    sched_idle(&t.sched, &t.v[1]);
    sched_leave(&t.sched, &t.v[0]);
    sched_ready(&t.sched, &t.v[1]);
    sched_join(&t.sched, &t.v[0]);
    sched_ready(&t.sched, &t.v[0]);
    assert_in_range(turns_before(&t), 49, 51);
}

/* v[0] is away for a second; then, how many turns v[1] gets first. */
static unsigned
turns_before_one_who_was_away(enum sched_policy policy)
{
    struct site t;

    site_with_debt(&t, policy);
    sched_leave(&t.sched, &t.v[0]);
    site_run(&t, 1000 * MS, NULL);
    sched_join(&t.sched, &t.v[0]);
    sched_ready(&t.sched, &t.v[0]);
    return turns_before(&t);
}

static void
debt_is_paid_off_by_time_that_its_owner_did_not_take(void **state)
{
    (void)state;
    assert_in_range(turns_before_one_who_was_away(SCHED_BEST_EFFORT), 0, 1);
    assert_in_range(turns_before_one_who_was_away(SCHED_FIXED_SHARE), 0, 1);
}

/* It owned nothing meanwhile: what the other got was its own. */
static void
debt_waits_for_its_owner_under_equal_share(void **state)
{
    (void)state;
    assert_in_range(turns_before_one_who_was_away(SCHED_EQUAL_SHARE), 49, 51);
}

/* v[1] launches and waits beside kernels of 100 ms: each pause costs it the rest of its turn. */
static void
a_claim_that_is_not_used_does_not_grow(void **state)
{
    const uint64_t kernels[MAX_VGPUS] = {100 * MS, 0};
    struct site t;
    unsigned turns = 0;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, true);
    for (unsigned i = 0; i < 200; i++) {
        struct sched_turn turn;

        assert_true(sched_pick(&t.sched, &turn));
        sched_charge(&t.sched, &turn, turn.vgpu == &t.v[1] ? MS / 2 : 100 * MS);
        sched_idle(&t.sched, &t.v[1]);
        /* The other's open turn is cut as v[1] comes back. */
        assert_true(sched_pick(&t.sched, &turn));
        assert_ptr_equal(turn.vgpu, &t.v[0]);
        sched_charge(&t.sched, &turn, MS / 10);
        turn.open = false;
        turn.slice_ns = 0;
        sched_ready(&t.sched, &t.v[1]);
        sched_charge(&t.sched, &turn, 100 * MS);
    }
    while (site_turn(&t, kernels) == 1)
        turns++;
    /* The last overrun, and what it may save up: another one. */
    assert_in_range(turns, 90, 110);
}

/* Nobody else was there to lose anything by it. */
static void
who_was_alone_owes_nothing(void **state)
{
    (void)state;
    for (unsigned p = 0; p < SCHED_POLICIES; p++) {
        struct site t;

        site_init(&t, (enum sched_policy)p);
        site_join(&t, 1, true);
        site_run(&t, 500 * MS, NULL);
        sched_leave(&t.sched, &t.v[0]);
        sched_join(&t.sched, &t.v[1]);
        sched_ready(&t.sched, &t.v[1]);
        sched_join(&t.sched, &t.v[0]);
        sched_ready(&t.sched, &t.v[0]);
        assert_in_range(turns_before(&t), 0, 1);
    }
}

/* The others get back what they lost, although the debtor runs and leaves, again and again. */
static void
fixed_share_is_kept_beside_one_who_runs_and_leaves(void **state)
{
    const uint64_t kernels[MAX_VGPUS] = {100 * MS, 0};
    struct site t;
    uint64_t passed = 0, got = 0;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    site_join(&t, 2, true);
    for (unsigned i = 0; i < 100; i++) {
        do
            passed += site_run(&t, 1, kernels), got += t.got[1];
        while (t.got[0] == 0);
        sched_leave(&t.sched, &t.v[0]);
        passed += site_run(&t, 400 * MS, kernels);
        got += t.got[1];
        sched_join(&t.sched, &t.v[0]);
        sched_ready(&t.sched, &t.v[0]);
    }
    assert_about(got, passed / 8, 100 * MS + SLICE);
}

static void
debt_survives_a_change_of_policy(void **state)
{
    struct site t;

    (void)state;
    for (unsigned p = 0; p < SCHED_POLICIES * SCHED_POLICIES; p++) {
        site_with_debt(&t, (enum sched_policy)(p / SCHED_POLICIES));
        sched_change(&t.sched, (enum sched_policy)(p % SCHED_POLICIES), &t.sched.params);
        assert_in_range(turns_before(&t), 49, 51);
    }
}

/* Having had nothing to do under best effort is no claim under another policy. */
static void
idle_time_is_no_claim_after_a_change_of_policy(void **state)
{
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, false);
    sched_ready(&t.sched, &t.v[0]);
    site_run(&t, 10000 * MS, NULL);
    sched_change(&t.sched, SCHED_EQUAL_SHARE, &t.sched.params);
    sched_ready(&t.sched, &t.v[1]);
    site_run(&t, 100 * MS, NULL);
    assert_about(t.got[1], 50 * MS, 2 * SLICE);
}

/* The debt is paid in time that nobody owns, too: that is not forgotten. */
static void
share_is_kept_while_the_slice_changes(void **state)
{
    const uint64_t kernels[MAX_VGPUS] = {100 * MS};
    struct sched_params p = {.slice_ns = SLICE};
    uint64_t passed = 0, got = 0;
    struct site t;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    site_join(&t, 1, true);
    for (unsigned i = 0; i < 2000; i++) {
        passed += site_run(&t, 1, kernels);
        got += t.got[0];
        p.slice_ns = SLICE + i % 5 * MS;
        sched_change(&t.sched, SCHED_FIXED_SHARE, &p);
    }
    assert_about(got, passed / 8, 100 * MS + SLICE);
}

static void
time_of_nobody_may_end_under_another_policy(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    site_join(&t, 2, true);
    do
        assert_true(sched_pick(&t.sched, &turn));
    while (turn.vgpu);
    sched_change(&t.sched, SCHED_EQUAL_SHARE, &t.sched.params);
    sched_charge(&t.sched, &turn, SLICE + MS);
    assert_int_equal(t.sched.nobody.weight, 0);
    site_run(&t, 100 * MS, NULL);
    assert_int_equal(t.idle, 0);
}

static void
overrun_after_leaving_is_charged(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    for (unsigned p = 0; p < SCHED_POLICIES; p++) {
        site_init(&t, (enum sched_policy)p);
        t.v[0].share = t.v[1].share = SCHED_SHARE_ONE / 2;
        site_join(&t, 2, true);
        assert_true(sched_pick(&t.sched, &turn));
        assert_ptr_equal(turn.vgpu, &t.v[0]);
        sched_leave(&t.sched, &t.v[0]);
        sched_charge(&t.sched, &turn, 100 * MS);
        sched_join(&t.sched, &t.v[0]);
        sched_ready(&t.sched, &t.v[0]);
        assert_in_range(turns_before(&t), 49, 51);
    }
}

static void
owned_turn_costs_its_slice_unless_the_owner_left(void **state)
{
    struct sched_turn turn;
    struct site t;

    (void)state;
    site_init(&t, SCHED_EQUAL_SHARE);
    site_join(&t, 2, true);
    assert_true(sched_pick(&t.sched, &turn));
    sched_leave(&t.sched, &t.v[0]);
    assert_int_equal(t.v[0].owed_ns, SLICE);
    sched_charge(&t.sched, &turn, SLICE / 2);
    assert_int_equal(t.v[0].owed_ns, SLICE / 2);
}

static void
turns_of_one_may_be_charged_as_one_and_one_in_parts(void **state)
{
    struct sched_turn a, b;
    struct site t;

    (void)state;
    site_init(&t, SCHED_BEST_EFFORT);
    site_join(&t, 2, true);
    sched_debt(&t.sched, &t.v[1], 100 * MS);
    assert_true(sched_pick(&t.sched, &a));
    assert_true(sched_pick(&t.sched, &b));
    assert_ptr_equal(a.vgpu, b.vgpu);
    a.slice_ns += b.slice_ns;
    sched_charge(&t.sched, &a, 50 * MS);
    assert_int_equal(t.v[0].under_way_ns, 0);
    assert_true(sched_pick(&t.sched, &a));
    sched_charge(&t.sched, &a, 20 * MS);
    a.slice_ns = 0;
    sched_charge(&t.sched, &a, 20 * MS);
    assert_int_equal(t.v[0].under_way_ns, 0);
    assert_int_equal(t.v[1].clock_ns - t.v[0].clock_ns, 10 * MS);
}

static void
tiny_share_of_a_long_kernel_does_not_overflow(void **state)
{
    struct site t;

    (void)state;
    site_init(&t, SCHED_FIXED_SHARE);
    t.v[0].share = 1;
    t.v[1].share = SCHED_SHARE_ONE / 2;
    site_join(&t, 2, true);
    sched_debt(&t.sched, &t.v[0], UINT64_C(1) << 48); /* moves its clock by 2^64 ns */
    sched_debt(&t.sched, &t.v[0], UINT64_MAX);
    site_run(&t, 1000 * MS, NULL);
    assert_int_equal(t.got[0], 0);
    assert_about(t.got[1], 500 * MS, 2 * SLICE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_policy_has_a_word),
        cmocka_unit_test(slices_are_shorter_for_more_than_8),
        cmocka_unit_test(a_share_is_one_of_most_or_the_part_of_the_framebuffer),
        cmocka_unit_test(a_promise_counts_who_counts),
        cmocka_unit_test(best_effort_has_no_turn_when_nobody_is_ready),
        cmocka_unit_test(best_effort_goes_round),
        cmocka_unit_test(best_effort_alone_is_open_and_not_owned),
        cmocka_unit_test(best_effort_charges_what_was_used),
        cmocka_unit_test(best_effort_charges_overrun_back),
        cmocka_unit_test(best_effort_saves_one_slice_at_most),
        cmocka_unit_test(best_effort_alone_owes_nothing_to_later_ones),
        cmocka_unit_test(best_effort_alone_owes_nothing_for_a_turn_charged_late),
        cmocka_unit_test(best_effort_starts_anew_after_a_pause_of_all),
        cmocka_unit_test(best_effort_goes_on_to_the_next_after_an_unused_turn),
        cmocka_unit_test(best_effort_newcomer_beside_an_open_turn_saves_one_slice),
        cmocka_unit_test(best_effort_wait_for_the_end_of_an_open_turn_is_made_up_for),
        cmocka_unit_test(best_effort_pause_without_loss_to_others_keeps_a_claim),
        cmocka_unit_test(equal_share_gives_idle_owners_their_slices),
        cmocka_unit_test(equal_share_follows_who_runs),
        cmocka_unit_test(equal_share_newcomer_has_neither_credit_nor_debt),
        cmocka_unit_test(fixed_share_leaves_what_nobody_owns),
        cmocka_unit_test(fixed_share_of_all_leaves_nothing),
        cmocka_unit_test(fixed_share_mixes_sizes),
        cmocka_unit_test(fixed_share_of_a_half_gets_every_second_slice),
        cmocka_unit_test(fixed_share_grows_by_the_elastic_percentage),
        cmocka_unit_test(fixed_share_grows_no_further_than_the_gpu),
        cmocka_unit_test(debt_outside_of_turns_is_charged),
        cmocka_unit_test(debt_is_not_shed_by_leaving),
        cmocka_unit_test(debt_is_not_shed_by_leaving_while_the_other_pauses),
        cmocka_unit_test(debt_is_paid_off_by_time_that_its_owner_did_not_take),
        cmocka_unit_test(debt_waits_for_its_owner_under_equal_share),
        cmocka_unit_test(a_claim_that_is_not_used_does_not_grow),
        cmocka_unit_test(who_was_alone_owes_nothing),
        cmocka_unit_test(fixed_share_is_kept_beside_one_who_runs_and_leaves),
        cmocka_unit_test(debt_survives_a_change_of_policy),
        cmocka_unit_test(idle_time_is_no_claim_after_a_change_of_policy),
        cmocka_unit_test(share_is_kept_while_the_slice_changes),
        cmocka_unit_test(time_of_nobody_may_end_under_another_policy),
        cmocka_unit_test(overrun_after_leaving_is_charged),
        cmocka_unit_test(owned_turn_costs_its_slice_unless_the_owner_left),
        cmocka_unit_test(turns_of_one_may_be_charged_as_one_and_one_in_parts),
        cmocka_unit_test(tiny_share_of_a_long_kernel_does_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
