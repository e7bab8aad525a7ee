/* SPDX-License-Identifier: MIT */
/*
 * A session that is to be made again from a snapshot of anybody's. An input is a list of sections
 * (round_trip.h), put into a stream here: checksums would keep nearly all of them at the door. Our
 * own names of operations are put before a log that has none.
 *
 * Switches, by byte: 0 are SWITCH_..., 1 is after how many steps it is cancelled, 0: never.
 */
#include "round_trip.h"

#include "api/opencl_request.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SWITCH_AGAIN 1u    /* what was made is saved, made again and saved */
#define SWITCH_MEMORY 2u   /* the guest has brought its memory along */
#define SWITCH_MOVE 4u     /* it brings it later */
#define SWITCH_OTHER 8u    /* it is of another snapshot */
#define SWITCH_COPY 16u    /* the first save copies all */
#define SWITCH_NEW_OPS 32u /* the snapshot knows operations that we do not */

/* What says nothing but how long it takes. */
#define ZEROS_MOST (8u << 20)
#define RING_MOST (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stage stage;
static unsigned steps_left;

static int
may_go_on(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    return steps_left > 0 && --steps_left == 0 ? -ECANCELED : 0;
}

/* What kernels are called by that the driver does not come back from. */
static bool
too_wild(const uint8_t *data, size_t size)
{
    return memmem(data, size, "hang", 4) || memmem(data, size, "crash", 5);
}

/* ---- the stream ---------------------------------------------------------------------------- */

static void
put_section(struct snapshot_writer *w, uint32_t kind, uint64_t id, const void *bytes,
            size_t len, size_t zeros)
{
    static const uint8_t zero[ZEROS_MOST];

    if (snapshot_begin(w, kind, id, NULL) < 0 || snapshot_put(w, bytes, len, NULL) < 0 ||
        snapshot_put(w, zero, zeros, NULL) < 0)
        abort();
}

static void
put_ops(struct snapshot_writer *w, bool unknown)
{
    struct bytes b = {0};

    for (unsigned op = 0; op < OPENCL_OPS; op++) {
        const char *name = unknown && op % 8 == 7 ? "clOfTomorrow" : opencl_op_name(op);

        bytes_string(&b, name, strlen(name) + 1);
    }
    put_section(w, SAVED_OPS, 0, b.data, b.len, 0);
    bytes_fini(&b);
}

static void
put_head(struct snapshot_writer *w, const uint8_t *data, size_t len, uint8_t switches,
         struct saved_session *ret)
{
    struct saved_session *h = ret;
    struct packed_head p = {0};

    if (len < offsetof(struct packed_head, program)) {
        put_section(w, SAVED_SESSION, 0, data, len, 0);
        return;
    }
    memcpy(&p, data, len < sizeof p ? len : sizeof p);
    head_unpack(&p, h);
    if (!(switches & SWITCH_OTHER))
        h->number = SNAPSHOT_NUMBER;
    if (h->commands_bytes > RING_MOST)
        h->commands_bytes %= RING_MOST;
    if (h->replies_bytes > RING_MOST)
        h->replies_bytes %= RING_MOST;
    put_section(w, SAVED_SESSION, 0, h, sizeof *h, 0);
}

static void
put_all(struct snapshot_writer *w, const uint8_t *data, size_t size, uint8_t switches,
        struct saved_session *head)
{
    bool ops = false;

    while (size >= sizeof(struct packed_section)) {
        struct packed_section p;

        memcpy(&p, data, sizeof p);
        data += sizeof p;
        size -= sizeof p;
        if (p.bytes > size)
            p.bytes = (uint32_t)size;
        if (p.kind == 0)
            p.kind = SAVED_CONTENT;
        ops |= p.kind == SAVED_OPS;
        if (p.kind == SAVED_LOG && !ops)
            put_ops(w, switches & SWITCH_NEW_OPS);
        if (p.kind == SAVED_SESSION)
            put_head(w, data, p.bytes, switches, head);
        else
            put_section(w, p.kind, p.id, data, p.bytes, p.zeros % ZEROS_MOST);
        data += p.bytes;
        size -= p.bytes;
    }
}

static int
stream_of(const uint8_t *data, size_t size, uint8_t switches, struct saved_session *head)
{
    const int fd = scratch_file();
    struct snapshot_writer *w;

    if (snapshot_writer_new(fd, false, &w, NULL) < 0)
        abort();
    put_all(w, data, size, switches, head);
    if (snapshot_finish(w, NULL) < 0)
        abort();
    snapshot_writer_free(w);
    return fd;
}

/* ---- the guest's memory -------------------------------------------------------------------- */

/* Of the sizes that the head names, if such memory can be; else there is none. */
static void
bring_memory(const struct saved_session *h, const struct channel_page *page, int fds[2])
{
    struct channel c;

    if (channel_make(&c, h->heap_bytes, h->commands_bytes, h->replies_bytes, &fds[0],
                     &fds[1]) < 0)
        return;
    memset(c.heap, 0x5a, c.heap_bytes < 8192 ? c.heap_bytes : 8192);
    if (page)
        memcpy(c.page, page, sizeof *page);
    channel_fini(&c);
}

static void
close_memory(int fds[2])
{
    cleanup_closep(&fds[0]);
    cleanup_closep(&fds[1]);
}

/* As the guest comes that has kept its memory. */
static void
move(struct session *s, const struct saved_session *h)
{
    int fds[2] = {-1, -1};

    bring_memory(h, s->channel.page, fds);
    if (fds[0] < 0 || restored_move(s, fds) < 0)
        abort();
    for (unsigned i = 0; i < 2; i++) {
        close(s->memory_fds[i]);
        s->memory_fds[i] = fds[i];
    }
}

/* -------------------------------------------------------------------------------------------- */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guest_memory memory = {.fds = {-1, -1}};
    struct saved_session head = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    uint8_t switches;
    int fd, rc;

    if (size < SNAPSHOT_SWITCHES || too_wild(data, size))
        return 0;
    switches = data[0];
    steps_left = data[1];
    fd = stream_of(data + SNAPSHOT_SWITCHES, size - SNAPSHOT_SWITCHES, switches, &head);
    memcpy(memory.token, head.token, sizeof memory.token);
    if (switches & SWITCH_MEMORY)
        bring_memory(&head, NULL, memory.fds);
    rc = restore_again(&stage, fd, switches & SWITCH_MEMORY ? &memory : NULL, may_go_on,
                       &e);
    if (getenv("FUZZ_TRACE"))
        fprintf(stderr, "trace: %s\n", rc < 0 ? err_msg(&e) : "made again");
    if (rc == 0 && switches & SWITCH_MOVE)
        move(&stage.s, &head);
    if (rc == 0 && switches & SWITCH_AGAIN)
        round_trip(&stage.s, switches & SWITCH_COPY);
    restored_end(&stage);
    close_memory(memory.fds);
    return 0;
}
