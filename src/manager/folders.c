/* SPDX-License-Identifier: MIT */
#include "manager/folders.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* a leaving manager is gone within a few of these */
#define LOCK_POLL_US 20000

static char *
runtime_default(void)
{
    const char *xdg = getenv("XDG_RUNTIME_DIR");

    if (geteuid() == 0)
        return strdup(SYSTEM_RUNTIME);
    if (xdg && xdg[0] == '/')
        return str_printf("%s/tessera", xdg);
    return str_printf("/tmp/tessera-%u", (unsigned)geteuid());
}

static char *
state_default(void)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (geteuid() == 0)
        return strdup("/var/lib/tessera");
    if (xdg && xdg[0] == '/')
        return str_printf("%s/tessera", xdg);
    return str_printf("%s/.local/state/tessera", home && home[0] == '/' ? home : "/tmp");
}

/* Paths go to other processes, which may stand elsewhere. */
static char *
path_absolute(const char *path)
{
    _cleanup_free_ char *cwd = NULL;

    if (path[0] == '/')
        return strdup(path);
    cwd = getcwd(NULL, 0);
    return cwd ? str_printf("%s/%s", cwd, path) : NULL;
}

static int
folder_make(const char *path, mode_t mode, struct err *e)
{
    _cleanup_close_ int fd = -1;
    struct stat st;
    int rc = mkdir_parents(path, mode);

    if (rc < 0)
        return err_set(e, rc, "cannot make the folder %s: %s", path, strerror(-rc));
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, -errno, "cannot use the folder %s: %s", path, strerror(errno));
    if (st.st_uid != geteuid())
        return err_set(e, -EPERM, "the folder %s belongs to user %u, not to us", path,
                       (unsigned)st.st_uid);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return err_set(e, -EPERM,
                       "other users may write to the folder %s (chmod go-w would help)",
                       path);
    return 0;
}

static int
folders_name(struct folders *f, const struct options *o)
{
    _cleanup_free_ char *runtime = o->runtime_dir ? NULL : runtime_default();
    _cleanup_free_ char *state = o->state_dir ? NULL : state_default();

    if (!(o->runtime_dir || runtime) || !(o->state_dir || state))
        return -ENOMEM;
    f->runtime = path_absolute(o->runtime_dir ? o->runtime_dir : runtime);
    f->state = path_absolute(o->state_dir ? o->state_dir : state);
    if (!f->runtime || !f->state)
        return -ENOMEM;
    f->control = str_printf("%s/control.sock", f->runtime);
    f->operations = str_printf("%s/operations.sock", f->runtime);
    f->workers = str_printf("%s/workers", f->runtime);
    f->vgpus = str_printf("%s/vgpus", f->runtime);
    f->accounts = str_printf("%s/accounts", f->runtime);
    f->turns = str_printf("%s/turns", f->runtime);
    f->vm = str_printf("%s/vm", f->runtime);
    f->icd = str_printf("%s/icd", f->runtime);
    f->container_icd = str_printf("%s/container-icd", f->runtime);
    f->state_vgpus = str_printf("%s/vgpus", f->state);
    f->state_gpus = str_printf("%s/gpus", f->state);
    f->snapshots = str_printf("%s/snapshots", f->state);
    f->cuda = str_printf("%s/cuda", f->runtime);
    if (!f->control || !f->vgpus || !f->accounts || !f->turns || !f->icd || !f->vm ||
        !f->container_icd || !f->state_vgpus || !f->state_gpus || !f->operations ||
        !f->workers || !f->snapshots || !f->cuda)
        return -ENOMEM;
    return 0;
}

bool
folder_runs_code(const char *path)
{
    struct statvfs st;

    return statvfs(path, &st) < 0 || !(st.f_flag & ST_NOEXEC);
}

/*
 * The workers' folders, once ours are there. Drivers load what they have compiled: not from a
 * file system that is mounted noexec, as /run is by some systems.
 */
static int
folders_name_workers(struct folders *f)
{
    const char *in = folder_runs_code(f->runtime) ? f->runtime : f->state;

    f->cache = str_printf("%s/cache", in);
    f->tmp = str_printf("%s/tmp", in);
    f->trash = str_printf("%s/trash", in);
    return f->cache && f->tmp && f->trash ? 0 : -ENOMEM;
}

struct folder_row {
    const char *path;
    mode_t mode;
};

static int
folders_make(const struct folder_row *rows, size_t n, struct err *e)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = folder_make(rows[i].path, rows[i].mode, e);
    return rc;
}

int
folders_init(struct folders *f, const struct options *o, struct err *e)
{
    const bool root = geteuid() == 0;
    int rc;

    *f = (struct folders){.lock_fd = -1};
    rc = folders_name(f, o);
    if (rc < 0)
        return err_set(e, rc, "out of memory");
    /* A system-wide manager serves and starts other users: they may pass, not write. */
    rc = folders_make((struct folder_row[]){{f->runtime, root ? 0755 : 0700},
                                            {f->state, root ? 0711 : 0700}},
                      2, e);
    if (rc < 0)
        return rc;
    if (folders_name_workers(f) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    const struct folder_row rows[] = {
        {f->vgpus, 0711},         {f->vm, 0711},
        {f->accounts, 0700},      {f->cache, 0711},
        {f->tmp, 0711},           {f->trash, 0700},
        {f->icd, 0755},           {f->state_vgpus, 0700},
        {f->state_gpus, 0700},    {f->turns, 0700},
        {f->container_icd, 0755}, {f->workers, 0700},
        {f->snapshots, 0700},     {f->cuda, 0755},
    };
    return folders_make(rows, sizeof rows / sizeof *rows, e);
}

void
folders_fini(struct folders *f)
{
    char **const owned[] = {&f->runtime,   &f->state,         &f->control,    &f->vgpus,
                            &f->accounts,  &f->cache,         &f->tmp,        &f->trash,
                            &f->icd,       &f->state_vgpus,   &f->state_gpus, &f->turns,
                            &f->vm,        &f->container_icd, &f->operations, &f->workers,
                            &f->snapshots, &f->cuda};

    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(*owned[i]);
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    *f = (struct folders){.lock_fd = -1};
}

static int
lock_refused(int fd, const struct folders *f, struct err *e)
{
    char text[16] = "";

    if (pread(fd, text, sizeof text - 1, 0) < 0)
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return err_set(e, -EBUSY, "another manager (process %s) serves %s",
                   text[0] ? text : "?", f->runtime);
}

int
folders_lock(struct folders *f, unsigned wait_ms, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/tesserad.pid", f->runtime);
    const uint64_t end = now_ns() + wait_ms * UINT64_C(1000000);
    _cleanup_close_ int fd = -1;

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set(e, -errno, "cannot lock %s: %s", path, strerror(errno));
        if (now_ns() >= end)
            return lock_refused(fd, f, e);
        usleep(LOCK_POLL_US);
    }
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
        return err_set(e, -errno, "cannot write %s: %s", path, strerror(errno));
    f->lock_fd = take_fd(&fd);
    return 0;
}

int
folders_log_to_file(const struct folders *f, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/tesserad.log", f->runtime);
    _cleanup_close_ int fd = -1;

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        return err_set(e, -errno, "cannot log to %s: %s", path, strerror(errno));
    return chdir("/") < 0 ? err_set(e, -errno, "cannot go to /") : 0;
}

int
folders_write_icd(const char *folder, const char *library, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/tessera.icd", folder);
    _cleanup_free_ char *line = str_printf("%s\n", library);
    int rc;

    if (!path || !line)
        return err_set(e, -ENOMEM, "out of memory");
    rc = write_file_atomic(path, line, strlen(line), 0644);
    if (rc < 0)
        return err_set(e, rc, "cannot write %s: %s", path, strerror(-rc));
    return 0;
}

int
folders_link_library(const char *folder, const char *name, const char *library,
                     struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, name);
    _cleanup_free_ char *new = str_printf("%s/.%s", folder, name);
    int rc = 0;

    if (!path || !new)
        return err_set(e, -ENOMEM, "out of memory");
    unlink(new);
    if (symlink(library, new) < 0 || rename(new, path) < 0)
        rc = -errno;
    return rc < 0 ? err_set(e, rc, "cannot make %s: %s", path, strerror(-rc)) : 0;
}

char *
program_path(const char *given, const char *name, const char *installed_dir)
{
    _cleanup_free_ char *beside = NULL;
    char self[PATH_MAX];
    ssize_t n;

    if (given)
        return path_absolute(given);
    n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        beside = str_printf("%s/%s", self, name);
    }
    if (beside && access(beside, R_OK) == 0)
        return take_ptr(beside);
    return str_printf("%s/%s", installed_dir, name);
}
