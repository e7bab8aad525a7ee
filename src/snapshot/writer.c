/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/io.h"
#include "snapshot/behind.h"
#include "snapshot/format.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#define PAGE_BYTES 4096u
#define LEVEL 1 /* a suspend waits for it: the fastest that still finds much */
/* After a block that did not become smaller so many are stored as they are, doubling. */
#define SKIP_MOST 32u
/* A file into which more than that has gone is written behind. */
#define BEHIND_AFTER_BYTES (2u << 20)

enum target { TARGET_FILE, TARGET_PIPE, TARGET_SOCKET };

struct snapshot_writer {
    int fd, stop_fd, failed; /* stop_fd: -1 without */
    enum target target;
    bool in_section;
    uint64_t sections, written, check;
    off_t begin;           /* where in its file it begins; negative: it is no file */
    struct behind *behind; /* NULL: not written behind, yet or at all */
    uint64_t zeros;        /* not yet written */
    ZSTD_CCtx *compress;   /* NULL: not wanted */
    unsigned skip, skip_next;
    size_t fill; /* of block */
    uint8_t block[BLOCK_MAX_BYTES];
    uint8_t packed[BLOCK_MAX_BYTES]; /* what would not fit is stored as it is */
};

static int
fail(struct snapshot_writer *w, int rc, struct err *e)
{
    w->failed = rc;
    return err_set(e, rc, "cannot write the snapshot: %s", strerror(-rc));
}

/* What is there room for: poll() has told of some, and of a pipe that means so much. */
static ssize_t
write_some(const struct snapshot_writer *w, const void *p, size_t len)
{
    switch (w->target) {
    case TARGET_SOCKET:
        return send(w->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case TARGET_PIPE:
        return write(w->fd, p, len < PIPE_BUF ? len : PIPE_BUF);
    case TARGET_FILE:
    default:
        return write(w->fd, p, len);
    }
}

static int
write_until_stopped(const struct snapshot_writer *w, const uint8_t *p, size_t len)
{
    struct pollfd polled[] = {{.fd = w->stop_fd, .events = POLLIN},
                              {.fd = w->fd, .events = POLLOUT}};

    while (len > 0) {
        ssize_t n;

        if (poll(polled, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (polled[0].revents)
            return -ECANCELED;
        n = write_some(w, p, len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int
write_plain(const struct snapshot_writer *w, const void *p, size_t len)
{
    return w->stop_fd < 0 ? write_all(w->fd, p, len) : write_until_stopped(w, p, len);
}

static int
write_behind(const struct snapshot_writer *w, const void *p, size_t len)
{
    struct pollfd stop = {.fd = w->stop_fd, .events = POLLIN};

    if (w->stop_fd >= 0 && poll(&stop, 1, 0) > 0)
        return -ECANCELED;
    return behind_put(w->behind, p, len);
}

/* How many of the next len bytes are not written behind: all, none, or those of a page begun. */
static size_t
plain_part(struct snapshot_writer *w, size_t len)
{
    const uint64_t at = (uint64_t)w->begin + w->written;
    const size_t lead = (size_t)(-at % PAGE_BYTES);

    if (w->behind)
        return 0;
    if (w->begin < 0 || w->written < BEHIND_AFTER_BYTES || lead > len)
        return len;
    w->behind = behind_new(w->fd, (off_t)(at + lead));
    if (w->behind)
        return lead;
    w->begin = -1;
    return len;
}

static int
write_out(struct snapshot_writer *w, const void *p, size_t len)
{
    const size_t plain = plain_part(w, len);
    int rc = write_plain(w, p, plain);

    if (rc == 0 && plain < len)
        rc = write_behind(w, (const uint8_t *)p + plain, len - plain);
    w->written += len;
    return rc;
}

static int
write_parts(struct snapshot_writer *w, const void *head, size_t head_len,
            const void *data, size_t len, struct err *e)
{
    int rc = write_out(w, head, head_len);

    if (rc == 0 && len > 0)
        rc = write_out(w, data, len);
    return rc < 0 ? fail(w, rc, e) : 0;
}

static int
write_block(struct snapshot_writer *w, enum block_kind kind, uint64_t content,
            const void *data, size_t stored, struct err *e)
{
    struct block_head h = {.kind = kind,
                           .stored_bytes = (uint32_t)stored,
                           .content_bytes = content,
                           .data_check = stored > 0 ? XXH3_64bits(data, stored) : 0};

    h.check = w->check =
        XXH3_64bits_withSeed(&h, offsetof(struct block_head, check), w->check);
    return write_parts(w, &h, sizeof h, data, stored, e);
}

static int
write_section_head(struct snapshot_writer *w, uint32_t kind, uint64_t id, struct err *e)
{
    struct section_head h = {.magic = SECTION_MAGIC, .kind = kind, .id = id};

    h.check = w->check =
        XXH3_64bits_withSeed(&h, offsetof(struct section_head, check), w->check);
    return write_parts(w, &h, sizeof h, NULL, 0, e);
}

/* The compressed length, 0 where it is not worth it. */
static size_t
pack(struct snapshot_writer *w)
{
    size_t n;

    if (!w->compress)
        return 0;
    if (w->skip > 0) {
        w->skip--;
        return 0;
    }
    n = ZSTD_compressCCtx(w->compress, w->packed, w->fill - w->fill / 16, w->block,
                          w->fill, LEVEL);
    if (!ZSTD_isError(n)) {
        w->skip_next = 1;
        return n;
    }
    w->skip = w->skip_next;
    w->skip_next = w->skip_next < SKIP_MOST ? 2 * w->skip_next : SKIP_MOST;
    return 0;
}

static int
flush_block(struct snapshot_writer *w, struct err *e)
{
    const size_t fill = w->fill, packed = fill > 0 ? pack(w) : 0;

    if (fill == 0)
        return 0;
    w->fill = 0;
    if (packed > 0)
        return write_block(w, BLOCK_ZSTD, fill, w->packed, packed, e);
    return write_block(w, BLOCK_RAW, fill, w->block, fill, e);
}

static int
flush_zeros(struct snapshot_writer *w, struct err *e)
{
    const uint64_t zeros = w->zeros;

    if (zeros == 0)
        return 0;
    w->zeros = 0;
    return write_block(w, BLOCK_ZERO, zeros, NULL, 0, e);
}

static int
flush(struct snapshot_writer *w, struct err *e)
{
    int rc = flush_block(w, e);

    return rc < 0 ? rc : flush_zeros(w, e);
}

static bool
is_zero(const uint8_t *p, size_t len)
{
    return len > 0 && p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* At most a page, of one kind. */
static int
put_page(struct snapshot_writer *w, const uint8_t *p, size_t len, struct err *e)
{
    int rc;

    if (len == PAGE_BYTES && is_zero(p, len)) {
        rc = flush_block(w, e);
        w->zeros += len;
        return rc;
    }
    rc = flush_zeros(w, e);
    if (rc == 0 && w->fill + len > BLOCK_MAX_BYTES)
        rc = flush_block(w, e);
    if (rc < 0)
        return rc;
    memcpy(w->block + w->fill, p, len);
    w->fill += len;
    return 0;
}

int
snapshot_put(struct snapshot_writer *w, const void *bytes, size_t len, struct err *e)
{
    const uint8_t *p = bytes;
    int rc = 0;

    if (w->failed < 0)
        return fail(w, w->failed, e);
    if (!w->in_section)
        return fail(w, -EINVAL, e);
    while (len > 0 && rc == 0) {
        const size_t n = len < PAGE_BYTES ? len : PAGE_BYTES;

        rc = put_page(w, p, n, e);
        p += n;
        len -= n;
    }
    return rc;
}

static int
end_section(struct snapshot_writer *w, struct err *e)
{
    int rc;

    if (!w->in_section)
        return 0;
    w->in_section = false;
    rc = flush(w, e);
    return rc < 0 ? rc : write_block(w, BLOCK_END, 0, NULL, 0, e);
}

int
snapshot_begin(struct snapshot_writer *w, uint32_t kind, uint64_t id, struct err *e)
{
    int rc;

    if (w->failed < 0)
        return fail(w, w->failed, e);
    if (kind == SECTION_END)
        return fail(w, -EINVAL, e);
    rc = end_section(w, e);
    if (rc == 0)
        rc = write_section_head(w, kind, id, e);
    if (rc < 0)
        return rc;
    w->in_section = true;
    w->sections++;
    return 0;
}

/* All is with the file, and its offset where it ends. */
static int
finish_behind(const struct snapshot_writer *w)
{
    int rc = w->behind ? behind_finish(w->behind) : 0;

    if (rc == 0 && w->behind && lseek(w->fd, w->begin + (off_t)w->written, SEEK_SET) < 0)
        rc = -errno;
    return rc;
}

int
snapshot_finish(struct snapshot_writer *w, struct err *e)
{
    int rc;

    if (w->failed < 0)
        return fail(w, w->failed, e);
    rc = end_section(w, e);
    if (rc == 0)
        rc = write_section_head(w, SECTION_END, w->sections, e);
    if (rc < 0)
        return rc;
    rc = finish_behind(w);
    return rc < 0 ? fail(w, rc, e) : 0;
}

static enum target
target_of(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return TARGET_FILE;
    return S_ISFIFO(st.st_mode)   ? TARGET_PIPE
           : S_ISSOCK(st.st_mode) ? TARGET_SOCKET
                                  : TARGET_FILE;
}

int
snapshot_writer_new(int fd, bool compress, struct snapshot_writer **ret, struct err *e)
{
    return snapshot_writer_new_until(fd, compress, -1, ret, e);
}

int
snapshot_writer_new_until(int fd, bool compress, int stop_fd,
                          struct snapshot_writer **ret, struct err *e)
{
    struct snapshot_header h = {.magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION};
    struct snapshot_writer *w = malloc(sizeof *w);
    int rc;

    if (!w)
        return err_set(e, -ENOMEM, "out of memory");
    memset(w, 0, offsetof(struct snapshot_writer, block));
    w->fd = fd;
    w->stop_fd = stop_fd;
    w->target = target_of(fd);
    w->begin = lseek(fd, 0, SEEK_CUR);
    w->skip_next = 1;
    w->compress = compress ? ZSTD_createCCtx() : NULL;
    h.check = w->check = XXH3_64bits(&h, offsetof(struct snapshot_header, check));
    rc = compress && !w->compress ? err_set(e, -ENOMEM, "out of memory")
                                  : write_parts(w, &h, sizeof h, NULL, 0, e);
    if (rc < 0)
        snapshot_writer_free(w);
    else
        *ret = w;
    return rc;
}

uint64_t
snapshot_written_bytes(const struct snapshot_writer *w)
{
    return w->written;
}

void
snapshot_writer_free(struct snapshot_writer *w)
{
    if (!w)
        return;
    behind_free(w->behind);
    ZSTD_freeCCtx(w->compress);
    free(w);
}
