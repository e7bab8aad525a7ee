/* SPDX-License-Identifier: MIT */
/* The arbiter's thread and gates in threads of their own, on real clocks and a shared file. */
#include "base/cleanup.h"
#include "base/futex.h"
#include "base/io.h"
#include "manager/arbiter.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define GATES 4
#define KERNEL_US 200
#define MS UINT64_C(1000000)
#define SHARE (SCHED_SHARE_ONE / 8)

static const struct arbiter_terms best_effort = {.policy = SCHED_BEST_EFFORT,
                                                 .params = {.slice_ns = 2 * MS}};

struct gate_thread {
    struct turn_view view;
    pthread_t thread;
    _Atomic bool stops;
    _Atomic unsigned turns;
};

struct world {
    char path[64];
    struct arbiter *arbiter;
    uv_loop_t loop;
    struct arbiter_vgpu *vgpus[GATES];
    int numbers[GATES];
    struct gate_thread gates[GATES];
};

static _Atomic int holders;
static _Atomic bool overlapped;

static void
gate_sleeps(struct gate_thread *g, const struct turn_terms *t)
{
    /* A word that does not change in a while: who asked us to stop does not ring. */
    if (t && t->after_gate < TURN_GATES) {
        struct turn_gate *giver = (struct turn_gate *)&g->view.file->gate[t->after_gate];
        const uint32_t seen = atomic_load(&giver->given_bell);

        if (!turn_is_open(&g->view, t))
            futex_wait(&giver->given_bell, seen, 20);
    } else {
        struct turn_offer *o = (struct turn_offer *)&g->view.file->offer[g->view.gate];
        const uint32_t seen = atomic_load(&o->bell);
        struct turn_terms now;

        if (!turn_offered(&g->view, &now))
            futex_wait(&o->bell, seen, 20);
    }
}

static void
gate_uses_turn(struct gate_thread *g, struct turn_terms *t)
{
    const uint64_t begin = now_ns();

    if (atomic_fetch_add(&holders, 1) != 0)
        atomic_store(&overlapped, true);
    turn_take(&g->view, t->turn, begin);
    do {
        usleep(KERNEL_US);
        turn_offered(&g->view, t);
    } while (!atomic_load(&g->stops) && !turn_is_revoked(&g->view, t->turn) &&
             (t->slice_ns == TURN_OPEN || now_ns() - begin < t->slice_ns));
    atomic_fetch_sub(&holders, 1);
    atomic_fetch_add(&g->turns, 1);
    turn_give_back(&g->view, t->turn, now_ns() - begin, now_ns());
}

static void *
gate_main(void *arg)
{
    struct gate_thread *g = arg;
    struct turn_terms t;

    turn_want(&g->view, true);
    while (!atomic_load(&g->stops)) {
        if (!turn_offered(&g->view, &t))
            gate_sleeps(g, NULL);
        else if (!turn_is_open(&g->view, &t))
            gate_sleeps(g, &t);
        else
            gate_uses_turn(g, &t);
    }
    turn_want(&g->view, false);
    return NULL;
}

static void
world_arbiter(struct world *w)
{
    assert_int_equal(arbiter_new(w->path, &best_effort, &w->arbiter), 0);
}

static struct world *
world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    int turns_fd, gate_fd;

    snprintf(w->path, sizeof w->path, "/tmp/tessera-turns-%d", (int)getpid());
    uv_loop_init(&w->loop);
    atomic_store(&overlapped, false);
    world_arbiter(w);
    arbiter_files(w->arbiter, &turns_fd, &gate_fd);
    for (unsigned i = 0; i < GATES; i++) {
        char name[4];

        snprintf(name, sizeof name, "v%u", i);
        w->vgpus[i] = arbiter_add_vgpu(w->arbiter, name, SHARE);
        w->numbers[i] = arbiter_begin_session(w->arbiter, w->vgpus[i], i, NULL);
        assert_true(w->numbers[i] >= 0);
        assert_int_equal(
            turn_view_map(turns_fd, gate_fd, (unsigned)w->numbers[i], &w->gates[i].view),
            0);
    }
    return w;
}

static void
world_run(struct world *w)
{
    assert_int_equal(arbiter_run(w->arbiter, &w->loop, NULL, NULL), 0);
}

static void
world_start_gates(struct world *w)
{
    for (unsigned i = 0; i < GATES; i++)
        assert_int_equal(
            pthread_create(&w->gates[i].thread, NULL, gate_main, &w->gates[i]), 0);
}

static void
world_stop_gates(struct world *w)
{
    for (unsigned i = 0; i < GATES; i++)
        atomic_store(&w->gates[i].stops, true);
    for (unsigned i = 0; i < GATES; i++)
        pthread_join(w->gates[i].thread, NULL);
}

static void
world_end_arbiter(struct world *w)
{
    arbiter_stop(w->arbiter);
    for (unsigned i = 0; i < GATES; i++)
        arbiter_remove_vgpu(w->arbiter, w->vgpus[i]);
    arbiter_free(w->arbiter);
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void
world_free(struct world *w)
{
    for (unsigned i = 0; i < GATES; i++) {
        munmap((void *)w->gates[i].view.file, sizeof(struct turn_file));
        munmap(w->gates[i].view.bell, TURN_PAGE_BYTES);
        munmap(w->gates[i].view.own, TURN_PAGE_BYTES);
    }
    uv_loop_close(&w->loop);
    unlink(w->path);
    free(w);
}

static void
all_get_turns_for(struct world *w, uint64_t for_ns)
{
    unsigned before[GATES];

    for (unsigned i = 0; i < GATES; i++)
        before[i] = atomic_load(&w->gates[i].turns);
    usleep((useconds_t)(for_ns / 1000));
    for (unsigned i = 0; i < GATES; i++)
        assert_true(atomic_load(&w->gates[i].turns) > before[i]);
    assert_false(atomic_load(&overlapped));
}

static void
turns_go_round_one_at_a_time(void **state)
{
    struct world *w = world_new();
    struct arbiter_report r;
    uint64_t begin;

    (void)state;
    world_run(w);
    begin = now_ns();
    world_start_gates(w);
    all_get_turns_for(w, 500 * MS);
    arbiter_tell(w->arbiter, &r);
    print_message("%llu turns, arbiter's CPU %.2f %%\n", (unsigned long long)r.turns,
                  100.0 * (double)r.cpu_ns / (double)(now_ns() - begin));
    assert_true(r.turns > 40 && r.wanting == GATES);
    world_stop_gates(w);
    world_end_arbiter(w);
    world_free(w);
}

static void *
ring_main(void *arg)
{
    struct gate_thread *g = arg;

    while (!atomic_load(&g->stops))
        turn_ring(&g->view);
    return NULL;
}

static void
who_rings_for_nothing_costs_a_part_of_a_core(void **state)
{
    struct world *w = world_new();
    struct arbiter_report r;
    uint64_t begin;
    double cpu;

    (void)state;
    world_run(w);
    begin = now_ns();
    pthread_create(&w->gates[0].thread, NULL, ring_main, &w->gates[0]);
    usleep(300000);
    arbiter_tell(w->arbiter, &r);
    cpu = (double)r.cpu_ns / (double)(now_ns() - begin);
    print_message("arbiter's CPU %.2f %%\n", 100 * cpu);
    assert_true(cpu < 0.5);
    atomic_store(&w->gates[0].stops, true);
    pthread_join(w->gates[0].thread, NULL);
    world_end_arbiter(w);
    world_free(w);
}

static void
policy_and_slice_change_under_load(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_run(w);
    world_start_gates(w);
    for (unsigned i = 0; i < 100; i++) {
        const struct arbiter_terms t = {
            .policy = i % SCHED_POLICIES,
            .params = {.slice_ns = (1 + i % 3) * MS, .elastic_percent = i % 2 * 50}};

        arbiter_change(w->arbiter, &t);
        usleep(3000);
    }
    all_get_turns_for(w, 500 * MS);
    world_stop_gates(w);
    world_end_arbiter(w);
    world_free(w);
}

static void
a_new_arbiter_governs_the_gates_of_the_old_one(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_run(w);
    world_start_gates(w);
    all_get_turns_for(w, 100 * MS);
    world_end_arbiter(w);
    assert_true(turn_orphaned(&w->gates[0].view, now_ns()));
    world_arbiter(w);
    for (unsigned i = 0; i < GATES; i++) {
        char name[8];

        snprintf(name, sizeof name, "v%u", i);
        w->vgpus[i] = arbiter_add_vgpu(w->arbiter, name, SHARE);
        assert_int_equal(arbiter_adopt_session(w->arbiter, w->vgpus[i], i, NULL),
                         w->numbers[i]);
    }
    assert_int_equal(arbiter_adopt_session(w->arbiter, w->vgpus[0], 9, NULL), -ENOENT);
    world_run(w);
    assert_false(turn_orphaned(&w->gates[0].view, now_ns()));
    all_get_turns_for(w, 300 * MS);
    world_stop_gates(w);
    world_end_arbiter(w);
    world_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_go_round_one_at_a_time),
        cmocka_unit_test(who_rings_for_nothing_costs_a_part_of_a_core),
        cmocka_unit_test(policy_and_slice_change_under_load),
        cmocka_unit_test(a_new_arbiter_governs_the_gates_of_the_old_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
