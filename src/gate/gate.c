/* SPDX-License-Identifier: MIT */
/*
 * A turn in the gate's eyes:
 *
 *   taken ──▶ commands ──▶ ... ──▶ slice over, or revoked ──▶ drained ──▶ given back
 *                 └── idle for longer than the linger ────────────────────▶
 *
 * Time used is the wall time in which the device was ours and had something to do: from the first
 * command to the end of the last, without gaps longer than TURN_GAP_NS. So it holds what a
 * program's own launches cost between its kernels, as they do when it is alone.
 */
#include "gate/gate_internal.h"

#include "base/io.h"

#include <string.h>

/* While commands are wanted or under way: to see that the arbiter is gone, or came back. */
#define LOOK_NS 10000000u

/* Without a command for so long we say that we want none. */
#define UNWANTED_NS 10000000u

/*
 * So many commands whose time is only guessed may be with the driver at once: a program that is
 * known for short ones may launch them with an argument that makes them long.
 */
#define GUESSES_MAX 8u

/*
 * A turn counts from when its first command begins on the device: what a driver takes for that is
 * nobody's, and what the turn before ran on for is that one's. Used time is shown so much later.
 */
#define BEGIN_MAX_NS 10000000u
#define BEGIN_DRIVER_NS 250000u /* of that, the driver's at most */

/* What was charged in advance and not used is kept in mind up to here. */
#define AHEAD_MAX_NS 1000000u

/*
 * Who has had the device alone for ALONE_AFTER_NS queues so much of its time at least: where the
 * host's processors are the device, too, the thread that hands commands on may come some
 * milliseconds late, for which the device would rest. A newcomer waits for it once.
 */
#define ALONE_WINDOW_NS 16000000u

/* Estimates may be too long by more than that: then the end of what is queued is waited for. */
#define TRUST_NS 500000u

/* The pause between two commands of a queue; a longer one is not the driver's. */
#define GAP_MAX_NS 200000u
#define LEARN_SHIFT 3

/* How long a comparison of the two clocks counts: they may drift by some 100 us in a second. */
#define OFFSET_NS 200000000u

void
gate_init(struct gate *g, struct gate_page *page)
{
    memset(g, 0, sizeof *g);
    pthread_mutex_init(&g->lock, NULL);
    g->page = page;
}

void
gate_govern(struct gate *g, const struct turn_view *view, uint64_t hand_over_ns)
{
    pthread_mutex_lock(&g->lock);
    g->view = *view;
    g->hand_over_ns = hand_over_ns;
    g->governed = true;
    pthread_mutex_unlock(&g->lock);
}

void
gate_move(struct gate *g, struct gate_page *page, const struct turn_view *view)
{
    pthread_mutex_lock(&g->lock);
    g->page = page;
    g->view = *view;
    g->turn = 0;
    g->handed_ns = 0;
    g->wait_ns = 0;
    g->busy_ns = 0;
    g->used_ns = 0;
    g->rest_ns = 0;
    g->ahead_ns = 0;
    g->rest = 0;
    g->fresh = false;
    g->loose = false;
    g->passing = false;
    g->wants = false;
    g->governed = view->file != NULL;
    pthread_mutex_unlock(&g->lock);
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- time -------------------------------------------------------------------------- */

/* Lock held. What the device has still to do for us, by our estimates. */
static uint64_t
gate_remaining(const struct gate *g, uint64_t now)
{
    const uint64_t gone = now > g->front_ns ? now - g->front_ns : 0;
    const uint64_t queued = g->queued_ns + g->inflight * g->gap_ns;

    return g->inflight > 0 && queued > gone ? queued - gone : 0;
}

/*
 * Lock held. The host's time when a command ended by the device's clock. We learn of no end before
 * it is there, so the least difference seen lately is the clocks'.
 */
static uint64_t
gate_host_ns(struct gate *g, uint64_t device_ns, uint64_t now)
{
    const int64_t seen = (int64_t)(now - device_ns);
    uint64_t host;

    if (now >= g->offset_until_ns) {
        g->offset_ns = now - g->offset_until_ns < OFFSET_NS ? g->offset_next_ns : seen;
        g->offset_next_ns = seen;
        g->offset_until_ns = now + OFFSET_NS;
    }
    if (seen < g->offset_ns)
        g->offset_ns = seen;
    if (seen < g->offset_next_ns)
        g->offset_next_ns = seen;
    host = device_ns + (uint64_t)g->offset_ns;
    return host < now ? host : now;
}

/* Lock held. Moves the time that was used until `now` into the accounts. */
void
gate_settle_used(struct gate *g, uint64_t now)
{
    uint64_t end = g->idle_ns ? g->idle_ns : now;

    /* When it began is not known yet, and cannot be later than that. */
    if (g->handed_ns)
        end -= BEGIN_MAX_NS;
    if (g->busy_ns && end > g->busy_ns) {
        g->used_ns += end - g->busy_ns;
        page_add(&g->page->used_ns, end - g->busy_ns);
        if (g->passing)
            page_add(&g->page->busy_ns, end - g->busy_ns);
        g->busy_ns = end;
    }
}

/*
 * Lock held. The turn's first command took late_ns from being handed on until it began. Its gate is
 * the device's from there on.
 */
static void
turn_begins(struct gate *g, uint64_t late_ns)
{
    g->handed_ns = 0;
    g->taken_ns += late_ns;
    if (g->busy_ns)
        g->busy_ns += late_ns;
    turn_take(&g->view, g->turn, g->taken_ns);
}

/* Lock held. As far as it is known. */
static uint64_t
turn_begin_ns(const struct gate *g)
{
    return g->taken_ns + (g->handed_ns ? g->begin_ns : 0);
}

/* Lock held. */
static uint64_t
turn_passed_ns(const struct gate *g, uint64_t now)
{
    const uint64_t begin = turn_begin_ns(g);

    return now > begin ? now - begin : 0;
}

/* Lock held. A command comes while none was there. */
void
gate_begins(struct gate *g, uint64_t now)
{
    if (g->busy_ns == 0 || (g->idle_ns && now - g->idle_ns > TURN_GAP_NS)) {
        gate_settle_used(g, now);
        g->busy_ns = now;
    }
    g->idle_ns = 0;
    g->front_ns = now;
}

/* Lock held. Its compiler's time is none of the device's: what it takes is told by its end. */
static void
gate_first_begins(struct gate *g, uint64_t now)
{
    gate_settle_used(g, now);
    g->busy_ns = 0;
    g->idle_ns = 0;
    g->front_ns = now;
    g->first_ns = UINT64_MAX;
}

/* Lock held. For the watchdog: since when the oldest command runs. */
void
gate_show_since(struct gate *g)
{
    uint64_t since = g->inflight > 0 ? g->front_ns : 0;

    if (!g->governed)
        return;
    if (g->first_ns)
        since = g->first_ns == UINT64_MAX ? 0 : g->first_ns;
    if (g->passing)
        since = 0;
    atomic_store_explicit(&g->view.own->since_ns, since, memory_order_relaxed);
}

/* ---- turns ------------------------------------------------------------------------- */

/* Lock held. The slice and linger of the turn that is held, as they are now. */
static uint64_t
turn_slice(const struct gate *g)
{
    return atomic_load_explicit(&g->view.file->offer[g->view.gate].slice_ns,
                                memory_order_relaxed);
}

static uint64_t
turn_linger(const struct gate *g)
{
    return atomic_load_explicit(&g->view.file->offer[g->view.gate].linger_ns,
                                memory_order_relaxed);
}

static void
gate_waited(struct gate *g, uint64_t now)
{
    if (g->wait_ns)
        page_add(&g->page->waited_ns, now - g->wait_ns);
    g->wait_ns = 0;
}

/* Lock held. */
static bool
gate_take(struct gate *g, uint64_t now)
{
    struct turn_terms terms;

    if (!turn_offered(&g->view, &terms) || !turn_is_open(&g->view, &terms) ||
        turn_is_revoked(&g->view, terms.turn))
        return false;
    gate_settle_used(g, now);
    g->loose = false;
    g->turn = terms.turn;
    g->taken_ns = now;
    g->open_ns = now;
    g->used_ns = 0;
    g->busy_ns = g->inflight > 0 && !g->first_ns ? now : 0;
    g->idle_ns = g->inflight > 0 ? 0 : now;
    g->fresh = g->inflight == 0;
    g->handed_ns = 0;
    turn_take(&g->view, terms.turn, now);
    gate_waited(g, now);
    return true;
}

/* Lock held. Device time out of turn, but for what was charged in advance. */
static void
gate_owes(struct gate *g, uint64_t ns)
{
    const uint64_t paid = sooner(ns, g->ahead_ns);

    g->ahead_ns -= paid;
    page_add(&g->page->debt_ns, ns - paid);
    page_add(&g->page->used_ns, ns - paid);
    page_add(&g->view.own->debt_ns, ns - paid);
}

/*
 * Lock held. What ran on after the turn was given back was charged up to when it should end; the
 * rest, until we had another turn, is a debt.
 */
static void
gate_rest_ended(struct gate *g, uint64_t end)
{
    if (g->turn && end > g->taken_ns)
        end = g->taken_ns;
    if (g->rest_ns && end > g->rest_ns)
        gate_owes(g, end - g->rest_ns);
    else if (g->rest_ns)
        g->ahead_ns = sooner(g->ahead_ns + g->rest_ns - end, AHEAD_MAX_NS);
    g->rest_ns = 0;
    g->rest = 0;
}

/* Lock held. The ring that goes with it tells the arbiter also whether we want another. */
static void
gate_give_back(struct gate *g, bool waiting, uint64_t now)
{
    const uint64_t slice = turn_slice(g);
    uint64_t ends = now, took;

    if (g->handed_ns)
        turn_begins(g, g->begin_ns);
    took = turn_passed_ns(g, now);
    gate_settle_used(g, now);
    page_add(&g->page->turns, 1);
    if (slice != TURN_OPEN && took > slice) {
        page_add(&g->page->overruns, 1);
        page_add(&g->page->overrun_ns, took - slice);
    }
    if (g->rest > 0)
        gate_rest_ended(g, now);
    if (g->first_ns) {
        g->first_out = true;
    } else if (g->inflight > 0) {
        ends = now + gate_remaining(g, now);
        g->used_ns += ends - now;
        page_add(&g->page->used_ns, ends - now);
        g->rest_ns = ends;
        g->rest = g->inflight;
    }
    g->wants = waiting && !g->first_ns;
    atomic_store_explicit(&g->view.own->wants, g->wants, memory_order_relaxed);
    turn_give_back(&g->view, g->turn, g->used_ns, ends);
    g->turn = 0;
    g->busy_ns = 0;
    g->fresh = false;
}

/* Lock held. An offer that is revoked before it was taken is answered all the same. */
static void
gate_answer_revoked(struct gate *g, uint64_t now)
{
    struct turn_terms terms;

    if (g->turn == 0 && turn_offered(&g->view, &terms) &&
        turn_is_revoked(&g->view, terms.turn))
        turn_give_back(&g->view, terms.turn, 0, now);
}

/* Lock held. Has the turn come to its end, but for what is with the driver? */
static bool
turn_is_over(const struct gate *g, uint64_t now)
{
    const uint64_t slice = turn_slice(g);

    if (turn_is_revoked(&g->view, g->turn))
        return true;
    return slice != TURN_OPEN && turn_passed_ns(g, now) >= slice;
}

/* Lock held. Is it kept for nothing? */
static bool
turn_is_idle(const struct gate *g, uint64_t now, bool waiting)
{
    const uint64_t linger = turn_linger(g);

    return !waiting && g->inflight == 0 && linger != TURN_KEEP &&
           now - g->idle_ns >= linger;
}

/* Nothing of ours that belongs to this turn is with the driver. */
static bool
gate_is_drained(const struct gate *g)
{
    return g->inflight == 0 || (g->first_ns && g->inflight == 1);
}

/* Lock held. Is there somebody else who waits for this turn's end? */
bool
turn_is_shared(const struct gate *g)
{
    return turn_slice(g) != TURN_OPEN || turn_is_revoked(&g->view, g->turn);
}

/* ---- admission --------------------------------------------------------------------- */

/* Lock held. Of queued device time, at most, where no slice ends it. */
static uint64_t
gate_window(const struct gate *g, uint64_t now)
{
    const uint64_t window =
        atomic_load_explicit(&g->view.file->header.window_ns, memory_order_relaxed);

    if (g->loose || now - g->open_ns < ALONE_AFTER_NS || window > ALONE_WINDOW_NS)
        return window;
    return ALONE_WINDOW_NS;
}

/* Lock held. Has what is with the driver taken so much longer than expected? */
static bool
gate_is_overdue(const struct gate *g, uint64_t now, uint64_t by_ns)
{
    return g->inflight > 0 &&
           now > g->front_ns + g->queued_ns + g->inflight * g->gap_ns + by_ns;
}

/*
 * Lock held. Is there room for more with the driver? Where no slice ends it, what is overdue is not
 * followed by more: the estimates of all that is queued may be as wrong.
 */
static bool
gate_has_room(const struct gate *g, uint64_t now)
{
    const uint64_t remaining = gate_remaining(g, now);

    if (g->loose || turn_slice(g) == TURN_OPEN) {
        const uint64_t window = gate_window(g, now);

        return remaining < window && !gate_is_overdue(g, now, window);
    }
    return turn_passed_ns(g, now) + remaining < turn_slice(g);
}

/* Lock held. */
void
gate_count(struct gate *g, struct gate_ticket *t, uint64_t now)
{
    if (t->first)
        gate_first_begins(g, now);
    else if (g->inflight == 0)
        gate_begins(g, now);
    if (g->fresh && !t->first) {
        g->handed_ns = now;
        g->front_ns = now + g->begin_ns;
    }
    g->fresh = false;
    g->inflight++;
    g->guesses += t->guess;
    g->queued_ns += t->est_ns;
    t->look = g->governed && (!g->wants || t->first || (g->turn && turn_is_shared(g)));
    if (!g->wants && g->governed) {
        g->wants = true;
        turn_want(&g->view, true);
    }
    gate_show_since(g);
}

/* Lock held. */
static enum gate_answer
gate_judge(struct gate *g, const struct gate_ticket *t, uint64_t now)
{
    if (!g->governed)
        return GATE_GO;
    if (g->loose && !turn_orphaned(&g->view, now))
        g->loose = false;
    if (g->passed)
        return GATE_FULL;
    if (g->turn == 0 && !g->loose && !gate_take(g, now))
        return GATE_SHUT;
    if (g->first_ns || (t->first && g->inflight > 0))
        return GATE_FULL;
    if (t->guess && g->guesses >= GUESSES_MAX)
        return GATE_FULL;
    if (g->turn && turn_is_over(g, now))
        return GATE_FULL;
    return gate_has_room(g, now) ? GATE_GO : GATE_FULL;
}

enum gate_answer
gate_admit(struct gate *g, struct gate_ticket *t)
{
    const uint64_t now = now_ns();
    enum gate_answer answer = GATE_GO;

    pthread_mutex_lock(&g->lock);
    if (t->counted)
        answer = gate_judge(g, t, now);
    if (answer == GATE_GO) {
        page_add(&g->page->commands, 1);
        page_add(&g->page->kernels, t->kernel);
        if (t->counted)
            gate_count(g, t, now);
    }
    pthread_mutex_unlock(&g->lock);
    return answer;
}

/* Lock held. It is with the driver no longer since `end`. */
static void
gate_uncount(struct gate *g, const struct gate_ticket *t, uint64_t end)
{
    g->inflight--;
    g->guesses -= t->guess;
    g->queued_ns -= t->est_ns < g->queued_ns ? t->est_ns : g->queued_ns;
    if (end > g->front_ns)
        g->front_ns = end;
    if (t->first) {
        g->first_ns = 0;
        g->first_out = false;
    }
    if (t->passed)
        g->passed = false;
    if (g->inflight == 0) {
        g->queued_ns = 0;
        g->idle_ns = g->front_ns;
        g->handed_ns = 0;
    }
    if (g->rest > 0 && --g->rest == 0)
        gate_rest_ended(g, g->front_ns);
    gate_show_since(g);
}

void
gate_cancel(struct gate *g, const struct gate_ticket *t)
{
    pthread_mutex_lock(&g->lock);
    if (t->counted)
        gate_uncount(g, t, now_ns());
    pthread_mutex_unlock(&g->lock);
}

/* ---- ends -------------------------------------------------------------------------- */

static void
learn(uint64_t *average_ns, uint64_t ns)
{
    *average_ns += (uint64_t)(((int64_t)ns - (int64_t)*average_ns) >> LEARN_SHIFT);
}

/* Lock held. */
static void
gate_learn_gap(struct gate *g, const struct gate_times *at)
{
    const uint64_t gap = at->start_ns - g->device_end_ns;

    if (at->start_ns > g->device_end_ns && gap < GAP_MAX_NS)
        learn(&g->gap_ns, gap);
}

/* Lock held. The first command of a turn has ended: now it is known when it began. */
static void
gate_learn_begin(struct gate *g, const struct gate_times *at, uint64_t now)
{
    const uint64_t began = gate_host_ns(g, at->end_ns, now) - (at->end_ns - at->start_ns);
    uint64_t late = began > g->handed_ns ? began - g->handed_ns : 0;

    if (late > BEGIN_MAX_NS)
        late = BEGIN_MAX_NS;
    learn(&g->begin_ns, sooner(late, BEGIN_DRIVER_NS));
    turn_begins(g, late);
}

/* Lock held. Device time that no command before it was charged: queues may overlap. */
static uint64_t
gate_device_ns(struct gate *g, const struct gate_times *at)
{
    const uint64_t from =
        at->start_ns > g->device_end_ns ? at->start_ns : g->device_end_ns;

    if (at->end_ns > g->device_end_ns)
        g->device_end_ns = at->end_ns;
    return at->end_ns > from ? at->end_ns - from : 0;
}

/* Lock held. */
static void
gate_first_ended(struct gate *g, const struct gate_times *at, uint64_t busy)
{
    if (at->start_ns > at->submit_ns && at->submit_ns)
        page_add(&g->page->compile_ns, at->start_ns - at->submit_ns);
    page_add(&g->page->used_ns, busy);
    if (!g->first_out) {
        g->used_ns += busy;
        return;
    }
    page_add(&g->page->debt_ns, busy);
    if (g->governed)
        page_add(&g->view.own->debt_ns, busy);
}

/* Lock held. */
static void
gate_note_length(struct gate *g, const struct gate_times *at)
{
    _Atomic uint32_t *n = &g->page->lengths[lengths_bucket(at->end_ns - at->start_ns)];

    /* As page_add() does. */
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void
gate_complete(struct gate *g, const struct gate_ticket *t, const struct gate_times *at)
{
    const uint64_t now = now_ns();
    uint64_t busy;

    pthread_mutex_lock(&g->lock);
    if (t->counted && !t->first)
        gate_learn_gap(g, at);
    if (t->counted && !t->first && g->handed_ns && at->start_ns && at->end_ns)
        gate_learn_begin(g, at, now);
    busy = gate_device_ns(g, at);
    page_add(&g->page->busy_ns, busy);
    if (t->kernel && at->end_ns > at->start_ns)
        gate_note_length(g, at);
    if (t->first)
        gate_first_ended(g, at, busy);
    if (t->counted)
        gate_uncount(g, t, at->end_ns ? gate_host_ns(g, at->end_ns, now) : now);
    pthread_mutex_unlock(&g->lock);
}

void
gate_first_runs(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    if (g->first_ns == UINT64_MAX)
        g->first_ns = now_ns();
    gate_show_since(g);
    pthread_mutex_unlock(&g->lock);
}

unsigned
gate_inflight(struct gate *g)
{
    unsigned n;

    pthread_mutex_lock(&g->lock);
    n = g->inflight;
    pthread_mutex_unlock(&g->lock);
    return n;
}

/* ---- steps ------------------------------------------------------------------------- */

/* Lock held. */
static void
gate_tell_wants(struct gate *g, bool waiting, uint64_t now)
{
    const bool rests = g->turn && g->idle_ns && now - g->idle_ns < UNWANTED_NS;
    const bool could = waiting || g->inflight - (g->passing && g->idle_ns) > g->rest;
    const bool wants = (could && !g->first_out) || rests;

    if (waiting && wants && g->turn == 0 && !g->loose && g->wait_ns == 0)
        g->wait_ns = now;
    if (!waiting || g->first_out)
        gate_waited(g, now);
    if (wants == g->wants)
        return;
    g->wants = wants;
    turn_want(&g->view, wants);
}

/* Lock held. Nobody has offered us a turn for long, and nobody is there who could. */
static void
gate_look_for_arbiter(struct gate *g, uint64_t now)
{
    if (g->loose) {
        g->loose = turn_orphaned(&g->view, now);
    } else if (g->wait_ns && now - g->wait_ns > TURN_ORPHANED_NS &&
               turn_orphaned(&g->view, now)) {
        g->loose = true;
        gate_waited(g, now);
    }
}

/*
 * Lock held. Does what is with the driver end in a moment, and the turn with it? Only while it is
 * not overdue: then nobody knows how long it will run.
 */
static bool
turn_ends_soon(const struct gate *g, uint64_t now)
{
    const uint64_t remaining = gate_remaining(g, now);

    return !g->first_ns && !g->passed && turn_is_shared(g) && remaining > 0 &&
           remaining <= g->hand_over_ns &&
           (turn_is_over(g, now) || !gate_has_room(g, now));
}

/* Lock held. */
static bool
turn_must_end(struct gate *g, bool waiting, uint64_t now)
{
    if (g->turn == 0)
        return false;
    if (turn_ends_soon(g, now))
        return true;
    if (!gate_is_drained(g))
        return false;
    /* A first launch's compiler needs no turn: others may have it meanwhile. */
    return turn_is_over(g, now) || turn_is_idle(g, now, waiting) ||
           (g->first_ns && turn_is_shared(g));
}

/* Lock held. When half of what is queued in an open turn will have run. */
static uint64_t
gate_refill_ns(const struct gate *g, uint64_t now)
{
    const uint64_t remaining = gate_remaining(g, now), half = gate_window(g, now) / 2;

    return remaining > half ? now + remaining - half : now + half / 4;
}

/* Lock held. */
static struct gate_state
gate_state_of(const struct gate *g, bool waiting, uint64_t now)
{
    struct gate_state st = {.look_ns = UINT64_MAX};

    st.pass_ends = g->passing && turn_is_shared(g);
    if (g->passing)
        return st;
    if (g->wants || g->wait_ns || g->first_ns)
        st.look_ns = now + LOOK_NS;
    if (g->first_ns)
        st.drain = g->first_out || waiting;
    if (g->turn == 0 && !g->loose)
        return st;
    if (waiting && !g->first_ns && (g->loose || turn_slice(g) == TURN_OPEN)) {
        st.look_ns = sooner(st.look_ns, gate_refill_ns(g, now));
        st.drain |= st.look_ns > now + TRUST_NS;
    }
    if (g->loose)
        return st;
    if (turn_slice(g) != TURN_OPEN)
        st.look_ns = sooner(st.look_ns, turn_begin_ns(g) + turn_slice(g));
    if (g->inflight == 0 && turn_linger(g) != TURN_KEEP)
        st.look_ns = sooner(st.look_ns, g->idle_ns + turn_linger(g));
    if (g->inflight > 0 && turn_is_shared(g))
        st.drain |= turn_is_over(g, now) || waiting || turn_linger(g) != TURN_KEEP;
    /* What must drain is waited for by its end; and by the clock as far as that can be known. */
    if (turn_is_over(g, now))
        st.look_ns = now + LOOK_NS;
    if (st.drain && g->inflight > 0 && gate_remaining(g, now) > g->hand_over_ns)
        st.look_ns = sooner(st.look_ns, now + gate_remaining(g, now) - g->hand_over_ns);
    return st;
}

struct gate_state
gate_step(struct gate *g, bool waiting)
{
    const uint64_t now = now_ns();
    struct gate_state st = {.look_ns = UINT64_MAX};

    pthread_mutex_lock(&g->lock);
    if (g->governed) {
        gate_answer_revoked(g, now);
        if (g->turn && turn_is_shared(g))
            g->open_ns = now;
        if (turn_must_end(g, waiting, now))
            gate_give_back(g, waiting, now);
        if (g->turn == 0)
            gate_take(g, now);
        gate_tell_wants(g, waiting, now);
        gate_look_for_arbiter(g, now);
        gate_settle_used(g, now);
        st = gate_state_of(g, waiting, now);
    }
    pthread_mutex_unlock(&g->lock);
    return st;
}

bool
gate_drained(struct gate *g, bool waiting)
{
    const uint64_t now = now_ns();
    bool settled;

    pthread_mutex_lock(&g->lock);
    /* Who waited for a first launch wants a turn again. */
    settled = g->turn == 0 && !g->loose && !g->first_ns && (g->wants || !waiting);
    if (g->governed && g->turn && gate_is_drained(g) && turn_is_over(g, now)) {
        gate_give_back(g, waiting, now);
        settled = true;
    }
    pthread_mutex_unlock(&g->lock);
    return settled;
}

void
gate_words(struct gate *g, struct gate_words *ret)
{
    struct turn_terms terms;

    *ret = (struct gate_words){0};
    pthread_mutex_lock(&g->lock);
    if (g->governed) {
        const struct turn_offer *own = &g->view.file->offer[g->view.gate];

        ret->offer = (_Atomic uint32_t *)&own->bell;
        ret->offer_seen = atomic_load(&own->bell);
        if (g->turn == 0 && turn_offered(&g->view, &terms) &&
            terms.after_gate < TURN_GATES) {
            const struct turn_gate *giver = &g->view.file->gate[terms.after_gate];

            ret->given = (_Atomic uint32_t *)&giver->given_bell;
            ret->given_seen = atomic_load(&giver->given_bell);
        }
    }
    pthread_mutex_unlock(&g->lock);
}

/* ---- bytes ------------------------------------------------------------------------- */

void
gate_copied(struct gate *g, uint64_t bytes)
{
    atomic_fetch_add_explicit(&g->own_copied_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&g->page->copied_bytes, bytes, memory_order_relaxed);
}

void
gate_guest_copied(struct gate *g, uint64_t total_bytes)
{
    uint64_t own = atomic_load_explicit(&g->own_copied_bytes, memory_order_relaxed);
    uint64_t shown = atomic_load_explicit(&g->page->copied_bytes, memory_order_relaxed);

    if (total_bytes + own > shown && total_bytes + own > own)
        atomic_store_explicit(&g->page->copied_bytes, total_bytes + own,
                              memory_order_relaxed);
}
