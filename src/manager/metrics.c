/* SPDX-License-Identifier: MIT */
/*
 * The two formats differ in three places: OpenMetrics names a counter's family without _total, an
 * info's without _info, and ends with # EOF.
 */
#include "manager/metrics.h"

#include "base/cleanup.h"
#include "manager/gpu_time.h"
#include "manager/stats.h"
#include "manager/vgpu_json.h"

#include <stdio.h>
#include <string.h>

enum kind { GAUGE, COUNTER, INFO };

struct family {
    const char *name, *help; /* without tessera_ and the kind's suffix */
    enum kind kind;
};

static const char *const suffixes[] = {
    [GAUGE] = "", [COUNTER] = "_total", [INFO] = "_info"};

/* # HELP and # TYPE; Prometheus' own text knows no info. */
static void
print_family(FILE *out, const struct family *f, bool openmetrics)
{
    static const char *const words[] = {
        [GAUGE] = "gauge", [COUNTER] = "counter", [INFO] = "info"};
    const char *suffix = openmetrics ? "" : suffixes[f->kind];
    const char *word = !openmetrics && f->kind == INFO ? words[GAUGE] : words[f->kind];

    fprintf(out, "# HELP tessera_%s%s %s.\n# TYPE tessera_%s%s %s\n", f->name, suffix,
            f->help, f->name, suffix, word);
}

/* What of a vGPU is looked at once for all its rows. */
struct vgpu_figures {
    const struct vgpu *v;
    struct vgpu_totals totals;
    struct vgpu_now now;
};

/* A row of a vGPU: a counter in its totals, or a figure of its own. */
struct vgpu_row {
    struct family family;
    double (*value)(const struct vgpu_figures *f); /* NULL: the counter at offset */
    size_t offset;
    double unit; /* the counter's, in the row's */
};

static double
limit_bytes(const struct vgpu_figures *f)
{
    return (double)f->v->s.framebuffer_bytes;
}

static double
reserved_bytes(const struct vgpu_figures *f)
{
    return f->v->account ? (double)atomic_load(&f->v->account->reserved_bytes) : 0;
}

static double
used_bytes(const struct vgpu_figures *f)
{
    return (double)vgpu_used_bytes(f->v);
}

static double
peak_bytes(const struct vgpu_figures *f)
{
    return (double)vgpu_peak_bytes(f->v);
}

static double
sessions(const struct vgpu_figures *f)
{
    return f->v->nsessions;
}

static double
working(const struct vgpu_figures *f)
{
    return f->now.activity == VGPU_WORKING;
}

static double
promised(const struct vgpu_figures *f)
{
    return f->now.promised < 0 ? 0 : f->now.promised;
}

static double
errors(const struct vgpu_figures *f)
{
    return (double)f->v->last_error.number;
}

#define VGPU_GAUGE(name, help, fn)                                                       \
    {                                                                                    \
        {"vgpu_" name, help, GAUGE}, fn, 0, 1                                            \
    }
#define VGPU_COUNTER(name, help, member, unit)                                           \
    {                                                                                    \
        {"vgpu_" name, help, COUNTER}, NULL, offsetof(struct vgpu_totals, member), unit  \
    }
#define SECONDS 1e-9

static const struct vgpu_row vgpu_rows[] = {
    VGPU_GAUGE("framebuffer_limit_bytes", "Framebuffer of the vGPU's type", limit_bytes),
    VGPU_GAUGE("framebuffer_reserved_bytes", "Taken by sessions as credit",
               reserved_bytes),
    VGPU_GAUGE("framebuffer_used_bytes", "Held by memory objects", used_bytes),
    VGPU_GAUGE("framebuffer_peak_bytes", "The most that they have held", peak_bytes),
    VGPU_GAUGE("sessions", "Guest processes that use it now", sessions),
    VGPU_GAUGE("working", "1 while commands wait or run", working),
    VGPU_GAUGE("share_ratio", "Part of the GPU's time that the policy promises it",
               promised),
    {{"vgpu_session_errors", "Sessions that were ended", COUNTER}, errors, 0, 1},
    VGPU_COUNTER("sessions_begun", "Sessions so far", sessions, 1),
    VGPU_COUNTER("commands", "Commands handed to the driver", commands, 1),
    VGPU_COUNTER("kernels", "Kernel launches among them", kernels, 1),
    VGPU_COUNTER("copied_bytes", "Bytes moved to or from it", copied_bytes, 1),
    VGPU_COUNTER("kicks", "Times that a guest or its worker had to be woken", kicks, 1),
    VGPU_COUNTER("busy_seconds", "Device time used, by the device's clock", busy_ns,
                 SECONDS),
    VGPU_COUNTER("used_seconds", "Time in turns with commands on the device, and debts",
                 used_ns, SECONDS),
    VGPU_COUNTER("debt_seconds", "Device time outside of turns", debt_ns, SECONDS),
    VGPU_COUNTER("compile_seconds", "Compiler's time at first launches", compile_ns,
                 SECONDS),
    VGPU_COUNTER("waited_seconds", "Time with commands that waited for a turn", waited_ns,
                 SECONDS),
    VGPU_COUNTER("turns", "Turns given back", turns, 1),
    VGPU_COUNTER("overruns", "Turns that lasted longer than their slice", overruns, 1),
    VGPU_COUNTER("overrun_seconds", "By how much they did", overrun_ns, SECONDS),
};

static double
vgpu_value(const struct vgpu_row *row, const struct vgpu_figures *f)
{
    if (row->value)
        return row->value(f);
    return row->unit *
           (double)*(const uint64_t *)(const void *)((const char *)&f->totals +
                                                     row->offset);
}

static void
print_vgpu_row(FILE *out, const struct vgpu_row *row, const struct vgpu_figures *f,
               unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct vgpu_state *s = &f[i].v->s;

        /* Names, types and GPUs hold no character that would have to be escaped. */
        fprintf(out, "tessera_%s%s{vgpu=\"%s\",gpu=\"%s\",type=\"%s\"} %.17g\n",
                row->family.name, suffixes[row->family.kind], s->name, s->gpu, s->type,
                vgpu_value(row, &f[i]));
    }
}

static int
print_vgpus(FILE *out, const struct manager *m, bool openmetrics)
{
    _cleanup_free_ struct vgpu_figures *figures = NULL;
    unsigned n = 0;

    for (const struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next)
        n++;
    figures = calloc(n + 1, sizeof *figures);
    if (!figures)
        return -1;
    n = 0;
    for (const struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        const struct vgpu *v = container_of(l, struct vgpu, link);

        figures[n++] = (struct vgpu_figures){v, vgpu_totals_now(v), vgpu_now(v)};
    }
    for (size_t i = 0; i < sizeof vgpu_rows / sizeof *vgpu_rows; i++) {
        print_family(out, &vgpu_rows[i].family, openmetrics);
        print_vgpu_row(out, &vgpu_rows[i], figures, n);
    }
    return 0;
}

/* GPUs. */

struct gpu_figures {
    const struct gpu *g;
    struct gpu_counts counts;
    unsigned slice_us;
};

static double
memory_bytes(const struct gpu_figures *f)
{
    return (double)f->g->memory_bytes;
}

static double
slice_seconds(const struct gpu_figures *f)
{
    return f->slice_us / 1e6;
}

static double
gpu_turns(const struct gpu_figures *f)
{
    return (double)f->counts.turns;
}

static double
gpu_used_seconds(const struct gpu_figures *f)
{
    return (double)f->counts.used_ns * SECONDS;
}

static double
gpu_idle_seconds(const struct gpu_figures *f)
{
    return (double)f->counts.idle_ns * SECONDS;
}

static double
arbiter_cpu_seconds(const struct gpu_figures *f)
{
    return (double)f->counts.arbiter_cpu_ns * SECONDS;
}

static const struct {
    struct family family;
    double (*value)(const struct gpu_figures *f); /* NULL: an info of the policy */
} gpu_rows[] = {
    {{"gpu_memory_bytes", "Memory that types are cut from", GAUGE}, memory_bytes},
    {{"gpu_policy", "Who gets the GPU's time", INFO}, NULL},
    {{"gpu_slice_seconds", "Length of a turn", GAUGE}, slice_seconds},
    {{"gpu_turns", "Turns given back", COUNTER}, gpu_turns},
    {{"gpu_used_seconds", "Time used by vGPUs", COUNTER}, gpu_used_seconds},
    {{"gpu_idle_seconds", "Time that no vGPU used", COUNTER}, gpu_idle_seconds},
    {{"gpu_arbiter_cpu_seconds", "CPU time of its arbiter", COUNTER},
     arbiter_cpu_seconds},
};

static void
print_gpu(FILE *out, size_t row, const struct gpu_figures *f)
{
    const struct family *family = &gpu_rows[row].family;

    fprintf(out, "tessera_%s%s{gpu=\"%s\",model=\"%s\"", family->name,
            suffixes[family->kind], f->g->name, f->g->model);
    if (gpu_rows[row].value)
        fprintf(out, "} %.17g\n", gpu_rows[row].value(f));
    else
        fprintf(out, ",policy=\"%s\"} 1\n", sched_policy_word(f->g->time.policy));
}

static void
print_gpus(FILE *out, struct manager *m, bool openmetrics)
{
    for (size_t row = 0; row < sizeof gpu_rows / sizeof *gpu_rows; row++) {
        print_family(out, &gpu_rows[row].family, openmetrics);
        for (unsigned i = 0; i < m->inventory.n; i++) {
            struct gpu *g = &m->inventory.gpus[i];
            const struct gpu_figures f = {g, gpu_counts(m, g), gpu_slice_us(m, g)};

            print_gpu(out, row, &f);
        }
    }
}

char *
metrics_text(struct manager *m, bool openmetrics)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool failed;

    if (!out)
        return NULL;
    print_gpus(out, m, openmetrics);
    failed = print_vgpus(out, m, openmetrics) < 0;
    if (openmetrics)
        fputs("# EOF\n", out);
    failed |= ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

const char *
metrics_type(bool openmetrics)
{
    return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8";
}

bool
metrics_wants_open(const char *accept)
{
    return accept && strstr(accept, "application/openmetrics-text");
}
