/* SPDX-License-Identifier: MIT */
/* tessera types: the vGPU types that GPUs offer, and how many more of each fit. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/table.h"

static const struct table_column columns[] = {
    {"TYPE", false},         {"GPU", false},      {"FRAMEBUFFER", true},
    {"MAX INSTANCES", true}, {"AVAILABLE", true},
};

static void
print_types(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "types");
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        struct table_row *r = table_row(t);

        table_set(r, 0, json_text_of(o, "name", "-"));
        table_set(r, 1, json_text_of(o, "gpu", "-"));
        table_set_size(r, 2, json_u64_of(o, "framebuffer_bytes"));
        table_set_number(r, 3, json_u64_of(o, "max_instances"));
        table_set_number(r, 4, json_u64_of(o, "available"));
    }
    table_print(t);
}

int
cmd_types(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "[GPU]",
        .max_words = 1,
        .doc = "Shows the vGPU types of every GPU, or of one: framebuffer, most "
               "instances on one GPU, and how many more fit now.",
    };
    struct args args = {0};
    _cleanup_free_ char *path = NULL;

    args_parse(&usage, argc, argv, &args);
    if (args.nwords > 0)
        path = client_path("/v1/gpus/", args.words[0], "/types");
    return cli_show(path ? path : "/v1/types", "types", args.json, print_types);
}
