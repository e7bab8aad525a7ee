/* SPDX-License-Identifier: MIT */
/* tessera suspend: a vGPU and what its programs have on it go into a snapshot. */
#include "base/args.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/operation.h"
#include "policy/types.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct suspend_args {
    struct args args;
    const char *to;
};

/* Where the snapshot goes: a file that takes its place when it is whole, or any descriptor. */
struct target {
    int fd; /* -1: the manager's own file */
    struct snapshot_file file;
    char *path; /* of a file; absolute */
    bool kept;
};

static const struct args_usage usage = {
    .words = "NAME",
    .min_words = 1,
    .max_words = 1,
    .doc = "Suspends a vGPU: its programs pause at their next call, and all that they "
           "have on it goes into a snapshot. The GPU's memory is free then; 'tessera "
           "resume' goes on from there. Ctrl-C while it writes leaves the vGPU running.",
    .options =
        {
            {"to", "FILE",
             "the snapshot's file, a device or a pipe; -: stdout (a file "
             "of the manager's)",
             offsetof(struct suspend_args, to)},
        },
};

/* The target. */

static int
open_stdout(struct err *e)
{
    if (isatty(STDOUT_FILENO))
        return err_set(
            e, -EINVAL,
            "stdout is a terminal: send it to a file or a pipe, or name a file "
            "by --to");
    return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* Devices, pipes, and descriptors of our own by name: nothing is made beside these. */
static bool
is_stream(const char *path)
{
    struct stat st;

    if (strncmp(path, "/dev/std", 8) == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
        strncmp(path, "/proc/self/fd/", 14) == 0)
        return true;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* Where it lies in the end: through symbolic links, whose place a renamed file would take. */
static char *
whole_path(const char *path)
{
    _cleanup_free_ char *copy = strdup(path), *other = strdup(path), *folder = NULL;
    char *whole = realpath(path, NULL);

    if (whole || !copy || !other)
        return whole;
    folder = realpath(dirname(copy), NULL);
    return folder ? str_printf("%s/%s", folder, basename(other)) : NULL;
}

static int
open_target(struct target *t, const char *to, struct err *e)
{
    if (!to)
        return 0;
    if (strcmp(to, "-") == 0) {
        t->fd = open_stdout(e);
        return t->fd < 0 ? t->fd : 0;
    }
    if (is_stream(to)) {
        t->fd = open(to, O_WRONLY | O_CLOEXEC);
        return t->fd < 0
                   ? err_set(e, -errno, "cannot write to %s: %s", to, strerror(errno))
                   : 0;
    }
    t->path = whole_path(to);
    if (!t->path)
        return err_set(e, -errno, "cannot write to %s: %s", to, strerror(errno));
    return snapshot_file_new(t->path, &t->file, e);
}

static int
keep(void *user, uint64_t bytes, struct err *e)
{
    struct target *t = user;
    int rc = snapshot_file_keep(&t->file, e);

    (void)bytes;
    t->kept = rc == 0;
    return rc;
}

static void
close_target(struct target *t)
{
    if (t->path)
        snapshot_file_fini(&t->file);
    cleanup_closep(&t->fd);
    free(t->path);
}

/* The command. */

static int
ask(struct client *c, const char *name, struct target *t, json_t **ret, struct err *e)
{
    struct client_operation o = {
        .op = "suspend", .vgpu = name, .fd = t->fd, .file = t->path, .user = t};
    int rc;

    if (t->path) {
        o.fd = t->file.fd;
        o.written = keep;
    }
    rc = operation_run(c, &o, ret, e);
    /* Not suspended after all: then it is the snapshot of a vGPU that went on. */
    if (rc < 0 && !client_operation_is_open(rc) && t->kept)
        unlink(t->path);
    return rc;
}

static void
print_suspended(const json_t *answer)
{
    const json_t *v = json_object_get(answer, "vgpu");
    const char *where = json_text_of(v, "snapshot", NULL);
    char size[SIZE_TEXT_BYTES];

    size_format(json_u64_of(answer, "bytes"), size, sizeof size);
    printf("%s: suspended, %s%s%s\n", json_text_of(v, "name", "-"), size,
           where ? " in " : "", where ? where : "");
}

static int
suspend(const struct suspend_args *a)
{
    struct target t = {.fd = -1, .file = SNAPSHOT_FILE_NONE};
    struct client *c = cli_client(false, EXIT_FAILED);
    const char *name = a->args.words[0];
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *answer = NULL;
    /* First, so that a name that is none leaves no file and reads no pipe empty. */
    int rc = client_vgpu_get(c, name, NULL, &e);

    if (rc == 0)
        rc = open_target(&t, a->to, &e);
    if (rc == 0)
        rc = ask(c, name, &t, &answer, &e);
    if (rc < 0)
        rc = operation_fail(c, rc, &e, "suspend", name);
    else if (!a->to || strcmp(a->to, "-") != 0)
        cli_print(answer, a->args.json, print_suspended);
    json_decref(answer);
    close_target(&t);
    client_free(c);
    return rc;
}

int
cmd_suspend(int argc, char **argv)
{
    struct suspend_args a = {0};

    args_parse(&usage, argc, argv, &a);
    if (a.args.json && a.to && strcmp(a.to, "-") == 0)
        args_mistake(argv, "--to - has stdout for the snapshot: -o json cannot have it, "
                           "too");
    return suspend(&a);
}
