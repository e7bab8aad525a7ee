/* SPDX-License-Identifier: MIT */
/* What came of it: tables for people, JSON for programs. */
#include "cli/simulate.h"

#include "cli/duration.h"
#include "cli/table.h"

#include <math.h>

#define CELL_BYTES 48

void
simulate_sum_up(const struct simulate *s, const struct simulate_outcome *o,
                struct simulate_total *ret)
{
    struct simulate_total t = {.jain_least = o->gpus[0].jain};

    for (unsigned i = 0; i < s->gpus; i++) {
        const struct simulate_gpu *g = &o->gpus[i];

        t.jain += g->jain / s->gpus;
        t.jain_least = g->jain < t.jain_least ? g->jain : t.jain_least;
        t.idle += g->idle / s->gpus;
        t.idle_most = g->idle > t.idle_most ? g->idle : t.idle_most;
        t.handover += g->handover / s->gpus;
        t.turns += g->turns;
    }
    t.turns_s = (double)t.turns / s->gpus * 1e9 / (double)s->p.length_ns;
    *ret = t;
}

/* ---- JSON -------------------------------------------------------------------------- */

/* null where there is no number. */
static json_t *
number(double v)
{
    return isnan(v) ? json_null() : json_real(v);
}

static json_t *
integer(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *
vgpu_json(const struct sim_guest *g, const struct simulate_vgpu *v)
{
    return json_pack("{ss so so so so so so so so so so so}", "name", g->name, "start_ns",
                     integer(g->start_ns), "share_promised", number(v->promised),
                     "share_got", number(v->got), "share_got_least", number(v->got_least),
                     "share_got_most", number(v->got_most), "share_held", number(v->held),
                     "commands", integer(v->commands), "commands_per_s",
                     number(v->commands_s), "wait_p50_ns",
                     integer(sim_waits_quantile(&v->waits, 0.5)), "wait_p99_ns",
                     integer(sim_waits_quantile(&v->waits, 0.99)), "wait_p99_worst_ns",
                     integer(v->p99_worst_ns));
}

static json_t *
gpu_json(const struct simulate_gpu *g)
{
    return json_pack("{so so so so}", "jain", number(g->jain), "idle", number(g->idle),
                     "handover", number(g->handover), "turns", integer(g->turns));
}

static json_t *
outcome_json(const struct simulate *s, const struct simulate_outcome *o)
{
    json_t *vgpus = json_array(), *gpus = json_array();
    struct simulate_total t;

    simulate_sum_up(s, o, &t);
    for (unsigned i = 0; i < s->n; i++)
        json_array_append_new(vgpus, vgpu_json(&s->guests[i], &o->vgpus[i]));
    for (unsigned i = 0; i < s->gpus; i++)
        json_array_append_new(gpus, gpu_json(&o->gpus[i]));
    return json_pack("{ss so so so so so so so so}", "policy",
                     sched_policy_word(o->policy), "jain", number(t.jain), "jain_least",
                     number(t.jain_least), "idle", number(t.idle), "idle_most",
                     number(t.idle_most), "handover", number(t.handover), "turns",
                     integer(t.turns), "vgpus", vgpus, "gpus", gpus);
}

json_t *
simulate_json(const struct simulate *s, const struct simulate_outcome *o, unsigned n)
{
    json_t *policies = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(policies, outcome_json(s, &o[i]));
    return json_pack("{si so so si so so so so}", "gpus", (int)s->gpus, "time_ns",
                     integer(s->p.length_ns), "slice_ns", integer(s->p.sched.slice_ns),
                     "elastic_percent", (int)s->p.sched.elastic_percent, "handover_ns",
                     integer(s->p.handover_ns), "linger_ns", integer(s->p.linger_ns),
                     "seed", integer(s->p.seed), "policies", policies);
}

/* ---- tables ------------------------------------------------------------------------ */

static void
set_percent(struct table_row *r, size_t column, double part)
{
    char text[CELL_BYTES] = "-";

    if (!isnan(part))
        snprintf(text, sizeof text, "%.2f %%", 100 * part);
    table_set(r, column, text);
}

static void
set_time(struct table_row *r, size_t column, uint64_t ns)
{
    char text[DURATION_TEXT_BYTES];

    duration_format(ns, text, sizeof text);
    table_set(r, column, text);
}

static void
set_real(struct table_row *r, size_t column, int decimals, double v)
{
    char text[CELL_BYTES] = "-";

    if (!isnan(v))
        snprintf(text, sizeof text, "%.*f", decimals, v);
    table_set(r, column, text);
}

static void
add_vgpus(struct table *t, const struct simulate *s, const struct simulate_outcome *o)
{
    for (unsigned i = 0; i < s->n; i++) {
        const struct simulate_vgpu *v = &o->vgpus[i];
        struct table_row *r = table_row(t);

        table_set(r, 0, sched_policy_word(o->policy));
        table_set(r, 1, s->guests[i].name);
        set_percent(r, 2, v->promised);
        set_percent(r, 3, v->got);
        set_percent(r, 4, v->held);
        set_real(r, 5, 1, v->commands_s);
        set_time(r, 6, sim_waits_quantile(&v->waits, 0.5));
        set_time(r, 7, sim_waits_quantile(&v->waits, 0.99));
        if (s->gpus == 1)
            continue;
        set_percent(r, 8, v->got_least);
        set_time(r, 9, v->p99_worst_ns);
    }
}

static void
add_gpus(struct table *t, const struct simulate *s, const struct simulate_outcome *o)
{
    struct table_row *r = table_row(t);
    struct simulate_total total;

    simulate_sum_up(s, o, &total);
    table_set(r, 0, sched_policy_word(o->policy));
    set_real(r, 1, 4, total.jain);
    set_percent(r, 2, total.idle);
    set_percent(r, 3, total.handover);
    set_real(r, 4, 1, total.turns_s);
    if (s->gpus == 1)
        return;
    set_real(r, 5, 4, total.jain_least);
    set_percent(r, 6, total.idle_most);
}

/* Of many GPUs also the worst: in the last columns. */
void
simulate_print(const struct simulate *s, const struct simulate_outcome *o, unsigned n)
{
    static const struct table_column vgpu_columns[] = {
        {"POLICY", false},   {"VGPU", false},      {"PROMISED", true}, {"GOT", true},
        {"HELD", true},      {"COMMANDS/S", true}, {"WAIT P50", true}, {"WAIT P99", true},
        {"LEAST GOT", true}, {"WORST P99", true},
    };
    static const struct table_column gpu_columns[] = {
        {"POLICY", false}, {"JAIN", true},       {"IDLE", true},      {"HAND-OVER", true},
        {"TURNS/S", true}, {"LEAST JAIN", true}, {"MOST IDLE", true},
    };
    const size_t worst = s->gpus > 1 ? 2 : 0;
    char length[DURATION_TEXT_BYTES], slice[DURATION_TEXT_BYTES];
    struct table *t;

    duration_format(s->p.length_ns, length, sizeof length);
    duration_format(s->p.sched.slice_ns, slice, sizeof slice);
    printf("%u vGPU%s on %s%u GPU%s, %s, slices of %s\n\n", s->n, s->n > 1 ? "s" : "",
           s->gpus > 1 ? "each of " : "", s->gpus, s->gpus > 1 ? "s" : "", length, slice);
    t = table_new(vgpu_columns, 8 + worst);
    for (unsigned i = 0; i < n; i++)
        add_vgpus(t, s, &o[i]);
    table_print(t);
    putchar('\n');
    t = table_new(gpu_columns, 5 + worst);
    for (unsigned i = 0; i < n; i++)
        add_gpus(t, s, &o[i]);
    table_print(t);
}
