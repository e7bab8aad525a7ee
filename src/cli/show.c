/* SPDX-License-Identifier: MIT */
/* tessera show: all about one vGPU, laid out as nvidia-smi vgpu -q lays it out. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "policy/types.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum show_kind { SHOW_TEXT, SHOW_YES_NO, SHOW_NUMBER, SHOW_SIZE, SHOW_SECONDS };

struct show_field {
    const char *label, *key;
    enum show_kind kind;
};

static const struct show_field head_fields[] = {
    {"vGPU Name", "name", SHOW_TEXT},
    {"vGPU Type", "type", SHOW_TEXT},
    {"vGPU UUID", "uuid", SHOW_TEXT},
    {"GPU", "gpu", SHOW_TEXT},
    {"State", "state", SHOW_TEXT},
    {"Snapshot", "snapshot", SHOW_TEXT},
    {"Unavailable Because", "unavailable", SHOW_TEXT},
    {"Ephemeral", "ephemeral", SHOW_YES_NO},
    {"Owner UID", "owner_uid", SHOW_NUMBER},
    {"Created", "created", SHOW_TEXT},
    {"Folder", "folder", SHOW_TEXT},
    {0},
};

static const struct show_field passthrough_fields[] = {
    {"ICD File", "icd", SHOW_TEXT},
    {"Cores", "cores", SHOW_TEXT},
    {"Threads", "threads", SHOW_NUMBER},
    {0},
};

static const struct show_field memory_fields[] = {
    {"Total", "framebuffer_bytes", SHOW_SIZE},
    {"Used", "used_bytes", SHOW_SIZE},
    {"Free", "free_bytes", SHOW_SIZE},
    {"Start", "start_bytes", SHOW_SIZE},
    {0},
};

static const struct show_field use_fields[] = {
    {"Sessions So Far", "sessions_total", SHOW_NUMBER},
    {"Commands", "commands", SHOW_NUMBER},
    {"Copied", "copied_bytes", SHOW_SIZE},
    {"Device Time", "busy_seconds", SHOW_SECONDS},
    {0},
};

static const struct show_field session_fields[] = {
    {"Program", "program", SHOW_TEXT},
    {"State", "state", SHOW_TEXT},
    {"Adopted", "adopted", SHOW_YES_NO},
    {"Waiting For Its Program", "waiting", SHOW_YES_NO},
    {"Worker Process", "worker_pid", SHOW_NUMBER},
    {"Used", "used_bytes", SHOW_SIZE},
    {"Commands", "commands", SHOW_NUMBER},
    {"Copied", "copied_bytes", SHOW_SIZE},
    {"Device Time", "busy_seconds", SHOW_SECONDS},
    {0},
};

static const struct show_field error_fields[] = {
    {"Reason", "message", SHOW_TEXT},
    {"Time", "time", SHOW_TEXT},
    {"Program", "program", SHOW_TEXT},
    {"Worker Process", "worker_pid", SHOW_NUMBER},
    {0},
};

static void
format_value(const json_t *value, enum show_kind kind, char *buf, size_t cap)
{
    char size[SIZE_TEXT_BYTES];

    switch (kind) {
    case SHOW_TEXT:
        snprintf(buf, cap, "%s", json_string_value(value));
        break;
    case SHOW_YES_NO:
        snprintf(buf, cap, "%s", json_is_true(value) ? "yes" : "no");
        break;
    case SHOW_NUMBER:
        snprintf(buf, cap, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case SHOW_SIZE:
        size_format((uint64_t)json_integer_value(value), size, sizeof size);
        snprintf(buf, cap, "%s (%" JSON_INTEGER_FORMAT " bytes)", size,
                 json_integer_value(value));
        break;
    case SHOW_SECONDS:
        snprintf(buf, cap, "%.3f s", json_number_value(value));
        break;
    }
}

/* What the answer leaves null is left out. */
static void
print_fields(int indent, const json_t *o, const struct show_field *fields)
{
    char text[512];

    for (const struct show_field *f = fields; f->label; f++) {
        const json_t *value = json_object_get(o, f->key);

        if (!value || json_is_null(value))
            continue;
        format_value(value, f->kind, text, sizeof text);
        printf("%*s%-*s: %s\n", indent, "", 36 - indent, f->label, text);
    }
}

static void
print_section(const char *title, const json_t *o, const struct show_field *fields)
{
    if (!o || json_is_null(o))
        return;
    printf("    %s\n", title);
    print_fields(8, o, fields);
}

static void
print_vgpu(const json_t *v)
{
    const json_t *sessions = json_object_get(v, "sessions");

    print_fields(0, v, head_fields);
    print_section("Passthrough", json_object_get(v, "passthrough"), passthrough_fields);
    print_section("FB Memory Usage", v, memory_fields);
    print_section("Use", v, use_fields);
    printf("    %-32s: %zu\n", "Sessions", json_array_size(sessions));
    for (size_t i = 0; i < json_array_size(sessions); i++) {
        const json_t *s = json_array_get(sessions, i);

        printf("        Process ID                  : %d\n",
               (int)json_u64_of(s, "guest_pid"));
        print_fields(12, s, session_fields);
    }
    print_section("Last Error", json_object_get(v, "last_error"), error_fields);
}

int
cmd_show(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "NAME",
        .min_words = 1,
        .max_words = 1,
        .doc = "Shows all about one vGPU: memory, sessions, the last error.",
    };
    _cleanup_free_ char *path = NULL;
    struct args args = {0};
    char task[128];

    args_parse(&usage, argc, argv, &args);
    snprintf(task, sizeof task, "show '%s'", args.words[0]);
    path = client_path("/v1/vgpus/", args.words[0], "");
    return path ? cli_show(path, task, args.json, print_vgpu) : EXIT_FAILED;
}
