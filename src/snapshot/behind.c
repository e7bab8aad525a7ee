/* SPDX-License-Identifier: MIT */
#include "snapshot/behind.h"

#include "base/io.h"
#include "snapshot/belt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct behind {
    int fd;
    off_t next;    /* where what is put goes to: of the piece that is being filled, */
    size_t fill;   /* which has so many already */
    off_t written; /* the thread's */
    _Atomic int failed; /* of the thread */
    struct belt belt;
};

/* Whole pages; a part that was written past the page cache before it failed is written again. */
static int
write_piece(int fd, const uint8_t *bytes, size_t len, off_t at)
{
    const int flags = direct_begin(fd);
    int rc = -EINVAL;

    if (flags >= 0) {
        rc = pwrite_all(fd, bytes, len, at);
        direct_end(fd, flags);
    }
    return rc == -EINVAL ? pwrite_all(fd, bytes, len, at) : rc;
}

static void *
writes(void *arg)
{
    struct behind *b = arg;
    struct belt_piece *p;

    while ((p = belt_next_full(&b->belt)) != NULL) {
        if (b->failed == 0)
            b->failed = write_piece(b->fd, p->bytes, p->fill, b->written);
        b->written += (off_t)p->fill;
        belt_emptied(&b->belt);
    }
    return NULL;
}

int
behind_put(struct behind *b, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    while (len > 0 && b->failed == 0) {
        struct belt_piece *p = belt_next_empty(&b->belt);
        const size_t room = BELT_PIECE_BYTES - b->fill, n = len < room ? len : room;

        memcpy(p->bytes + b->fill, from, n);
        b->fill += n;
        from += n;
        len -= n;
        if (b->fill < BELT_PIECE_BYTES)
            break;
        p->fill = b->fill;
        b->fill = 0;
        b->next += BELT_PIECE_BYTES;
        belt_filled(&b->belt);
    }
    return b->failed;
}

/* What is no whole piece goes through the page cache: it need not end with a page. */
int
behind_finish(struct behind *b)
{
    belt_drain(&b->belt);
    if (b->failed == 0 && b->fill > 0)
        b->failed = pwrite_all(b->fd, belt_next_empty(&b->belt)->bytes, b->fill, b->next);
    return b->failed;
}

struct behind *
behind_new(int fd, off_t from)
{
    struct behind *b = is_regular_file(fd) ? malloc(sizeof *b) : NULL;

    if (!b)
        return NULL;
    *b = (struct behind){.fd = fd, .next = from, .written = from};
    if (from % (off_t)BELT_PAGE_BYTES == 0 && belt_init(&b->belt, writes, b))
        return b;
    free(b);
    return NULL;
}

void
behind_free(struct behind *b)
{
    if (!b)
        return;
    belt_fini(&b->belt);
    free(b);
}
