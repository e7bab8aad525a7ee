/* SPDX-License-Identifier: MIT */
/* tessera gpu log: the last turns of a GPU, with the fields of NVML's scheduler log. */
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/duration.h"
#include "cli/gpu.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)
#define TIME_TEXT_BYTES 40

static const struct table_column columns[] = {
    {"TIME", false},  {"VGPU", false},     {"RUN", true},
    {"TARGET", true}, {"TOTAL RUN", true}, {"PREEMPTED", true},
};

/* "13:05:07.123456", local time; the date is that of the last few seconds. */
static void
set_time(struct table_row *r, size_t column, uint64_t unix_ns)
{
    const time_t seconds = (time_t)(unix_ns / SECOND_NS);
    char text[TIME_TEXT_BYTES], clock[16];
    struct tm tm;

    localtime_r(&seconds, &tm);
    strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%06" PRIu64, clock, unix_ns % SECOND_NS / 1000);
    table_set(r, column, text);
}

static void
set_duration(struct table_row *r, size_t column, const json_t *entry, const char *key)
{
    char text[DURATION_TEXT_BYTES];

    duration_format(json_u64_of(entry, key), text, sizeof text);
    table_set(r, column, text);
}

static void
print_log(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "entries");
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const bool owned = json_is_string(json_object_get(entry, "vgpu"));
        struct table_row *r = table_row(t);

        set_time(r, 0, json_u64_of(entry, "time_unix_ns"));
        table_set(r, 1, json_text_of(entry, "vgpu", "(nobody)"));
        set_duration(r, 2, entry, "run_ns");
        set_duration(r, 3, entry, "target_ns");
        if (!owned)
            continue;
        set_duration(r, 4, entry, "total_run_ns");
        set_duration(r, 5, entry, "preempted_ns");
    }
    table_print(t);
}

int
gpu_log(const char *gpu, bool json)
{
    _cleanup_free_ char *path = client_path("/v1/gpus/", gpu, "/log");
    char task[128];

    snprintf(task, sizeof task, "gpu log '%s'", gpu);
    return path ? cli_show(path, task, json, print_log) : EXIT_FAILED;
}
