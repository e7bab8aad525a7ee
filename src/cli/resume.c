/* SPDX-License-Identifier: MIT */
/* tessera resume: a suspended vGPU goes on, or one is made of a snapshot. */
#include "base/args.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/operation.h"

#include <errno.h>
#include <string.h>

struct resume_args {
    struct args args;
    const char *from, *gpu;
};

static const struct args_usage usage = {
    .words = "NAME",
    .min_words = 1,
    .max_words = 1,
    .doc = "Resumes a suspended vGPU: its programs go on where they were. With --from a "
           "vGPU that does not exist is made of the snapshot.",
    .options =
        {
            {"from", "FILE",
             "the snapshot's file, a device or a pipe; -: stdin (where it "
             "was suspended to)",
             offsetof(struct resume_args, from)},
            {"gpu", "GPU", "on this GPU (its own, or one with room)",
             offsetof(struct resume_args, gpu)},
        },
};

/* Does it lie where the manager keeps its own? 0, 1, or an error. */
static int
is_managers(struct client *c, const char *snapshot, struct err *e)
{
    _cleanup_free_ char *folder = NULL;
    json_t *status = NULL;
    int rc = client_call(c, "GET", "/v1/status", NULL, &status, e);

    if (rc < 0)
        return rc;
    folder = str_printf("%s/snapshots/", json_text_of(status, "state_dir", ""));
    json_decref(status);
    if (!folder)
        return err_set(e, -ENOMEM, "out of memory");
    return strncmp(snapshot, folder, strlen(folder)) == 0;
}

/* Opens what it was suspended to; -1 in *ret_fd: the manager has it. */
static int
open_noted(struct client *c, const json_t *vgpu, int *ret_fd, char **ret_path,
           struct err *e)
{
    const char *snapshot = json_text_of(vgpu, "snapshot", NULL);
    int rc;

    if (strcmp(json_text_of(vgpu, "state", ""), "suspended") != 0)
        return 0; /* the manager says best what it is instead */
    if (!snapshot)
        return err_set(e, -ENOENT,
                       "its snapshot went through a pipe or a socket: --from FILE says "
                       "where it is now");
    rc = is_managers(c, snapshot, e);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    *ret_fd = operation_open(snapshot, ret_path, e);
    if (*ret_fd >= 0)
        return 0;
    rc = *ret_fd;
    if (rc == -ENOENT)
        err_set(e, rc,
                "%s, where it was suspended to, is not there: --from FILE says where "
                "it is now",
                snapshot);
    return rc;
}

static int
open_snapshot(struct client *c, const struct resume_args *a, int *ret_fd, char **ret_path,
              struct err *e)
{
    const char *name = a->args.words[0];
    json_t *vgpu = NULL;
    int rc;

    if (a->from) {
        *ret_fd = operation_open(a->from, ret_path, e);
        return *ret_fd < 0 ? *ret_fd : 0;
    }
    rc = client_vgpu_get(c, name, &vgpu, e);
    if (rc == 0)
        rc = open_noted(c, vgpu, ret_fd, ret_path, e);
    else if (rc == -ENOENT)
        err_set(e, rc, "there is no vGPU '%s': --from FILE makes it of a snapshot", name);
    json_decref(vgpu);
    return rc;
}

int
cmd_resume(int argc, char **argv)
{
    struct client_operation o = {.op = "resume", .fd = -1};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;
    struct resume_args a = {0};
    json_t *answer = NULL;
    struct client *c;
    int rc;

    args_parse(&usage, argc, argv, &a);
    c = cli_client(false, EXIT_FAILED);
    o.vgpu = a.args.words[0];
    o.gpu = a.gpu;
    rc = open_snapshot(c, &a, &fd, &path, &e);
    o.fd = fd;
    o.file = path;
    if (rc == 0)
        rc = operation_run(c, &o, &answer, &e);
    if (rc < 0)
        rc = operation_fail(c, rc, &e, "resume", o.vgpu);
    else
        cli_print(answer, a.args.json, operation_print_on);
    json_decref(answer);
    client_free(c);
    return rc;
}
