/* SPDX-License-Identifier: MIT */
/* Whose turn it is, and for how long. */
#include "fake_gates.h"

/* ---- best effort ------------------------------------------------------------------- */

static void
a_vgpu_alone_is_never_held_up(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *g = world_tenant(w, 500 * US, 0);

    (void)state;
    world_run(w, SECOND, true);
    assert_near(share_of(g, SECOND), 1, 0.001);
    /* It keeps one turn without end; the arbiter only shows that it lives. */
    assert_int_equal(w->core->last_number, 1);
    assert_true(w->steps < 20);
    world_free(w);
}

static void
busy_vgpus_get_equal_parts(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        world_tenant(w, (200u + UINT64_C(700) * i) * US, 0);
    world_run(w, 4 * SECOND, true);
    for (unsigned i = 0; i < 4; i++)
        assert_near(share_of(&w->guests[i], 4 * SECOND), 0.25, 0.002);
    world_free(w);
}

static void
an_idle_vgpu_cedes_its_time(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *busy = world_tenant(w, 500 * US, 0);

    (void)state;
    world_tenant(w, 0, 0);
    world_tenant(w, 0, 0);
    world_run(w, SECOND, true);
    assert_near(share_of(busy, SECOND), 1, 0.001);
    world_free(w);
}

static void
a_newcomer_waits_for_one_slice_at_most(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *late;

    (void)state;
    world_tenant(w, 500 * US, 0);
    world_run(w, 777 * MS + 100 * US, true);
    late = world_tenant(w, 500 * US, 0);
    world_run(w, 100 * MS, true);
    assert_true(late->kernels > 0);
    assert_true(late->longest_wait_ns <= 2500 * US);
    assert_near(share_of(late, 100 * MS), 0.5, 0.03);
    world_free(w);
}

static void
an_open_turn_that_is_cut_has_overrun_nothing(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *g = world_tenant(w, 500 * US, 0);
    uint64_t held;

    (void)state;
    world_run(w, 777 * MS + 100 * US, true);
    held = w->now_ns - g->taken_ns;
    world_tenant(w, 500 * US, 0);
    world_run(w, 1, true);
    assert_true(g->terms.slice_ns >= held && g->terms.slice_ns < held + MS);
    world_run(w, 10 * MS, true);
    assert_int_equal(arbiter_core_entry(w->core, 0)->run_ns, 777500 * US);
    world_free(w);
}

static void
overruns_are_charged_back(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *bully = world_tenant(w, 50 * MS, 0);
    const struct guest *small = world_tenant(w, 500 * US, 0);

    (void)state;
    world_run(w, 10 * SECOND, true);
    assert_near(share_of(bully, 10 * SECOND), 0.5, 0.01);
    assert_near(share_of(small, 10 * SECOND), 0.5, 0.01);
    world_free(w);
}

static void
what_a_driver_takes_to_begin_is_nobodys(void **state)
{
    (void)state;
    for (unsigned p = 0; p < SCHED_POLICIES; p++) {
        struct world *w = world_new((enum sched_policy)p);
        struct guest *slow = world_tenant(w, 500 * US, 0);
        const struct guest *quick = world_tenant(w, 500 * US, 0);

        slow->begins_ns = 200 * US;
        world_run(w, 4 * SECOND, true);
        assert_near(share_of(slow, 4 * SECOND) / share_of(quick, 4 * SECOND), 1, 0.01);
        world_free(w);
    }
}

/* That much of its time passes before the next one's first kernel can begin. */
static void
who_runs_on_pays_for_it_and_not_the_next(void **state)
{
    struct world *w = world_new(SCHED_EQUAL_SHARE);
    struct guest *runs_on = world_tenant(w, 500 * US, 0),
                 *next = world_tenant(w, 500 * US, 0);

    (void)state;
    runs_on->runs_on_ns = next->begins_ns = MS;
    world_run(w, 4 * SECOND, true);
    assert_near((double)(runs_on->worked_ns + runs_on->owed_ns) / (double)next->worked_ns,
                1, 0.01);
    world_free(w);
}

/* What its page says of a later begin is not believed for long. */
static void
who_is_slow_by_itself_pays_for_it(void **state)
{
    struct world *w = world_new(SCHED_EQUAL_SHARE);
    struct guest *slow = world_tenant(w, 500 * US, 0);
    const struct guest *quick = world_tenant(w, 500 * US, 0);

    (void)state;
    slow->begins_ns = MS;
    world_run(w, 4 * SECOND, true);
    assert_true(share_of(slow, SECOND) < 0.8 * share_of(quick, SECOND));
    world_free(w);
}

static void
who_launches_and_waits_keeps_its_slice(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *busy = world_tenant(w, 500 * US, 0);
    const struct guest *waits = world_tenant(w, 100 * US, 40 * US);

    (void)state;
    world_run(w, SECOND, true);
    /* Its pauses are shorter than the linger: it has its turns whole. */
    assert_near(share_of(busy, SECOND), 0.5, 0.02);
    assert_near(share_of(waits, SECOND), 0.5 * 100 / 140, 0.02);
    world_free(w);
}

/* ---- owned time -------------------------------------------------------------------- */

static void
fixed_share_gives_its_part_and_no_more(void **state)
{
    struct world *w = world_new(SCHED_FIXED_SHARE);
    const struct guest *busy = world_tenant(w, 250 * US, 0);

    (void)state;
    world_tenant(w, 0, 0);
    world_run(w, 4 * SECOND, true);
    assert_near(share_of(busy, 4 * SECOND), 0.125, 0.002);
    world_free(w);
}

static void
equal_share_counts_who_has_a_session(void **state)
{
    struct world *w = world_new(SCHED_EQUAL_SHARE);
    const struct guest *busy = world_tenant(w, 250 * US, 0);

    (void)state;
    world_tenant(w, 0, 0);              /* a program without work: it runs */
    world_vgpu(w, SCHED_SHARE_ONE / 8); /* no program: it does not */
    world_run(w, 2 * SECOND, true);
    assert_near(share_of(busy, 2 * SECOND), 0.5, 0.002);
    world_free(w);
}

static void
sizes_under_fixed_share(void **state)
{
    struct world *w = world_new(SCHED_FIXED_SHARE);
    const struct guest *half =
        world_guest(w, world_vgpu(w, SCHED_SHARE_ONE / 2), 300 * US, 0);
    const struct guest *twentieth =
        world_guest(w, world_vgpu(w, SCHED_SHARE_ONE / 20), 300 * US, 0);

    (void)state;
    world_run(w, 4 * SECOND, true);
    assert_near(share_of(half, 4 * SECOND), 0.5, 0.005);
    assert_near(share_of(twentieth, 4 * SECOND), 0.05, 0.005);
    world_free(w);
}

static void
a_newcomer_need_not_wait_for_what_nobody_owns(void **state)
{
    struct world *w = world_new(SCHED_FIXED_SHARE);
    const struct guest *late;

    (void)state;
    world_guest(w, world_vgpu(w, SCHED_SHARE_ONE / 32), 500 * US, 0);
    world_run(w, SECOND, true);
    while (w->core->current.kind != ARBITER_PASSING)
        world_run(w, 100 * US, true);
    late = world_guest(w, world_vgpu(w, SCHED_SHARE_ONE / 32), 500 * US, 0);
    turn_ring(&late->view);
    world_run(w, SECOND, true);
    assert_near(share_of(late, SECOND), 1 / 32.0, 0.003);
    assert_true(late->longest_wait_ns <= 70 * MS);
    /* A slice of 2 ms in 64: the arbiter has little to do. */
    assert_true(w->steps < 400);
    world_free(w);
}

static void
an_owner_that_wakes_gets_the_rest_of_its_slice(void **state)
{
    struct world *w = world_new(SCHED_EQUAL_SHARE);
    struct guest *sleeper = world_tenant(w, 0, 0);

    (void)state;
    world_tenant(w, 500 * US, 0);
    world_run(w, 100 * MS, true);
    while (w->core->current.kind != ARBITER_PASSING)
        world_run(w, 100 * US, true);
    world_run(w, 300 * US, true);
    sleeper->kernel_ns = 100 * US;
    sleeper->pause_ns = SECOND;
    sleeper->wants_at_ns = w->now_ns;
    world_run(w, 200 * US, true);
    assert_int_equal(sleeper->kernels, 1);
    assert_int_equal(sleeper->longest_wait_ns, 0);
    world_free(w);
}

static void
who_launches_and_waits_keeps_what_it_owns_beside_a_bully(void **state)
{
    struct world *w = world_new(SCHED_EQUAL_SHARE);
    const struct guest *small = world_tenant(w, 400 * US, 100 * US);
    const struct guest *bully = world_tenant(w, 30 * MS, 0);

    (void)state;
    world_run(w, 10 * SECOND, true);
    /* Solo it has 4/5 of the time; it owns half. */
    assert_true(share_of(small, 10 * SECOND) >= 0.95 * 0.5 * 0.8);
    assert_true(share_of(bully, 10 * SECOND) <= 0.51);
    world_free(w);
}

static void
nothing_rotates_while_nobody_wants_anything(void **state)
{
    struct world *w = world_new(SCHED_FIXED_SHARE);

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        world_tenant(w, 0, 0);
    world_run(w, 10 * SECOND, true);
    assert_int_equal(w->steps, 1);
    assert_true(w->until_ns == UINT64_MAX);
    world_free(w);
}

/* The arbiter looks a millisecond later. */
static void
wants_and_looks(struct world *w, const struct guest *g, bool wants)
{
    turn_want(&g->view, wants);
    w->now_ns += MS;
    arbiter_core_step(w->core, w->now_ns);
}

/* While its turn is idle the next one is promised, without end; then it goes on after all. */
static void
who_goes_on_in_an_idle_turn_is_not_forgotten(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *a = world_tenant(w, 0, 0), *b = world_tenant(w, 0, 0);

    (void)state;
    wants_and_looks(w, b, true);
    assert_true(w->core->current.kind == ARBITER_HELD && w->core->current.open);
    turn_take(&b->view, w->core->current.number, w->now_ns);
    for (unsigned i = 0; i < 5; i++)
        wants_and_looks(w, b, true);
    wants_and_looks(w, b, false);
    wants_and_looks(w, a, true);
    assert_int_equal(w->core->current.gate, b->gate);
    assert_true(w->core->next.kind == ARBITER_HELD && w->core->next.gate == a->gate);
    assert_true(w->core->next.open);
    wants_and_looks(w, b, true);
    assert_false(w->core->next.open);
    assert_int_equal(atomic_load(&w->file->offer[a->gate].slice_ns),
                     w->core->params.slice_ns);
    world_free(w);
}

static void
an_open_turn_of_who_went_idle_is_called_back(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);

    (void)state;
    world_tenant(w, 500 * US, 3600 * SECOND);
    world_run(w, 3 * SECOND, true);
    assert_true(w->core->current.kind == ARBITER_NONE);
    assert_true(w->until_ns == UINT64_MAX);
    world_free(w);
}

/* ---- hand-over --------------------------------------------------------------------- */

static void
the_next_holder_needs_no_arbiter(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *a = world_tenant(w, 500 * US, 0),
                       *b = world_tenant(w, 500 * US, 0);

    (void)state;
    world_run(w, 100 * US, true);
    assert_true(a->holds && !b->holds);
    world_run(w, 3 * MS, false);
    assert_true(b->holds && !a->holds);
    assert_int_equal(b->taken_ns, a->taken_ns + 2 * MS);
    world_free(w);
}

static void
sessions_of_one_vgpu_share_its_turns(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct arbiter_vgpu *many = world_vgpu(w, SCHED_SHARE_ONE / 8);
    const struct guest *one = world_tenant(w, 500 * US, 0);

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        world_guest(w, many, 500 * US, 0);
    world_run(w, 4 * SECOND, true);
    assert_near(share_of(one, 4 * SECOND), 0.5, 0.01);
    for (unsigned i = 1; i < 5; i++)
        assert_near(share_of(&w->guests[i], 4 * SECOND), 0.125, 0.01);
    world_free(w);
}

static void
an_idle_sessions_slice_is_its_siblings(void **state)
{
    struct world *w = world_new(SCHED_EQUAL_SHARE);
    struct arbiter_vgpu *two = world_vgpu(w, SCHED_SHARE_ONE / 8);
    const struct guest *now_and_then = world_guest(w, two, 200 * US, 5 * MS);
    const struct guest *busy = world_guest(w, two, 200 * US, 0);

    (void)state;
    world_tenant(w, 500 * US, 0);
    world_run(w, 4 * SECOND, true);
    assert_true(now_and_then->kernels > 300);
    assert_near(share_of(now_and_then, 4 * SECOND) + share_of(busy, 4 * SECOND), 0.5,
                0.03);
    world_free(w);
}

static void
a_policy_changes_under_load(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        world_tenant(w, (300 + 100 * (uint64_t)i) * US, i * (50 * US));
    for (unsigned i = 0; i < 300; i++) {
        const struct sched_params p = {.slice_ns = (1 + (uint64_t)i % 5) * MS};
        const uint64_t before = w->guests[0].kernels;

        arbiter_core_change(w->core, i % 3, &p, w->now_ns);
        turn_ring(&w->guests[0].view);
        world_run(w, 40 * MS + i * UINT64_C(13) * US, true);
        assert_true(w->guests[0].kernels > before);
    }
    world_free(w);
}

/* ---- accounts ---------------------------------------------------------------------- */

static void
the_log_adds_up(void **state)
{
    struct world *w = world_new(SCHED_FIXED_SHARE);
    const struct guest *busy = world_tenant(w, 500 * US, 0);
    const struct arbiter_entry *e;
    uint64_t last = 0;
    unsigned n = 0, passed = 0;

    (void)state;
    world_run(w, 4 * SECOND, true);
    for (; (e = arbiter_core_entry(w->core, n)); n++) {
        assert_true(e->time_unix_ns >= last);
        last = e->time_unix_ns;
        passed += e->vgpu[0] == '\0';
        if (e->vgpu[0])
            assert_int_equal(e->run_ns, 2 * MS);
    }
    assert_int_equal(n, ARBITER_LOG);
    assert_true(passed > 0 && passed < n);
    assert_near((double)busy->vgpu->run_ns / (4 * SECOND), 0.125, 0.002);
    /* What is not over yet is not in them. */
    assert_near((double)busy->vgpu->preempted_ns / (4 * SECOND), 0.875, 0.005);
    assert_near((double)w->core->passed_ns / (4 * SECOND), 0.875, 0.005);
    world_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vgpu_alone_is_never_held_up),
        cmocka_unit_test(busy_vgpus_get_equal_parts),
        cmocka_unit_test(an_idle_vgpu_cedes_its_time),
        cmocka_unit_test(a_newcomer_waits_for_one_slice_at_most),
        cmocka_unit_test(an_open_turn_that_is_cut_has_overrun_nothing),
        cmocka_unit_test(overruns_are_charged_back),
        cmocka_unit_test(what_a_driver_takes_to_begin_is_nobodys),
        cmocka_unit_test(who_runs_on_pays_for_it_and_not_the_next),
        cmocka_unit_test(who_is_slow_by_itself_pays_for_it),
        cmocka_unit_test(who_launches_and_waits_keeps_its_slice),
        cmocka_unit_test(fixed_share_gives_its_part_and_no_more),
        cmocka_unit_test(equal_share_counts_who_has_a_session),
        cmocka_unit_test(sizes_under_fixed_share),
        cmocka_unit_test(a_newcomer_need_not_wait_for_what_nobody_owns),
        cmocka_unit_test(an_owner_that_wakes_gets_the_rest_of_its_slice),
        cmocka_unit_test(who_launches_and_waits_keeps_what_it_owns_beside_a_bully),
        cmocka_unit_test(nothing_rotates_while_nobody_wants_anything),
        cmocka_unit_test(who_goes_on_in_an_idle_turn_is_not_forgotten),
        cmocka_unit_test(an_open_turn_of_who_went_idle_is_called_back),
        cmocka_unit_test(the_next_holder_needs_no_arbiter),
        cmocka_unit_test(sessions_of_one_vgpu_share_its_turns),
        cmocka_unit_test(an_idle_sessions_slice_is_its_siblings),
        cmocka_unit_test(a_policy_changes_under_load),
        cmocka_unit_test(the_log_adds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
