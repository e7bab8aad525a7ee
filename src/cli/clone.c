/* SPDX-License-Identifier: MIT */
/* tessera clone: a second vGPU with all that one has. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/operation.h"

#include <stdio.h>

struct clone_args {
    struct args args;
    const char *gpu;
};

static const struct args_usage usage = {
    .words = "NAME NEW",
    .min_words = 2,
    .max_words = 2,
    .doc = "Makes a vGPU NEW with all that NAME has, which is suspended or running; a "
           "running one pauses for a moment. The sessions of the new one wait for their "
           "programs, as in a copied virtual machine.",
    .options = {{"gpu", "GPU", "on this GPU (one with room)",
                 offsetof(struct clone_args, gpu)}},
};

static void
print_cloned(const json_t *answer)
{
    const json_t *paused = json_object_get(answer, "paused_ms");

    operation_print_on(answer);
    if (json_is_integer(paused) && json_integer_value(paused) > 0)
        printf("paused for %" JSON_INTEGER_FORMAT " ms\n", json_integer_value(paused));
}

/* A suspended one lies in a file that the manager may have no right to open. */
static int
open_snapshot(struct client *c, const char *name, int *ret_fd, struct err *e)
{
    _cleanup_free_ char *path = NULL;
    json_t *vgpu = NULL;
    int rc = client_vgpu_get(c, name, &vgpu, e);

    if (rc == 0)
        rc = operation_open_noted(c, vgpu, ret_fd, &path, e);
    json_decref(vgpu);
    return rc;
}

int
cmd_clone(int argc, char **argv)
{
    struct client_operation o = {.op = "clone", .fd = -1};
    _cleanup_err_ struct err e = ERR_INIT;
    struct clone_args a = {0};
    json_t *answer = NULL;
    struct client *c;
    int rc;

    args_parse(&usage, argc, argv, &a);
    c = cli_client(false, EXIT_FAILED);
    o.vgpu = a.args.words[0];
    o.name = a.args.words[1];
    o.gpu = a.gpu;
    rc = open_snapshot(c, o.vgpu, &o.fd, &e);
    if (rc == 0)
        rc = operation_run(c, &o, &answer, &e);
    if (rc < 0)
        rc = operation_fail(c, rc, &e, "clone", o.vgpu);
    else
        cli_print(answer, a.args.json, print_cloned);
    json_decref(answer);
    cleanup_closep(&o.fd);
    client_free(c);
    return rc;
}
