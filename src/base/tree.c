/* SPDX-License-Identifier: MIT */
/*
 * Trees made by others may be deeper than we have descriptors and stack for. What lies too deep
 * is moved up to the top, and taken from there in the next round.
 */
#include "base/cleanup.h"
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 32

static int empty_folder(int fd, int top, unsigned depth, unsigned *moved);

/* A folder may be closed even to its owner; links are not followed. */
static int
open_folder(int parent, const char *name)
{
    _cleanup_close_ int fd =
        openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char self[32];
    int ret;

    if (fd < 0)
        return -errno;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    chmod(self, 0700);
    ret = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return ret < 0 ? -errno : ret;
}

static int
remove_entry(int folder, const char *name, int top, unsigned depth, unsigned *moved)
{
    char up[32];
    int fd, rc;

    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    fd = open_folder(folder, name);
    if (fd < 0)
        return fd;
    if (depth >= DEPTH_MAX) {
        close(fd);
        snprintf(up, sizeof up, ".deep-%u", (*moved)++);
        return renameat(folder, name, top, up) < 0 ? -errno : 0;
    }
    rc = empty_folder(fd, top, depth + 1, moved);
    if (rc == 0 && unlinkat(folder, name, AT_REMOVEDIR) < 0)
        rc = -errno;
    return rc;
}

/* Owns fd. */
static int
empty_folder(int fd, int top, unsigned depth, unsigned *moved)
{
    _cleanup_closedir_ DIR *d = fdopendir(fd);
    struct dirent *e;
    int rc = 0;

    if (!d) {
        close(fd);
        return -errno;
    }
    while (rc == 0 && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = remove_entry(dirfd(d), e->d_name, top, depth, moved);
    }
    return rc;
}

int
remove_tree(const char *path)
{
    unsigned moved = 0, before;
    int rc;

    do {
        _cleanup_close_ int top = -1;
        int fd;

        if (unlink(path) == 0 || errno == ENOENT)
            return 0;
        top = open_folder(AT_FDCWD, path);
        fd = top < 0 ? top : fcntl(top, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return top < 0 ? top : -errno;
        before = moved;
        rc = empty_folder(fd, top, 0, &moved);
    } while (rc == 0 && moved > before);
    if (rc == 0 && rmdir(path) < 0)
        rc = -errno;
    return rc;
}
