/* SPDX-License-Identifier: MIT */
/* Gates on a file of turns, whose arbiter is the test. Two of them: ours, and one before it. */
#include "gate/gate.h"

#include "base/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define OURS 5u
#define OTHER 9u
#define MS UINT64_C(1000000)
#define LONG (100 * MS)

/* The gate's clock (linked in place of base's now_ns()): it stands still but for passes(). */
static uint64_t clock_ns;

uint64_t __wrap_now_ns(void);

uint64_t
__wrap_now_ns(void)
{
    return clock_ns;
}

static void
passes(uint64_t ns)
{
    clock_ns += ns;
}

struct world {
    struct turn_file *file;
    struct gate_page page;
    struct gate gate;
    uint64_t last;
};

static void
arbiter_beats(struct world *w)
{
    atomic_store(&w->file->header.epoch, 1);
    atomic_store(&w->file->header.beat_ns, now_ns());
    atomic_store(&w->file->header.window_ns, 2 * MS);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    char path[] = "/tmp/tessera-test-gate-XXXXXX";
    struct turn_view view;
    int fd, read_fd = mkstemp(path);

    assert_int_equal(turn_create(path, &w->file, &fd), 0);
    assert_int_equal(turn_view_map(read_fd, fd, OURS, &view), 0);
    close(fd);
    close(read_fd);
    unlink(path);
    clock_ns = 1000 * LONG;
    arbiter_beats(w);
    gate_init(&w->gate, &w->page);
    gate_govern(&w->gate, &view, GATE_HAND_OVER_NS);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    turn_unmap(w->file);
    free(w);
    return 0;
}

/* Offers our gate the next turn. */
static uint64_t
offer(struct world *w, uint64_t slice_ns, uint64_t linger_ns)
{
    const struct turn_terms t = {.turn = ++w->last,
                                 .slice_ns = slice_ns,
                                 .linger_ns = linger_ns,
                                 .after_gate = TURN_NO_GATE};

    turn_offer(w->file, OURS, &t);
    return t.turn;
}

static struct gate_ticket
kernel(uint64_t est_ns)
{
    return (struct gate_ticket){.est_ns = est_ns, .counted = true, .kernel = true};
}

static bool
goes(struct world *w, uint64_t est_ns)
{
    struct gate_ticket t = kernel(est_ns);

    return gate_admit(&w->gate, &t) == GATE_GO;
}

static void
ends(struct world *w, uint64_t est_ns, uint64_t start_ns, uint64_t end_ns)
{
    const struct gate_ticket t = kernel(est_ns);
    const struct gate_times at = {.start_ns = start_ns, .end_ns = end_ns};

    gate_complete(&w->gate, &t, &at);
}

static bool
given(const struct world *w)
{
    return turn_given(w->file, OURS, w->last);
}

static bool
wanted(const struct world *w)
{
    return atomic_load(&w->file->gate[OURS].wants);
}

/* ---- when commands go -------------------------------------------------------------- */

static void
without_an_arbiter_everything_goes(void **state)
{
    struct gate_page page = {0};
    struct gate g;
    struct gate_ticket t = kernel(LONG);

    (void)state;
    gate_init(&g, &page);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(gate_admit(&g, &t), GATE_GO);
    assert_int_equal(atomic_load(&page.commands), 100);
    assert_int_equal(atomic_load(&page.kernels), 100);
}

static void
nothing_goes_without_a_turn_and_it_is_wanted(void **state)
{
    struct world *w = *state;
    struct gate_ticket t = kernel(MS);

    assert_int_equal(gate_admit(&w->gate, &t), GATE_SHUT);
    assert_false(wanted(w));
    gate_step(&w->gate, true);
    assert_true(wanted(w));
    assert_int_equal(atomic_load(&w->page.commands), 0);
}

static void
what_takes_no_device_time_needs_no_turn(void **state)
{
    struct world *w = *state;
    struct gate_ticket marker = {0};

    assert_int_equal(gate_admit(&w->gate, &marker), GATE_GO);
    assert_int_equal(gate_inflight(&w->gate), 0);
}

static void
a_turn_opens_when_the_one_before_is_given_back(void **state)
{
    struct world *w = *state;
    const struct turn_terms t = {.turn = 8,
                                 .slice_ns = LONG,
                                 .linger_ns = TURN_KEEP,
                                 .after_gate = OTHER,
                                 .after_turn = 7};

    turn_offer(w->file, OURS, &t);
    assert_false(goes(w, MS));
    atomic_store(&w->file->gate[OTHER].given, 7);
    assert_true(goes(w, MS));
    assert_int_equal(atomic_load(&w->file->gate[OURS].taken), 8);
}

static void
an_open_turn_lets_a_window_go(void **state)
{
    struct world *w = *state;
    unsigned n = 0;

    atomic_store(&w->file->header.window_ns, LONG);
    offer(w, TURN_OPEN, TURN_KEEP);
    while (n < 1000 && goes(w, LONG / 4))
        n++;
    assert_int_equal(n, 4);
}

/* A newcomer waits for it once; who comes more often finds no more than the usual window. */
static void
a_window_grows_after_a_while_alone(void **state)
{
    struct world *w = *state;

    offer(w, TURN_OPEN, TURN_KEEP);
    assert_true(goes(w, 3 * MS));
    assert_false(goes(w, 1));
    passes(200 * MS);
    ends(w, 3 * MS, 1, 3 * MS);
    assert_true(goes(w, 12 * MS));
    assert_true(goes(w, 6 * MS));
    assert_false(goes(w, 1));
}

static void
it_does_not_while_others_want_the_device(void **state)
{
    struct world *w = *state;

    offer(w, TURN_OPEN, TURN_KEEP);
    assert_true(goes(w, 1));
    passes(200 * MS);
    turn_set_slice(w->file, OURS, LONG);
    gate_step(&w->gate, true);
    turn_set_slice(w->file, OURS, TURN_OPEN);
    ends(w, 1, 1, MS);
    assert_true(goes(w, 3 * MS));
    assert_false(goes(w, 1));
}

/* An estimate may be too long: the device must not rest until then. */
static void
the_end_of_what_fills_the_window_is_waited_for(void **state)
{
    struct world *w = *state;

    offer(w, TURN_OPEN, TURN_KEEP);
    assert_true(goes(w, LONG));
    assert_false(gate_step(&w->gate, false).drain);
    assert_true(gate_step(&w->gate, true).drain);
}

/* ---- passing ----------------------------------------------------------------------- */

/* It has had the device alone for long enough. */
static void
passes_it(struct world *w)
{
    offer(w, TURN_OPEN, TURN_KEEP);
    assert_true(goes(w, MS));
    assert_false(gate_pass(&w->gate));
    ends(w, MS, 1, MS);
    passes(LONG);
    assert_true(gate_pass(&w->gate));
    gate_step(&w->gate, false);
}

static void
a_gate_is_passed_until_somebody_else_wants_the_device(void **state)
{
    struct world *w = *state;
    const struct gate_times unknown = {0};
    struct gate_ticket all;
    uint64_t used;

    passes_it(w);
    used = atomic_load(&w->page.used_ns);
    passes(10 * LONG);
    assert_false(gate_step(&w->gate, false).pass_ends);
    assert_true(wanted(w));
    assert_int_equal(atomic_load(&w->page.used_ns) - used, 10 * LONG);
    turn_revoke(w->file, OURS, w->last);
    assert_int_equal(atomic_load(&w->file->gate[OURS].since_ns), 0);
    assert_true(gate_step(&w->gate, false).pass_ends);
    assert_false(given(w));
    assert_true(gate_pass_ends(&w->gate, &all));
    assert_false(gate_pass_ends(&w->gate, &all));
    /* Nobody knows how long it runs: nothing goes, and the turn is not given back in advance. */
    assert_int_equal(atomic_load(&w->file->gate[OURS].since_ns), now_ns());
    assert_false(goes(w, 1));
    passes(5 * MS);
    assert_true(gate_step(&w->gate, true).drain);
    assert_false(given(w));
    gate_complete(&w->gate, &all, &unknown);
    gate_step(&w->gate, false);
    assert_true(given(w));
    assert_false(gate_pass(&w->gate));
}

static void
while_it_is_passed_and_nothing_comes_nothing_is_wanted(void **state)
{
    struct world *w = *state;
    uint64_t used;

    passes_it(w);
    gate_pass_is_idle(&w->gate, true);
    used = atomic_load(&w->page.used_ns);
    passes(LONG);
    gate_step(&w->gate, false);
    assert_false(wanted(w));
    assert_int_equal(atomic_load(&w->page.used_ns), used);
    gate_pass_is_idle(&w->gate, false);
    passes(LONG);
    gate_step(&w->gate, false);
    assert_true(wanted(w));
    assert_int_equal(atomic_load(&w->page.used_ns), used + LONG);
}

/* ---- what waits for its own program ------------------------------------------------ */

static void
a_command_joins_one_that_never_ends_without_it(void **state)
{
    struct world *w = *state;
    struct gate_ticket t = kernel(MS);

    assert_false(gate_force(&w->gate, &t, LONG));
    offer(w, 2 * MS, TURN_KEEP);
    assert_true(goes(w, MS));
    passes(5 * MS);
    assert_int_equal(gate_admit(&w->gate, &t), GATE_FULL);
    assert_false(gate_force(&w->gate, &t, LONG));
    passes(LONG);
    assert_true(gate_force(&w->gate, &t, LONG));
    assert_int_equal(gate_inflight(&w->gate), 2);
    /* And the next one not at once. */
    assert_false(gate_force(&w->gate, &t, LONG));
    gate_step(&w->gate, true);
    assert_false(given(w));
    ends(w, MS, 1, LONG);
    ends(w, MS, 1, LONG);
    gate_step(&w->gate, true);
    assert_true(given(w));
}

static void
a_long_command_goes_alone(void **state)
{
    struct world *w = *state;

    offer(w, TURN_OPEN, TURN_KEEP);
    assert_true(goes(w, LONG));
    assert_false(goes(w, 1));
    ends(w, LONG, 1, LONG);
    assert_true(goes(w, 1));
}

/* Commands may take far longer than others of their kind did: no more follow them then. */
static void
nothing_follows_what_is_overdue_in_an_open_turn(void **state)
{
    struct world *w = *state;

    atomic_store(&w->file->header.window_ns, MS);
    offer(w, TURN_OPEN, TURN_KEEP);
    assert_true(goes(w, 1));
    passes(3 * MS);
    assert_false(goes(w, 1));
    ends(w, 1, 1, 3 * MS);
    assert_true(goes(w, 1));
}

static void
a_slice_is_filled_and_no_more(void **state)
{
    struct world *w = *state;
    unsigned n = 0;

    offer(w, LONG, TURN_KEEP);
    while (n < 1000 && goes(w, LONG / 4))
        n++;
    assert_int_equal(n, 4);
    assert_false(given(w));
}

/* ---- when turns end ---------------------------------------------------------------- */

static void
a_turn_is_given_back_when_its_slice_is_over_and_it_is_drained(void **state)
{
    struct world *w = *state;

    offer(w, 1, TURN_KEEP);
    gate_step(&w->gate, true);
    passes(MS);
    gate_step(&w->gate, true);
    /* Taken, and over at once; a new one that is long enough for one command. */
    assert_true(given(w));
    offer(w, MS, TURN_KEEP);
    assert_true(goes(w, LONG));
    passes(2 * MS);
    assert_true(gate_step(&w->gate, true).drain);
    assert_false(given(w));
    ends(w, LONG, 1, LONG);
    assert_true(gate_drained(&w->gate, true));
    assert_true(given(w));
    assert_int_equal(atomic_load(&w->page.overruns), 2);
    assert_true(atomic_load(&w->file->gate[OURS].used_ns) >= MS);
}

/* A turn whose slice holds one command, which is said to end in `left` ns; it was just taken. */
static void
begin_last_command(struct world *w, uint64_t left_ns)
{
    offer(w, MS / 10, TURN_KEEP);
    assert_true(goes(w, left_ns));
    passes(MS / 5);
    assert_false(goes(w, 1));
}

/* The same, of 20 ms, as if it had begun so long ago that it ends in `left` ns. */
static void
last_command_runs(struct world *w, uint64_t left_ns)
{
    begin_last_command(w, 20 * MS);
    w->gate.front_ns = now_ns() - 20 * MS + left_ns;
    gate_step(&w->gate, true);
    assert_true(given(w));
}

static void
a_turn_is_given_back_a_moment_before_its_last_command_ends(void **state)
{
    struct world *w = *state;

    begin_last_command(w, 20 * MS);
    gate_step(&w->gate, true);
    assert_false(given(w));
    /* As if it had begun so long ago. */
    w->gate.front_ns = now_ns() - 20 * MS + 15000;
    gate_step(&w->gate, true);
    assert_true(given(w));
    assert_true(wanted(w));
    assert_int_equal(w->gate.rest_ns, w->gate.front_ns + 20 * MS);
    ends(w, 20 * MS, 1, 20 * MS);
    assert_int_equal(atomic_load(&w->page.debt_ns), 0);
}

static void
what_runs_on_after_that_is_a_debt(void **state)
{
    struct world *w = *state;

    last_command_runs(w, 15000);
    passes(5 * MS);
    ends(w, 20 * MS, 1, 20 * MS);
    assert_int_equal(atomic_load(&w->page.debt_ns), 5 * MS - 15000);
    assert_int_equal(atomic_load(&w->file->gate[OURS].debt_ns), 5 * MS - 15000);
}

static void
nobody_guesses_when_an_overdue_command_ends(void **state)
{
    struct world *w = *state;

    begin_last_command(w, MS);
    passes(3 * MS);
    assert_true(gate_step(&w->gate, true).drain);
    assert_false(given(w));
}

/* The rest ran for 5 ms beside another's turn, and then in one of ours. */
static void
what_runs_on_into_the_next_turn_is_a_debt_until_then(void **state)
{
    struct world *w = *state;

    last_command_runs(w, 15000);
    passes(5 * MS);
    offer(w, LONG, TURN_KEEP);
    assert_true(goes(w, 1));
    passes(5 * MS);
    ends(w, 20 * MS, 1, 20 * MS);
    assert_int_equal(atomic_load(&w->page.debt_ns), 5 * MS - 15000);
    assert_int_equal(atomic_load(&w->file->gate[OURS].debt_ns), 5 * MS - 15000);
    ends(w, 1, 20 * MS, 20 * MS + 1);
    assert_int_equal(atomic_load(&w->page.debt_ns), 5 * MS - 15000);
}

static void
an_idle_turn_is_given_back_after_its_linger(void **state)
{
    struct world *w = *state;

    offer(w, LONG, 1);
    assert_true(goes(w, MS));
    gate_step(&w->gate, false);
    assert_false(given(w));
    ends(w, MS, 1, MS);
    passes(1);
    gate_step(&w->gate, false);
    assert_true(given(w));
    assert_false(wanted(w));
}

static void
an_owned_turn_is_kept_while_idle(void **state)
{
    struct world *w = *state;
    struct gate_state st;

    offer(w, LONG, TURN_KEEP);
    st = gate_step(&w->gate, false);
    assert_false(given(w));
    assert_true(st.look_ns <= now_ns() + LONG);
}

static void
a_revoked_turn_is_given_back_once_drained(void **state)
{
    struct world *w = *state;
    uint64_t turn = offer(w, TURN_OPEN, TURN_KEEP);

    assert_true(goes(w, MS));
    turn_revoke(w->file, OURS, turn);
    assert_false(goes(w, 1));
    assert_true(gate_step(&w->gate, true).drain);
    assert_false(given(w));
    ends(w, MS, 1, MS);
    gate_step(&w->gate, true);
    assert_true(given(w));
    assert_true(wanted(w));
}

static void
a_turn_revoked_before_it_is_taken_is_answered(void **state)
{
    struct world *w = *state;
    const struct turn_terms t = {
        .turn = 8, .slice_ns = LONG, .after_gate = OTHER, .after_turn = 7};

    turn_offer(w->file, OURS, &t);
    turn_revoke(w->file, OURS, 8);
    gate_step(&w->gate, true);
    assert_true(turn_given(w->file, OURS, 8));
    assert_int_equal(atomic_load(&w->file->gate[OURS].taken), 0);
    assert_int_equal(atomic_load(&w->page.turns), 0);
}

/* ---- first launches ---------------------------------------------------------------- */

static void
a_first_launch_goes_alone_and_hands_the_turn_on(void **state)
{
    struct world *w = *state;
    struct gate_ticket first = kernel(MS);
    const struct gate_times at = {
        .submit_ns = MS, .start_ns = 51 * MS, .end_ns = 54 * MS};

    first.first = true;
    offer(w, LONG, TURN_KEEP);
    assert_int_equal(gate_admit(&w->gate, &first), GATE_GO);
    assert_true(first.look);
    assert_false(goes(w, 1));
    gate_step(&w->gate, true);
    assert_true(given(w));
    assert_false(wanted(w)); /* nothing could go before it is over */
    assert_int_equal(atomic_load(&w->file->gate[OURS].since_ns), 0);
    gate_first_runs(&w->gate);
    assert_int_not_equal(atomic_load(&w->file->gate[OURS].since_ns), 0);
    gate_complete(&w->gate, &first, &at);
    assert_int_equal(atomic_load(&w->page.compile_ns), 50 * MS);
    assert_int_equal(atomic_load(&w->page.debt_ns), 3 * MS);
    assert_int_equal(atomic_load(&w->page.used_ns), 3 * MS);
    assert_int_equal(atomic_load(&w->file->gate[OURS].debt_ns), 3 * MS);
    gate_step(&w->gate, true);
    assert_true(wanted(w));
}

static void
who_waited_for_a_first_launch_says_so_at_its_end(void **state)
{
    struct world *w = *state;
    struct gate_ticket first = kernel(MS);
    const struct gate_times at = {.start_ns = 51 * MS, .end_ns = 54 * MS};

    first.first = true;
    offer(w, LONG, TURN_KEEP);
    assert_int_equal(gate_admit(&w->gate, &first), GATE_GO);
    gate_step(&w->gate, true);
    gate_step(&w->gate, true);
    assert_true(given(w));
    gate_complete(&w->gate, &first, &at);
    assert_false(wanted(w));
    assert_false(gate_drained(&w->gate, true));
    gate_step(&w->gate, true);
    assert_true(wanted(w));
    assert_true(gate_drained(&w->gate, true));
}

static void
a_first_launch_waits_for_what_is_with_the_driver(void **state)
{
    struct world *w = *state;
    struct gate_ticket first = kernel(MS);

    first.first = true;
    offer(w, LONG, TURN_KEEP);
    assert_true(goes(w, 1));
    assert_int_equal(gate_admit(&w->gate, &first), GATE_FULL);
    ends(w, 1, 1, 2);
    assert_int_equal(gate_admit(&w->gate, &first), GATE_GO);
}

static void
alone_a_first_launch_keeps_the_turn_and_makes_no_debt(void **state)
{
    struct world *w = *state;
    struct gate_ticket first = kernel(MS);
    const struct gate_times at = {
        .submit_ns = MS, .start_ns = 51 * MS, .end_ns = 54 * MS};

    first.first = true;
    offer(w, TURN_OPEN, TURN_KEEP);
    assert_int_equal(gate_admit(&w->gate, &first), GATE_GO);
    gate_step(&w->gate, true);
    assert_false(given(w));
    gate_complete(&w->gate, &first, &at);
    assert_int_equal(atomic_load(&w->page.debt_ns), 0);
    assert_int_equal(atomic_load(&w->page.used_ns), 3 * MS);
}

/* ---- when a turn begins and ends ------------------------------------------------------ */

/* The first command is handed on, and begins late_ns later; returns when, by the host's clock. */
static uint64_t
begin_late(struct world *w, uint64_t late_ns)
{
    uint64_t handed;

    assert_true(goes(w, MS));
    handed = w->gate.handed_ns;
    passes(late_ns + MS);
    ends(w, MS, handed + late_ns, now_ns());
    return handed + late_ns + (uint64_t)w->gate.offset_ns;
}

static void
a_turn_counts_from_when_its_first_command_begins(void **state)
{
    struct world *w = *state;
    struct turn_gate *own = &w->file->gate[OURS];
    uint64_t taken, began;

    offer(w, LONG, TURN_KEEP);
    gate_step(&w->gate, true);
    taken = atomic_load(&own->taken_ns);
    began = begin_late(w, MS / 5);
    assert_int_equal(atomic_load(&own->taken_ns) - taken,
                     MS / 5 + (uint64_t)w->gate.offset_ns);
    gate_step(&w->gate, false);
    assert_int_equal(atomic_load(&w->page.used_ns), w->gate.idle_ns - began);
}

/* Its slice is as long as that of one who begins at once. */
static void
what_comes_before_it_is_no_part_of_the_slice(void **state)
{
    struct world *w = *state;

    offer(w, 6 * MS, TURN_KEEP);
    begin_late(w, 9 * MS);
    assert_true(goes(w, MS));
    gate_step(&w->gate, true);
    assert_false(given(w));
}

static void
the_end_of_what_still_runs_is_told_in_advance(void **state)
{
    struct world *w = *state;
    struct turn_gate *own = &w->file->gate[OURS];
    uint64_t end, used;

    last_command_runs(w, 20000);
    end = w->gate.front_ns + 20 * MS;
    assert_int_equal(atomic_load(&own->given_ns), end);
    used = atomic_load(&w->page.used_ns);
    /* By the device's clock it ends 5 us later. */
    passes(25000);
    ends(w, 20 * MS, 1, end + 5000 - w->gate.offset_ns);
    assert_true(atomic_load(&own->debt_ns) >= 5000);
    assert_int_equal(atomic_load(&w->page.used_ns) - used, atomic_load(&own->debt_ns));
}

static void
what_ended_sooner_is_set_against_later_debts(void **state)
{
    struct world *w = *state;

    last_command_runs(w, 20000);
    w->gate.rest_ns += LONG;
    ends(w, 20 * MS, 1, 20 * MS);
    assert_int_equal(atomic_load(&w->page.debt_ns), 0);
    assert_true(w->gate.ahead_ns > 0);
    w->gate.ahead_ns = LONG;
    last_command_runs(w, 20000);
    w->gate.rest_ns -= MS / 2;
    ends(w, 20 * MS, 20 * MS, 40 * MS);
    assert_int_equal(atomic_load(&w->page.debt_ns), 0);
}

/* ---- accounts ---------------------------------------------------------------------- */

static void
overlapping_commands_are_charged_once(void **state)
{
    struct world *w = *state;

    offer(w, LONG, TURN_KEEP);
    for (unsigned i = 0; i < 3; i++)
        assert_true(goes(w, MS));
    ends(w, MS, 10 * MS, 20 * MS);
    ends(w, MS, 15 * MS, 30 * MS);
    ends(w, MS, 12 * MS, 18 * MS);
    assert_int_equal(atomic_load(&w->page.busy_ns), 20 * MS);
}

/* Each by itself, also of those that overlap. */
static void
lengths_of_kernels_are_counted(void **state)
{
    struct world *w = *state;
    unsigned n = 0;

    offer(w, LONG, TURN_KEEP);
    for (unsigned i = 0; i < 2; i++)
        assert_true(goes(w, MS));
    ends(w, MS, 10 * MS, 20 * MS);
    ends(w, MS, 15 * MS, 25 * MS);
    assert_int_equal(w->page.lengths[lengths_bucket(10 * MS)], 2);
    for (unsigned i = 0; i < LENGTHS_BUCKETS; i++)
        n += w->page.lengths[i];
    assert_int_equal(n, 2);
}

/* The clocks have drifted apart since they were last compared, while nothing ran. */
static void
an_old_comparison_of_clocks_is_forgotten(void **state)
{
    struct world *w = *state;

    offer(w, LONG * 100, TURN_KEEP);
    assert_true(goes(w, MS));
    ends(w, MS, 900 * MS, 1000 * MS);
    passes(450 * MS);
    assert_true(goes(w, MS));
    passes(5 * MS);
    ends(w, MS, 1300 * MS, 1305 * MS);
    gate_step(&w->gate, false);
    assert_true(atomic_load(&w->page.used_ns) >= 5 * MS);
}

static void
what_failed_to_go_is_taken_back(void **state)
{
    struct world *w = *state;
    const struct gate_ticket t = kernel(LONG);

    offer(w, TURN_OPEN, TURN_KEEP);
    assert_true(goes(w, LONG));
    gate_cancel(&w->gate, &t);
    assert_int_equal(gate_inflight(&w->gate), 0);
    assert_true(goes(w, LONG));
}

static void
waiting_is_counted_until_the_turn_is_taken(void **state)
{
    struct world *w = *state;
    uint64_t waited;

    gate_step(&w->gate, true);
    passes(2 * MS);
    offer(w, LONG, TURN_KEEP);
    gate_step(&w->gate, true);
    waited = atomic_load(&w->page.waited_ns);
    assert_int_equal(waited, 2 * MS);
    passes(2 * MS);
    gate_step(&w->gate, true);
    assert_int_equal(atomic_load(&w->page.waited_ns), waited);
}

static void
pauses_in_a_turn_are_not_used_time(void **state)
{
    struct world *w = *state;

    offer(w, LONG, TURN_KEEP);
    assert_true(goes(w, MS));
    ends(w, MS, 1, 2);
    passes(5 * MS);
    assert_true(goes(w, MS));
    ends(w, MS, 2, 3);
    gate_step(&w->gate, false);
    assert_true(atomic_load(&w->page.used_ns) < 4 * MS);
}

/* ---- without a manager ------------------------------------------------------------- */

static void
an_orphan_goes_on_within_its_window_and_comes_back(void **state)
{
    struct world *w = *state;

    gate_step(&w->gate, true);
    /* As if we had waited, and nobody had beaten, for that long. */
    w->gate.wait_ns = now_ns() - TURN_ORPHANED_NS - MS;
    atomic_store(&w->file->header.beat_ns, now_ns() - TURN_ORPHANED_NS - MS);
    gate_step(&w->gate, true);
    assert_true(goes(w, LONG));
    assert_false(goes(w, 1));
    ends(w, LONG, 1, 2);
    arbiter_beats(w);
    assert_false(goes(w, 1));
    offer(w, LONG, TURN_KEEP);
    assert_true(goes(w, 1));
}

static void
a_slow_arbiter_is_waited_for(void **state)
{
    struct world *w = *state;

    gate_step(&w->gate, true);
    w->gate.wait_ns = now_ns() - TURN_ORPHANED_NS - MS;
    gate_step(&w->gate, true);
    assert_false(goes(w, 1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_an_arbiter_everything_goes),
        TEST(nothing_goes_without_a_turn_and_it_is_wanted),
        TEST(what_takes_no_device_time_needs_no_turn),
        TEST(a_turn_counts_from_when_its_first_command_begins),
        TEST(what_comes_before_it_is_no_part_of_the_slice),
        TEST(the_end_of_what_still_runs_is_told_in_advance),
        TEST(what_ended_sooner_is_set_against_later_debts),
        TEST(a_turn_opens_when_the_one_before_is_given_back),
        TEST(an_open_turn_lets_a_window_go),
        TEST(a_window_grows_after_a_while_alone),
        TEST(it_does_not_while_others_want_the_device),
        TEST(the_end_of_what_fills_the_window_is_waited_for),
        TEST(a_long_command_goes_alone),
        TEST(a_gate_is_passed_until_somebody_else_wants_the_device),
        TEST(while_it_is_passed_and_nothing_comes_nothing_is_wanted),
        TEST(a_command_joins_one_that_never_ends_without_it),
        TEST(nothing_follows_what_is_overdue_in_an_open_turn),
        TEST(a_slice_is_filled_and_no_more),
        TEST(a_turn_is_given_back_when_its_slice_is_over_and_it_is_drained),
        TEST(a_turn_is_given_back_a_moment_before_its_last_command_ends),
        TEST(what_runs_on_after_that_is_a_debt),
        TEST(what_runs_on_into_the_next_turn_is_a_debt_until_then),
        TEST(nobody_guesses_when_an_overdue_command_ends),
        TEST(an_idle_turn_is_given_back_after_its_linger),
        TEST(an_owned_turn_is_kept_while_idle),
        TEST(a_revoked_turn_is_given_back_once_drained),
        TEST(a_turn_revoked_before_it_is_taken_is_answered),
        TEST(a_first_launch_goes_alone_and_hands_the_turn_on),
        TEST(who_waited_for_a_first_launch_says_so_at_its_end),
        TEST(a_first_launch_waits_for_what_is_with_the_driver),
        TEST(alone_a_first_launch_keeps_the_turn_and_makes_no_debt),
        TEST(overlapping_commands_are_charged_once),
        TEST(lengths_of_kernels_are_counted),
        TEST(an_old_comparison_of_clocks_is_forgotten),
        TEST(what_failed_to_go_is_taken_back),
        TEST(waiting_is_counted_until_the_turn_is_taken),
        TEST(pauses_in_a_turn_are_not_used_time),
        TEST(an_orphan_goes_on_within_its_window_and_comes_back),
        TEST(a_slow_arbiter_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
