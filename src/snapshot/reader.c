/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/io.h"
#include "snapshot/ahead.h"
#include "snapshot/format.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

/* A file of which more than that has been read is read ahead. */
#define AHEAD_AFTER_BYTES (2u << 20)

struct snapshot_reader {
    int fd, stop_fd, failed; /* stop_fd: -1 without */
    off_t begin;             /* where in its file it begins; negative: it is no file */
    uint64_t taken;          /* bytes from there */
    struct ahead *ahead;     /* NULL: not read ahead, yet or at all */
    uint64_t check;
    struct snapshot_section section;
    bool in_section, ended;
    uint64_t zeros;         /* left of a block of them */
    const uint8_t *content; /* of another block: what is left is from at to fill */
    size_t at, fill;
    ZSTD_DCtx *unpack;
    uint8_t block[BLOCK_MAX_BYTES];
    uint8_t stored[BLOCK_MAX_BYTES];
};

static int
fail(struct snapshot_reader *r, int rc, struct err *e, const char *what)
{
    r->failed = rc;
    if (r->section.number == 0)
        return err_set(e, rc, "the snapshot %s at its beginning", what);
    return err_set(e, rc,
                   "the snapshot %s in section %" PRIu64 " (kind %u, id %" PRIu64 ")",
                   what, r->section.number, r->section.kind, r->section.id);
}

static int
failed_before(const struct snapshot_reader *r, struct err *e)
{
    return err_set(e, r->failed, "the snapshot cannot be read further");
}

/* Not past what is there: who reads no further than that never waits. */
static int
read_some(const struct snapshot_reader *r, void *buf, size_t len, size_t *ret_n)
{
    struct pollfd p[] = {{.fd = r->stop_fd, .events = POLLIN},
                         {.fd = r->fd, .events = POLLIN}};
    ssize_t n;

    if (poll(p, 2, -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (p[0].revents)
        return -ECANCELED;
    n = read(r->fd, buf, len);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    *ret_n = (size_t)n;
    return n == 0 ? -ENODATA : 0;
}

static int
read_until_stopped(const struct snapshot_reader *r, void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        size_t n = 0;
        const int rc = read_some(r, (uint8_t *)buf + done, len - done, &n);

        if (rc < 0)
            return rc;
        done += n;
    }
    return 0;
}

static int
take_ahead(struct snapshot_reader *r, void *room, size_t len, const uint8_t **ret)
{
    struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};

    if (r->stop_fd >= 0 && poll(&stop, 1, 0) > 0)
        return -ECANCELED;
    return ahead_take(r->ahead, room, len, ret);
}

/* The next len bytes: at *ret until more is taken, which is room (of so many) or elsewhere. */
static int
take(struct snapshot_reader *r, void *room, size_t len, const uint8_t **ret,
     struct err *e)
{
    int rc;

    *ret = room;
    if (r->begin >= 0 && !r->ahead && r->taken > AHEAD_AFTER_BYTES) {
        r->ahead = ahead_new(r->fd, r->begin + (off_t)r->taken);
        if (!r->ahead)
            r->begin = -1;
    }
    if (r->ahead)
        rc = take_ahead(r, room, len, ret);
    else if (r->stop_fd < 0)
        rc = read_exact(r->fd, room, len);
    else
        rc = read_until_stopped(r, room, len);
    r->taken += len;
    if (rc == -ENODATA)
        return fail(r, rc, e, "is cut");
    return rc < 0 ? fail(r, rc, e, "cannot be read") : 0;
}

/* A head whose last member is its check. */
static int
take_head(struct snapshot_reader *r, void *head, size_t len, struct err *e)
{
    const uint8_t *bytes;
    uint64_t check;
    int rc = take(r, head, len, &bytes, e);

    if (rc < 0)
        return rc;
    if (bytes != head)
        memcpy(head, bytes, len);
    memcpy(&check, (const uint8_t *)head + len - sizeof check, sizeof check);
    if (check != XXH3_64bits_withSeed(head, len - sizeof check, r->check))
        return fail(r, -EBADMSG, e, "is damaged");
    r->check = check;
    return 0;
}

static bool
block_is_possible(const struct block_head *h)
{
    switch (h->kind) {
    case BLOCK_END:
        return h->stored_bytes == 0 && h->content_bytes == 0;
    case BLOCK_ZERO:
        return h->stored_bytes == 0 && h->content_bytes > 0 &&
               h->content_bytes <= INT64_MAX;
    case BLOCK_RAW:
        return h->content_bytes > 0 && h->content_bytes <= BLOCK_MAX_BYTES &&
               h->stored_bytes == h->content_bytes;
    case BLOCK_ZSTD:
        return h->content_bytes > 0 && h->content_bytes <= BLOCK_MAX_BYTES &&
               h->stored_bytes > 0 && h->stored_bytes <= BLOCK_MAX_BYTES;
    default:
        return false;
    }
}

static int
take_content(struct snapshot_reader *r, const struct block_head *h, struct err *e)
{
    size_t n = h->stored_bytes;
    int rc = take(r, r->stored, n, &r->content, e);

    if (rc < 0)
        return rc;
    if (XXH3_64bits(r->content, n) != h->data_check)
        return fail(r, -EBADMSG, e, "is damaged");
    if (h->kind == BLOCK_ZSTD) {
        n = ZSTD_decompressDCtx(r->unpack, r->block, BLOCK_MAX_BYTES, r->content, n);
        r->content = r->block;
    }
    if (ZSTD_isError(n) || n != h->content_bytes)
        return fail(r, -EBADMSG, e, "is damaged");
    r->at = 0;
    r->fill = n;
    return 0;
}

/* Something is left of the section after it, or in_section is false. */
static int
take_block(struct snapshot_reader *r, struct err *e)
{
    struct block_head h;
    int rc = take_head(r, &h, sizeof h, e);

    if (rc < 0)
        return rc;
    if (!block_is_possible(&h))
        return fail(r, -EBADMSG, e, "is damaged");
    if (h.kind == BLOCK_END)
        r->in_section = false;
    else if (h.kind == BLOCK_ZERO)
        r->zeros = h.content_bytes;
    else
        rc = take_content(r, &h, e);
    return rc;
}

/* How many bytes can be had at once, and whether they are zeros; 0: the section has ended. */
static int
peek(struct snapshot_reader *r, uint64_t *ret_len, struct err *e)
{
    while (r->in_section && r->zeros == 0 && r->at == r->fill) {
        int rc = take_block(r, e);

        if (rc < 0)
            return rc;
    }
    *ret_len = !r->in_section ? 0 : r->zeros > 0 ? r->zeros : r->fill - r->at;
    return 0;
}

/* Where bytes go: to memory, to a file, or nowhere. */
struct sink {
    uint8_t *memory;
    int fd; /* -1: none */
    off_t at;
    bool sparse; /* zeros are there already */
};

static int
sink_put(struct sink *to, const uint8_t *bytes, uint64_t len)
{
    const int rc = to->fd >= 0 ? pwrite_all(to->fd, bytes, len, to->at) : 0;

    to->at += (off_t)len;
    if (to->memory) {
        memcpy(to->memory, bytes, len);
        to->memory += len;
    }
    return rc;
}

static void
sink_skip_zeros(struct sink *to, uint64_t len)
{
    to->at += (off_t)len;
    if (!to->memory)
        return;
    if (!to->sparse)
        memset(to->memory, 0, len);
    to->memory += len;
}

/* That much can be had at once. */
static int
consume(struct snapshot_reader *r, struct sink *to, uint64_t len, struct err *e)
{
    int rc = 0;

    if (r->zeros > 0) {
        r->zeros -= len;
        sink_skip_zeros(to, len);
        return 0;
    }
    rc = sink_put(to, r->content + r->at, len);
    r->at += len;
    if (rc < 0)
        err_set(e, r->failed = rc, "cannot write what a snapshot has: %s", strerror(-rc));
    return rc;
}

static ssize_t
get(struct snapshot_reader *r, struct sink to, size_t len, struct err *e)
{
    size_t done = 0;

    if (r->failed < 0)
        return failed_before(r, e);
    while (done < len) {
        uint64_t n;
        int rc = peek(r, &n, e);

        if (rc < 0)
            return rc;
        if (n == 0)
            break;
        if (n > len - done)
            n = len - done;
        rc = consume(r, &to, n, e);
        if (rc < 0)
            return rc;
        done += n;
    }
    return (ssize_t)done;
}

static struct sink
memory_sink(void *to, bool sparse)
{
    return (struct sink){.memory = to, .fd = -1, .sparse = sparse};
}

ssize_t
snapshot_get(struct snapshot_reader *r, void *bytes, size_t len, struct err *e)
{
    return get(r, memory_sink(bytes, false), len, e);
}

static int
get_exact(struct snapshot_reader *r, struct sink to, size_t len, struct err *e)
{
    const ssize_t n = get(r, to, len, e);

    if (n < 0)
        return (int)n;
    return (size_t)n == len ? 0 : fail(r, -EBADMSG, e, "has too little");
}

int
snapshot_get_exact(struct snapshot_reader *r, void *bytes, size_t len, struct err *e)
{
    return get_exact(r, memory_sink(bytes, false), len, e);
}

int
snapshot_get_zeroed(struct snapshot_reader *r, int fd, off_t at, size_t len,
                    struct err *e)
{
    return get_exact(r, (struct sink){.fd = fd, .at = at}, len, e);
}

ssize_t
snapshot_get_sparse(struct snapshot_reader *r, void *zeroed, size_t cap, struct err *e)
{
    const ssize_t n = get(r, memory_sink(zeroed, true), cap, e);
    uint64_t more;
    int rc;

    if (n < 0)
        return n;
    rc = peek(r, &more, e);
    if (rc < 0)
        return rc;
    return more == 0 ? n : fail(r, -EFBIG, e, "has too much");
}

/* What nobody wanted is checked all the same. */
static int
finish_section(struct snapshot_reader *r, struct err *e)
{
    while (r->in_section) {
        uint64_t n;
        int rc = peek(r, &n, e);

        if (rc < 0)
            return rc;
        consume(r, &(struct sink){.fd = -1}, n, NULL);
    }
    return 0;
}

int
snapshot_next(struct snapshot_reader *r, struct snapshot_section *ret, struct err *e)
{
    struct section_head h;
    int rc;

    if (r->failed < 0)
        return failed_before(r, e);
    rc = finish_section(r, e);
    if (rc == 0 && !r->ended)
        rc = take_head(r, &h, sizeof h, e);
    if (rc < 0)
        return rc;
    if (!r->ended) {
        if (h.magic != SECTION_MAGIC ||
            (h.kind == SECTION_END && h.id != r->section.number))
            return fail(r, -EBADMSG, e, "is damaged");
        r->ended = h.kind == SECTION_END;
        r->in_section = !r->ended;
        r->section =
            (struct snapshot_section){h.kind, h.id, r->section.number + !r->ended};
    }
    *ret = r->section;
    return 0;
}

static int
take_header(struct snapshot_reader *r, struct err *e)
{
    const uint8_t *bytes;
    struct snapshot_header h;
    int rc = take(r, &h, sizeof h, &bytes, e);

    if (rc < 0)
        return rc;
    if (memcmp(h.magic, SNAPSHOT_MAGIC, sizeof h.magic) != 0)
        return err_set(e, -EPROTO, "it is no snapshot of Tessera's");
    if (h.version > SNAPSHOT_VERSION)
        return err_set(
            e, -EPROTO,
            "the snapshot is of a later version of Tessera (format %u, this one "
            "reads up to %u)",
            h.version, SNAPSHOT_VERSION);
    if (h.version == 0 || h.reserved != 0 ||
        h.check != XXH3_64bits(&h, offsetof(struct snapshot_header, check)))
        return fail(r, -EBADMSG, e, "is damaged");
    r->check = h.check;
    return 0;
}

int
snapshot_reader_new(int fd, struct snapshot_reader **ret, struct err *e)
{
    return snapshot_reader_new_until(fd, -1, ret, e);
}

int
snapshot_reader_new_until(int fd, int stop_fd, struct snapshot_reader **ret,
                          struct err *e)
{
    struct snapshot_reader *r = malloc(sizeof *r);
    int rc;

    if (!r)
        return err_set(e, -ENOMEM, "out of memory");
    memset(r, 0, offsetof(struct snapshot_reader, block));
    r->fd = fd;
    r->stop_fd = stop_fd;
    r->begin = lseek(fd, 0, SEEK_CUR);
    r->content = r->block;
    r->unpack = ZSTD_createDCtx();
    rc = r->unpack ? take_header(r, e) : err_set(e, -ENOMEM, "out of memory");
    if (rc < 0)
        snapshot_reader_free(r);
    else
        *ret = r;
    return rc;
}

void
snapshot_reader_free(struct snapshot_reader *r)
{
    if (!r)
        return;
    ahead_free(r->ahead);
    /* Who reads on reads what follows. */
    if (r->ahead)
        lseek(r->fd, r->begin + (off_t)r->taken, SEEK_SET);
    ZSTD_freeDCtx(r->unpack);
    free(r);
}
