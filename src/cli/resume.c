/* SPDX-License-Identifier: MIT */
/* tessera resume: a suspended vGPU goes on, or one is made of a snapshot. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/operation.h"

#include <errno.h>

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
        rc = operation_open_noted(c, vgpu, ret_fd, ret_path, e);
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
