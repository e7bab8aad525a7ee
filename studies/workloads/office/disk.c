/* SPDX-License-Identifier: MIT */
#include "office/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
complain(struct failure *why, const char *path)
{
    return failure_set(why, -errno, "%s: %s", path, strerror(errno));
}

/* Reads to the end of the file, at most size bytes. */
static ssize_t
read_all(int fd, char *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        const ssize_t got = read(fd, bytes + done, size - done);

        if (got < 0 && errno != EINTR)
            return -1;
        if (!got)
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)done;
}

static int
load(int fd, const char *path, size_t max, char **ret_bytes, size_t *ret_size,
     struct failure *why)
{
    struct stat st;
    ssize_t got;
    char *bytes;

    if (fstat(fd, &st) < 0)
        return complain(why, path);
    if (!S_ISREG(st.st_mode))
        return failure_set(why, -EINVAL, "%s: not a file", path);
    if ((size_t)st.st_size > max)
        return failure_set(why, -EFBIG, "%s: larger than %zu KiB", path, max >> 10);

    bytes = malloc((size_t)st.st_size + 1);
    if (!bytes)
        return failure_set(why, -ENOMEM, "%s: out of memory", path);
    got = read_all(fd, bytes, (size_t)st.st_size);
    if (got < 0) {
        free(bytes);
        return complain(why, path);
    }
    bytes[got] = '\0';
    *ret_bytes = bytes;
    *ret_size = (size_t)got;
    return 0;
}

int
disk_load(const char *path, size_t max, char **ret_bytes, size_t *ret_size,
          struct failure *why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return complain(why, path);
    r = load(fd, path, max, ret_bytes, ret_size, why);
    close(fd);
    return r;
}

static int
write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        const ssize_t put = write(fd, bytes, size);

        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0) {
            bytes += put;
            size -= (size_t)put;
        }
    }
    return fsync(fd);
}

int
disk_save(const char *path, const char *bytes, size_t size, struct failure *why)
{
    char draft[PATH_MAX];
    int fd, r;

    if (snprintf(draft, sizeof draft, "%s.new", path) >= PATH_MAX)
        return failure_set(why, -ENAMETOOLONG, "%s: path too long", path);
    fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return complain(why, draft);

    r = write_all(fd, bytes, size) < 0 ? complain(why, draft) : 0;
    close(fd);
    if (r == 0 && rename(draft, path) < 0)
        r = complain(why, path);
    return r;
}
