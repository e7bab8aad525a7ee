/* SPDX-License-Identifier: MIT */
#include "snapshot/ahead.h"

#include "snapshot/belt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct ahead {
    int fd;
    off_t next; /* the thread's: a multiple of a page */
    size_t at;  /* the taker's: in the piece that is next */
    struct belt belt;
};

/* Is more than half of it in the page cache? */
static bool
is_cached(int fd, off_t at)
{
    static const size_t n = BELT_PIECE_BYTES / BELT_PAGE_BYTES;
    unsigned char there[BELT_PIECE_BYTES / BELT_PAGE_BYTES];
    void *p = mmap(NULL, BELT_PIECE_BYTES, PROT_READ, MAP_SHARED, fd, at);
    size_t count = 0;

    if (p == MAP_FAILED)
        return true;
    if (mincore(p, BELT_PIECE_BYTES, there) < 0)
        memset(there, 1, n); /* it does not tell */
    munmap(p, BELT_PIECE_BYTES);
    for (size_t i = 0; i < n; i++)
        count += there[i] & 1;
    return count > n / 2;
}

/* Fewer bytes than a piece has at the file's end alone. */
static ssize_t
read_piece(int fd, uint8_t *bytes, off_t at)
{
    size_t done = 0;

    while (done < BELT_PIECE_BYTES) {
        ssize_t n = pread(fd, bytes + done, BELT_PIECE_BYTES - done, at + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
        /* Past the page cache nothing can be read from there on but the end. */
        if (done % BELT_PAGE_BYTES != 0)
            break;
    }
    return (ssize_t)done;
}

static ssize_t
read_piece_direct(int fd, uint8_t *bytes, off_t at)
{
    const int flags = is_cached(fd, at) ? -1 : direct_begin(fd);
    ssize_t n;

    if (flags < 0)
        return -EINVAL;
    n = read_piece(fd, bytes, at);
    direct_end(fd, flags);
    return n;
}

static void
piece_fill(struct ahead *a, struct belt_piece *p)
{
    ssize_t n = read_piece_direct(a->fd, p->bytes, a->next);

    if (n < 0)
        n = read_piece(a->fd, p->bytes, a->next);
    p->failed = n < 0 ? (int)n : n < (ssize_t)BELT_PIECE_BYTES ? -ENODATA : 0;
    p->fill = n < 0 ? 0 : (size_t)n;
    a->next += BELT_PIECE_BYTES;
}

static void *
reads(void *arg)
{
    struct ahead *a = arg;
    struct belt_piece *p;
    int failed = 0;

    while (failed == 0 && (p = belt_next_empty(&a->belt)) != NULL) {
        piece_fill(a, p);
        failed = p->failed;
        belt_filled(&a->belt);
    }
    return NULL;
}

/* A piece with something left, or the failure behind what there was. */
static int
piece_with_bytes(struct ahead *a, struct belt_piece **ret)
{
    for (;;) {
        struct belt_piece *p = *ret = belt_next_full(&a->belt);

        if (a->at < p->fill)
            return 0;
        if (p->failed < 0)
            return p->failed;
        belt_emptied(&a->belt);
        a->at = 0;
    }
}

int
ahead_take(struct ahead *a, void *room, size_t len, const uint8_t **ret)
{
    size_t done = 0;

    *ret = room;
    while (done < len) {
        struct belt_piece *p;
        const int rc = piece_with_bytes(a, &p);
        size_t n;

        if (rc < 0)
            return rc;
        n = p->fill - a->at < len - done ? p->fill - a->at : len - done;
        if (n == len)
            *ret = p->bytes + a->at;
        else
            memcpy((uint8_t *)room + done, p->bytes + a->at, n);
        a->at += n;
        done += n;
    }
    return 0;
}

struct ahead *
ahead_new(int fd, off_t from)
{
    const off_t at = from % (off_t)BELT_PAGE_BYTES;
    struct ahead *a = is_regular_file(fd) ? malloc(sizeof *a) : NULL;

    if (!a)
        return NULL;
    a->fd = fd;
    a->at = (size_t)at;
    a->next = from - at;
    if (belt_init(&a->belt, reads, a))
        return a;
    free(a);
    return NULL;
}

void
ahead_free(struct ahead *a)
{
    if (!a)
        return;
    belt_fini(&a->belt);
    free(a);
}
