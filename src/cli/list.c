/* SPDX-License-Identifier: MIT */
/* tessera list: the vGPUs there are. */
#include "base/args.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

static const struct table_column columns[] = {
    {"NAME", false}, {"TYPE", false},    {"GPU", false},   {"FRAMEBUFFER", true},
    {"USED", true},  {"SESSIONS", true}, {"STATE", false},
};

static unsigned
count_sessions(const json_t *vgpu, const char *which)
{
    const json_t *sessions = json_object_get(vgpu, "sessions");
    unsigned n = 0;

    for (size_t i = 0; i < json_array_size(sessions); i++)
        n += json_is_true(json_object_get(json_array_get(sessions, i), which));
    return n;
}

static const char *
state_colour(const char *state)
{
    if (strcmp(state, "running") == 0 || strcmp(state, "passthrough") == 0)
        return "green";
    if (strcmp(state, "suspended") == 0)
        return "yellow";
    return strcmp(state, "unavailable") == 0 ? "red" : NULL;
}

/*
 * "running, adopted": its sessions began under a manager before this one. "running, 2 waiting":
 * they are restored, and their programs have not come back yet.
 */
static void
set_state(struct table_row *r, size_t column, const json_t *vgpu)
{
    const char *state = json_text_of(vgpu, "state", "-");
    const unsigned waiting = count_sessions(vgpu, "waiting");
    char text[96], wait[32] = "";

    if (waiting > 0)
        snprintf(wait, sizeof wait, ", %u waiting", waiting);
    snprintf(text, sizeof text, "%s%s%s", state,
             count_sessions(vgpu, "adopted") > 0 ? ", adopted" : "", wait);
    table_set(r, column, text);
    table_colour(r, column, state_colour(state));
}

static void
print_list(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "vgpus");
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        struct table_row *r = table_row(t);

        table_set(r, 0, json_text_of(v, "name", "-"));
        table_set(r, 1, json_text_of(v, "type", "-"));
        table_set(r, 2, json_text_of(v, "gpu", "-"));
        table_set_size(r, 3, json_u64_of(v, "framebuffer_bytes"));
        table_set_size(r, 4, json_u64_of(v, "used_bytes"));
        table_set_number(r, 5, json_array_size(json_object_get(v, "sessions")));
        set_state(r, 6, v);
    }
    table_print(t);
}

int
cmd_list(int argc, char **argv)
{
    static const struct args_usage usage = {.doc = "Shows the vGPUs."};
    struct args args = {0};
    int rc;

    args_parse(&usage, argc, argv, &args);
    rc = cli_show("/v1/vgpus", "list", args.json, print_list);
    if (rc == 0 && !args.json)
        cli_warn();
    return rc;
}
