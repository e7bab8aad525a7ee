/* SPDX-License-Identifier: MIT */
#include "manager/gpu_time.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "manager/arbiter.h"
#include "manager/session_gate.h"
#include "manager/stats.h"

#include <errno.h>
#include <string.h>

unsigned
gpu_slice_us(const struct manager *m, const struct gpu *g)
{
    unsigned most = 1;

    if (g->time.slice_us)
        return g->time.slice_us;
    for (const struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        const struct vgpu *v = container_of(l, struct vgpu, link);

        if (v->gpu == g && !v->s.passthrough && v->s.max_instances > most)
            most = (unsigned)v->s.max_instances;
    }
    return (unsigned)(sched_default_slice_ns(most) / 1000);
}

static struct arbiter_terms
terms_of(const struct manager *m, const struct gpu *g)
{
    return (struct arbiter_terms){
        .policy = g->time.policy,
        .params = {.slice_ns = gpu_slice_us(m, g) * UINT64_C(1000),
                   .elastic_percent = g->time.elastic_percent},
        .watchdog_ns = g->time.watchdog_seconds * UINT64_C(1000000000)};
}

static uint64_t
share_of(const struct vgpu *v, const struct gpu *g)
{
    if (g->mode == MIXED_SIZE)
        return sched_share_of_bytes(v->s.framebuffer_bytes, g->memory_bytes);
    return sched_share_of_instances((unsigned)v->s.max_instances);
}

void
gpu_time_changed(const struct manager *m, const struct gpu *g)
{
    const struct arbiter_terms t = terms_of(m, g);

    if (!g->arbiter)
        return;
    for (const struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        const struct vgpu *v = container_of(l, struct vgpu, link);

        if (v->arbiter == g->arbiter)
            arbiter_set_share(v->arbiter, v->turns, share_of(v, g));
    }
    arbiter_change(g->arbiter, &t);
}

void
vgpu_govern(struct vgpu *v)
{
    /* Also one that is unavailable, as long as its GPU is there: its sessions go on. */
    const struct gpu *g = inventory_find(&v->m->inventory, v->s.gpu);

    if (!g || !g->arbiter || v->s.passthrough || v->arbiter)
        return;
    v->turns = arbiter_add_vgpu(g->arbiter, v->s.name, share_of(v, g));
    if (v->turns)
        v->arbiter = g->arbiter;
}

void
vgpu_ungovern(struct vgpu *v)
{
    if (v->arbiter)
        arbiter_remove_vgpu(v->arbiter, take_ptr(v->turns));
    v->arbiter = NULL;
}

/* Beginning and end. */

static void
warn(struct manager *m, const struct gpu *g, int rc)
{
    _cleanup_free_ char *words =
        str_printf("%s: no arbiter (%s): its vGPUs share its time as the driver does",
                   g->name, strerror(-rc));

    manager_warn(m, words ? words : "a GPU has no arbiter");
}

void
gpu_time_init(struct manager *m)
{
    for (unsigned i = 0; i < m->inventory.n; i++) {
        struct gpu *g = &m->inventory.gpus[i];
        _cleanup_free_ char *path = str_printf("%s/%s", m->folders.turns, g->name);
        const struct arbiter_terms t = terms_of(m, g);
        const int rc = path ? arbiter_new(path, &t, &g->arbiter) : -ENOMEM;

        if (rc < 0)
            warn(m, g, rc);
    }
}

void
gpu_time_run(struct manager *m)
{
    for (unsigned i = 0; i < m->inventory.n; i++) {
        struct gpu *g = &m->inventory.gpus[i];
        int rc;

        if (!g->arbiter)
            continue;
        gpu_time_changed(m, g);
        g->used.before_ns = gpu_used_ns(m, g);
        rc = arbiter_run(g->arbiter, &m->loop, session_sentenced, m);
        if (rc < 0)
            warn(m, g, rc);
    }
}

void
gpu_time_stop(struct manager *m)
{
    for (unsigned i = 0; i < m->inventory.n; i++)
        arbiter_stop(m->inventory.gpus[i].arbiter);
}

void
gpu_time_fini(struct manager *m)
{
    for (unsigned i = 0; i < m->inventory.n; i++)
        arbiter_free(take_ptr(m->inventory.gpus[i].arbiter));
}
