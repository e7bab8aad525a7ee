/* SPDX-License-Identifier: MIT */
/* tessera gpu set: how a GPU is cut up. */
#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct gpu_args {
    struct args args;
    const char *mode, *placement;
};

static const struct args_usage usage = {
    .words = "set GPU",
    .min_words = 2,
    .max_words = 2,
    .doc = "Changes a GPU's settings; the GPU 'all' stands for every one. The placement "
           "order decides between GPUs, so it is one for all of them.",
    .options =
        {
            {"mode", "MODE", "equal-size: vGPUs of one type; mixed-size: types mix",
             offsetof(struct gpu_args, mode)},
            {"placement", "ORDER", "spread: breadth first; pack: depth first",
             offsetof(struct gpu_args, placement)},
        },
};

static void
print_gpu(const json_t *g)
{
    printf("%s: mode %s, placement %s\n", json_text_of(g, "name", "-"),
           json_text_of(g, "mode", "-"), json_text_of(g, "placement", "-"));
}

/* One GPU, or the list of all. */
static void
print_settings(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "gpus");

    if (!list)
        print_gpu(answer);
    for (size_t i = 0; i < json_array_size(list); i++)
        print_gpu(json_array_get(list, i));
}

static int
set_gpu(const struct gpu_args *a)
{
    const char *name = a->args.words[1];
    _cleanup_free_ char *path = client_path("/v1/gpus/", name, "");
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *answer,
        *body = json_pack("{ss* ss*}", "mode", a->mode, "placement", a->placement);
    struct client *c = cli_client(false, EXIT_FAILED);
    int rc;

    if (!path || !body)
        rc = err_set(&e, -EINVAL, "the words are not UTF-8");
    else
        rc = client_call(c, "PATCH", path, body, &answer, &e);
    json_decref(body);
    if (rc < 0) {
        rc = cli_fail(c, &e, "gpu set '%s'", name);
    } else {
        cli_print(answer, a->args.json, print_settings);
        json_decref(answer);
    }
    client_free(c);
    return rc;
}

int
cmd_gpu(int argc, char **argv)
{
    struct gpu_args a = {0};

    args_parse(&usage, argc, argv, &a);
    if (strcmp(a.args.words[0], "set") != 0)
        args_mistake(argv, "'%s' is not known; it is: gpu set GPU", a.args.words[0]);
    if (!a.mode && !a.placement)
        args_mistake(argv, "--mode or --placement is missing");
    return set_gpu(&a);
}
