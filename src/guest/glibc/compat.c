/* SPDX-License-Identifier: MIT */
/*
 * Functions that glibc got, or moved from its static into its shared part, after 2.17: each by an
 * older one. Linked into what runs in a guest alone. Where off_t has 64 bits, as everywhere we run,
 * a function and its namesake that ends in 64 are the same.
 */
#undef _FILE_OFFSET_BITS /* it would make fcntl() itself fcntl64() */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "the functions below take off_t for off64_t");

/* stat() and its kin were static functions, until 2.33, around these of the shared part. */
#if defined(__x86_64__)
#define STAT_VERSION 1
#elif defined(__aarch64__)
#define STAT_VERSION 0
#else
#error "which version of struct stat does glibc's __xstat64 take here?"
#endif

int __xstat64(int version, const char *path, struct stat64 *st);
int __fxstat64(int version, int fd, struct stat64 *st);
int __lxstat64(int version, const char *path, struct stat64 *st);

int
stat64(const char *path, struct stat64 *st)
{
    return __xstat64(STAT_VERSION, path, st);
}

int
fstat64(int fd, struct stat64 *st)
{
    return __fxstat64(STAT_VERSION, fd, st);
}

int
lstat64(const char *path, struct stat64 *st)
{
    return __lxstat64(STAT_VERSION, path, st);
}

/* 2.28; every command's argument is a number or a pointer, and travels as either. */
int
fcntl64(int fd, int command, ...)
{
    va_list args;
    void *argument;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    return fcntl(fd, command, argument);
}

/* 2.27 */
int
memfd_create(const char *name, unsigned flags)
{
    return (int)syscall(SYS_memfd_create, name, flags);
}

/* 2.26 */
void *
reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, bytes);
}
