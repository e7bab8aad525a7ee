/* SPDX-License-Identifier: MIT */
#include "manager/vgpu_json.h"

#include "base/cleanup.h"
#include "base/nvidia.h"
#include "manager/gpu_time.h"
#include "manager/session.h"
#include "manager/vgpu_suspend.h"
#include "manager/vm.h"
#include "manager/words.h"

#include <string.h>
#include <time.h>

#define TIME_BYTES 32

static json_t *
json_bytes(uint64_t v)
{
    return json_integer((json_int_t)v);
}

/* NULL where a driver does not say. */
static json_t *
json_text(const char *text)
{
    char clean[GPU_TEXT_BYTES];

    if (!text || !text[0])
        return json_null();
    printable_copy(clean, text, sizeof clean);
    return json_string(clean);
}

/* UTC, as in 2025-06-30T17:04:05Z. */
static json_t *
json_time(int64_t unix_s)
{
    char text[TIME_BYTES];
    time_t t = (time_t)unix_s;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static json_t *
cores_json(const struct gpu *g)
{
    char text[CORES_TEXT_BYTES];

    cores_format(&g->cores, text, sizeof text);
    return g->software ? json_string(text) : json_null();
}

/* Sessions. */

static const char *
session_word(uint32_t state)
{
    switch ((enum slot_state)state) {
    case SLOT_FREE:
    case SLOT_RESERVED:
        return "starting";
    case SLOT_LIVE:
        return "live";
    case SLOT_ENDED:
        break;
    }
    return "ended";
}

/* The last limit that the session has met, by name. */
static json_t *
limit_json(const struct account_slot *slot)
{
    const uint32_t n = atomic_load(&slot->limit_reached);

    return n > 0 && n <= LIMIT_COUNT ? json_string(limit_rows[n - 1].name) : json_null();
}

/* What sessions have taken of the limits that hold for all of them together. */
static json_t *
held_json(const struct vgpu *v)
{
    json_t *o = json_object();

    for (unsigned i = LIMIT_OBJECTS; i < LIMIT_COUNT; i++)
        json_object_set_new(
            o, limit_rows[i].name,
            json_bytes(v->account ? atomic_load(&v->account->held[i]) : 0));
    return o;
}

static json_t *
session_json(const struct session *s)
{
    const struct account_slot *slot = &s->vgpu->account->slot[s->slot];
    char program[ACCOUNT_PROGRAM_BYTES];

    printable_copy(program, slot->program, sizeof program);
    return json_pack("{so sb sb si sb ss so so so so so so so}", "worker_pid",
                     s->in_process ? json_null() : json_integer(s->pid), "in_process",
                     (int)s->in_process, "waiting", (int)s->waiting, "guest_pid",
                     (int)atomic_load(&slot->guest_pid), "adopted", (int)s->adopted,
                     "state", session_word(atomic_load(&slot->state)), "program",
                     json_text(program), "used_bytes",
                     json_bytes(atomic_load(&slot->used_bytes)), "reserved_bytes",
                     json_bytes(atomic_load(&slot->reserved_bytes)), "commands",
                     json_bytes(atomic_load(&slot->gate.commands)), "copied_bytes",
                     json_bytes(atomic_load(&slot->gate.copied_bytes)), "busy_seconds",
                     json_real((double)atomic_load(&slot->gate.busy_ns) / 1e9),
                     "limit_reached", limit_json(slot));
}

static json_t *
sessions_json(const struct vgpu *v)
{
    json_t *list = json_array();

    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next)
        json_array_append_new(list, session_json(container_of(l, struct session, link)));
    return list;
}

struct vgpu_totals
vgpu_totals_now(const struct vgpu *v)
{
    struct vgpu_totals t = v->past;

    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        const struct session *s = container_of(l, struct session, link);

        t.sessions++;
        vgpu_totals_add(&t, &v->account->slot[s->slot].gate);
    }
    return t;
}

uint64_t
vgpu_used_bytes(const struct vgpu *v)
{
    uint64_t sum = 0;

    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next)
        sum += atomic_load(
            &v->account->slot[container_of(l, struct session, link)->slot].used_bytes);
    return sum;
}

uint64_t
vgpu_peak_bytes(const struct vgpu *v)
{
    const uint64_t peak = v->account ? atomic_load(&v->account->peak_bytes) : 0;

    /* What runs in workers can forge it, but not be believed more than there is. */
    return peak < v->s.framebuffer_bytes ? peak : v->s.framebuffer_bytes;
}

/* vGPUs. */

static json_t *
error_json(const struct vgpu_error *e)
{
    if (e->number == 0)
        return json_null();
    return json_pack("{so so si so so}", "number", json_bytes(e->number), "time",
                     json_time(e->unix_s), "worker_pid", (int)e->pid, "program",
                     json_text(e->program), "message", json_text(e->words));
}

/* Where it was suspended into, as far as that is known. */
static json_t *
snapshot_json(const struct vgpu *v)
{
    _cleanup_free_ char *own =
        v->s.suspended.own ? vgpu_snapshot_path(v->m, v->s.name) : NULL;
    const char *path = own ? own : v->s.suspended.file;

    return path[0] ? json_string(path) : json_null();
}

/* What a guest needs to use the GPU itself. */
static json_t *
passthrough_json(const struct gpu *g)
{
    if (!g)
        return json_null();
    return json_pack("{so so so}", "icd", json_text(g->device.icd), "cores",
                     cores_json(g), "threads",
                     g->software ? json_integer(CPU_COUNT(&g->cores)) : json_null());
}

/* The path that was given, or the library of the kernel module's version; NULL: there is none. */
static json_t *
nvidia_json(const char *given, const char *file)
{
    char path[PATH_MAX];

    return nvidia_library(given, file, path, sizeof path) ? json_string(path)
                                                          : json_null();
}

/* Tessera's libraries, and NVIDIA's own, in whose places they are mounted. */
static json_t *
container_cuda_json(const struct vgpu *v)
{
    const struct options *o = v->m->options;

    if (!v->gpu || !v->gpu->cuda_device[0])
        return json_null();
    return json_pack(
        "{ss so ss so ss sI}", "library", v->m->cuda_library, "driver",
        nvidia_json(o->cuda_driver, "libcuda.so"), "nvml_library", v->m->nvml_library,
        "nvml_driver", nvidia_json(o->nvml_driver, "libnvidia-ml.so"), "dmem_region",
        v->gpu->dmem_region, "dmem_bytes", (json_int_t)v->s.framebuffer_bytes);
}

/* What a container mounts. */
static json_t *
container_json(const struct vgpu *v)
{
    if (!v->container_folder)
        return json_null();
    return json_pack("{ss ss ss ss so}", "folder", v->container_folder, "icd_folder",
                     v->m->folders.container_icd, "library", v->m->icd_library,
                     "library_in_container", VGPU_CONTAINER_LIBRARY, "cuda",
                     container_cuda_json(v));
}

/* What a program of CUDA's needs. */
static json_t *
cuda_json(const struct vgpu *v)
{
    if (!v->gpu || !v->gpu->cuda_device[0] || v->s.passthrough)
        return json_null();
    return json_pack("{ss ss so}", "library_folder", v->m->folders.cuda, "device",
                     v->gpu->cuda_device, "driver",
                     json_text(v->m->options->cuda_driver));
}

static void
add_framebuffer(json_t *o, const struct vgpu *v)
{
    const uint64_t total = v->s.framebuffer_bytes, used = vgpu_used_bytes(v);
    const uint64_t reserved = v->account ? atomic_load(&v->account->reserved_bytes) : 0;

    json_object_set_new(o, "framebuffer_bytes", json_bytes(total));
    json_object_set_new(o, "used_bytes", json_bytes(used));
    json_object_set_new(o, "free_bytes", json_bytes(used < total ? total - used : 0));
    json_object_set_new(o, "peak_bytes", json_bytes(vgpu_peak_bytes(v)));
    json_object_set_new(o, "reserved_bytes", json_bytes(reserved));
    json_object_set_new(o, "start_bytes", json_bytes(v->s.start_bytes));
}

static void
add_use(json_t *o, const struct vgpu *v)
{
    const struct vgpu_totals t = vgpu_totals_now(v);

    json_object_set_new(o, "sessions", sessions_json(v));
    json_object_set_new(o, "sessions_total", json_bytes(t.sessions));
    json_object_set_new(o, "commands", json_bytes(t.commands));
    json_object_set_new(o, "copied_bytes", json_bytes(t.copied_bytes));
    json_object_set_new(o, "busy_seconds", json_real((double)t.busy_ns / 1e9));
    json_object_set_new(o, "held", held_json(v));
    json_object_set_new(o, "last_error", error_json(&v->last_error));
}

json_t *
vgpu_json(const struct vgpu *v)
{
    json_t *o = json_pack("{ss ss ss ss ss so}", "name", v->s.name, "uuid", v->s.uuid,
                          "type", v->s.type, "gpu", v->s.gpu, "state", vgpu_state_word(v),
                          "unavailable", json_text(v->unavailable));

    if (!o)
        return NULL;
    json_object_set_new(o, "snapshot", snapshot_json(v));
    json_object_set_new(o, "ephemeral", json_boolean(v->s.owner.pid != 0));
    json_object_set_new(o, "owner_uid", json_bytes(v->s.owner_uid));
    json_object_set_new(o, "created", json_time((int64_t)v->s.created_unix));
    json_object_set_new(o, "folder",
                        v->s.passthrough ? json_null() : json_string(v->folder));
    json_object_set_new(o, "icd_folder",
                        v->s.passthrough ? json_null() : json_string(v->m->folders.icd));
    json_object_set_new(o, "passthrough",
                        v->s.passthrough ? passthrough_json(v->gpu) : json_null());
    json_object_set_new(o, "vm", vm_json(v));
    json_object_set_new(o, "container", container_json(v));
    json_object_set_new(o, "cuda", cuda_json(v));
    add_framebuffer(o, v);
    add_use(o, v);
    return o;
}

/* GPUs. */

static json_t *
names_on_gpu(const struct manager *m, const struct gpu *g)
{
    json_t *names = json_array();

    for (struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        const struct vgpu *v = container_of(l, struct vgpu, link);

        if (v->gpu == g)
            json_array_append_new(names, json_string(v->s.name));
    }
    return names;
}

static void
add_device(json_t *o, const struct gpu *g)
{
    const struct probe_device *d = &g->device;

    json_object_set_new(o, "device", json_text(d->name));
    json_object_set_new(o, "vendor", json_text(d->vendor));
    json_object_set_new(o, "platform", json_text(d->platform));
    json_object_set_new(o, "device_index", json_bytes(d->index));
    json_object_set_new(o, "driver", json_text(d->driver));
    json_object_set_new(o, "version", json_text(d->version));
    json_object_set_new(o, "uuid", json_text(d->uuid));
    json_object_set_new(o, "pci", json_text(d->pci));
    json_object_set_new(o, "icd", json_text(d->icd));
    json_object_set_new(o, "cuda_device", json_text(g->cuda_device));
    json_object_set_new(o, "dmem_region", json_text(g->dmem_region));
    json_object_set_new(o, "compute_units", json_bytes(d->compute_units));
}

static void
add_time(json_t *o, const struct manager *m, const struct gpu *g)
{
    const struct gpu_time *t = &g->time;

    json_object_set_new(o, "policy", json_string(sched_policy_word(t->policy)));
    json_object_set_new(o, "slice_us", json_integer(gpu_slice_us(m, g)));
    json_object_set_new(o, "elastic_percent", json_integer(t->elastic_percent));
    json_object_set_new(o, "watchdog_seconds", json_integer(t->watchdog_seconds));
}

static void
add_cores(json_t *o, const struct gpu *g)
{
    json_object_set_new(o, "cores", cores_json(g));
    json_object_set_new(o, "cores_pinned", json_boolean(g->pinned));
    json_object_set_new(o, "cores_shared", json_boolean(g->shared));
}

json_t *
gpu_json(const struct manager *m, const struct gpu *g)
{
    _cleanup_(vgpu_placement_fini) struct placement_gpu p = {0};
    json_t *o;

    if (vgpu_placement_of_gpu(m, g, &p) < 0)
        return NULL;
    o = json_pack("{ss ss ss ss ss ss so so so}", "name", g->name, "model", g->model,
                  "kind", g->software ? "software" : "hardware", "storage",
                  g->discrete ? "discrete" : "shared", "mode", gpu_mode_word(g->mode),
                  "placement", placement_order_word(m->order), "memory_bytes",
                  json_bytes(g->memory_bytes), "free_bytes",
                  json_bytes(placement_free_bytes(&p)), "vgpus", names_on_gpu(m, g));
    if (!o)
        return NULL;
    add_time(o, m, g);
    add_cores(o, g);
    add_device(o, g);
    return o;
}

json_t *
gpu_types_json(const struct manager *m, const struct gpu *g)
{
    struct vgpu_type types[TYPES_MAX];
    _cleanup_(vgpu_placement_fini) struct placement_gpu p = {0};
    json_t *list = json_array();
    int n = types_of_gpu(g->model, g->memory_bytes, types, TYPES_MAX);

    if (vgpu_placement_of_gpu(m, g, &p) < 0)
        n = 0;
    for (int i = 0; i < n; i++) {
        const struct vgpu_type *t = &types[i];

        json_array_append_new(
            list, json_pack("{ss ss so si si}", "name", t->name, "gpu", g->name,
                            "framebuffer_bytes", json_bytes(t->framebuffer_bytes),
                            "max_instances", (int)t->max_instances, "available",
                            (int)placement_available(&p, t)));
    }
    return list;
}
