/* SPDX-License-Identifier: MIT */
#include "common/barrier.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int
barrier_wait(const char *file, const volatile sig_atomic_t *stop, struct failure *why)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    char ready[PATH_MAX];
    int fd;

    if (snprintf(ready, sizeof ready, "%s.%d.ready", file, getpid()) >= PATH_MAX)
        return failure_set(why, -ENAMETOOLONG, "%s: path too long", file);
    fd = open(ready, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return failure_set(why, -errno, "%s: %s", ready, strerror(errno));
    close(fd);

    while (!*stop && access(file, F_OK))
        nanosleep(&pause, NULL);
    unlink(ready);
    return *stop ? -EINTR : 0;
}
