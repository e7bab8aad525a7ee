/* SPDX-License-Identifier: MIT */
#include "manager/stats.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "manager/arbiter.h"
#include "manager/gpu_time.h"
#include "manager/vgpu_json.h"

static const char *const activity_words[] = {
    [VGPU_STOPPED] = "stopped", [VGPU_RUNNING] = "running", [VGPU_WORKING] = "working"};

static json_t *
number(uint64_t v)
{
    return json_integer((json_int_t)v);
}

struct vgpu_now
vgpu_now(const struct vgpu *v)
{
    struct vgpu_now now = {.activity = v->nsessions ? VGPU_RUNNING : VGPU_STOPPED,
                           .promised = -1};
    bool works = false;

    if (!v->arbiter)
        return now;
    now.promised = arbiter_promised(v->arbiter, v->turns, &works);
    if (works)
        now.activity = VGPU_WORKING;
    return now;
}

/* One row for each counter of a vGPU, as clients know it. */
static const struct {
    const char *name;
    size_t offset; /* into struct vgpu_totals */
} counter_rows[] = {
    {"commands", offsetof(struct vgpu_totals, commands)},
    {"kernels", offsetof(struct vgpu_totals, kernels)},
    {"copied_bytes", offsetof(struct vgpu_totals, copied_bytes)},
    {"kicks", offsetof(struct vgpu_totals, kicks)},
    {"busy_ns", offsetof(struct vgpu_totals, busy_ns)},
    {"used_ns", offsetof(struct vgpu_totals, used_ns)},
    {"debt_ns", offsetof(struct vgpu_totals, debt_ns)},
    {"compile_ns", offsetof(struct vgpu_totals, compile_ns)},
    {"waited_ns", offsetof(struct vgpu_totals, waited_ns)},
    {"turns", offsetof(struct vgpu_totals, turns)},
    {"overruns", offsetof(struct vgpu_totals, overruns)},
    {"overrun_ns", offsetof(struct vgpu_totals, overrun_ns)},
};

/* null: no kernel has told how long it took. */
static json_t *
length_json(const struct vgpu_totals *t, double q)
{
    const uint64_t ns = lengths_quantile_ns(t->lengths, q);

    return ns ? number(ns) : json_null();
}

static void
add_lengths(json_t *o, const struct vgpu_totals *t)
{
    if (!o)
        return;
    json_object_set_new(o, "kernel_p50_ns", length_json(t, 0.5));
    json_object_set_new(o, "kernel_p99_ns", length_json(t, 0.99));
}

static json_t *
vgpu_stats_json(const struct vgpu *v)
{
    const struct vgpu_totals t = vgpu_totals_now(v);
    const struct vgpu_now now = vgpu_now(v);
    json_t *o =
        json_pack("{ss ss ss so si so so so}", "name", v->s.name, "type", v->s.type,
                  "state", activity_words[now.activity], "share_asked",
                  now.promised < 0 ? json_null() : json_real(now.promised), "sessions",
                  (int)v->nsessions, "framebuffer_bytes", number(v->s.framebuffer_bytes),
                  "used_bytes", number(vgpu_used_bytes(v)), "peak_bytes",
                  number(vgpu_peak_bytes(v)));

    for (size_t i = 0; o && i < sizeof counter_rows / sizeof *counter_rows; i++)
        json_object_set_new(
            o, counter_rows[i].name,
            number(*(const uint64_t *)(const void *)((const char *)&t +
                                                     counter_rows[i].offset)));
    add_lengths(o, &t);
    return o;
}

uint64_t
gpu_used_ns(const struct manager *m, const struct gpu *g)
{
    uint64_t used = 0;

    for (const struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        const struct vgpu *v = container_of(l, struct vgpu, link);

        if (v->gpu == g)
            used += vgpu_totals_now(v).used_ns;
    }
    return used;
}

/* Workers' pages can be forged: then their sum may fall, but not what we tell. */
struct gpu_counts
gpu_counts(struct manager *m, struct gpu *g)
{
    const uint64_t used = g->used.gone_ns + gpu_used_ns(m, g) - g->used.before_ns;
    const uint64_t elapsed = now_ns() - m->started_ns;
    struct arbiter_report r = {0};

    /* Less than before, by a forged page: then it wraps, or falls. */
    if (used <= elapsed && used > g->used.told_ns)
        g->used.told_ns = used;
    if (elapsed - g->used.told_ns > g->used.idle_told_ns)
        g->used.idle_told_ns = elapsed - g->used.told_ns;
    if (g->arbiter)
        arbiter_tell(g->arbiter, &r);
    return (struct gpu_counts){.turns = r.turns,
                               .used_ns = g->used.told_ns,
                               .idle_ns = g->used.idle_told_ns,
                               .arbiter_cpu_ns = r.cpu_ns};
}

static json_t *
gpu_stats_json(struct manager *m, struct gpu *g)
{
    const struct gpu_counts c = gpu_counts(m, g);
    json_t *vgpus = json_array();

    for (const struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        const struct vgpu *v = container_of(l, struct vgpu, link);

        if (v->gpu == g && !v->s.passthrough)
            json_array_append_new(vgpus, vgpu_stats_json(v));
    }
    return json_pack("{ss ss ss si so so so so so so}", "name", g->name, "model",
                     g->model, "policy", sched_policy_word(g->time.policy), "slice_us",
                     (int)gpu_slice_us(m, g), "memory_bytes", number(g->memory_bytes),
                     "turns", number(c.turns), "used_ns", number(c.used_ns), "idle_ns",
                     number(c.idle_ns), "arbiter_cpu_ns", number(c.arbiter_cpu_ns),
                     "vgpus", vgpus);
}

json_t *
stats_json(struct manager *m)
{
    json_t *gpus = json_array();

    for (unsigned i = 0; i < m->inventory.n; i++)
        json_array_append_new(gpus, gpu_stats_json(m, &m->inventory.gpus[i]));
    return json_pack("{so so}", "time_ns", number(now_ns()), "gpus", gpus);
}

static json_t *
entry_json(const struct arbiter_entry *e)
{
    const bool nobody = e->vgpu[0] == '\0';

    return json_pack("{so so so so so so so}", "time_unix_ns", number(e->time_unix_ns),
                     "vgpu", nobody ? json_null() : json_string(e->vgpu), "slot",
                     nobody ? json_null() : number(e->slot), "total_run_ns",
                     number(e->total_run_ns), "run_ns", number(e->run_ns), "target_ns",
                     e->target_ns ? number(e->target_ns) : json_null(), "preempted_ns",
                     number(e->preempted_ns));
}

json_t *
gpu_log_json(const struct manager *m, const struct gpu *g)
{
    _cleanup_free_ struct arbiter_entry *log = calloc(ARBITER_LOG, sizeof *log);
    json_t *entries = json_array();
    const unsigned n = log && g->arbiter ? arbiter_log(g->arbiter, log) : 0;

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(entries, entry_json(&log[i]));
    return json_pack("{ss ss si so}", "gpu", g->name, "policy",
                     sched_policy_word(g->time.policy), "slice_us",
                     (int)gpu_slice_us(m, g), "entries", entries);
}
