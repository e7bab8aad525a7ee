/* SPDX-License-Identifier: MIT */
#include "round_trip.h"

#include "api/opencl_request.h"
#include "base/io.h"
#include "snapshot/snapshot.h"
#include "worker/event.h"
#include "worker/mem.h"
#include "worker/save.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#define PAGE_BYTES 4096u

/* ---- made again ---------------------------------------------------------------------------- */

int
restore_again(struct stage *g, int fd, const struct guest_memory *memory,
              restore_progress_fn *progress, struct err *e)
{
    const struct restore_options o = {.fd = fd,
                                      .stop_fd = -1,
                                      .number = SNAPSHOT_NUMBER,
                                      .memory = memory,
                                      .progress = progress};
    int rc;

    if (!g->s.options)
        stage_open(g);
    rc = lseek(fd, 0, SEEK_SET) < 0 ? -1 : restore_session(&g->s, &o, e);
    if (rc < 0 && (!e->msg || e->code != rc))
        abort();
    return rc;
}

/* Also of those whose id is gone. */
static void
close_user_events(struct session *s)
{
    struct list *l = s->objects.next;

    while (l != &s->objects) {
        struct object *o = container_of(l, struct object, node);

        if (o->kind == KIND_event && container_of(o, struct event, o)->open) {
            stage_close_user_event(s, o);
            l = s->objects.next;
        } else {
            l = l->next;
        }
    }
}

static void
release_all(struct session *s)
{
    for (uint32_t i = 0; i < s->table.cap; i++) {
        struct object *o = s->table.entries[i].object;

        if (o)
            op_tessera_release(s, &(struct req_tessera_release){.object = o});
    }
}

static bool
jobs_are_over(struct session *s)
{
    return jobs_idle(&s->builds) && jobs_idle(&s->asks) && jobs_idle(&s->waits);
}

/* The guest comes, hears the answers that are due, and releases all. */
static void
settle(struct stage *g)
{
    struct session *s = &g->s;
    const uint64_t end = now_ns() + SETTLE_NS;

    if (s->memory.account)
        memory_use_credit(&s->memory, &s->channel.page->credit_bytes);
    runner_enter(s);
    restored_ask_again(s);
    runner_leave(s);
    close_user_events(s);
    release_all(s);
    while (stage_run(g) < 0 || !stage_is_settled(g) || !jobs_are_over(s)) {
        close_user_events(s);
        if (now_ns() > end)
            stage_tell_rest(s);
        sched_yield();
    }
    if (s->table.live != 0 || !list_empty(&s->objects) ||
        atomic_load(&s->open_user_events) != 0 || s->mappings != 0)
        abort();
}

void
restored_end(struct stage *g)
{
    struct session *s = &g->s;

    s->restoring = (struct restoring){0};
    if (s->frame) {
        stage_connect(g);
        settle(g);
    }
    if (s->channel.page)
        channel_fini(&s->channel);
    for (unsigned i = 0; i < 2; i++)
        cleanup_closep(&s->memory_fds[i]);
    account_release(s->account, 0, UINT64_MAX);
    table_fini(&s->table);
    free(s->held.ready.at);
    free(s->held.free.at);
    s->held = (struct held_commands){0};
    free(s->request.blob);
    free(s->request.named);
    free(s->request.scratch);
    s->request = (struct request){0};
    free(take_ptr(s->frame));
    s->memory = (struct memory){0};
    s->moments = 0;
    s->reason[0] = '\0';
    s->shared_storage = s->copies_stay_closed = false;
    gate_init(&s->gate, &s->slot->gate);
}

/* ---- saved --------------------------------------------------------------------------------- */

int
scratch_file(void)
{
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    return fd;
}

static int
go_on(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    return 0;
}

static void
fail(const char *what, const struct err *e)
{
    fprintf(stderr, "%s: %s\n", what, err_msg(e));
    abort();
}

static void
save(struct session *s, int fd, bool copy)
{
    _cleanup_err_ struct err e = ERR_INIT;
    const struct saving_options o = {.fd = fd, .stop_fd = -1, .progress = go_on};
    struct saving *g;
    uint64_t written;

    if (saving_new(s, SNAPSHOT_NUMBER, copy, &g, &e) < 0 ||
        saving_write(g, &o, &written, &e) < 0)
        fail("a session cannot be saved", &e);
    saving_free(g);
}

/* ---- compared ------------------------------------------------------------------------------ */

struct section {
    uint32_t kind;
    uint64_t id;
    uint8_t *bytes; /* owned */
    size_t len;
};

struct sections {
    struct section all[4096];
    size_t n;
};

static void
read_section(struct snapshot_reader *r, struct section *s)
{
    _cleanup_err_ struct err e = ERR_INIT;
    size_t cap = 0;
    ssize_t n = 1;

    while (n > 0) {
        if (s->len == cap) {
            cap = cap ? 2 * cap : 4096;
            s->bytes = realloc(s->bytes, cap);
        }
        if (!s->bytes)
            abort();
        n = snapshot_get(r, s->bytes + s->len, cap - s->len, &e);
        s->len += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        fail("a snapshot cannot be read", &e);
}

static bool
is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i])
            return false;
    }
    return true;
}

/* Pages of the heap that are not zero, each after its offset: zeros need no memory. */
static void
keep_what_is_not_zero(struct section *s)
{
    uint8_t *to = malloc(s->len + s->len / PAGE_BYTES * 8 + 8);
    size_t at = 0, n = 0;

    if (!to)
        abort();
    while (at < s->len) {
        uint64_t head[2];

        memcpy(head, s->bytes + at, sizeof head);
        at += sizeof head;
        for (uint64_t i = 0; i < head[1]; i += PAGE_BYTES, at += PAGE_BYTES) {
            const uint64_t off = head[0] + i;

            if (is_zero(s->bytes + at, PAGE_BYTES))
                continue;
            memcpy(to + n, &off, sizeof off);
            memcpy(to + n + sizeof off, s->bytes + at, PAGE_BYTES);
            n += sizeof off + PAGE_BYTES;
        }
    }
    free(s->bytes);
    s->bytes = to;
    s->len = n;
}

static void
read_sections(int fd, struct sections *all)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct snapshot_section head;
    struct snapshot_reader *r = NULL;

    all->n = 0;
    if (lseek(fd, 0, SEEK_SET) < 0 || snapshot_reader_new(fd, &r, &e) < 0)
        fail("a snapshot cannot be read", &e);
    while (snapshot_next(r, &head, &e) == 0 && head.kind != 0) {
        struct section *s = &all->all[all->n++];

        if (all->n == sizeof all->all / sizeof *all->all)
            abort();
        *s = (struct section){.kind = head.kind, .id = head.id};
        read_section(r, s);
    }
    if (e.code)
        fail("a snapshot cannot be read", &e);
    snapshot_reader_free(r);
}

static void
sections_fini(struct sections *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->all[i].bytes);
    all->n = 0;
}

/* The channel's page is the guest's to change. */
static void
compare(struct sections *a, struct sections *b)
{
    if (a->n != b->n)
        abort();
    for (size_t i = 0; i < a->n; i++) {
        struct section *x = &a->all[i], *y = &b->all[i];

        if (x->kind == SAVED_CHANNEL && y->kind == SAVED_CHANNEL)
            continue;
        if (x->kind == SAVED_HEAP && y->kind == SAVED_HEAP) {
            keep_what_is_not_zero(x);
            keep_what_is_not_zero(y);
        }
        if (x->kind != y->kind || x->id != y->id || x->len != y->len ||
            memcmp(x->bytes, y->bytes, x->len) != 0) {
            fprintf(stderr, "section %u, %llu differs: %zu and %zu bytes\n", x->kind,
                    (unsigned long long)x->id, x->len, y->len);
            abort();
        }
    }
}

/* ---- as a seed ----------------------------------------------------------------------------- */

void
head_pack(const struct saved_session *h, struct packed_head *ret)
{
    *ret = (struct packed_head){
        .version = h->version,
        .flags = h->flags,
        .number = h->number,
        .heap_bytes = h->heap_bytes,
        .commands_bytes = h->commands_bytes,
        .replies_bytes = h->replies_bytes,
        .commands_at = h->commands_at,
        .replies_at = h->replies_at,
        .reserved_bytes = h->reserved_bytes,
        .moments = h->moments,
        .channel_off = h->channel_off,
        .boot = h->boot,
    };
    memcpy(ret->token, h->token, sizeof ret->token);
    memcpy(ret->program, h->program, sizeof ret->program);
    memcpy(ret->driver, h->driver, sizeof ret->driver);
}

void
head_unpack(const struct packed_head *p, struct saved_session *ret)
{
    *ret = (struct saved_session){
        .version = p->version,
        .flags = p->flags,
        .number = p->number,
        .heap_bytes = p->heap_bytes,
        .commands_bytes = p->commands_bytes,
        .replies_bytes = p->replies_bytes,
        .commands_at = p->commands_at,
        .replies_at = p->replies_at,
        .reserved_bytes = p->reserved_bytes,
        .moments = p->moments,
        .channel_off = p->channel_off,
        .boot = p->boot,
    };
    memcpy(ret->token, p->token, sizeof ret->token);
    memcpy(ret->program, p->program, sizeof ret->program);
    memcpy(ret->driver, p->driver, sizeof ret->driver);
}

static size_t
without_zeros(const uint8_t *bytes, size_t len)
{
    while (len > 0 && bytes[len - 1] == 0)
        len--;
    return len;
}

static void
put(FILE *f, const struct section *s, size_t whole)
{
    const struct packed_section p = {s->kind, (uint32_t)s->id, (uint32_t)s->len,
                                     (uint32_t)(whole - s->len)};

    fwrite(&p, sizeof p, 1, f);
    fwrite(s->bytes, s->len, 1, f);
}

/* Each range without the zeros at its end. */
static void
shorten_heap(struct section *s)
{
    size_t from = 0, to = 0;

    while (from < s->len) {
        uint64_t head[2], len;

        memcpy(head, s->bytes + from, sizeof head);
        from += sizeof head;
        len = without_zeros(s->bytes + from, head[1]);
        memmove(s->bytes + to + sizeof head, s->bytes + from, len);
        from += head[1];
        head[1] = len;
        if (len > 0) {
            memcpy(s->bytes + to, head, sizeof head);
            to += sizeof head + len;
        }
    }
    s->len = to;
}

/* In place: it is a section of its own, whose bytes are malloc'ed. */
static void
pack_head(struct section *s)
{
    struct saved_session h;
    struct packed_head *p = malloc(sizeof *p);

    if (!p || s->len != sizeof h)
        abort();
    memcpy(&h, s->bytes, sizeof h);
    head_pack(&h, p);
    free(s->bytes);
    s->bytes = (uint8_t *)p;
    s->len = sizeof *p;
}

static void
write_seed(const char *folder, int fd)
{
    /* As fuzz_restore.c has them: with the guest's memory, then or later; with a copy. */
    static const uint8_t kinds[] = {1, 1 | 2, 1 | 4, 1 | 16, 1 | 2 | 4};
    uint8_t switches[SNAPSHOT_SWITCHES] = {0};
    uint64_t name;
    static struct sections all;
    char path[4096];
    FILE *f;

    read_sections(fd, &all);
    name = XXH3_64bits(all.all[2].bytes, all.all[2].len);
    switches[0] = kinds[name % sizeof kinds];
    snprintf(path, sizeof path, "%s/%016llx", folder, (unsigned long long)name);
    f = fopen(path, "w");
    if (!f)
        abort();
    fwrite(switches, sizeof switches, 1, f);
    for (size_t i = 0; i < all.n; i++) {
        struct section *s = &all.all[i];
        size_t whole = s->len;

        if (s->kind == SAVED_OPS)
            continue;
        if (s->kind == SAVED_SESSION) {
            pack_head(s);
            whole = s->len;
        } else if (s->kind == SAVED_HEAP) {
            shorten_heap(s);
            whole = s->len;
        } else if (s->kind == SAVED_CHANNEL) {
            /* What is in the rings does not matter. */
            s->len = without_zeros(s->bytes, sizeof(struct channel_page));
        } else if (s->kind == SAVED_CONTENT) {
            s->len = without_zeros(s->bytes, s->len);
        }
        put(f, s, whole);
    }
    fclose(f);
    sections_fini(&all);
}

/* ---- all of it ----------------------------------------------------------------------------- */

void
round_trip(struct session *s, bool copy)
{
    static struct stage again;
    static struct sections first, second;
    const char *folder = getenv("FUZZ_SAVE_DIR");
    _cleanup_close_ int a = memfd_create("first", MFD_CLOEXEC);
    _cleanup_close_ int b = memfd_create("second", MFD_CLOEXEC);
    _cleanup_err_ struct err e = ERR_INIT;

    if (a < 0 || b < 0)
        abort();
    save(s, a, copy);
    if (restore_again(&again, a, NULL, go_on, &e) < 0)
        fail("what was saved cannot be made again", &e);
    save(&again.s, b, false);
    read_sections(a, &first);
    read_sections(b, &second);
    compare(&first, &second);
    sections_fini(&first);
    sections_fini(&second);
    if (folder)
        write_seed(folder, a);
    restored_end(&again);
}
