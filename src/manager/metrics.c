/* SPDX-License-Identifier: MIT */
#include "manager/metrics.h"

#include "base/cleanup.h"
#include "manager/vgpu_json.h"

#include <inttypes.h>
#include <stdio.h>

static double
vgpu_limit(const struct vgpu *v)
{
    return (double)v->s.framebuffer_bytes;
}

static double
vgpu_reserved(const struct vgpu *v)
{
    return v->account ? (double)atomic_load(&v->account->reserved_bytes) : 0;
}

static double
vgpu_used(const struct vgpu *v)
{
    return (double)vgpu_used_bytes(v);
}

static double
vgpu_sessions(const struct vgpu *v)
{
    return v->nsessions;
}

static double
vgpu_sessions_total(const struct vgpu *v)
{
    return (double)vgpu_totals_now(v).sessions;
}

static double
vgpu_errors_total(const struct vgpu *v)
{
    return (double)v->last_error.number;
}

static double
vgpu_commands_total(const struct vgpu *v)
{
    return (double)vgpu_totals_now(v).commands;
}

static double
vgpu_copied_total(const struct vgpu *v)
{
    return (double)vgpu_totals_now(v).copied_bytes;
}

static double
vgpu_busy_total(const struct vgpu *v)
{
    return (double)vgpu_totals_now(v).busy_ns / 1e9;
}

static const struct {
    const char *name, *kind, *help;
    double (*value)(const struct vgpu *v);
} vgpu_metrics[] = {
    {"framebuffer_limit_bytes", "gauge", "Framebuffer of the vGPU's type", vgpu_limit},
    {"framebuffer_reserved_bytes", "gauge", "Taken by sessions as credit", vgpu_reserved},
    {"framebuffer_used_bytes", "gauge", "Held by memory objects", vgpu_used},
    {"sessions", "gauge", "Guest processes that use it now", vgpu_sessions},
    {"sessions_total", "counter", "Sessions so far", vgpu_sessions_total},
    {"session_errors_total", "counter", "Sessions that were ended", vgpu_errors_total},
    {"commands_total", "counter", "Commands handed to the driver", vgpu_commands_total},
    {"copied_bytes_total", "counter", "Bytes moved to or from it", vgpu_copied_total},
    {"busy_seconds_total", "counter", "Device time used", vgpu_busy_total},
};

static void
print_vgpu_metric(FILE *out, const struct manager *m, size_t row)
{
    const char *name = vgpu_metrics[row].name;

    fprintf(out, "# HELP tessera_vgpu_%s %s.\n# TYPE tessera_vgpu_%s %s\n", name,
            vgpu_metrics[row].help, name, vgpu_metrics[row].kind);
    for (struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        const struct vgpu *v = container_of(l, struct vgpu, link);

        /* Names, types and GPUs hold no character that would have to be escaped. */
        fprintf(out, "tessera_vgpu_%s{vgpu=\"%s\",gpu=\"%s\",type=\"%s\"} %.17g\n", name,
                v->s.name, v->s.gpu, v->s.type, vgpu_metrics[row].value(v));
    }
}

static void
print_gpu_metrics(FILE *out, const struct manager *m)
{
    fputs("# HELP tessera_gpu_memory_bytes Memory that types are cut from.\n"
          "# TYPE tessera_gpu_memory_bytes gauge\n",
          out);
    for (unsigned i = 0; i < m->inventory.n; i++) {
        const struct gpu *g = &m->inventory.gpus[i];

        fprintf(out, "tessera_gpu_memory_bytes{gpu=\"%s\",model=\"%s\"} %" PRIu64 "\n",
                g->name, g->model, g->memory_bytes);
    }
}

char *
metrics_text(const struct manager *m)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool failed;

    if (!out)
        return NULL;
    print_gpu_metrics(out, m);
    for (size_t i = 0; i < sizeof vgpu_metrics / sizeof *vgpu_metrics; i++)
        print_vgpu_metric(out, m, i);
    failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}
