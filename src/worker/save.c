/* SPDX-License-Identifier: MIT */
#include "worker/save.h"

#include "api/opencl_request.h"
#include "base/cleanup.h"
#include "link/bar_map.h"
#include "snapshot/snapshot.h"
#include "worker/content.h"
#include "worker/restore.h"
#include "worker/save_log.h"
#include "worker/saved.h"
#include "worker/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A step of writing from memory, between two looks at who may want to end it. */
#define STEP_BYTES (4u << 20)
/* Copying is limited by memory, not by cores. */
#define COPY_THREADS 4u
/* A thread for less costs more than it brings. */
#define COPY_PART_BYTES (8u << 20)

/* Bytes that lie in memory: in the heap itself, or in a copy. */
struct piece {
    uint64_t off, len;
    const uint8_t *bytes;
};

struct pieces {
    struct piece *all; /* owned */
    size_t n, cap;
    uint64_t bytes;
};

/* An object whose bytes the driver has; copy NULL: they are read when they are written. */
struct driver_content {
    struct mem *m; /* counted; NULL: all is in the copy */
    uint64_t serial, bytes;
    uint8_t *copy; /* in saving.copy */
};

struct saving {
    struct session *s;
    struct saved_session head;
    struct bytes log;
    uint8_t *channel; /* a copy, owned */
    size_t channel_bytes;
    struct pieces heap;
    struct driver_content *contents; /* owned */
    size_t n_contents;
    uint64_t content_bytes;
    void *copy; /* of all that is in heap and contents; NULL: the session stays paused */
    size_t copy_bytes;
};

/* ---- what is in the heap ------------------------------------------------------------------ */

static int
pieces_add(struct pieces *p, uint64_t off, uint64_t len, const uint8_t *bytes)
{
    if (p->n == p->cap) {
        const size_t cap = p->cap ? 2 * p->cap : 64;
        struct piece *bigger = realloc(p->all, cap * sizeof *bigger);

        if (!bigger)
            return -ENOMEM;
        p->all = bigger;
        p->cap = cap;
    }
    p->all[p->n++] = (struct piece){off, len, bytes};
    p->bytes += len;
    return 0;
}

/* What was ever written of [off, end), by the file's holes. */
static int
pieces_find(struct pieces *p, const struct session *s, int fd, uint64_t off, uint64_t end)
{
    while (off < end) {
        const off_t data = lseek(fd, (off_t)off, SEEK_DATA);
        off_t hole;
        uint64_t stop;

        if (data < 0)
            return errno == ENXIO ? 0 : -errno;
        if ((uint64_t)data >= end)
            return 0;
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return -errno;
        stop = (uint64_t)hole < end ? (uint64_t)hole : end;
        if (pieces_add(p, (uint64_t)data, stop - (uint64_t)data, s->channel.heap + data) <
            0)
            return -ENOMEM;
        off = stop;
    }
    return 0;
}

/* Of a machine's memory [off, end), but for page and rings, which may lie in the midst of it. */
static int
bar_pieces(struct saving *g, uint64_t off, uint64_t end)
{
    const struct session *s = g->s;
    const struct bar *bar = &s->bar;
    const uint64_t first = bar->channel_off;
    const uint64_t after = first + bar_map_extent(&s->account->bar, bar->chunk_bytes,
                                                  s->options->slot, first);
    int rc = 0;

    if (off < first)
        rc = pieces_find(&g->heap, s, bar->fd, off, end < first ? end : first);
    if (rc == 0 && end > after)
        rc = pieces_find(&g->heap, s, bar->fd, off > after ? off : after, end);
    return rc;
}

static int
heap_pieces(struct saving *g)
{
    const struct session *s = g->s;
    uint64_t off = 0, bytes;
    int rc = 0;

    if (!bar_is_used(&s->bar))
        return pieces_find(&g->heap, s, s->memory_fds[1], 0, s->channel.heap_bytes);
    while (rc == 0 && bar_map_next(&s->account->bar, s->bar.chunk_bytes, s->options->slot,
                                   &off, &bytes)) {
        rc = bar_pieces(g, off, off + bytes);
        off += bytes;
    }
    return rc;
}

/* ---- what the driver has ------------------------------------------------------------------ */

static bool
driver_has(const struct mem *m)
{
    /* An image that is mapped lies in the heap, where the guest writes it. */
    return m->o.kind == KIND_image ? !(m->in_heap && mem_is_mapped(m)) : !m->in_heap;
}

static int
contents_find(struct saving *g)
{
    struct session *s = g->s;
    size_t cap = 0;

    for (struct list *l = s->objects.next; l != &s->objects; l = l->next)
        cap++;
    g->contents = calloc(cap + 1, sizeof *g->contents);
    if (!g->contents)
        return -ENOMEM;
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next) {
        struct object *o = container_of(l, struct object, node);
        uint64_t bytes;

        if ((o->kind != KIND_mem && o->kind != KIND_image) || !driver_has(mem_of(o)))
            continue;
        bytes = content_bytes(s, mem_of(o));
        if (bytes == 0)
            continue;
        object_ref(o);
        g->contents[g->n_contents++] =
            (struct driver_content){.m = mem_of(o), .serial = o->serial, .bytes = bytes};
        g->content_bytes += bytes;
    }
    return 0;
}

static void
contents_let_go(struct saving *g)
{
    for (size_t i = 0; i < g->n_contents; i++) {
        if (g->contents[i].m)
            object_unref(g->s, &take_ptr(g->contents[i].m)->o);
    }
}

static int
content_failed(const struct mem *m, cl_int rc, struct err *e)
{
    return err_set(e, -EIO,
                   "the driver does not give the bytes of a memory object (%llu): %d",
                   (unsigned long long)m->o.serial, rc);
}

static int
content_copy(struct content_io *io, const struct driver_content *c, uint8_t *to,
             struct err *e)
{
    for (uint64_t at = 0; at < c->bytes;) {
        const cl_int rc = content_read(io, c->m, at, to + at);

        if (rc != CL_SUCCESS)
            return content_failed(c->m, rc, e);
        at += content_piece_bytes(io->s, c->m, at);
    }
    return 0;
}

/* ---- copies of all ------------------------------------------------------------------------ */

struct copy_part {
    pthread_t thread;
    uint8_t *to;
    const uint8_t *from;
    size_t len;
};

static void *
copy_main(void *arg)
{
    const struct copy_part *p = arg;

    memcpy(p->to, p->from, p->len);
    return NULL;
}

/* Several threads at once; the caller is one of them. */
static void
copy_wide(uint8_t *to, const uint8_t *from, size_t len)
{
    struct copy_part part[COPY_THREADS];
    unsigned n = (unsigned)(len / COPY_PART_BYTES), made = 0;
    size_t step;

    n = n < 1 ? 1 : n > COPY_THREADS ? COPY_THREADS : n;
    step = (len / n + 4095) & ~(size_t)4095;
    for (unsigned i = 1; i < n; i++) {
        const size_t at = i * step;
        struct copy_part *p = &part[made];

        *p = (struct copy_part){0, to + at, from + at, i + 1 < n ? step : len - at};
        if (pthread_create(&p->thread, NULL, copy_main, p) == 0)
            made++;
        else
            copy_main(p);
    }
    memcpy(to, from, n > 1 ? step : len);
    for (unsigned i = 0; i < made; i++)
        pthread_join(part[i].thread, NULL);
}

static int
copy_all(struct saving *g, struct err *e)
{
    struct content_io io;
    uint8_t *at;
    int rc = 0;

    g->copy_bytes = g->heap.bytes + g->content_bytes + 1;
    g->copy = mmap(NULL, g->copy_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (g->copy == MAP_FAILED) {
        g->copy = NULL;
        return err_set(e, -ENOMEM, "no memory for a copy of %llu MiB",
                       (unsigned long long)g->copy_bytes >> 20);
    }
    at = g->copy;
    for (size_t i = 0; i < g->heap.n; i++) {
        copy_wide(at, g->heap.all[i].bytes, g->heap.all[i].len);
        g->heap.all[i].bytes = at;
        at += g->heap.all[i].len;
    }
    content_init(&io, g->s);
    for (size_t i = 0; i < g->n_contents && rc == 0; i++) {
        g->contents[i].copy = at;
        rc = content_copy(&io, &g->contents[i], at, e);
        at += g->contents[i].bytes;
    }
    content_fini(&io);
    /* Others may run from now on, and objects are theirs. */
    contents_let_go(g);
    return rc;
}

/* ---- all of it ---------------------------------------------------------------------------- */

void
saved_driver(const struct session *s, char *ret, size_t cap)
{
    char name[96] = "", driver[80] = "";

    s->cl->clGetDeviceInfo(s->device.id, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    s->cl->clGetDeviceInfo(s->device.id, CL_DRIVER_VERSION, sizeof driver - 1, driver,
                           NULL);
    snprintf(ret, cap, "%s, driver %s", name, driver);
}

static void
fill_head(struct saving *g, uint64_t number)
{
    const struct session *s = g->s;
    struct saved_session *h = &g->head;

    *h = (struct saved_session){
        .version = SAVED_VERSION,
        .number = number,
        .flags = (s->shared_storage ? SAVED_SHARED_STORAGE : 0) |
                 (atomic_load(&s->replies.text_expected) ? SAVED_TEXT_EXPECTED : 0),
        .heap_bytes = s->channel.heap_bytes,
        .commands_bytes = s->channel.rx.size,
        .replies_bytes = s->channel.tx.size,
        .commands_at = s->channel.rx.cur,
        .replies_at = s->channel.tx.cur,
        .reserved_bytes = atomic_load(&s->slot->reserved_bytes),
        .moments = s->moments,
        .channel_off = s->bar.channel_off,
        .boot = s->boot};
    memcpy(h->token, s->token, sizeof h->token);
    memcpy(h->program, s->slot->program, sizeof h->program);
    saved_driver(s, h->driver, sizeof h->driver);
}

int
saving_new(struct session *s, uint64_t number, bool copy, struct saving **ret,
           struct err *e)
{
    struct saving *g = calloc(1, sizeof *g);
    int rc;

    if (!g)
        return err_set(e, -ENOMEM, "out of memory");
    g->s = s;
    mems_look_at_mappings(s);
    rc = save_log(s, &g->log);
    fill_head(g, number);
    g->channel_bytes = s->channel.page_bytes;
    g->channel = malloc(g->channel_bytes);
    if (rc == 0 && !g->channel)
        rc = -ENOMEM;
    if (rc == 0) {
        memcpy(g->channel, s->channel.page, g->channel_bytes);
        rc = heap_pieces(g);
    }
    if (rc == 0)
        rc = contents_find(g);
    if (rc < 0)
        err_set(e, rc, "cannot put the session together: %s", strerror(-rc));
    if (rc == 0 && copy)
        rc = copy_all(g, e);
    if (rc < 0)
        saving_free(g);
    else
        *ret = g;
    return rc;
}

void
saving_free(struct saving *g)
{
    if (!g)
        return;
    contents_let_go(g);
    if (g->copy)
        munmap(g->copy, g->copy_bytes);
    bytes_fini(&g->log);
    free(g->channel);
    free(g->heap.all);
    free(g->contents);
    free(g);
}

uint64_t
saving_bytes(const struct saving *g)
{
    return g->log.len + g->channel_bytes + g->heap.bytes + g->content_bytes;
}

/* ---- writing ------------------------------------------------------------------------------ */

struct writing {
    struct saving *g;
    struct snapshot_writer *w;
    const struct saving_options *options;
    uint64_t done;
};

/*
 * Pages of the heap that the guest has written are not yet mapped here: all at once takes less than
 * one by one. Where the kernel cannot (before Linux 5.14) they come one by one.
 */
static void
map_pages(const uint8_t *p, size_t len)
{
#ifdef MADV_POPULATE_READ
    const uintptr_t first = (uintptr_t)p & ~(uintptr_t)4095;

    if (len >= 1u << 20)
        (void)madvise((void *)first, (uintptr_t)p + len - first, MADV_POPULATE_READ);
#else
    (void)p;
    (void)len;
#endif
}

static int
put(struct writing *w, const void *bytes, uint64_t len, struct err *e)
{
    const uint8_t *p = bytes;

    while (len > 0) {
        const size_t n = len < STEP_BYTES ? (size_t)len : STEP_BYTES;
        int rc;

        map_pages(p, n);
        rc = snapshot_put(w->w, p, n, e);
        w->done += n;
        if (rc == 0)
            rc = w->options->progress(w->options->ctx, w->done, saving_bytes(w->g));
        if (rc < 0)
            return e->code ? rc : err_set(e, rc, "cancelled");
        p += n;
        len -= n;
    }
    return 0;
}

static int
put_section(struct writing *w, enum saved_section kind, const void *bytes, size_t len,
            struct err *e)
{
    int rc = snapshot_begin(w->w, kind, 0, e);

    return rc == 0 ? put(w, bytes, len, e) : rc;
}

static int
put_ops(struct writing *w, struct err *e)
{
    struct bytes b = {0};
    int rc;

    for (unsigned op = 0; op < OPENCL_OPS; op++) {
        const char *name = opencl_op_name(op);

        bytes_string(&b, name, strlen(name) + 1);
    }
    rc = b.failed ? err_set(e, -ENOMEM, "out of memory")
                  : put_section(w, SAVED_OPS, b.data, b.len, e);
    bytes_fini(&b);
    return rc;
}

static int
put_heap(struct writing *w, struct err *e)
{
    const struct saving *g = w->g;
    int rc = snapshot_begin(w->w, SAVED_HEAP, 0, e);

    for (size_t i = 0; i < g->heap.n && rc == 0; i++) {
        const uint64_t head[2] = {g->heap.all[i].off, g->heap.all[i].len};

        rc = snapshot_put(w->w, head, sizeof head, e);
        if (rc == 0)
            rc = put(w, g->heap.all[i].bytes, g->heap.all[i].len, e);
    }
    return rc;
}

static int
put_from_driver(struct writing *w, const struct driver_content *c, struct err *e)
{
    struct content_io io;
    uint8_t *piece = NULL;
    int rc = 0;

    content_init(&io, w->g->s);
    for (uint64_t at = 0; at < c->bytes && rc == 0;) {
        const uint64_t n = content_piece_bytes(w->g->s, c->m, at);
        uint8_t *room = realloc(piece, n);
        cl_int got;

        if (!room) {
            rc = err_set(e, -ENOMEM, "out of memory");
            break;
        }
        piece = room;
        got = content_read(&io, c->m, at, piece);
        rc = got == CL_SUCCESS ? put(w, piece, n, e) : content_failed(c->m, got, e);
        at += n;
    }
    free(piece);
    content_fini(&io);
    return rc;
}

static int
put_contents(struct writing *w, struct err *e)
{
    const struct saving *g = w->g;
    int rc = 0;

    for (size_t i = 0; i < g->n_contents && rc == 0; i++) {
        const struct driver_content *c = &g->contents[i];

        rc = snapshot_begin(w->w, SAVED_CONTENT, c->serial, e);
        if (rc == 0)
            rc = c->copy ? put(w, c->copy, c->bytes, e) : put_from_driver(w, c, e);
    }
    return rc;
}

int
saving_write(struct saving *g, const struct saving_options *o, uint64_t *ret_written,
             struct err *e)
{
    struct writing w = {.g = g, .options = o};
    int rc = snapshot_writer_new_until(o->fd, true, o->stop_fd, &w.w, e);

    if (rc == 0)
        rc = put_section(&w, SAVED_SESSION, &g->head, sizeof g->head, e);
    if (rc == 0)
        rc = put_ops(&w, e);
    if (rc == 0)
        rc = put_section(&w, SAVED_LOG, g->log.data, g->log.len, e);
    if (rc == 0)
        rc = put_section(&w, SAVED_CHANNEL, g->channel, g->channel_bytes, e);
    if (rc == 0)
        rc = put_heap(&w, e);
    if (rc == 0)
        rc = put_contents(&w, e);
    if (rc == 0)
        rc = snapshot_finish(w.w, e);
    if (rc == 0)
        *ret_written = snapshot_written_bytes(w.w);
    snapshot_writer_free(w.w);
    return rc;
}
