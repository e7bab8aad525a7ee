/* SPDX-License-Identifier: MIT */
#include "manager/trash.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct removal {
    uv_work_t work;
    char *path;
    int (*remove)(const char *path);
};

static void
removal_run(uv_work_t *work)
{
    struct removal *r = work->data;

    /* What is left is met again at the next start. */
    (void)r->remove(r->path);
}

static void
removal_done(uv_work_t *work, int status)
{
    struct removal *r = work->data;

    (void)status;
    free(r->path);
    free(r);
}

/* Owns path. */
static void
removal_start(struct manager *m, char *path, int (*remove)(const char *path))
{
    struct removal *r = path ? calloc(1, sizeof *r) : NULL;

    if (!r) {
        free(path);
        return;
    }
    r->path = path;
    r->remove = remove;
    r->work.data = r;
    if (uv_queue_work(&m->loop, &r->work, removal_run, removal_done) < 0) {
        removal_run(&r->work);
        removal_done(&r->work, 0);
    }
}

void
trash_file(struct manager *m, char *path)
{
    removal_start(m, path, unlink);
}

void
trash(struct manager *m, const char *path)
{
    char *to;

    do {
        to = str_printf("%s/%u", m->folders.trash, m->trashed++);
        if (!to)
            return;
        if (rename(path, to) == 0) {
            removal_start(m, to, remove_tree);
            return;
        }
        free(to);
        /* One of a manager before us that is still there. */
    } while (errno == EEXIST || errno == ENOTEMPTY);
    if (errno != ENOENT)
        log_warning("cannot remove %s: %s", path, strerror(errno));
}

void
trash_empty(struct manager *m)
{
    _cleanup_closedir_ DIR *d = opendir(m->folders.trash);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        if (e->d_name[0] != '.')
            removal_start(m, str_printf("%s/%s", m->folders.trash, e->d_name),
                          remove_tree);
    }
}
