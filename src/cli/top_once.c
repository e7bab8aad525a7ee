/* SPDX-License-Identifier: MIT */
/* One interval as tables, for a look or a script. */
#include "cli/duration.h"
#include "cli/table.h"
#include "cli/top.h"
#include "cli/top_lines.h"

#include <stdio.h>
#include <time.h>

static const struct table_column gpu_columns[] = {
    {"GPU", false}, {"POLICY", false}, {"SLICE", true},       {"USED", true},
    {"IDLE", true}, {"TURNS/S", true}, {"ARBITER CPU", true},
};

static const struct table_column columns[] = {
    {"VGPU", false},       {"GPU", false},    {"TYPE", false},     {"STATE", false},
    {"ASKED", true},       {"GOT", true},     {"BUSY", true},      {"USED", true},
    {"FRAMEBUFFER", true}, {"WAITING", true}, {"KERNELS/S", true},
};

static void
set_share(struct table_row *r, size_t column, double share)
{
    char text[TOP_CELL_BYTES];

    top_share_words(share, text, sizeof text);
    table_set(r, column, text);
}

static void
set_rate(struct table_row *r, size_t column, double rate)
{
    char text[TOP_CELL_BYTES];

    top_rate_words(rate, text, sizeof text);
    table_set(r, column, text);
}

static void
add_gpu(struct table *t, const struct gpu_rates *g)
{
    struct table_row *r = table_row(t);
    char slice[DURATION_TEXT_BYTES];

    duration_format(g->slice_us * 1000, slice, sizeof slice);
    table_set(r, 0, g->name);
    table_set(r, 1, g->policy);
    table_set(r, 2, slice);
    set_share(r, 3, g->used);
    set_share(r, 4, g->idle);
    set_rate(r, 5, g->turns);
    set_share(r, 6, g->arbiter_cpu);
}

static void
add_vgpu(struct table *t, const struct gpu_rates *g, const struct vgpu_rates *v)
{
    struct table_row *r = table_row(t);

    table_set(r, 0, v->name);
    table_set(r, 1, g->name);
    table_set(r, 2, v->type);
    table_set(r, 3, v->state);
    set_share(r, 4, v->asked);
    set_share(r, 5, v->got);
    set_share(r, 6, v->busy);
    table_set_size(r, 7, v->used_bytes);
    table_set_size(r, 8, v->framebuffer_bytes);
    set_share(r, 9, v->waiting);
    set_rate(r, 10, v->kernels);
}

static void
print_tables(const struct sample *s)
{
    struct table *t = table_new(gpu_columns, sizeof gpu_columns / sizeof *gpu_columns);

    for (size_t i = 0; i < s->ngpus; i++)
        add_gpu(t, &s->gpus[i]);
    table_print(t);
    putchar('\n');
    t = table_new(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < s->ngpus; i++) {
        for (size_t k = 0; k < s->gpus[i].nvgpus; k++)
            add_vgpu(t, &s->gpus[i], &s->gpus[i].vgpus[k]);
    }
    table_print(t);
}

static void
sleep_ns(uint64_t ns)
{
    const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
                               .tv_nsec = (long)(ns % 1000000000u)};

    nanosleep(&t, NULL);
}

int
top_once(struct top *t, bool json)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct sample s = {0};
    json_t *o;
    int rc = top_read(t, &s, &e);

    sample_fini(&s);
    if (rc == 0) {
        sleep_ns(t->delay_ns);
        rc = top_read(t, &s, &e);
    }
    if (rc < 0)
        return cli_fail(t->client, &e, "top");
    if (json) {
        o = sample_json(&s);
        json_dumpf(o, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(o);
    } else {
        print_tables(&s);
    }
    sample_fini(&s);
    return 0;
}
