/* SPDX-License-Identifier: MIT */
/*
 * For LD_PRELOAD: a path that ends with $FAIL_OPEN cannot be opened, and errno is $FAIL_ERRNO. So
 * tests meet a busy port, or a kernel that says no, as any user.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

typedef int open_fn(const char *path, int flags, ...);

static int
ends_with(const char *path, const char *end)
{
    const size_t len = strlen(path), n = strlen(end);

    return len >= n && strcmp(path + len - n, end) == 0;
}

static int
open_or_fail(const char *name, const char *path, int flags, mode_t mode)
{
    const char *end = getenv("FAIL_OPEN"), *number = getenv("FAIL_ERRNO");
    open_fn *real = (open_fn *)dlsym(RTLD_NEXT, name);

    if (end && number && ends_with(path, end)) {
        errno = atoi(number);
        return -1;
    }
    return real(path, flags, mode);
}

PUBLIC int
open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if (flags & O_CREAT)
        mode = va_arg(args, mode_t);
    va_end(args);
    return open_or_fail("open64", path, flags, mode);
}
