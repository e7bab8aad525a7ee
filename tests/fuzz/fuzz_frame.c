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

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_BYTES (64u << 10)
#define HEAP_BYTES (1u << 20)
/* What a fill of all of it takes is what an input may take. */
#define FRAMEBUFFER_BYTES (4ull << 20)
#define SETTLE_NS 5000000000ull

#define SWITCH_SHARED 1u  /* storage is shared with the guest */
#define SWITCH_GATE 2u    /* the session has a gate: commands wait for turns */
#define SWITCH_COMPILE 4u /* the device compiles at a first launch */

#define ACT_SLICE 1u  /* turns have a slice, else they are open */
#define ACT_SHORT 2u  /* it is over at once */
#define ACT_LINGER 4u /* a turn without commands is given back at once */
#define ACT_REVOKE 8u /* each turn is revoked at the next act */
#define ACT_AFTER 16u /* a turn opens once another gate has given back */
#define ACT_LEAVE 32u /* every second time the arbiter is gone */

#define OUR_GATE 5u
#define OTHER_GATE 9u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct session session;
static struct {
    struct turn_file *file;
    const uint8_t *switches; /* of this input */
    uint64_t last;           /* turn */
    unsigned acts, messages;
} arbiter;
static struct channel guest;
static _Thread_local bool is_dispatcher;

/* ---- in place of session.c: a session that ends must not end the process ------------------- */

int
session_fail(struct session *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(s->reason, sizeof s->reason, fmt, ap);
    va_end(ap);
    return -1;
}

/* No frame may lead here: these are ends by memory and by the rings. */
void
session_end(struct session *s, const char *fmt, ...)
{
    (void)s;
    fprintf(stderr, "session_end: %s\n", fmt);
    abort();
}

bool
session_is_dispatcher(const struct session *s)
{
    (void)s;
    return is_dispatcher;
}

/* ---- the session --------------------------------------------------------------------------- */

static void
open_account(struct session *s)
{
    char path[] = "/tmp/tessera-fuzz-XXXXXX";
    int fd = mkstemp(path), account_fd;

    if (fd < 0 || account_create(path, FRAMEBUFFER_BYTES, &s->account, &account_fd) < 0)
        abort();
    unlink(path);
    close(fd);
    close(account_fd);
    s->slot = &s->account->slot[account_slot_take(s->account)];
    gate_init(&s->gate, &s->slot->gate);
}

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
session_open(struct session *s)
{
    static struct session_options options = {.framebuffer_bytes = FRAMEBUFFER_BYTES,
                                             .device.fake = true};
    char reason[ACCOUNT_REASON_BYTES];

    s->options = &options;
    open_account(s);
    open_turns(s);
    if (device_open(&s->device, &options.device, reason) < 0 ||
        channel_loopback(&guest, &s->channel, HEAP_BYTES, RING_BYTES, RING_BYTES) < 0)
        abort();
    s->cl = s->device.cl;
    s->root_device = (struct object){
        .id.v = ROOT_DEVICE_ID, .kind = KIND_device, .refs = 1, .h.device = s->device.id};
    pthread_mutex_init(&s->queues_lock, NULL);
    list_init(&s->queues);
    list_init(&s->objects);
    pthread_mutex_init(&s->asks_lock, NULL);
    list_init(&s->parked_asks);
    replies_init(&s->replies);
    watches_init(&s->watches);
    runner_init(&s->runner);
    jobs_init(&s->builds, 2);
    jobs_init(&s->asks, 1);
    jobs_init(&s->waits, 4);
    s->frame = malloc(ring_max_frame(RING_BYTES));
    s->request.scratch = malloc(2ull * ring_max_frame(RING_BYTES));
    is_dispatcher = true;
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

/* The guest reads its replies: they are well-formed, whatever was asked. Was tag's among them? */
static bool
read_replies(struct session *s, uint64_t tag)
{
    static uint64_t buf[RING_BYTES / 8];
    const struct frame_header *h = (const void *)buf;
    bool found = false;
    int n;

    do {
        while ((n = ring_read(&guest.rx, buf, sizeof buf)) > 0)
            found |= h->op == FRAME_REPLY && h->tag == tag;
        if (n < 0)
            abort();
    } while (!replies_flush(s));
    return found;
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
    while (!read_replies(s, tag) && now_ns() < end)
        sched_yield();
    return rc;
}

/* Commands that wait for a user event must not wait for ever once its id is gone. */
static void
close_user_event(struct session *s, uint64_t id)
{
    const struct object *o = table_find(&s->table, (struct guest_id){id});

    if (o && o->kind == KIND_event && container_of(o, struct event, o)->open)
        run(s, OP_clSetUserEventStatus, 0, (uint64_t[]){id, (uint64_t)-1}, 2);
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
    return memmem(data, size, "hang", 4) || memmem(data, size, "crash", 5) ||
           memmem(data, size, "spin", 4);
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

/* Is there anything that a limit counts? */
static bool
uses_allowances(const struct session *s)
{
    for (unsigned which = 0; which < LIMIT_COUNT; which++) {
        if (s->allowances[which].used != 0)
            return true;
    }
    return false;
}

static bool
settled(struct session *s)
{
    bool busy;

    read_replies(s, 0);
    arbiter_opens(s);
    runner_looks(s);
    objects_bury(s);
    watches_poll(s);
    busy = queues_busy(s);
    queues_retire(s);
    queues_give_back(s);
    inflight_settle(s);
    gate_guest_copied(&s->gate, atomic_load(&s->channel.page->copied_bytes));
    return !busy && s->held.total == 0 && !s->runner.first && !watches_any(&s->watches) &&
           list_empty(&s->queues) && atomic_load(&s->slot->used_bytes) == 0 &&
           !uses_allowances(s);
}

/* What is there that should not be. */
static void
tell_rest(const struct session *s)
{
    fprintf(stderr, "%lu bytes stay charged\n",
            (unsigned long)atomic_load(&s->slot->used_bytes));
    for (unsigned which = 0; which < LIMIT_COUNT; which++)
        fprintf(stderr, "%s: %llu stay used\n", limit_rows[which].name,
                (unsigned long long)s->allowances[which].used);
}

static void
settle(struct session *s)
{
    uint64_t end = now_ns() + SETTLE_NS;

    release_all(s);
    while (!settled(s)) {
        if (now_ns() > end) {
            tell_rest(s);
            abort();
        }
        /* The driver's threads end what is under way; a watch is looked at now and then. */
        sched_yield();
    }
    arbiter_ends(s);
    if (s->table.live != 0 || atomic_load(&s->open_user_events) != 0)
        abort();
    table_fini(&s->table); /* it may have grown to a million slots */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session *s = &session;

    if (!s->frame)
        session_open(s);
    if (size < FRAME_SWITCHES || too_wild(data, size))
        return 0;
    session_renew(s);
    session_switch(s, data);
    memcpy(s->channel.heap, data, size < HEAP_BYTES ? size : HEAP_BYTES);
    data += FRAME_SWITCHES;
    size -= FRAME_SWITCHES;
    while (size >= sizeof(struct frame_header) && run_one(s, &data, &size) == 0)
        ;
    settle(s);
    return 0;
}
