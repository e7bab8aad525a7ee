/* SPDX-License-Identifier: MIT */
/*
 * hostile ATTACK: one attack of the table below on the vGPU of $TESSERA_VGPU, or of the virtual
 * machine. Status 0 when it went as the table says: the worker hung up, or the guest had its
 * answer. --list prints the table, for tests/e2e/hostile-*.bats and tests/vm/test_hostile.py, which
 * check the words that the log has then.
 */
#include "attacks.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLOOD_CONNECTIONS 10000
#define EVENTS_MANY 1000000
#define SOURCE_BYTES (100u << 20)

enum outcome {
    ENDS,
    LIVES,
    CHANCE, /* or lives: what was hit is chance */
};

unsigned attack_amount = 2;

static const char *const outcomes[] = {"ends", "lives", "chance"};

/* ---- the ring ---------------------------------------------------------------------- */

static bool
ring_tail(struct guest *g)
{
    guest_forge(g, "", 0, g->c.tx.size + 64);
    return true;
}

static bool
ring_unaligned(struct guest *g)
{
    guest_forge(g, "", 0, 3);
    return true;
}

static void
forge_size(struct guest *g, uint32_t size, uint32_t moved)
{
    const struct frame_header h = {.size = size, .op = OP_clFlush};

    guest_forge(g, &h, sizeof h, moved);
}

static bool
frame_empty(struct guest *g)
{
    forge_size(g, 0, 16);
    return true;
}

static bool
frame_past_tail(struct guest *g)
{
    forge_size(g, 4096, 16);
    return true;
}

static bool
frame_near_2_32(struct guest *g)
{
    forge_size(g, UINT32_MAX - 7, 16);
    return true;
}

static bool
reply_head(struct guest *g)
{
    atomic_store(&g->c.page->replies.head, 0x40000000u);
    for (unsigned i = 0; i < 20000; i++) {
        if (!SEND(g, OP_tessera_credit, i + 1, 1))
            break;
    }
    return true;
}

/* Asks and never reads an answer. */
static bool
replies_unread(struct guest *g)
{
    SEND(g, OP_clCreateUserEvent, 0, FREE_ID, CONTEXT_ID);
    while (SEND(g, OP_tessera_event_status, 1, FREE_ID))
        ;
    return true;
}

struct flipper {
    struct guest *g;
    _Atomic bool stop;
};

static void *
flip(void *arg)
{
    struct flipper *f = arg;
    volatile uint32_t *words = (volatile uint32_t *)f->g->c.tx.data;
    const uint32_t n = f->g->c.tx.size / 4;

    for (uint32_t i = 0; !atomic_load(&f->stop); i++)
        words[i * 6 % n] ^= 1u << i % 32;
    return NULL;
}

/* Frames change after they were written, while the worker reads them. */
static bool
changed_frames(struct guest *g)
{
    struct flipper f = {.g = g};
    pthread_t thread;

    if (pthread_create(&thread, NULL, flip, &f) != 0)
        return false;
    while (SEND(g, OP_clFlush, 0, QUEUE_ID))
        ;
    atomic_store(&f.stop, true);
    pthread_join(thread, NULL);
    return true;
}

/* ---- fields ------------------------------------------------------------------------ */

static bool
unknown_call(struct guest *g)
{
    return SEND(g, 999, 0, 0);
}

static bool
other_kind(struct guest *g)
{
    return SEND(g, OP_clFlush, 0, CONTEXT_ID);
}

static bool
freed_id(struct guest *g)
{
    SEND(g, OP_tessera_release, 0, QUEUE_ID);
    return SEND(g, OP_clFlush, 0, QUEUE_ID);
}

static bool
stale_generation(struct guest *g)
{
    return SEND(g, OP_clFlush, 0, UINT64_C(1) << 32 | QUEUE_ID);
}

/* An id that another session of this vGPU has, and this one has not. */
static bool
foreign_id(struct guest *g)
{
    static struct guest other;

    guest_world(&other);
    SEND(&other, OP_clCreateUserEvent, 0, 77, CONTEXT_ID);
    return SEND(g, OP_clSetUserEventStatus, 0, 77, 0);
}

static bool
taken_id(struct guest *g)
{
    return SEND(g, OP_clCreateUserEvent, 0, QUEUE_ID, CONTEXT_ID);
}

static bool
slot_near_2_32(struct guest *g)
{
    return SEND(g, OP_clCreateUserEvent, 0, UINT32_MAX, CONTEXT_ID);
}

static bool
count_near_2_32(struct guest *g)
{
    return SEND(g, OP_clWaitForEvents, 1, UINT32_MAX, 1);
}

/* Times 8 bytes it is 8. */
static bool
count_wraps(struct guest *g)
{
    return SEND(g, OP_clWaitForEvents, 1, (UINT64_C(1) << 61) + 1, 1);
}

static bool
length_wraps(struct guest *g)
{
    return SEND(g, OP_clCreateProgramWithSource, 0, FREE_ID, CONTEXT_ID, EXTENT_NONE, 0,
                UINT64_MAX - 3);
}

static bool
extent_wraps(struct guest *g)
{
    return SEND(g, OP_clCreateProgramWithSource, 0, FREE_ID, CONTEXT_ID, UINT64_MAX - 15,
                32);
}

static bool
extent_past_heap(struct guest *g)
{
    return SEND(g, OP_clCreateProgramWithSource, 0, FREE_ID, CONTEXT_ID,
                g->c.heap_bytes - 8, 16);
}

/* An address of our own in place of an object. */
static bool
pointer_as_id(struct guest *g)
{
    return SEND(g, OP_clFlush, 0, (uintptr_t)g);
}

static bool
buffer_of_2_64(struct guest *g)
{
    return SEND(g, OP_clCreateBuffer, 0, FREE_ID, CONTEXT_ID, 1, UINT64_MAX, EXTENT_NONE,
                0, CONTENT_NONE, EXTENT_NONE, 0);
}

static bool
credit_forged(struct guest *g)
{
    atomic_store(&g->c.page->credit_bytes, UINT64_MAX);
    return SEND(g, OP_clCreateBuffer, 0, FREE_ID, CONTEXT_ID, 1,
                2 * g->w.framebuffer_bytes, EXTENT_NONE, 0, CONTENT_NONE, EXTENT_NONE, 0);
}

static bool
fields_missing(struct guest *g)
{
    return SEND(g, OP_clCreateUserEvent, 0, FREE_ID);
}

static bool
fields_too_many(struct guest *g)
{
    return SEND(g, OP_clFlush, 0, QUEUE_ID, 0, 0);
}

/* ---- harmless, or legal up to a limit ----------------------------------------------- */

bool
still_answers(struct guest *g)
{
    int64_t status;

    return SEND(g, OP_clFinish, 1, QUEUE_ID) && guest_reply(g, &status) && status == 0;
}

static bool
truncate_memory(struct guest *g)
{
    /* That of a device has the length it has, whatever the call says. */
    if (guest_machine()) {
        printf("status %d\n", ftruncate(g->channel_fd, 0));
        g->c.heap[g->c.heap_bytes - 1] = 1;
        return still_answers(g);
    }
    return ftruncate(g->channel_fd, 0) < 0 && errno == EPERM &&
           ftruncate(g->heap_fd, 0) < 0 && errno == EPERM &&
           fallocate(g->heap_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                     1 << 20) == 0 &&
           still_answers(g);
}

static bool
copied_forged(struct guest *g)
{
    atomic_store(&g->c.page->copied_bytes, UINT64_MAX);
    return still_answers(g);
}

static bool
many_events(struct guest *g)
{
    for (uint64_t i = 0; i < EVENTS_MANY; i++) {
        if (!SEND(g, OP_clCreateUserEvent, 0, FREE_ID + i, CONTEXT_ID))
            return false;
    }
    return still_answers(g);
}

static bool
large_source(struct guest *g)
{
    int64_t status;

    memset(g->c.heap + guest_room(g, SOURCE_BYTES), ' ', SOURCE_BYTES);
    if (!SEND(g, OP_clCreateProgramWithSource, 1, FREE_ID, CONTEXT_ID,
              guest_room(g, SOURCE_BYTES), SOURCE_BYTES) ||
        !guest_reply(g, &status))
        return false;
    printf("status %lld\n", (long long)status);
    return still_answers(g);
}

/* The statuses of creating four events, where fewer objects may be. */
static bool
few_objects(struct guest *g)
{
    int64_t status;

    for (uint64_t i = 0; i < 4; i++) {
        if (!SEND(g, OP_clCreateUserEvent, 1, FREE_ID + i, CONTEXT_ID) ||
            !guest_reply(g, &status))
            return false;
        printf("status %lld\n", (long long)status);
    }
    return still_answers(g);
}

/* Six objects, for as long as the session lives. */
static bool
hold_objects(struct guest *g)
{
    for (uint64_t i = 0; i < 4; i++)
        SEND(g, OP_clCreateUserEvent, 0, FREE_ID + i, CONTEXT_ID);
    if (!still_answers(g))
        return false;
    puts("holds");
    fflush(stdout);
    return guest_is_ended(g->c.fd, PATIENCE_S);
}

/* Commands that wait for a user event, which is set in the end. */
static bool
few_commands(struct guest *g)
{
    const uint64_t gate = FREE_ID, marker = FREE_ID + 1;
    int64_t status;

    SEND(g, OP_clCreateUserEvent, 0, gate, CONTEXT_ID);
    for (unsigned i = 0; i < 4; i++) {
        if (!SEND(g, OP_clEnqueueMarkerWithWaitList, 1, QUEUE_ID, 1, gate, marker + i) ||
            !guest_reply(g, &status))
            return false;
        printf("status %lld\n", (long long)status);
    }
    SEND(g, OP_clSetUserEventStatus, 0, gate, 0);
    return SEND(g, OP_clFinish, 1, QUEUE_ID) && guest_reply(g, &status);
}

/* ---- connections ------------------------------------------------------------------- */

static int
half_hello(void)
{
    const uint32_t half[2] = {HELLO_MAGIC, WIRE_VERSION};
    int sock = guest_socket();

    return write_all(sock, half, sizeof half) < 0 || !guest_is_ended(sock, PATIENCE_S);
}

/* A byte a second is never silent for long. */
static int
slow_hello(void)
{
    const struct hello h = {.magic = HELLO_MAGIC, .version = WIRE_VERSION};
    int sock = guest_socket();

    for (unsigned i = 0; i < PATIENCE_S; i++) {
        if (write_all(sock, (const char *)&h + i, 1) < 0 || guest_is_ended(sock, 1))
            return 0;
    }
    return 1;
}

static int
connect_flood(void)
{
    for (unsigned i = 0; i < FLOOD_CONNECTIONS; i++)
        close(guest_socket());
    return 0;
}

/* Of ten that never say a word a few wait for their hello; the others hear why not. */
static int
silent_connections(void)
{
    int socks[10];
    unsigned refused = 0;

    for (unsigned i = 0; i < 10; i++)
        socks[i] = guest_socket();
    for (unsigned i = 0; i < 10; i++)
        refused += guest_is_ended(socks[i], 1);
    printf("%u refused\n", refused);
    return refused != 6;
}

/* Holds on to all that it gets, and says why it gets no more. */
static int
many_sessions(void)
{
    static struct guest guests[65];
    unsigned n = 0;

    while (n < 65 && guest_try(&guests[n]) == 0)
        n++;
    printf("%u sessions: %s\n", n, n < 65 ? guests[n].reason : "");
    return n == 65;
}

/* ---- the table --------------------------------------------------------------------- */

static const struct attack {
    const char *name;
    enum outcome outcome;
    bool (*run)(struct guest *g); /* false: not even the attack itself went through */
    int (*connects)(void);        /* instead, for what has no session yet */
    const char *says;             /* why the session ended; NULL: that depends */
} attacks[] = {
    {"ring-tail", ENDS, ring_tail, NULL, "the command ring is forged"},
    {"ring-unaligned", ENDS, ring_unaligned, NULL, "the command ring is forged"},
    {"frame-empty", ENDS, frame_empty, NULL, "the command ring is forged"},
    {"frame-past-tail", ENDS, frame_past_tail, NULL, "the command ring is forged"},
    {"frame-near-2^32", ENDS, frame_near_2_32, NULL, "the command ring is forged"},
    {"reply-head", ENDS, reply_head, NULL, "the reply ring's counter is forged"},
    {"replies-unread", ENDS, replies_unread, NULL, "replies are not read"},
    {"changed-frames", ENDS, changed_frames, NULL, NULL},
    {"unknown-call", ENDS, unknown_call, NULL, "unknown call"},
    {"other-kind", ENDS, other_kind, NULL,
     "clFlush: command_queue: the id is of another kind of object"},
    {"freed-id", ENDS, freed_id, NULL, "clFlush: command_queue: no object has that id"},
    {"stale-generation", ENDS, stale_generation, NULL,
     "clFlush: command_queue: no object has that id"},
    {"foreign-id", ENDS, foreign_id, NULL,
     "clSetUserEventStatus: event: no object has that id"},
    {"taken-id", ENDS, taken_id, NULL, "the id of a new object is taken"},
    {"slot-near-2^32", ENDS, slot_near_2_32, NULL, "or its slot out of range"},
    {"count-near-2^32", ENDS, count_near_2_32, NULL,
     "clWaitForEvents: event_list: malformed"},
    {"count-wraps", ENDS, count_wraps, NULL, "clWaitForEvents: event_list: malformed"},
    {"length-wraps", ENDS, length_wraps, NULL,
     "clCreateProgramWithSource: source: malformed"},
    {"extent-wraps", ENDS, extent_wraps, NULL, "source: the extent is outside the heap"},
    {"extent-past-heap", ENDS, extent_past_heap, NULL,
     "source: the extent is outside the heap"},
    {"pointer-as-id", ENDS, pointer_as_id, NULL,
     "clFlush: command_queue: no object has that id"},
    {"buffer-of-2^64", ENDS, buffer_of_2_64, NULL,
     "clCreateBuffer: size: more bytes than the session was given"},
    {"credit-forged", ENDS, credit_forged, NULL,
     "clCreateBuffer: size: more bytes than the session was given"},
    {"fields-missing", ENDS, fields_missing, NULL,
     "clCreateUserEvent: context: malformed"},
    {"fields-too-many", ENDS, fields_too_many, NULL,
     "clFlush: end of the message: malformed"},
    {"truncate-memory", LIVES, truncate_memory, NULL, NULL},
    {"copied-forged", LIVES, copied_forged, NULL, NULL},
    {"many-events", LIVES, many_events, NULL, NULL},
    {"large-source", LIVES, large_source, NULL, NULL},
    {"few-objects", LIVES, few_objects, NULL, NULL},
    {"hold-objects", LIVES, hold_objects, NULL, NULL},
    {"few-commands", LIVES, few_commands, NULL, NULL},
    {"nested-pointer", ENDS, nested_pointer, NULL, "the worker was killed by signal 11"},
    {"include-relative", ENDS, include_relative, NULL,
     "clBuildProgram: files: a file's name is no path"},
    {"include-many", ENDS, include_many, NULL, "clBuildProgram: files: too many files"},
    {"include-deep", ENDS, include_deep, NULL,
     "clBuildProgram: files: a file's name is no path"},
    {"include-truncated", ENDS, include_truncated, NULL,
     "clBuildProgram: files: malformed"},
    {"include-upwards", LIVES, include_upwards, NULL, NULL},
    {"build-flood", LIVES, build_flood, NULL, NULL},
    {"large-link", LIVES, large_link, NULL, NULL},
    {"print-flood", LIVES, print_flood, NULL, NULL},
    {"inline-flood", LIVES, inline_flood, NULL, NULL},
    {"wait-flood", LIVES, wait_flood, NULL, NULL},
    {"changed-extents", LIVES, changed_extents, NULL, NULL},
    {"same-storage", LIVES, same_storage, NULL, NULL},
    {"waiters-forged", LIVES, waiters_forged, NULL, NULL},
    {"foreign-sync-point", ENDS, foreign_sync_point, NULL,
     "sync_point_wait_list: no command of the command buffer"},
    {"record-flood", LIVES, record_flood, NULL, NULL},
    {"record-released", LIVES, record_released, NULL, NULL},
    {"silent-connections", LIVES, NULL, silent_connections, NULL},
    {"half-hello", ENDS, NULL, half_hello, "the guest did not say hello"},
    {"slow-hello", ENDS, NULL, slow_hello, "the guest did not say hello"},
    {"connect-flood", LIVES, NULL, connect_flood, NULL},
    {"many-sessions", LIVES, NULL, many_sessions, NULL},
    /* Of a virtual machine alone: */
    {"port-garbage", ENDS, NULL, port_garbage,
     "what connected is no Tessera guest library"},
    {"port-version", ENDS, NULL, port_version,
     "the guest library speaks protocol version 4294967295"},
    {"port-fingerprint", ENDS, NULL, port_fingerprint,
     "another build of protocol version"},
    {"port-noise", ENDS, NULL, port_noise, "what connected is no Tessera guest library"},
    {"port-cut", LIVES, NULL, port_cut, NULL},
    {"ports-half-open", ENDS, NULL, ports_half_open, "the guest did not say hello"},
    {"ports-loop", LIVES, NULL, ports_loop, NULL},
    {"idle-bells", LIVES, NULL, idle_bells, NULL},
    {"session-bells", LIVES, session_bells, NULL, NULL},
    {"bar-header", LIVES, bar_header, NULL, NULL},
    {"bar-scribble", CHANCE, bar_scribble, NULL, NULL},
    {"bar-flip", CHANCE, bar_flip, NULL, NULL},
    {"other-boot", LIVES, other_boot, NULL, NULL},
    {"foreign-part", ENDS, foreign_part, NULL,
     "offset: no part of the heap begins there"},
    {"channel-part", ENDS, channel_part, NULL,
     "offset: no part of the heap begins there"},
    {"all-parts", LIVES, all_parts, NULL, NULL},
    {"foreign-channel", LIVES, foreign_channel, NULL, NULL},
};

static int
attack_run(const struct attack *a)
{
    static struct guest g;
    bool ok;

    if (a->connects)
        return a->connects();
    guest_world(&g);
    ok = a->run(&g);
    if (!ok)
        fprintf(stderr, "the attack did not go through\n");
    if (ok && a->outcome == ENDS)
        ok = guest_is_ended(g.c.fd, PATIENCE_S);
    guest_leave(&g);
    return !ok;
}

static int
list(void)
{
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
        printf("%s\t%s\t%s\n", attacks[i].name, outcomes[attacks[i].outcome],
               attacks[i].says ? attacks[i].says : "");
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc == 3)
        attack_amount = (unsigned)strtoul(argv[2], NULL, 10);
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        if (argc >= 2 && strcmp(argv[1], attacks[i].name) == 0)
            return attack_run(&attacks[i]);
    }
    fprintf(stderr, "hostile ATTACK [SECONDS or ROUNDS] | --list\n");
    return 2;
}
