/* SPDX-License-Identifier: MIT */
#include "base/copy.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_BYTES (16u << 20) /* between two looks at who calls off */
#define BUFFER_BYTES (1u << 20)

static bool
called_off(const struct copy_watch *w)
{
    struct pollfd p = {.fd = w->cancel_fd, .events = POLLIN};

    return w->cancel_fd >= 0 && poll(&p, 1, 0) > 0;
}

static void
tell(const struct copy_watch *w, off_t bytes)
{
    if (w->copied && bytes > 0)
        w->copied(w->user, (uint64_t)bytes);
}

/* Where the kernel cannot copy by itself: between these two file systems, or at all. */
static ssize_t
copy_by_hand(int from, int to, off_t at, size_t len)
{
    _cleanup_free_ char *buf = malloc(BUFFER_BYTES);
    ssize_t n;
    int rc;

    if (!buf)
        return -ENOMEM;
    n = pread(from, buf, len < BUFFER_BYTES ? len : BUFFER_BYTES, at);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    rc = n > 0 ? pwrite_all(to, buf, (size_t)n, at) : -ENODATA;
    return rc < 0 ? rc : n;
}

static ssize_t
copy_some(int from, int to, off_t at, size_t len)
{
    off_t in = at, out = at;
    const ssize_t n = copy_file_range(from, &in, to, &out, len, 0);

    if (n > 0)
        return n;
    if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG))
        return -errno;
    return copy_by_hand(from, to, at, len);
}

static int
copy_range(int from, int to, off_t at, off_t end, const struct copy_watch *w)
{
    while (at < end) {
        const off_t left = end - at;
        const ssize_t n =
            called_off(w)
                ? -ECANCELED
                : copy_some(from, to, at, left < STEP_BYTES ? (size_t)left : STEP_BYTES);

        if (n < 0)
            return (int)n;
        tell(w, n);
        at += n;
    }
    return 0;
}

/* A file system that knows no holes has data everywhere. */
static off_t
data_from(int fd, off_t at, off_t size)
{
    const off_t data = lseek(fd, at, SEEK_DATA);

    if (data >= 0)
        return data < size ? data : size;
    return errno == ENXIO ? size : at;
}

static off_t
hole_from(int fd, off_t at, off_t size)
{
    const off_t hole = lseek(fd, at, SEEK_HOLE);

    return hole > at && hole < size ? hole : size;
}

int
copy_file(int from, int to, const struct copy_watch *w)
{
    struct stat st;
    int rc = 0;

    if (fstat(from, &st) < 0)
        return -errno;
    if (ioctl(to, FICLONE, from) == 0) {
        tell(w, st.st_size);
        return 0;
    }
    if (ftruncate(to, st.st_size) < 0)
        return -errno;
    for (off_t at = 0; at < st.st_size && rc == 0;) {
        const off_t data = data_from(from, at, st.st_size);
        const off_t hole = hole_from(from, data, st.st_size);

        tell(w, data - at);
        rc = copy_range(from, to, data, hole, w);
        at = hole;
    }
    return rc;
}
