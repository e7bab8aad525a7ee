/* SPDX-License-Identifier: MIT */
/* tessera stats: what each vGPU has used since it was made, and what its GPU's time went to. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/duration.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

static const struct table_column columns[] = {
    {"VGPU", false},   {"GPU", false},     {"STATE", false},  {"USED", true},
    {"BUSY", true},    {"DEBT", true},     {"COMPILE", true}, {"WAITED", true},
    {"TURNS", true},   {"OVERRUNS", true}, {"BY", true},      {"COMMANDS", true},
    {"KERNELS", true}, {"COPIED", true},
};

static const struct table_column gpu_columns[] = {
    {"GPU", false}, {"POLICY", false}, {"SLICE", true},       {"TURNS", true},
    {"USED", true}, {"IDLE", true},    {"ARBITER CPU", true},
};

static void
set_ns(struct table_row *r, size_t column, uint64_t ns)
{
    char text[DURATION_TEXT_BYTES];

    duration_format(ns, text, sizeof text);
    table_set(r, column, text);
}

static void
add_vgpu(struct table *t, const json_t *gpu, const json_t *v)
{
    struct table_row *r = table_row(t);

    table_set(r, 0, json_text_of(v, "name", "-"));
    table_set(r, 1, json_text_of(gpu, "name", "-"));
    table_set(r, 2, json_text_of(v, "state", "-"));
    set_ns(r, 3, json_u64_of(v, "used_ns"));
    set_ns(r, 4, json_u64_of(v, "busy_ns"));
    set_ns(r, 5, json_u64_of(v, "debt_ns"));
    set_ns(r, 6, json_u64_of(v, "compile_ns"));
    set_ns(r, 7, json_u64_of(v, "waited_ns"));
    table_set_number(r, 8, json_u64_of(v, "turns"));
    table_set_number(r, 9, json_u64_of(v, "overruns"));
    set_ns(r, 10, json_u64_of(v, "overrun_ns"));
    table_set_number(r, 11, json_u64_of(v, "commands"));
    table_set_number(r, 12, json_u64_of(v, "kernels"));
    table_set_size(r, 13, json_u64_of(v, "copied_bytes"));
}

static void
add_gpu(struct table *t, const json_t *g)
{
    struct table_row *r = table_row(t);

    table_set(r, 0, json_text_of(g, "name", "-"));
    table_set(r, 1, json_text_of(g, "policy", "-"));
    set_ns(r, 2, json_u64_of(g, "slice_us") * 1000);
    table_set_number(r, 3, json_u64_of(g, "turns"));
    set_ns(r, 4, json_u64_of(g, "used_ns"));
    set_ns(r, 5, json_u64_of(g, "idle_ns"));
    set_ns(r, 6, json_u64_of(g, "arbiter_cpu_ns"));
}

static void
print_vgpus(const json_t *gpus)
{
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < json_array_size(gpus); i++) {
        const json_t *g = json_array_get(gpus, i), *list = json_object_get(g, "vgpus");

        for (size_t k = 0; k < json_array_size(list); k++)
            add_vgpu(t, g, json_array_get(list, k));
    }
    table_print(t);
}

static void
print_stats(const json_t *answer)
{
    const json_t *gpus = json_object_get(answer, "gpus");
    struct table *t = table_new(gpu_columns, sizeof gpu_columns / sizeof *gpu_columns);

    for (size_t i = 0; i < json_array_size(gpus); i++)
        add_gpu(t, json_array_get(gpus, i));
    table_print(t);
    putchar('\n');
    print_vgpus(gpus);
}

/* Of one vGPU: its GPU stays, the others go. */
static bool
keep_only(json_t *answer, const char *name)
{
    json_t *gpus = json_object_get(answer, "gpus");
    bool found = false;

    for (size_t i = json_array_size(gpus); i-- > 0;) {
        json_t *list = json_object_get(json_array_get(gpus, i), "vgpus");

        for (size_t k = json_array_size(list); k-- > 0;) {
            if (strcmp(json_text_of(json_array_get(list, k), "name", ""), name) != 0)
                json_array_remove(list, k);
        }
        if (json_array_size(list) == 0)
            json_array_remove(gpus, i);
        else
            found = true;
    }
    return found;
}

static int
stats_of_one(const char *name, bool json)
{
    struct client *c = cli_client(false, EXIT_FAILED);
    json_t *answer;
    int rc = cli_get(c, "/v1/stats", &answer, "stats");

    if (rc == 0 && !keep_only(answer, name)) {
        fprintf(stderr,
                "tessera: stats '%s': there is no such vGPU\n"
                "hint: 'tessera list' shows what there is\n",
                name);
        rc = EXIT_FAILED;
        json_decref(answer);
    } else if (rc == 0) {
        cli_print(answer, json, print_stats);
        json_decref(answer);
    }
    client_free(c);
    return rc;
}

int
cmd_stats(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "[VGPU]",
        .max_words = 1,
        .doc =
            "Shows what each vGPU, or one, has used in all: time in turns, device time, "
            "waiting, overruns, commands. 'tessera top' shows rates."};
    struct args args = {0};

    args_parse(&usage, argc, argv, &args);
    if (args.nwords > 0)
        return stats_of_one(args.words[0], args.json);
    return cli_show("/v1/stats", "stats", args.json, print_stats);
}
