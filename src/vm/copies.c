/* SPDX-License-Identifier: MIT */
#include "vm/copies.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int
copy_bytes(int from, int to, const char *path, const struct copy_watch *w, struct err *e)
{
    int rc = copy_file(from, to, w);

    if (rc == -ECANCELED)
        return err_set(e, rc, "called off");
    return rc < 0 ? err_set(e, rc, "%s cannot be copied: %s", path, strerror(-rc)) : 0;
}

static int
cannot_make(const char *path, struct err *e)
{
    return err_set(e, -errno, "cannot make %s: %s", path, strerror(errno));
}

/* Whoever may use the original may use the copy. */
static int
make_like(const char *path, int other, int *ret_fd, struct err *e)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    _cleanup_close_ int fd = open(path, flags, 0600);
    struct stat st = {.st_mode = 0};
    int rc;

    if (fd < 0)
        return cannot_make(path, e);
    if (fstat(other, &st) < 0 ||
        (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0) ||
        fchmod(fd, st.st_mode & 0777) < 0) {
        rc = cannot_make(path, e);
        unlink(path);
        return rc;
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

int
copies_open(const char *path, int *ret_fd, struct err *e)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st = {.st_mode = 0};

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, -errno, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EOPNOTSUPP, "%s is no regular file, and only these are copied",
                       path);
    *ret_fd = take_fd(&fd);
    return 0;
}

int
copies_file(const char *from, const char *to, const struct copy_watch *w, bool *made,
            struct err *e)
{
    _cleanup_close_ int in = -1, out = -1;
    int rc = copies_open(from, &in, e);

    if (rc == 0)
        rc = make_like(to, in, &out, e);
    if (rc < 0)
        return rc;
    *made = true;
    return copy_bytes(in, out, from, w, e);
}

int
copies_image(int from, const struct save_image *i, const char *xml,
             const struct copy_watch *w, char *to, struct err *e)
{
    _cleanup_close_ int fd = mkostemp(to, O_CLOEXEC);
    int rc;

    if (fd < 0)
        return cannot_make(to, e);
    rc = copy_bytes(from, fd, "the saved memory", w, e);
    if (rc == 0)
        rc = save_image_write(fd, i, xml, e);
    if (rc < 0)
        unlink(to);
    return rc;
}
