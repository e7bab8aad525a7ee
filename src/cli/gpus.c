/* SPDX-License-Identifier: MIT */
/* tessera gpus: the GPUs that vGPUs can be cut from. */
#include "base/args.h"
#include "cli/cli.h"
#include "cli/duration.h"
#include "cli/table.h"

#include <stdio.h>

static const struct table_column columns[] = {
    {"GPU", false},   {"MODEL", false},  {"MEMORY", true},  {"FREE", true},
    {"MODE", false},  {"POLICY", false}, {"SLICE", true},   {"PLACEMENT", false},
    {"CORES", false}, {"VGPUS", true},   {"DEVICE", false},
};

/* "0-1", or "0-1 shared" when other GPUs run there too; "-" for a real GPU. */
static void
set_cores(struct table_row *r, size_t column, const json_t *gpu)
{
    char text[300];

    snprintf(text, sizeof text, "%s%s", json_text_of(gpu, "cores", "-"),
             json_is_true(json_object_get(gpu, "cores_shared")) ? " shared" : "");
    table_set(r, column, text);
}

static void
set_slice(struct table_row *r, size_t column, const json_t *gpu)
{
    char text[DURATION_TEXT_BYTES] = "-";

    if (json_is_integer(json_object_get(gpu, "slice_us")))
        duration_format(json_u64_of(gpu, "slice_us") * 1000, text, sizeof text);
    table_set(r, column, text);
}

static void
print_gpus(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "gpus");
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *g = json_array_get(list, i);
        struct table_row *r = table_row(t);

        table_set(r, 0, json_text_of(g, "name", "-"));
        table_set(r, 1, json_text_of(g, "model", "-"));
        table_set_size(r, 2, json_u64_of(g, "memory_bytes"));
        table_set_size(r, 3, json_u64_of(g, "free_bytes"));
        table_set(r, 4, json_text_of(g, "mode", "-"));
        table_set(r, 5, json_text_of(g, "policy", "-"));
        set_slice(r, 6, g);
        table_set(r, 7, json_text_of(g, "placement", "-"));
        set_cores(r, 8, g);
        table_set_number(r, 9, json_array_size(json_object_get(g, "vgpus")));
        table_set(r, 10, json_text_of(g, "device", "-"));
    }
    if (json_array_size(list) == 0)
        fputs("tessera: no OpenCL device found: install pocl-opencl-icd for a software "
              "GPU, or your GPU's OpenCL driver\n",
              stderr);
    table_print(t);
}

int
cmd_gpus(int argc, char **argv)
{
    static const struct args_usage usage = {.doc = "Shows the GPUs of this machine."};
    struct args args = {0};
    int rc;

    args_parse(&usage, argc, argv, &args);
    rc = cli_show("/v1/gpus", "gpus", args.json, print_gpus);
    if (rc == 0 && !args.json)
        cli_warn();
    return rc;
}
