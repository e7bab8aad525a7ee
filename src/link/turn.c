/* SPDX-License-Identifier: MIT */
/*
 * Who writes what is in turn.h. The one order that matters: a gate's give-back (release) before
 * the next gate's look at it (acquire), so that the device's commands of one are complete before
 * the other's are handed to it; and an offer's terms before its number.
 */
#include "link/turn.h"

#include "base/cleanup.h"
#include "base/futex.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool
turn_file_is_ours(const struct turn_file *f)
{
    return f->header.magic == TURN_MAGIC && f->header.version == TURN_VERSION &&
           f->header.bytes == sizeof *f;
}

static int
turn_open_file(const char *path, int *ret_fd)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size != sizeof(struct turn_file) &&
        (ftruncate(fd, 0) < 0 || ftruncate(fd, sizeof(struct turn_file)) < 0))
        return -errno;
    *ret_fd = take_fd(&fd);
    return 0;
}

int
turn_create(const char *path, struct turn_file **ret, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    struct turn_file *f;
    int rc = turn_open_file(path, &fd);

    if (rc < 0)
        return rc;
    f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (f == MAP_FAILED)
        return -errno;
    if (!turn_file_is_ours(f)) {
        /* New, or of another version, whose workers are not ours to speak to. */
        if (ftruncate(fd, 0) < 0 || ftruncate(fd, sizeof *f) < 0) {
            turn_unmap(f);
            return -errno;
        }
        f->header.version = TURN_VERSION;
        f->header.bytes = sizeof *f;
        f->header.magic = TURN_MAGIC;
    }
    *ret = f;
    *ret_fd = take_fd(&fd);
    return 0;
}

void
turn_unmap(struct turn_file *f)
{
    if (f)
        munmap(f, sizeof *f);
}

static struct turn_bell *
map_bell(int fd)
{
    struct stat st;
    void *p;

    if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct turn_bell))
        return NULL;
    p = mmap(NULL, sizeof(struct turn_bell), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

int
turn_bell_create(struct turn_bell **ret, int *ret_fd)
{
    _cleanup_close_ int fd =
        memfd_create("tessera-bell", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, TURN_PAGE_BYTES) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    *ret = map_bell(fd);
    if (!*ret)
        return -ENOMEM;
    *ret_fd = take_fd(&fd);
    return 0;
}

void
turn_bell_unmap(struct turn_bell *b)
{
    if (b)
        munmap(b, sizeof *b);
}

static void *
map_page(int fd, size_t at)
{
    void *p =
        mmap(NULL, TURN_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);

    return p == MAP_FAILED ? NULL : p;
}

static int
map_to_read(int fd, unsigned gate, const struct turn_file **ret)
{
    struct stat st;
    void *all;

    if (gate >= TURN_GATES || fstat(fd, &st) < 0 ||
        st.st_size != sizeof(struct turn_file))
        return -EPROTO;
    all = mmap(NULL, sizeof(struct turn_file), PROT_READ, MAP_SHARED, fd, 0);
    if (all == MAP_FAILED)
        return -errno;
    *ret = all;
    return 0;
}

int
turn_view_map_desk(int read_fd, int bell_fd, unsigned gate, struct turn_gate *desk,
                   struct turn_view *ret)
{
    struct turn_view v = {.gate = gate, .own = desk};
    const int rc = map_to_read(read_fd, gate, &v.file);

    if (rc < 0)
        return rc;
    v.bell = map_bell(bell_fd);
    if (!turn_file_is_ours(v.file) || !v.bell) {
        turn_view_unmap(&v);
        return -EPROTO;
    }
    *ret = v;
    return 0;
}

void
turn_view_unmap(struct turn_view *v)
{
    if (v->file)
        munmap((void *)(uintptr_t)v->file, sizeof *v->file);
    turn_bell_unmap(v->bell);
    *v = (struct turn_view){0};
}

int
turn_view_map(int read_fd, int write_fd, unsigned gate, struct turn_view *ret)
{
    struct turn_view v = {.gate = gate};
    const int rc = map_to_read(read_fd, gate, &v.file);

    if (rc < 0)
        return rc;
    v.bell = map_page(write_fd, offsetof(struct turn_file, bell));
    v.own = map_page(write_fd, offsetof(struct turn_file, gate) + gate * sizeof *v.own);
    if (!turn_file_is_ours(v.file) || !v.bell || !v.own)
        return v.bell && v.own ? -EPROTO : -ENOMEM;
    *ret = v;
    return 0;
}

/* ---- the arbiter's side ------------------------------------------------------------ */

static void
offer_ring(struct turn_offer *o)
{
    atomic_fetch_add(&o->bell, 1);
    futex_wake(&o->bell, INT_MAX);
}

void
turn_offer(struct turn_file *f, unsigned gate, const struct turn_terms *t)
{
    struct turn_offer *o = &f->offer[gate];

    atomic_store_explicit(&o->after_gate, t->after_gate, memory_order_relaxed);
    atomic_store_explicit(&o->after_turn, t->after_turn, memory_order_relaxed);
    atomic_store_explicit(&o->slice_ns, t->slice_ns, memory_order_relaxed);
    atomic_store_explicit(&o->linger_ns, t->linger_ns, memory_order_relaxed);
    /* Pairs with the acquire in turn_offered(): the terms are there before the number. */
    atomic_store_explicit(&o->turn, t->turn, memory_order_release);
    offer_ring(o);
}

void
turn_revoke(struct turn_file *f, unsigned gate, uint64_t turn)
{
    atomic_store(&f->offer[gate].revoked, turn);
    offer_ring(&f->offer[gate]);
}

void
turn_nudge(struct turn_file *f, unsigned gate)
{
    offer_ring(&f->offer[gate]);
}

void
turn_set_slice(struct turn_file *f, unsigned gate, uint64_t slice_ns)
{
    atomic_store(&f->offer[gate].slice_ns, slice_ns);
    offer_ring(&f->offer[gate]);
}

void
turn_set_linger(struct turn_file *f, unsigned gate, uint64_t linger_ns)
{
    atomic_store(&f->offer[gate].linger_ns, linger_ns);
    offer_ring(&f->offer[gate]);
}

bool
turn_given(const struct turn_file *f, unsigned gate, uint64_t turn)
{
    /* Pairs with the release in turn_give_back(): what the giver wrote is visible. */
    return atomic_load_explicit(&f->gate[gate].given, memory_order_acquire) >= turn;
}

void
turn_bury(struct turn_file *f, unsigned gate)
{
    struct turn_gate *g = &f->gate[gate];

    atomic_store(&g->wants, 0);
    atomic_store(&g->since_ns, 0);
    atomic_store(&g->given, atomic_load(&f->offer[gate].turn));
    atomic_fetch_add(&g->given_bell, 1);
    futex_wake(&g->given_bell, INT_MAX);
}

#define COPY(page, desk, field)                                                          \
    atomic_store_explicit(&(page)->field,                                                \
                          atomic_load_explicit(&(desk)->field, memory_order_relaxed),    \
                          memory_order_relaxed)

void
turn_copy_desk(struct turn_file *f, unsigned gate, const struct turn_gate *desk)
{
    struct turn_gate *const page = &f->gate[gate];
    /* Pairs with the release in turn_give_back(): the times are those of that turn. */
    const uint64_t given = atomic_load_explicit(&desk->given, memory_order_acquire);
    const bool news = given > atomic_load_explicit(&page->given, memory_order_relaxed);

    COPY(page, desk, wants);
    COPY(page, desk, taken_ns);
    COPY(page, desk, taken);
    COPY(page, desk, used_ns);
    COPY(page, desk, given_ns);
    COPY(page, desk, debt_ns);
    COPY(page, desk, since_ns);
    if (!news)
        return;
    atomic_store_explicit(&page->given, given, memory_order_release);
    atomic_fetch_add(&page->given_bell, 1);
    futex_wake(&page->given_bell, INT_MAX);
}

void
turn_bells_wait(struct turn_bell *file_bell, uint32_t file_seen,
                struct turn_bell *desk_bell, uint32_t desk_seen, uint64_t until_ns)
{
    const struct futex_word words[] = {{&file_bell->word, file_seen},
                                       {&desk_bell->word, desk_seen}};

    futex_wait_any(words, 2, until_ns);
}

/* ---- a gate's side ----------------------------------------------------------------- */

bool
turn_offered(const struct turn_view *v, struct turn_terms *ret)
{
    const struct turn_offer *o = &v->file->offer[v->gate];
    const uint64_t turn = atomic_load_explicit(&o->turn, memory_order_acquire);

    if (turn <= atomic_load_explicit(&v->own->given, memory_order_relaxed))
        return false;
    /* No other is offered before this one is given back, so its terms stay. */
    *ret = (struct turn_terms){
        .turn = turn,
        .slice_ns = atomic_load_explicit(&o->slice_ns, memory_order_relaxed),
        .linger_ns = atomic_load_explicit(&o->linger_ns, memory_order_relaxed),
        .after_gate = atomic_load_explicit(&o->after_gate, memory_order_relaxed),
        .after_turn = atomic_load_explicit(&o->after_turn, memory_order_relaxed)};
    return true;
}

bool
turn_is_open(const struct turn_view *v, const struct turn_terms *t)
{
    return t->after_gate >= TURN_GATES ||
           turn_given(v->file, t->after_gate, t->after_turn);
}

bool
turn_is_revoked(const struct turn_view *v, uint64_t turn)
{
    return atomic_load_explicit(&v->file->offer[v->gate].revoked, memory_order_acquire) >=
           turn;
}

void
turn_take(const struct turn_view *v, uint64_t turn, uint64_t begin_ns)
{
    atomic_store_explicit(&v->own->taken_ns, begin_ns, memory_order_relaxed);
    atomic_store_explicit(&v->own->taken, turn, memory_order_release);
}

void
turn_give_back(const struct turn_view *v, uint64_t turn, uint64_t used_ns,
               uint64_t end_ns)
{
    struct turn_gate *g = v->own;

    atomic_store_explicit(&g->used_ns, used_ns, memory_order_relaxed);
    atomic_store_explicit(&g->given_ns, end_ns, memory_order_relaxed);
    /* Pairs with the acquire in turn_given(), of the next gate and of the arbiter. */
    atomic_store_explicit(&g->given, turn, memory_order_release);
    atomic_fetch_add(&g->given_bell, 1);
    futex_wake(&g->given_bell, INT_MAX);
    turn_ring(v);
}

void
turn_ring(const struct turn_view *v)
{
    atomic_fetch_add(&v->bell->word, 1);
    futex_wake(&v->bell->word, 1);
}

void
turn_want(const struct turn_view *v, bool wants)
{
    if (atomic_exchange(&v->own->wants, wants) != wants)
        turn_ring(v);
}

bool
turn_orphaned(const struct turn_view *v, uint64_t now_ns)
{
    const struct turn_header *h = &v->file->header;
    const uint64_t beat = atomic_load_explicit(&h->beat_ns, memory_order_relaxed);

    if (atomic_load_explicit(&h->epoch, memory_order_relaxed) == 0)
        return true;
    return now_ns > beat && now_ns - beat > TURN_ORPHANED_NS;
}
