/* SPDX-License-Identifier: MIT */
/*
 * The worker's dispatcher on the fake driver: 8 bytes of switches, then frames as they travel.
 * All inputs run in one session, as a worker's threads stay; between them everything is released,
 * and nothing may stay charged. There is one program per family of calls (mutator.c).
 *
 * Switches, by byte: 0 are SWITCH_...; the others say how the arbiter, played here, governs: 1 is
 * how many messages it lets pass between two acts, 2 are ACT_..., 3 the log2 of the window in ns.
 */
#include "api/opencl_request.h"
#include "base/io.h"
#include "worker/event.h"

#include "mutator.h"
#include "round_trip.h"
#include "worker/pause.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_BYTES (64u << 10)
#define HEAP_BYTES (1u << 20)

#define SWITCH_SHARED 1u  /* storage is shared with the guest */
#define SWITCH_GATE 2u    /* the session has a gate: commands wait for turns */
#define SWITCH_COMPILE 4u /* the device compiles at a first launch */
#define SWITCH_SAVE 8u    /* it is saved in the end, and made again */

#define ACT_SLICE 1u  /* turns have a slice, else they are open */
#define ACT_SHORT 2u  /* it is over at once */
#define ACT_LINGER 4u /* a turn without commands is given back at once */
#define ACT_REVOKE 8u /* each turn is revoked at the next act */
#define ACT_AFTER 16u /* a turn opens once another gate has given back */
#define ACT_LEAVE 32u /* every second time the arbiter is gone */
#define ACT_EARLY 64u /* a turn is given back so long before its last command ends: */
#define EARLY_NS 50000000u

#define OUR_GATE 5u
#define OTHER_GATE 9u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stage stage;
static struct {
    struct turn_file *file;
    const uint8_t *switches; /* of this input */
    uint64_t last;           /* turn */
    unsigned acts, messages;
} arbiter;

/* ---- the session --------------------------------------------------------------------------- */

static void
open_turns(struct session *s)
{
    char path[] = "/tmp/tessera-fuzz-XXXXXX";
    int read_fd = mkstemp(path), fd;
    struct turn_view view;

    if (read_fd < 0 || turn_create(path, &arbiter.file, &fd) < 0 ||
        turn_view_map(read_fd, fd, OUR_GATE, &view) < 0)
        abort();
    unlink(path);
    close(fd);
    close(read_fd);
    gate_govern(&s->gate, &view, GATE_HAND_OVER_NS);
}

static void
session_open(struct stage *g)
{
    struct session *s = &g->s;

    stage_open(g);
    open_turns(s);
    if (channel_make(&s->channel, HEAP_BYTES, RING_BYTES, RING_BYTES, &s->memory_fds[0],
                     &s->memory_fds[1]) < 0)
        abort();
    stage_prepare(g);
    stage_connect(g);
}

/* Fresh credit, as at a session's beginning. */
static void
session_renew(struct session *s)
{
    account_release(s->account, 0, UINT64_MAX);
    atomic_store(&s->channel.page->credit_bytes, 0);
    memory_init(&s->memory, s->account, 0, &s->channel.page->credit_bytes);
    s->reason[0] = '\0';
    memset(&s->costs, 0, sizeof s->costs);
    s->admitted.valid = false;
}

/* ---- the arbiter --------------------------------------------------------------------------- */

static void
arbiter_beats(uint64_t window_ns)
{
    atomic_store(&arbiter.file->header.window_ns, window_ns);
    atomic_store(&arbiter.file->header.beat_ns, now_ns());
    atomic_store(&arbiter.file->header.epoch, 1);
}

static bool
arbiter_may_offer(void)
{
    return turn_given(arbiter.file, OUR_GATE, arbiter.last);
}

static void
arbiter_offers(unsigned act)
{
    struct turn_terms t = {.turn = ++arbiter.last,
                           .slice_ns = TURN_OPEN,
                           .linger_ns = act & ACT_LINGER ? 0 : TURN_KEEP,
                           .after_gate = TURN_NO_GATE};

    if (act & ACT_SLICE)
        t.slice_ns = act & ACT_SHORT ? 1 : 1000000;
    if (act & ACT_AFTER) {
        t.after_gate = OTHER_GATE;
        t.after_turn = arbiter.last;
    }
    turn_offer(arbiter.file, OUR_GATE, &t);
}

/* A message is bad: the gate would go with the session. */
static int
forget_admitted(struct session *s, int rc)
{
    if (rc < 0 && s->admitted.valid)
        gate_cancel(&s->gate, &s->admitted.ticket);
    s->admitted.valid = false;
    return rc;
}

/* As the runner's thread does when it wakes up. */
static int
runner_looks(struct session *s)
{
    struct gate_words words;

    gate_words(&s->gate, &words);
    runner_enter(s);
    s->runner.due = true;
    return forget_admitted(s, runner_leave(s));
}

/* Whoever waits for a turn has waited long enough to see it. */
static void
arbiter_leaves(struct gate *g)
{
    atomic_store(&arbiter.file->header.epoch, 0);
    pthread_mutex_lock(&g->lock);
    if (g->wait_ns)
        g->wait_ns = now_ns() - 2ull * TURN_ORPHANED_NS;
    pthread_mutex_unlock(&g->lock);
}

static int
arbiter_acts(struct session *s)
{
    const unsigned act = arbiter.switches[2];

    arbiter.acts++;
    arbiter_beats(UINT64_C(1) << arbiter.switches[3] % 40);
    if (act & ACT_LEAVE && arbiter.acts % 2 == 0)
        arbiter_leaves(&s->gate);
    else if (arbiter_may_offer())
        arbiter_offers(act);
    else if (act & ACT_AFTER && arbiter.acts % 2 == 0)
        atomic_store(&arbiter.file->gate[OTHER_GATE].given, arbiter.last);
    else if (act & ACT_REVOKE)
        turn_revoke(arbiter.file, OUR_GATE, arbiter.last);
    return runner_looks(s);
}

/* After each message: is it time to act? */
static int
arbiter_watches(struct session *s)
{
    if (!s->gate.governed || arbiter.messages++ < arbiter.switches[1])
        return 0;
    arbiter.messages = 0;
    return arbiter_acts(s);
}

/* Whatever was held back may go, though the guest is gone. */
static void
arbiter_opens(struct session *s)
{
    if (!s->gate.governed)
        return;
    arbiter_beats(1000000000);
    atomic_store(&arbiter.file->gate[OTHER_GATE].given, arbiter.last);
    turn_set_slice(arbiter.file, OUR_GATE, TURN_OPEN);
    if (arbiter_may_offer())
        arbiter_offers(0);
}

/* All is done: is our turn given back when it is revoked? */
static void
arbiter_ends(struct session *s)
{
    if (!s->gate.governed)
        return;
    turn_revoke(arbiter.file, OUR_GATE, arbiter.last);
    runner_looks(s);
    if (!turn_given(arbiter.file, OUR_GATE, arbiter.last) || gate_inflight(&s->gate) != 0)
        abort();
}

static void
session_switch(struct session *s, const uint8_t *switches)
{
    s->shared_storage = switches[0] & SWITCH_SHARED;
    s->device.compiles_late = switches[0] & SWITCH_COMPILE;
    pthread_mutex_lock(&s->gate.lock);
    s->gate.governed = switches[0] & SWITCH_GATE;
    s->gate.hand_over_ns = switches[2] & ACT_EARLY ? EARLY_NS : GATE_HAND_OVER_NS;
    pthread_mutex_unlock(&s->gate.lock);
    arbiter.switches = switches;
    arbiter.acts = arbiter.messages = 0;
    arbiter_beats(0);
}

/* ---- frames -------------------------------------------------------------------------------- */

static bool
is_build(unsigned op)
{
    return op == OP_clBuildProgram || op == OP_clCompileProgram || op == OP_clLinkProgram;
}

static int
run(struct session *s, unsigned op, uint64_t tag, const uint64_t *fields, size_t n)
{
    struct frame_header h = {.size = (uint32_t)(sizeof h + n * sizeof *fields),
                             .op = (uint16_t)op,
                             .tag = tag};
    uint64_t end;
    int rc, left;

    memcpy(s->frame, &h, sizeof h);
    memcpy(s->frame + 2, fields, n * sizeof *fields);
    runner_enter(s);
    rc = forget_admitted(s, opencl_dispatch_frame(s, s->frame, h.size));
    left = forget_admitted(s, runner_leave(s));
    if (rc == 0)
        rc = left;
    /* As guests do: kernels are made when the answer of the build is there. */
    end = rc == 0 && tag && is_build(op) ? now_ns() + SETTLE_NS : 0;
    while (!stage_read_replies(&stage, tag) && now_ns() < end)
        sched_yield();
    return rc;
}

static void
close_user_event(struct session *s, uint64_t id)
{
    struct object *o = table_find(&s->table, (struct guest_id){id});

    if (o)
        stage_close_user_event(s, o);
}

/* What the driver itself would do for hours. */
static void
tame(struct session *s, unsigned op, uint64_t *fields, size_t n)
{
    if (op == OP_tessera_release && n > 0)
        close_user_event(s, fields[0]);
    /* Both messages have the global size there. */
    if (op != OP_clEnqueueNDRangeKernel && op != OP_clCommandNDRangeKernelKHR)
        return;
    for (size_t i = 7; i < 10 && i < n; i++)
        fields[i] &= 0xff;
}

static bool
too_wild(const uint8_t *data, size_t size)
{
    return memmem(data, size, "hang", 4) || memmem(data, size, "crash", 5);
}

static int
run_one(struct session *s, const uint8_t **data, size_t *size)
{
    static uint64_t fields[RING_BYTES / 4 / 8];
    struct frame_header h;
    size_t n;
    int rc;

    memcpy(&h, *data, sizeof h);
    n = h.size < sizeof h ? 0 : (h.size - sizeof h) / sizeof *fields;
    if (n > (*size - sizeof h) / sizeof *fields)
        n = (*size - sizeof h) / sizeof *fields;
    if (n > sizeof fields / sizeof *fields - 2)
        n = sizeof fields / sizeof *fields - 2;
    memcpy(fields, *data + sizeof h, n * sizeof *fields);
    *data += sizeof h + n * sizeof *fields;
    *size -= sizeof h + n * sizeof *fields;
    tame(s, h.op, fields, n);
    rc = run(s, h.op, h.tag, fields, n);
    if (rc == 0)
        rc = arbiter_watches(s);
    if (getenv("FUZZ_TRACE"))
        fprintf(stderr, "trace: %s: %s\n", opencl_op_name(h.op),
                rc < 0 ? s->reason : "ran");
    return rc;
}

/* ---- between inputs ------------------------------------------------------------------------ */

static void
release_all(struct session *s)
{
    for (uint32_t i = 0; i < s->table.cap; i++) {
        uint64_t id = s->table.entries[i].id.v;

        if (!s->table.entries[i].object)
            continue;
        close_user_event(s, id);
        run(s, OP_tessera_release, 0, &id, 1);
    }
}

static bool
settled(struct stage *g)
{
    stage_read_replies(g, 0);
    arbiter_opens(&g->s);
    runner_looks(&g->s);
    return stage_is_settled(g);
}

static void
settle(struct stage *g)
{
    struct session *s = &g->s;
    uint64_t end = now_ns() + SETTLE_NS;

    release_all(s);
    while (!settled(g)) {
        if (now_ns() > end)
            stage_tell_rest(s);
        /* The driver's threads end what is under way; a watch is looked at now and then. */
        sched_yield();
    }
    arbiter_ends(s);
    if (s->table.live != 0 || atomic_load(&s->open_user_events) != 0)
        abort();
    table_fini(&s->table); /* it may have grown to a million slots */
}

/* ---- away and back ------------------------------------------------------------------------- */

static bool
in_time(void *ctx)
{
    const uint64_t *end = ctx;

    return now_ns() < *end;
}

/* What the driver has runs to its end, whatever the arbiter does meanwhile. */
static void
suspend(struct session *s)
{
    uint64_t end = now_ns() + SETTLE_NS;

    if (session_pause(s, in_time, &end) < 0)
        abort();
    round_trip(s, arbiter.switches[1] & 1);
    session_continue(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session *s = &stage.s;
    const uint8_t *switches = data;
    int rc = 0;

    if (!s->frame)
        session_open(&stage);
    if (size < FRAME_SWITCHES || too_wild(data, size))
        return 0;
    session_renew(s);
    session_switch(s, data);
    if (fallocate(s->memory_fds[1], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  HEAP_BYTES) < 0)
        abort();
    memcpy(s->channel.heap, data, size < HEAP_BYTES ? size : HEAP_BYTES);
    data += FRAME_SWITCHES;
    size -= FRAME_SWITCHES;
    while (size >= sizeof(struct frame_header) && rc == 0)
        rc = run_one(s, &data, &size);
    if (rc == 0 && switches[0] & SWITCH_SAVE)
        suspend(s);
    settle(&stage);
    return 0;
}
