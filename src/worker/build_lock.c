/* SPDX-License-Identifier: MIT */
/*
 * One file for all programs, and of it one byte for each: a lock that ends with its descriptor,
 * also when the worker is killed. Only who finds nobody there takes it exclusively.
 */
#include "worker/build_lock.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#define FILE_NAME "tessera-builds"
/* How long a waiter sleeps: at first less than a program takes that is in the cache. */
#define SLEEP_LEAST_NS 200000
#define SLEEP_MOST_NS 5000000

/* FNV-1a. Two programs of one key wait for each other, and nothing else. */
uint64_t
build_key_add(uint64_t key, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    const uint64_t n = len;

    for (size_t i = 0; i < len; i++)
        key = (key ^ p[i]) * UINT64_C(0x100000001b3);
    return (key ^ n) * UINT64_C(0x100000001b3);
}

static int
lock_try(int fd, short type, uint64_t key)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

    l.l_start = (off_t)(key >> 1);
    return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

static int
lock_wait(int fd, uint64_t key)
{
    const uint64_t until = now_ns() + BUILD_LOCK_WAIT_S * UINT64_C(1000000000);
    struct timespec t = {.tv_nsec = SLEEP_LEAST_NS};
    int rc = lock_try(fd, F_WRLCK, key);

    /* Who had to wait reads what the one before has compiled. */
    while (rc == -EAGAIN || rc == -EACCES) {
        if (now_ns() > until)
            return -ETIMEDOUT;
        nanosleep(&t, NULL);
        t.tv_nsec = t.tv_nsec * 2 < SLEEP_MOST_NS ? t.tv_nsec * 2 : SLEEP_MOST_NS;
        rc = lock_try(fd, F_RDLCK, key);
    }
    return rc;
}

int
build_lock(const char *folder, uint64_t key)
{
    _cleanup_free_ char *path = folder ? str_printf("%s/" FILE_NAME, folder) : NULL;
    _cleanup_close_ int fd = -1;

    if (!path)
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    return fd >= 0 && lock_wait(fd, key) == 0 ? take_fd(&fd) : -1;
}
