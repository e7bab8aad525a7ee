/* SPDX-License-Identifier: MIT */
/*
 * Shares of a GPU's time between CUDA programs, and between them and OpenCL sessions, on a virtual
 * clock: the library's turns and keepers, the arbiter's decisions and the worker's gate, as they
 * are; and one fake device, which does one command after the other.
 */
#include "api/cuda_entries.h"
#include "base/futex.h"
#include "base/io.h"
#include "gate/gate.h"
#include "guest/cuda/turns.h"
#include "guest/front/resolve.h"
#include "manager/arbiter_core.h"
#include "tests/cuda/fake/fake.h"
#include "tests/cuda/shares/virtual.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define GUESTS_MAX 8
#define WARM_NS SECOND
#define RUN_NS (5 * SECOND)
#define LAUNCH_NS (4 * US) /* of the program's own time */
#define SYNC_EVERY 40      /* launches, as a step of training */
#define QUEUE_MAX 256      /* of an OpenCL session's commands on the device */

struct world;

struct guest {
    struct world *w;
    struct arbiter_vgpu vgpu;
    unsigned gate_number;
    CUcontext context;
    struct gate_page page;
    uint64_t kernel_ns, pause_ns, begins_ns, launched;
    uint64_t had_ns; /* since everything was warm */
    bool is_opencl;
    struct turn_gate desk;
    struct turns turns; /* a CUDA program's */
    struct gate gate;   /* an OpenCL session's */
};

struct world {
    struct turn_file *file;
    struct turn_bell *desks;
    struct arbiter_core *core;
    struct guest *guests[GUESTS_MAX];
    unsigned n;
    uint64_t warm_ns;
};

/* ---- the driver, for the library --------------------------------------------------------- */

void *
front_real(unsigned number)
{
#define IS(name)                                                                         \
    case NR_##name:                                                                      \
        return (void *)name
    switch (number) {
        IS(cuCtxPushCurrent_v2);
        IS(cuCtxPopCurrent_v2);
        IS(cuCtxGetCurrent);
        IS(cuCtxSynchronize);
        IS(cuStreamIsCapturing);
        IS(cuThreadExchangeStreamCaptureMode);
        IS(cuEventCreate);
        IS(cuEventDestroy_v2);
        IS(cuEventRecord);
        IS(cuEventQuery);
        IS(cuEventSynchronize);
        IS(cuEventElapsedTime);
    default:
        return NULL;
    }
}

/* ---- who takes part ------------------------------------------------------------------------ */

static void *
pages(size_t bytes)
{
    void *const at =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(at, MAP_FAILED);
    return at;
}

static struct world *
world_new(enum sched_policy policy)
{
    const struct sched_params p = {.slice_ns = 2 * MS};
    struct world *const w = calloc(1, sizeof *w);

    w->file = pages(sizeof *w->file);
    w->desks = pages(sizeof *w->desks);
    w->core = calloc(1, sizeof *w->core);
    w->warm_ns = now_ns() + WARM_NS;
    arbiter_core_init(w->core, w->file, policy, &p);
    atomic_store(&w->file->header.epoch, 1);
    return w;
}

static void
world_free(struct world *w)
{
    for (unsigned i = 0; i < w->n; i++)
        munmap(w->guests[i], sizeof *w->guests[i]);
    munmap(w->file, sizeof *w->file);
    munmap(w->desks, sizeof *w->desks);
    free(w->core);
    free(w);
}

static struct guest *
guest_new(struct world *w, uint64_t share, uint64_t kernel_ns, bool is_opencl)
{
    struct guest *const g = pages(sizeof *g);
    struct turn_view view;
    char name[8];
    int gate;

    snprintf(name, sizeof name, "v%u", w->n);
    arbiter_core_add(w->core, &g->vgpu, name, share);
    gate = arbiter_core_open_gate(w->core, &g->vgpu, w->n, now_ns());
    assert_true(gate >= 0);
    g->w = w;
    g->kernel_ns = kernel_ns;
    g->is_opencl = is_opencl;
    g->gate_number = (unsigned)gate;
    view = (struct turn_view){.file = w->file,
                              .bell = is_opencl ? &w->file->bell : w->desks,
                              .own = is_opencl ? &w->file->gate[gate] : &g->desk,
                              .gate = g->gate_number};
    if (is_opencl) {
        gate_init(&g->gate, &g->page);
        gate_govern(&g->gate, &view, GATE_HAND_OVER_QUEUED_NS);
    } else {
        arbiter_core_set_desk(w->core, g->gate_number, &g->desk, true);
        turns_open(&g->turns, &g->page, &view);
        g->turns.keeper_runs = true; /* ours */
    }
    w->guests[w->n++] = g;
    return g;
}

static struct guest *
program(struct world *w, uint64_t share, uint64_t kernel_ns)
{
    return guest_new(w, share, kernel_ns, false);
}

static struct guest *
session(struct world *w, uint64_t share, uint64_t kernel_ns)
{
    return guest_new(w, share, kernel_ns, true);
}

static void
arbiter_main(void *world)
{
    struct world *const w = world;

    while (!virtual_serves_nobody()) {
        const uint32_t seen = atomic_load(&w->file->bell.word);
        const uint32_t desks_seen = atomic_load(&w->desks->word);

        atomic_store(&w->file->header.beat_ns, now_ns());
        turn_bells_wait(&w->file->bell, seen, w->desks, desks_seen,
                        arbiter_core_step(w->core, now_ns()));
    }
}

static void
keeper_main(void *guest)
{
    struct guest *const g = guest;

    while (!virtual_serves_nobody())
        turns_keep(&g->turns);
}

/* Its process is gone. */
static void
guest_ends(struct guest *g)
{
    cuCtxSynchronize();
    if (!g->is_opencl)
        turns_context_ends(&g->turns, g->context);
    cuCtxDestroy_v2(g->context);
    arbiter_core_close_gate(g->w->core, g->gate_number, now_ns());
    atomic_fetch_add(&g->w->file->bell.word, 1);
}

static void
guest_worked(struct guest *g)
{
    g->launched++;
    if (now_ns() >= g->w->warm_ns && !virtual_is_over())
        g->had_ns += g->kernel_ns;
}

static void
launch(struct guest *g)
{
    const struct turns_work what = {.key = cost_mix(g->gate_number + 1, g->kernel_ns) | 1,
                                    .kernel = true};
    struct turns_entry e = {NULL};

    if (atomic_load(&turns_asking) > 0)
        turns_enter(&g->turns, &what, &e);
    fake_submit(g->context, NULL, g->kernel_ns);
    turns_leave(&e, NULL, true);
    guest_worked(g);
    virtual_sleep_until(now_ns() + LAUNCH_NS);
}

static void
program_main(void *guest)
{
    struct guest *const g = guest;

    assert_int_equal(cuCtxCreate_v2(&g->context, 0, 0), CUDA_SUCCESS);
    turns_context_begins(&g->turns, g->context);
    virtual_sleep_until(now_ns() + g->begins_ns);
    while (!virtual_is_over()) {
        launch(g);
        if (g->launched % SYNC_EVERY == 0)
            cuCtxSynchronize();
        if (g->launched % SYNC_EVERY == 0 && g->pause_ns)
            virtual_sleep_until(now_ns() + g->pause_ns);
    }
    guest_ends(g);
}

/* An OpenCL session always has commands; its driver tells of each one's end. */
struct queue {
    struct gate_ticket ticket[QUEUE_MAX];
    struct gate_times at[QUEUE_MAX];
    unsigned first, n;
};

static void
session_collects(struct guest *g, struct queue *q)
{
    while (q->n > 0 && q->at[q->first].end_ns <= now_ns()) {
        gate_complete(&g->gate, &q->ticket[q->first], &q->at[q->first]);
        q->first = (q->first + 1) % QUEUE_MAX;
        q->n--;
    }
}

static void
session_submits(struct guest *g, struct queue *q)
{
    for (;;) {
        struct gate_ticket t = {.counted = true, .kernel = true, .est_ns = g->kernel_ns};
        const unsigned i = (q->first + q->n) % QUEUE_MAX;
        uint64_t end;

        if (q->n == QUEUE_MAX || gate_admit(&g->gate, &t) != GATE_GO)
            return;
        fake_submit(g->context, NULL, g->kernel_ns);
        end = *fake_stream_end(g->context, NULL);
        q->ticket[i] = t;
        q->at[i] = (struct gate_times){now_ns(), end - g->kernel_ns, end};
        q->n++;
        guest_worked(g);
    }
}

static void
session_main(void *guest)
{
    struct guest *const g = guest;
    struct queue *const q = calloc(1, sizeof *q);

    assert_int_equal(cuCtxCreate_v2(&g->context, 0, 0), CUDA_SUCCESS);
    while (!virtual_is_over()) {
        struct gate_words words;
        struct futex_word on[2];
        struct gate_state st;

        session_collects(g, q);
        gate_words(&g->gate, &words);
        gate_step(&g->gate, true);
        session_submits(g, q);
        st = gate_step(&g->gate, true);
        if (q->n > 0 && q->at[q->first].end_ns < st.look_ns)
            st.look_ns = q->at[q->first].end_ns;
        on[0] = (struct futex_word){words.offer, words.offer_seen};
        on[1] = (struct futex_word){words.given, words.given_seen};
        futex_wait_any(on, words.given ? 2 : 1, st.look_ns);
    }
    guest_ends(g);
    free(q);
}

static void
world_run(struct world *w)
{
    assert_int_equal(cuInit(0), CUDA_SUCCESS);
    virtual_servant(arbiter_main, w);
    for (unsigned i = 0; i < w->n; i++) {
        struct guest *const g = w->guests[i];

        virtual_thread(g->is_opencl ? session_main : program_main, g);
        if (!g->is_opencl)
            virtual_servant(keeper_main, g);
    }
    virtual_run(WARM_NS + RUN_NS);
}

static double
part(const struct guest *g)
{
    return (double)g->had_ns / (double)RUN_NS;
}

/* Of what all of them had. */
static double
part_of_all(const struct world *w, const struct guest *g)
{
    double all = 0;

    for (unsigned i = 0; i < w->n; i++)
        all += (double)w->guests[i]->had_ns;
    return (double)g->had_ns / all;
}

static void
tell(const struct world *w, const char *what)
{
    print_message("%-28s %s:", what, sched_policy_word(w->core->sched.policy));
    for (unsigned i = 0; i < w->n; i++)
        print_message(" %s%.2f%% (%.2f%%)", w->guests[i]->is_opencl ? "OpenCL " : "",
                      100 * part(w->guests[i]), 100 * part_of_all(w, w->guests[i]));
    print_message(", %llu turns\n", (unsigned long long)w->core->turns);
}

static void
assert_within_a_point(double is, double wanted)
{
    if (fabs(is - wanted) > 0.01)
        print_message("%.4f is not within 0.01 of %.4f\n", is, wanted);
    assert_true(fabs(is - wanted) <= 0.01);
}

/* Each has as much as the others of all there was, and the device did not rest for long. */
static void
assert_equal_parts(const struct world *w, double busy)
{
    double all = 0;

    for (unsigned i = 0; i < w->n; i++) {
        assert_within_a_point(part_of_all(w, w->guests[i]), 1.0 / w->n);
        all += part(w->guests[i]);
    }
    if (all < busy)
        print_message("the device was busy for %.4f, not %.4f\n", all, busy);
    assert_true(all >= busy);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void
equal_programs(enum sched_policy policy, unsigned n)
{
    struct world *const w = world_new(policy);

    for (unsigned i = 0; i < n; i++)
        program(w, SCHED_SHARE_ONE / n, (100 + 20 * i) * US);
    world_run(w);
    tell(w, "programs");
    assert_equal_parts(w, 0.93);
    world_free(w);
}

static void
programs_share_alike(void **state)
{
    (void)state;
    for (enum sched_policy p = 0; p < SCHED_POLICIES; p++) {
        equal_programs(p, 2);
        equal_programs(p, 4);
        equal_programs(p, 8);
    }
}

static void
sessions_and_programs_share_alike(void **state)
{
    (void)state;
    for (enum sched_policy p = 0; p < SCHED_POLICIES; p++) {
        struct world *const w = world_new(p);

        program(w, SCHED_SHARE_ONE / 4, 100 * US);
        session(w, SCHED_SHARE_ONE / 4, 150 * US);
        program(w, SCHED_SHARE_ONE / 4, 200 * US);
        session(w, SCHED_SHARE_ONE / 4, 80 * US);
        world_run(w);
        tell(w, "programs and sessions");
        assert_equal_parts(w, 0.93);
        world_free(w);
    }
}

static void
a_bully_gets_no_more(void **state)
{
    (void)state;
    for (enum sched_policy p = 0; p < SCHED_POLICIES; p++) {
        struct world *const w = world_new(p);

        program(w, SCHED_SHARE_ONE / 4, 20 * MS);
        program(w, SCHED_SHARE_ONE / 4, 100 * US);
        session(w, SCHED_SHARE_ONE / 4, 150 * US);
        program(w, SCHED_SHARE_ONE / 4, 200 * US);
        world_run(w);
        tell(w, "a bully of 20 ms");
        assert_equal_parts(w, 0.93);
        world_free(w);
    }
}

/* F/2 beside F/5, under fixed share: each has what it owns, and the rest is nobody's. */
static void
mixed_sizes_have_what_they_own(void **state)
{
    (void)state;
    for (int bully = 0; bully < 2; bully++) {
        struct world *const w = world_new(SCHED_FIXED_SHARE);
        struct guest *const half =
            program(w, SCHED_SHARE_ONE / 2, (bully ? 20000 : 100) * US);
        struct guest *const fifth = program(w, SCHED_SHARE_ONE / 5, 100 * US);

        world_run(w);
        tell(w, bully ? "F/2, a bully, and F/5" : "F/2 and F/5");
        assert_within_a_point(part(half), 0.5);
        assert_within_a_point(part(fifth), 0.2);
        world_free(w);
    }
}

/* Alone it passes: hardly a command asks, nothing is waited for. */
static void
alone_it_has_the_device(void **state)
{
    struct world *const w = world_new(SCHED_BEST_EFFORT);
    struct guest *const g = program(w, SCHED_SHARE_ONE, 100 * US);

    (void)state;
    world_run(w);
    tell(w, "alone");
    assert_true(part(g) > 0.97);
    assert_true(atomic_load(&g->page.commands) < g->launched / 10);
    assert_true(atomic_load(&g->page.used_ns) > (RUN_NS + WARM_NS) / 20 * 19);
    assert_int_equal(atomic_load(&turns_asking) <= 1, true);
    world_free(w);
}

/* Who comes later, and goes, and comes again, has its share while it is there. */
static void
a_guest_that_comes_and_goes(void **state)
{
    struct world *const w = world_new(SCHED_BEST_EFFORT);
    struct guest *const steady = program(w, SCHED_SHARE_ONE / 2, 100 * US);
    struct guest *const other = program(w, SCHED_SHARE_ONE / 2, 100 * US);

    (void)state;
    other->begins_ns = SECOND / 2;
    other->pause_ns =
        600 * MS; /* after each 4 ms: the steady one passes again meanwhile */
    world_run(w);
    tell(w, "comes and goes");
    assert_true(part(steady) > 0.95);
    /* A step of 4 ms of work takes some 8 beside another. */
    assert_true(other->launched / SYNC_EVERY >= (RUN_NS + WARM_NS) / (650 * MS));
    world_free(w);
}

/* One thread runs at a time: on one processor they need not wake up others. */
static void
stay_on_one_processor(void)
{
    const int now = sched_getcpu();
    cpu_set_t one;

    CPU_ZERO(&one);
    if (now >= 0)
        CPU_SET(now, &one);
    /* Where that is not allowed it takes longer. */
    if (now < 0 || sched_setaffinity(0, sizeof one, &one) < 0)
        print_message("on several processors\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_it_has_the_device),
        cmocka_unit_test(programs_share_alike),
        cmocka_unit_test(sessions_and_programs_share_alike),
        cmocka_unit_test(a_bully_gets_no_more),
        cmocka_unit_test(mixed_sizes_have_what_they_own),
        cmocka_unit_test(a_guest_that_comes_and_goes),
    };

    stay_on_one_processor();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
