/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cad/obj.h"

#define FILE_BYTES_MAX (INT64_C(1) << 30)

/* Returns how many bytes came, at most size. */
static ssize_t
read_all(int fd, char *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        const ssize_t n = read(fd, bytes + done, size - done);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
    }
    return (ssize_t)done;
}

static int
parse_open_file(int fd, struct mesh *ret_mesh, struct failure *why)
{
    struct stat st;
    ssize_t size;
    char *text;
    int r;

    if (fstat(fd, &st) < 0)
        return failure_set(why, -errno, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
        return failure_set(why, -EINVAL, "not a file of at most 1 GiB");

    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return failure_set(why, -ENOMEM, "out of memory");
    size = read_all(fd, text, (size_t)st.st_size);
    r = size < 0 ? failure_set(why, (int)size, "%s", strerror((int)-size))
                 : obj_parse(text, (size_t)size, ret_mesh, why);
    free(text);
    return r;
}

int
obj_load(const char *path, struct mesh *ret_mesh, struct failure *why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct failure inner = {0};
    int r;

    *ret_mesh = (struct mesh){0};
    if (fd < 0)
        return failure_set(why, -errno, "%s: %s", path, strerror(errno));
    r = parse_open_file(fd, ret_mesh, &inner);
    close(fd);
    return r < 0 ? failure_set(why, r, "%s: %s", path, inner.text) : 0;
}
