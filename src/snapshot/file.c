/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/io.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
snapshot_file_new(const char *path, struct snapshot_file *ret, struct err *e)
{
    struct snapshot_file f = {.fd = -1, .path = strdup(path)};

    f.beside = str_printf("%s.XXXXXX", path);
    if (f.path && f.beside)
        f.fd = mkostemp(f.beside, O_CLOEXEC);
    else
        errno = ENOMEM;
    if (f.fd < 0) {
        const int rc = -errno;

        free(f.path);
        free(f.beside);
        return err_set(e, rc, "cannot make a file beside %s: %s", path, strerror(-rc));
    }
    *ret = f;
    return 0;
}

int
snapshot_file_keep(struct snapshot_file *f, struct err *e)
{
    int rc = 0;

    if (fsync(f->fd) < 0 || rename(f->beside, f->path) < 0)
        rc = -errno;
    if (rc < 0)
        return err_set(e, rc, "cannot write %s: %s", f->path, strerror(-rc));
    free(f->beside);
    f->beside = NULL;
    sync_folder_of(f->path);
    return 0;
}

void
snapshot_file_fini(struct snapshot_file *f)
{
    if (f->beside)
        unlink(f->beside);
    cleanup_closep(&f->fd);
    free(f->beside);
    free(f->path);
    *f = SNAPSHOT_FILE_NONE;
}
