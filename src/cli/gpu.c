/* SPDX-License-Identifier: MIT */
/* tessera gpu: how a GPU is cut up and shared (set), and what its scheduler did (log). */
#include "cli/gpu.h"

#include "base/cleanup.h"
#include "cli/cli.h"

#include <errno.h>
#include <string.h>

struct gpu_args {
    struct args args;
    struct gpu_settings set;
};

static const struct args_usage usage = {
    .words = "set|log GPU",
    .min_words = 2,
    .max_words = 2,
    .doc = "set: changes a GPU's settings, also while programs run; the GPU 'all' stands "
           "for "
           "every one. The placement order decides between GPUs, so it is one for all of "
           "them. log: shows the last turns that its scheduler gave.",
    .options =
        {
            {"mode", "MODE", "equal-size: vGPUs of one type; mixed-size: types mix",
             offsetof(struct gpu_args, set.mode)},
            {"placement", "ORDER", "spread: breadth first; pack: depth first",
             offsetof(struct gpu_args, set.placement)},
            {"policy", "POLICY", "best-effort, equal-share or fixed-share",
             offsetof(struct gpu_args, set.policy)},
            {"slice", "TIME", "of a turn: 1ms to 30ms, or default",
             offsetof(struct gpu_args, set.slice)},
            {"elastic", "PERCENT",
             "by how much a fixed share may grow while nobody owns the rest (0)",
             offsetof(struct gpu_args, set.elastic)},
            {"watchdog", "TIME",
             "kills a kernel that keeps others waiting so long, such as 30s; or off",
             offsetof(struct gpu_args, set.watchdog)},
        },
};

static bool
anything_to_set(const struct gpu_settings *s)
{
    return s->mode || s->placement || s->policy || s->slice || s->elastic || s->watchdog;
}

static int
set_gpu(const struct gpu_args *a, const json_t *body)
{
    const char *name = a->args.words[1];
    _cleanup_free_ char *path = client_path("/v1/gpus/", name, "");
    _cleanup_err_ struct err e = ERR_INIT;
    struct client *c = cli_client(false, EXIT_FAILED);
    json_t *answer = NULL;
    int rc;

    if (path)
        rc = client_call(c, "PATCH", path, body, &answer, &e);
    else
        rc = err_set(&e, -ENOMEM, "out of memory");
    if (rc < 0) {
        rc = cli_fail(c, &e, "gpu set '%s'", name);
    } else {
        cli_print(answer, a->args.json, gpu_print_settings);
        json_decref(answer);
    }
    client_free(c);
    return rc;
}

static int
cmd_gpu_set(const struct gpu_args *a, char **argv)
{
    char mistake[256];
    json_t *body;
    int rc;

    if (!anything_to_set(&a->set))
        args_mistake(argv,
                     "what to set is missing: --mode, --placement, --policy, --slice, "
                     "--elastic or --watchdog");
    body = gpu_settings_json(&a->set, mistake, sizeof mistake);
    if (!body)
        args_mistake(argv, "%s", mistake);
    rc = set_gpu(a, body);
    json_decref(body);
    return rc;
}

int
cmd_gpu(int argc, char **argv)
{
    struct gpu_args a = {0};
    const char *verb;

    args_parse(&usage, argc, argv, &a);
    verb = a.args.words[0];
    if (strcmp(verb, "set") == 0)
        return cmd_gpu_set(&a, argv);
    if (strcmp(verb, "log") != 0)
        args_mistake(argv, "'%s' is not known; there are: gpu set GPU, gpu log GPU",
                     verb);
    if (anything_to_set(&a.set))
        args_mistake(argv, "gpu log only shows: settings are for gpu set");
    return gpu_log(a.args.words[1], a.args.json);
}
