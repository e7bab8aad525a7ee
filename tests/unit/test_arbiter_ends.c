/* SPDX-License-Identifier: MIT */
/* Gates that die, lie, or never end; managers that come after another; debts. */
#include "fake_gates.h"

/* ---- death ------------------------------------------------------------------------- */

static void
a_dead_holder_holds_nobody_up(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *dies = world_tenant(w, 500 * US, 0);
    const struct guest *lives = world_tenant(w, 500 * US, 0);
    uint64_t before;

    (void)state;
    world_run(w, 100 * MS, true);
    while (!dies->holds)
        world_run(w, 100 * US, true);
    dies->dead = true;
    w->holders--;
    before = lives->worked_ns;
    arbiter_core_close_gate(w->core, dies->gate, w->now_ns);
    world_run(w, SECOND, true);
    assert_near((double)(lives->worked_ns - before) / SECOND, 1, 0.01);
    world_free(w);
}

static void
a_next_holder_that_dies_is_passed_over(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    const struct guest *lives = world_tenant(w, 500 * US, 0);
    struct guest *dies = world_tenant(w, 500 * US, 0);

    (void)state;
    world_run(w, 100 * MS, true);
    while (!lives->holds || w->core->next.kind != ARBITER_HELD)
        world_run(w, 100 * US, true);
    dies->dead = true;
    arbiter_core_close_gate(w->core, dies->gate, w->now_ns);
    turn_ring(&lives->view);
    world_run(w, SECOND, true);
    assert_true(lives->worked_ns > 1040 * MS);
    world_free(w);
}

static void
a_number_serves_one_session_after_the_other(void **state)
{
    struct world *w = world_new(SCHED_EQUAL_SHARE);
    const struct guest *first = world_tenant(w, 500 * US, 0);

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct guest *g = world_guest(w, &w->vgpus[0], 500 * US, 0);

        assert_int_equal(g->gate, 1);
        world_run(w, 50 * MS, true);
        assert_true(g->kernels > 20);
        g->dead = true;
        w->holders -= g->holds;
        arbiter_core_close_gate(w->core, g->gate, w->now_ns);
    }
    assert_true(first->kernels > 200);
    world_free(w);
}

/* A manager after the one that died: nothing in it but the file. */
static void
world_new_manager(struct world *w)
{
    const struct sched_params p = {.slice_ns = 2 * MS};

    free(w->core);
    w->core = calloc(1, sizeof *w->core);
    arbiter_core_init(w->core, w->file, SCHED_BEST_EFFORT, &p);
    w->until_ns = 0;
    w->n_vgpus = 0;
}

static void
a_new_manager_goes_on_where_the_old_one_died(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *a = world_tenant(w, 500 * US, 0), *b = world_tenant(w, 500 * US, 0);
    uint64_t number, before;

    (void)state;
    world_run(w, 100 * MS, true);
    number = w->core->last_number;
    world_run(w, 10 * MS,
              false); /* the turns promised come to their end, no other begins */
    assert_true(!a->holds && !b->holds);
    world_new_manager(w);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(arbiter_core_adopt_gate(w->core, world_vgpu(w, 0), i,
                                                 w->guests[i].gate, w->now_ns),
                         0);
    arbiter_core_settle_strays(w->core);
    before = a->worked_ns;
    world_run(w, SECOND, true);
    assert_true(w->core->last_number > number + 400);
    assert_near((double)(a->worked_ns - before) / SECOND, 0.5, 0.01);
    world_free(w);
}

static void
a_turn_of_the_old_manager_is_waited_for(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *holds = world_tenant(w, 20 * MS, 0),
                 *waits = world_tenant(w, 500 * US, 0);

    (void)state;
    holds->wants_at_ns = w->now_ns;
    world_run(w, 5 * MS, true);
    while (!holds->holds)
        world_run(w, 100 * US, true);
    world_new_manager(w);
    for (unsigned i = 0; i < 2; i++)
        arbiter_core_adopt_gate(w->core, world_vgpu(w, 0), i, w->guests[i].gate,
                                w->now_ns);
    world_run(w, 100 * MS, true); /* guest_takes() sees to it that turns do not overlap */
    assert_true(waits->kernels > 20);
    world_free(w);
}

static void
turns_of_sessions_that_died_without_a_manager_are_given_back(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *dies = world_tenant(w, 500 * US, 0);

    (void)state;
    world_tenant(w, 500 * US, 0);
    world_run(w, 100 * MS, true);
    while (!dies->holds)
        world_run(w, 100 * US, true);
    dies->dead = true;
    w->holders--;
    world_new_manager(w);
    arbiter_core_adopt_gate(w->core, world_vgpu(w, 0), 0, w->guests[1].gate, w->now_ns);
    arbiter_core_settle_strays(w->core);
    w->guests[1].worked_ns = 0;
    world_run(w, SECOND, true);
    assert_near(share_of(&w->guests[1], SECOND), 1, 0.01);
    world_free(w);
}

/* ---- debts ------------------------------------------------------------------------- */

static void
device_time_out_of_turn_is_paid_back(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *owes = world_tenant(w, 500 * US, 0);
    const struct guest *other = world_tenant(w, 500 * US, 0);

    (void)state;
    world_run(w, SECOND, true);
    atomic_store(&owes->view.own->debt_ns, 200 * MS);
    world_run(w, SECOND, true);
    assert_near(share_of(other, 2 * SECOND) - share_of(owes, 2 * SECOND), 0.1, 0.01);
    world_free(w);
}

static void
a_debt_outlives_its_session(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *first = world_tenant(w, 500 * US, 0);
    const struct guest *other = world_tenant(w, 500 * US, 0), *second;
    uint64_t before;

    (void)state;
    world_run(w, SECOND, true);
    first->dead = true;
    w->holders -= first->holds;
    atomic_store(&first->view.own->debt_ns, 200 * MS);
    before = other->worked_ns;
    arbiter_core_close_gate(w->core, first->gate, w->now_ns);
    second = world_guest(w, first->vgpu, 500 * US, 0);
    world_run(w, SECOND, true);
    assert_near((double)(other->worked_ns - before) / SECOND - share_of(second, SECOND),
                0.2, 0.02);
    world_free(w);
}

static void
an_adopted_sessions_debts_count_from_then_on(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *owes = world_tenant(w, 500 * US, 0),
                 *other = world_tenant(w, 500 * US, 0);

    (void)state;
    atomic_store(&owes->view.own->debt_ns, 3600 * SECOND);
    world_run(w, 10 * MS, false);
    world_new_manager(w);
    for (unsigned i = 0; i < 2; i++)
        arbiter_core_adopt_gate(w->core, world_vgpu(w, 0), i, w->guests[i].gate,
                                w->now_ns);
    world_run(w, SECOND, true);
    assert_near(share_of(other, SECOND) - share_of(owes, SECOND), 0, 0.02);
    atomic_fetch_add(&owes->view.own->debt_ns, 200 * MS);
    world_run(w, SECOND, true);
    assert_near(share_of(other, SECOND) - share_of(owes, SECOND), 0.2, 0.02);
    world_free(w);
}

/* ---- forged pages and endless kernels ---------------------------------------------- */

static void
times_that_cannot_be_are_not_believed(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *liar = world_tenant(w, 500 * US, 0);
    const struct guest *honest = world_tenant(w, 500 * US, 0);

    (void)state;
    liar->lies = true;
    world_run(w, SECOND, true);
    assert_true(share_of(honest, SECOND) > 0.4);
    world_free(w);
}

static void
huge_debts_and_times_harm_nobody_else(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *liar = world_tenant(w, 500 * US, 0);
    const struct guest *honest = world_tenant(w, 500 * US, 0);

    (void)state;
    world_run(w, 100 * MS, true);
    atomic_store(&liar->view.own->debt_ns, UINT64_MAX);
    atomic_store(&liar->view.own->used_ns, UINT64_MAX);
    atomic_store(&liar->view.own->given_ns, UINT64_MAX);
    atomic_store(&liar->view.own->taken_ns, UINT64_MAX);
    atomic_store(&liar->view.own->since_ns, UINT64_MAX);
    world_run(w, SECOND, true);
    assert_true(share_of(honest, SECOND) > 0.49);
    assert_true(liar->vgpu->run_ns < 2 * SECOND);
    world_free(w);
}

/* A first launch runs out of turn, and what waits for it wants none. */
static void
who_runs_out_of_turn_works(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *first = world_tenant(w, 0, 0), *other = world_tenant(w, 0, 0);

    (void)state;
    atomic_store(&first->view.own->since_ns, w->now_ns);
    assert_true(arbiter_core_runs(w->core, first->vgpu));
    assert_false(arbiter_core_runs(w->core, other->vgpu));
    world_free(w);
}

static void
who_gives_back_what_it_never_had_must_end(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *liar = world_tenant(w, 500 * US, 0);
    const struct guest *honest = world_tenant(w, 500 * US, 0);

    (void)state;
    world_run(w, 100 * MS, true);
    liar->dead = true;
    w->holders -= liar->holds;
    atomic_store(&liar->view.own->given, UINT64_MAX);
    turn_ring(&liar->view);
    world_run(w, 100 * MS, true);
    assert_int_equal(arbiter_core_next_sentence(w->core), (int)liar->gate);
    assert_true(arbiter_core_next_sentence(w->core) < 0);
    assert_true(share_of(honest, 200 * MS) > 0.7);
    world_free(w);
}

static void
the_watchdog_ends_a_kernel_that_others_wait_for(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct guest *endless = world_tenant(w, 500 * US, 0);

    (void)state;
    w->core->watchdog_ns = 2 * SECOND;
    endless->hangs = true;
    world_run(w, 10 * SECOND, true);
    assert_true(arbiter_core_next_sentence(w->core) < 0); /* nobody waits */
    world_tenant(w, 500 * US, 0);
    world_run(w, SECOND, true);
    assert_int_equal(arbiter_core_next_sentence(w->core), (int)endless->gate);
    assert_int_equal(w->core->gates[endless->gate].sentence, SENTENCE_OVERDUE);
    world_free(w);
}

static void
without_a_watchdog_an_endless_kernel_is_let_run(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);

    (void)state;
    world_tenant(w, 500 * US, 0)->hangs = true;
    world_tenant(w, 500 * US, 0);
    world_run(w, 100 * SECOND, true);
    assert_true(arbiter_core_next_sentence(w->core) < 0);
    world_free(w);
}

/* A program's gate writes on its desk, and nowhere in the file. */
static void
a_desk_is_believed_as_a_page_is(void **state)
{
    struct world *w = world_new(SCHED_BEST_EFFORT);
    struct turn_gate *desk = mmap(NULL, sizeof *desk, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct guest *a = world_tenant(w, 500 * US, 0), *b = world_tenant(w, 500 * US, 0);

    (void)state;
    arbiter_core_set_desk(w->core, a->gate, desk, true);
    a->view.own = desk;
    world_run(w, SECOND, true);
    assert_near(share_of(a, SECOND), 0.5, 0.01);
    assert_near(share_of(b, SECOND), 0.5, 0.01);
    assert_int_equal(atomic_load(&w->file->gate[a->gate].given),
                     atomic_load(&desk->given));
    atomic_store(&desk->given, UINT64_MAX);
    arbiter_core_step(w->core, w->now_ns);
    assert_int_equal(w->core->gates[a->gate].sentence, SENTENCE_FORGED);
    arbiter_core_close_gate(w->core, a->gate, w->now_ns);
    atomic_store(&desk->since_ns, 1); /* of no consequence any more */
    a->dead = true;
    w->holders -= a->holds;
    world_run(w, SECOND, true);
    assert_true(b->worked_ns > SECOND);
    world_free(w);
    munmap(desk, sizeof *desk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_holder_holds_nobody_up),
        cmocka_unit_test(a_next_holder_that_dies_is_passed_over),
        cmocka_unit_test(a_number_serves_one_session_after_the_other),
        cmocka_unit_test(a_new_manager_goes_on_where_the_old_one_died),
        cmocka_unit_test(a_turn_of_the_old_manager_is_waited_for),
        cmocka_unit_test(turns_of_sessions_that_died_without_a_manager_are_given_back),
        cmocka_unit_test(device_time_out_of_turn_is_paid_back),
        cmocka_unit_test(a_debt_outlives_its_session),
        cmocka_unit_test(an_adopted_sessions_debts_count_from_then_on),
        cmocka_unit_test(times_that_cannot_be_are_not_believed),
        cmocka_unit_test(huge_debts_and_times_harm_nobody_else),
        cmocka_unit_test(who_runs_out_of_turn_works),
        cmocka_unit_test(who_gives_back_what_it_never_had_must_end),
        cmocka_unit_test(a_desk_is_believed_as_a_page_is),
        cmocka_unit_test(the_watchdog_ends_a_kernel_that_others_wait_for),
        cmocka_unit_test(without_a_watchdog_an_endless_kernel_is_let_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
