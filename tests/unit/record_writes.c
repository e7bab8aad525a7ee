/* SPDX-License-Identifier: MIT */
/*
 * Preloaded: tells what a process changes of files below RECORD_BELOW, in order, in RECORD_TO. A
 * line each: "open PATH" (made, or emptied), "write PATH HEX", "rename FROM TO", "unlink PATH".
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In place of libc's. */
#define INSTEAD __attribute__((visibility("default")))

INSTEAD int rename(const char *from, const char *to);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int
is_below(const char *path)
{
    const char *below = getenv("RECORD_BELOW");

    return below && path && strncmp(path, below, strlen(below)) == 0;
}

static void __attribute__((format(printf, 1, 2))) record(const char *fmt, ...)
{
    const char *path = getenv("RECORD_TO");
    FILE *f = path ? fopen(path, "ae") : NULL;
    va_list ap;

    if (!f)
        return;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fclose(f);
}

#define REAL(name)                                                                       \
    static __typeof__(name) *real;                                                       \
    if (!real)                                                                           \
    real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int
open_as(__typeof__(open) *real, const char *path, int flags, mode_t mode)
{
    const int fd = real(path, flags, mode);

    if (fd >= 0 && (flags & (O_CREAT | O_TRUNC)) && !(flags & O_DIRECTORY) &&
        is_below(path))
        record("open %s\n", path);
    return fd;
}

static mode_t
mode_of(int flags, va_list ap)
{
    return flags & O_CREAT ? va_arg(ap, mode_t) : 0;
}

INSTEAD int
open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;
    REAL(open);

    va_start(ap, flags);
    mode = mode_of(flags, ap);
    va_end(ap);
    return open_as(real, path, flags, mode);
}

INSTEAD ssize_t
write(int fd, const void *buf, size_t len)
{
    char link[64], path[4096];
    ssize_t n, got;
    REAL(write);

    n = real(fd, buf, len);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    got = readlink(link, path, sizeof path - 1);
    path[got > 0 ? got : 0] = '\0';
    if (n > 0 && is_below(path)) {
        char *hex = calloc(2, (size_t)n + 1);

        for (ssize_t i = 0; hex && i < n; i++)
            snprintf(hex + 2 * i, 3, "%02x", ((const unsigned char *)buf)[i]);
        pthread_mutex_lock(&lock);
        record("write %s %s\n", path, hex ? hex : "");
        pthread_mutex_unlock(&lock);
        free(hex);
    }
    return n;
}

INSTEAD int
rename(const char *from, const char *to)
{
    int rc;
    REAL(rename);

    rc = real(from, to);
    if (rc == 0 && is_below(to))
        record("rename %s %s\n", from, to);
    return rc;
}

INSTEAD int
unlink(const char *path)
{
    int rc;
    REAL(unlink);

    rc = real(path);
    if (rc == 0 && is_below(path))
        record("unlink %s\n", path);
    return rc;
}
