/* SPDX-License-Identifier: MIT */
#include "worker/restore.h"

#include "api/opencl_request.h"
#include "base/cleanup.h"
#include "worker/content.h"
#include "worker/mem.h"
#include "worker/restore_log.h"
#include "worker/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

/* Of address space, which costs nothing. */
#define HEAP_MOST_BYTES (1ull << 42)

#define STEP_BYTES (4u << 20)

/* ---- the beginning ------------------------------------------------------------------------ */

static int
next_section(struct restorer *r, enum saved_section kind, struct snapshot_section *ret)
{
    int rc = snapshot_next(r->reader, ret, r->e);

    if (rc == 0 && ret->kind != kind)
        rc = restore_bad(r, "its sections are not in order");
    return rc;
}

static int
read_head(struct restorer *r)
{
    struct saved_session *h = &r->head;
    struct snapshot_section section;
    int rc = next_section(r, SAVED_SESSION, &section);

    if (rc == 0)
        rc = snapshot_get_exact(r->reader, h, sizeof *h, r->e);
    if (rc < 0)
        return rc;
    h->program[sizeof h->program - 1] = h->driver[sizeof h->driver - 1] = '\0';
    if (h->version > SAVED_VERSION)
        return err_set(r->e, -EPROTO, "the snapshot is of a later version of Tessera");
    if (h->version == 0 || h->heap_bytes > HEAP_MOST_BYTES ||
        h->heap_bytes % PAGE_BYTES != 0)
        return restore_bad(r, "its head");
    if (h->number != r->options->number)
        return restore_bad(r, "it belongs to another snapshot");
    return 0;
}

static bool
guest_brought_memory(const struct restorer *r)
{
    const struct guest_memory *m = r->options->memory;

    return m && m->fds[0] >= 0 && m->fds[1] >= 0 &&
           memcmp(m->token, r->head.token, sizeof m->token) == 0;
}

static int
adopt_in_bar(struct restorer *r)
{
    int rc = bar_adopt_channel(r->s, &r->head, &r->fresh);

    return rc < 0 ? err_set(r->e, rc, "the memory of its virtual machine is another: %s",
                            strerror(-rc))
                  : 0;
}

/* The guest's memory if it is there, with its bytes; else memory of our own. */
static int
make_channel(struct restorer *r)
{
    struct session *s = r->s;
    const struct saved_session *h = &r->head;
    int rc;

    if ((h->channel_off != 0) != (s->options->bar_fd >= 0))
        return restore_bad(r, "a session of another kind of guest");
    if (h->channel_off != 0)
        return adopt_in_bar(r);
    if (guest_brought_memory(r)) {
        const int *fds = r->options->memory->fds;

        rc = channel_adopt(&s->channel, h->heap_bytes, h->commands_bytes,
                           h->replies_bytes, fds[0], fds[1]);
        if (rc == 0) {
            s->memory_fds[0] = dup(fds[0]);
            s->memory_fds[1] = dup(fds[1]);
            return s->memory_fds[0] < 0 || s->memory_fds[1] < 0
                       ? err_set(r->e, -errno, "out of descriptors")
                       : 0;
        }
    }
    r->fresh = true;
    rc = channel_make(&s->channel, h->heap_bytes, h->commands_bytes, h->replies_bytes,
                      &s->memory_fds[0], &s->memory_fds[1]);
    return rc < 0
               ? err_set(r->e, rc, "cannot make the channel's memory: %s", strerror(-rc))
               : 0;
}

static int
reserve(struct restorer *r)
{
    struct session *s = r->s;
    const unsigned slot = s->options->slot;

    if (account_reserve(s->account, slot, r->head.reserved_bytes) < 0)
        return err_set(r->e, -ENOSPC, "'%s' had %llu MiB: the vGPU has not so many free",
                       r->head.program, (unsigned long long)r->head.reserved_bytes >> 20);
    memory_adopt(&s->memory, s->account, slot);
    return 0;
}

static int
begin(struct restorer *r)
{
    struct session *s = r->s;
    int rc = read_head(r);

    if (rc == 0)
        rc = make_channel(r);
    if (rc == 0)
        rc = session_prepare_restored(s);
    if (rc < 0)
        return r->e->code ? rc : err_set(r->e, rc, "out of memory");
    s->copies_stay_closed = (r->head.flags & SAVED_SHARED_STORAGE) && !s->shared_storage;
    s->shared_storage = r->head.flags & SAVED_SHARED_STORAGE;
    atomic_store(&s->replies.text_expected, r->head.flags & SAVED_TEXT_EXPECTED);
    memcpy(s->token, r->head.token, sizeof s->token);
    memcpy(s->slot->program, r->head.program, sizeof s->slot->program);
    return reserve(r);
}

/* ---- bytes -------------------------------------------------------------------------------- */

static int
restore_channel(struct restorer *r)
{
    struct session *s = r->s;
    struct snapshot_section section;
    int rc = next_section(r, SAVED_CHANNEL, &section);

    if (rc == 0 && r->fresh)
        rc = snapshot_get_exact(r->reader, s->channel.page, s->channel.page_bytes, r->e);
    if (rc < 0)
        return rc;
    if (ring_go_on(&s->channel.rx, r->head.commands_at, true) < 0 ||
        ring_go_on(&s->channel.tx, r->head.replies_at, false) < 0)
        return restore_bad(r, "its rings");
    return 0;
}

/* How many of the bytes from off on are alike: to be filled (*ret_fill), or the guest's. */
static uint64_t
run_of(const struct restorer *r, uint64_t off, uint64_t len, bool *ret_fill)
{
    const struct extent *hole = r->fresh ? NULL : holes_at(&r->holes, off);
    uint64_t n = len;

    *ret_fill = r->fresh || (hole && hole->off <= off);
    if (hole && hole->off > off)
        n = hole->off - off;
    else if (hole)
        n = hole->off + hole->len - off;
    return n < len ? n : len;
}

static int
restore_range(struct restorer *r, uint64_t off, uint64_t len)
{
    static uint8_t unwanted[1u << 16];
    const int fd = session_heap_fd(r->s);
    int rc = 0;

    while (len > 0 && rc == 0) {
        const uint64_t most = len < STEP_BYTES ? len : STEP_BYTES;
        bool fill;
        uint64_t n = run_of(r, off, most, &fill);

        if (!fill && n > sizeof unwanted)
            n = sizeof unwanted;
        rc = fill ? snapshot_get_zeroed(r->reader, fd, (off_t)off, n, r->e)
                  : snapshot_get_exact(r->reader, unwanted, n, r->e);
        if (rc == 0)
            rc = restore_progress(r, n);
        off += n;
        len -= n;
    }
    return rc;
}

static int
restore_heap(struct restorer *r)
{
    struct snapshot_section section;
    uint64_t head[2];
    ssize_t n;
    int rc = next_section(r, SAVED_HEAP, &section);

    /* They were given back when it was suspended. */
    if (rc == 0 && holes_find(r->s, &r->holes) < 0)
        rc = err_set(r->e, -ENOMEM, "out of memory");
    while (rc == 0 && (n = snapshot_get(r->reader, head, sizeof head, r->e)) != 0) {
        if (n < 0)
            return (int)n;
        if (n != (ssize_t)sizeof head || head[0] > r->s->channel.heap_bytes ||
            head[1] > r->s->channel.heap_bytes - head[0])
            return restore_bad(r, "a range of the heap");
        rc = restore_range(r, head[0], head[1]);
    }
    return rc;
}

static int
restore_content(struct restorer *r, const struct mem *m, struct content_io *io)
{
    _cleanup_free_ uint8_t *piece = NULL;
    uint64_t at = 0, n;
    int rc = 0;

    while (rc == 0 && (n = content_piece_bytes(r->s, m, at)) > 0) {
        uint8_t *room = realloc(piece, n);
        cl_int written;

        if (!room)
            return err_set(r->e, -ENOMEM, "out of memory");
        piece = room;
        rc = snapshot_get_exact(r->reader, piece, n, r->e);
        if (rc < 0)
            return rc;
        written = content_write(io, m, at, piece);
        if (written != CL_SUCCESS)
            return err_set(r->e, -EPROTO,
                           "the driver does not take a memory object's bytes: %d",
                           written);
        at += n;
        rc = restore_progress(r, n);
    }
    return rc;
}

static int
restore_contents(struct restorer *r)
{
    struct snapshot_section section;
    struct content_io io;
    int rc;

    content_init(&io, r->s);
    while ((rc = snapshot_next(r->reader, &section, r->e)) == 0 && section.kind != 0) {
        struct object *o = restored_object(r, section.id);

        if (section.kind != SAVED_CONTENT || !o ||
            (o->kind != KIND_mem && o->kind != KIND_image) || o->error != CL_SUCCESS)
            rc = restore_bad(r, "bytes of no memory object");
        else
            rc = restore_content(r, mem_of(o), &io);
        if (rc < 0)
            break;
    }
    content_fini(&io);
    return rc;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int
restore_sections(struct restorer *r)
{
    struct snapshot_section section;
    int rc = begin(r);

    if (rc == 0)
        rc = next_section(r, SAVED_OPS, &section);
    if (rc == 0)
        rc = restore_ops(r);
    if (rc == 0)
        rc = next_section(r, SAVED_LOG, &section);
    if (rc == 0)
        rc = restore_log(r);
    if (rc == 0)
        rc = restore_channel(r);
    if (rc == 0)
        rc = restore_heap(r);
    if (rc == 0)
        rc = restore_contents(r);
    return rc;
}

int
restore_session(struct session *s, const struct restore_options *o, struct err *e)
{
    struct restorer r = {.s = s, .options = o, .e = e};
    int rc = snapshot_reader_new_until(o->fd, o->stop_fd, &r.reader, e);

    if (rc < 0)
        return rc;
    s->restoring.active = true;
    rc = restore_sections(&r);
    /* It stays so until its guest is there: nothing is answered, nothing runs. */
    s->moments = r.head.moments;
    free(take_ptr(s->restoring.blob));
    snapshot_reader_free(r.reader);
    free(r.ops);
    restored_objects_free(&r);
    holes_fini(&r.holes);
    return rc;
}
