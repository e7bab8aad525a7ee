/* SPDX-License-Identifier: MIT */
/* tessera create: a new vGPU. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"

#include <stdio.h>

struct create_args {
    struct args args;
    const char *type, *gpu;
    bool passthrough;
};

static const struct args_usage usage = {
    .words = "NAME",
    .min_words = 1,
    .max_words = 1,
    .doc = "Creates a vGPU of a type, or reserves a whole GPU for one guest.",
    .options =
        {
            {"type", "TYPE", "such as cpu-512m ('tessera types' shows all)",
             offsetof(struct create_args, type)},
            {"passthrough", NULL, "a whole idle GPU, used without Tessera in between",
             offsetof(struct create_args, passthrough)},
            {"gpu", "GPU", "on this GPU (the placement order picks one)",
             offsetof(struct create_args, gpu)},
        },
};

static void
print_created(const json_t *v)
{
    printf("%s: %s on %s\n", json_text_of(v, "name", "-"), json_text_of(v, "type", "-"),
           json_text_of(v, "gpu", "-"));
}

static int
create(const struct create_args *a)
{
    const struct client_vgpu v = {
        .name = a->args.words[0], .type = a->type, .gpu = a->gpu};
    _cleanup_err_ struct err e = ERR_INIT;
    struct client *c = cli_client(false, EXIT_FAILED);
    json_t *answer;
    int rc = client_vgpu_create(c, &v, &answer, &e);

    if (rc < 0) {
        rc = cli_fail(c, &e, "create '%s'", v.name);
    } else {
        cli_print(answer, a->args.json, print_created);
        json_decref(answer);
    }
    client_free(c);
    return rc;
}

int
cmd_create(int argc, char **argv)
{
    struct create_args a = {0};

    args_parse(&usage, argc, argv, &a);
    if (!a.type && !a.passthrough)
        args_mistake(argv, "--type TYPE or --passthrough is missing");
    if (a.type && a.passthrough)
        args_mistake(argv, "--passthrough takes a whole GPU: it does not go with --type");
    return create(&a);
}
