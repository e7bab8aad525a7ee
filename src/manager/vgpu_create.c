/* SPDX-License-Identifier: MIT */
/* A new vGPU: a name, a place, an identity; then everything that it needs to be used. */
#include "base/log.h"
#include "manager/gpu_time.h"
#include "manager/vgpu_internal.h"
#include "manager/words.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static unsigned
vgpus_on_gpu(const struct manager *m, const struct gpu *g)
{
    unsigned n = 0;

    for (struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next)
        n += container_of(l, struct vgpu, link)->gpu == g;
    return n;
}

int
vgpu_placement_of_gpu(const struct manager *m, const struct gpu *g,
                      struct placement_gpu *ret)
{
    const unsigned n = vgpus_on_gpu(m, g);
    struct placement_vgpu *p = calloc(n + 1, sizeof *p);
    unsigned i = 0;

    if (!p)
        return -ENOMEM;
    for (struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        const struct vgpu *v = container_of(l, struct vgpu, link);

        if (v->gpu == g)
            p[i++] = (struct placement_vgpu){
                .framebuffer_bytes = v->s.framebuffer_bytes,
                .start_bytes = v->s.start_bytes,
                .type_max_instances = (unsigned)v->s.max_instances,
                .type_name = v->s.type,
                .passthrough = v->s.passthrough,
            };
    }
    *ret = (struct placement_gpu){.name = g->name,
                                  .model = g->model,
                                  .memory_bytes = g->memory_bytes,
                                  .mode = g->mode,
                                  .nvgpus = n,
                                  .vgpus = p};
    return 0;
}

void
vgpu_placement_fini(struct placement_gpu *p)
{
    free((void *)p->vgpus);
}

static int
pick_among(const struct manager *m, const struct gpu *gpus, unsigned n,
           const struct request_create *r, struct placement_choice *ret, struct err *e)
{
    struct placement_gpu *list = calloc(n, sizeof *list);
    struct placement_problem why;
    int rc = list ? 0 : -ENOMEM;

    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = vgpu_placement_of_gpu(m, &gpus[i], &list[i]);
    if (rc < 0) {
        err_set(e, rc, "out of memory");
    } else {
        rc =
            placement_pick(list, n, r->passthrough ? NULL : r->type, m->order, ret, &why);
        if (rc < 0)
            err_set(e, rc, "%s", why.text);
    }
    for (unsigned i = 0; i < n && list; i++)
        vgpu_placement_fini(&list[i]);
    free(list);
    return rc;
}

static void
note_place(struct vgpu_state *s, const struct gpu *g, const struct placement_choice *c)
{
    text_copy(s->gpu, sizeof s->gpu, g->name);
    text_copy(s->type, sizeof s->type, c->type.name);
    s->framebuffer_bytes = c->type.framebuffer_bytes;
    s->start_bytes = c->start_bytes;
    s->max_instances = c->type.max_instances;
}

static int
vgpu_place(const struct manager *m, const struct request_create *r, struct vgpu_state *s,
           struct err *e)
{
    const struct gpu *gpus = m->inventory.gpus;
    unsigned n = m->inventory.n;
    struct placement_choice c;
    int rc;

    if (n == 0)
        return err_set(e, -ENODEV,
                       "no OpenCL device found: install pocl-opencl-icd for a software "
                       "GPU, or your GPU's OpenCL driver");
    if (r->gpu[0]) {
        gpus = inventory_find(&m->inventory, r->gpu);
        n = 1;
        if (!gpus)
            return inventory_no_such(&m->inventory, r->gpu, e);
    }
    rc = pick_among(m, gpus, n, r, &c, e);
    if (rc < 0)
        return rc;
    note_place(s, &gpus[c.gpu], &c);
    s->passthrough = r->passthrough;
    return 0;
}

/* The smallest size of a type, from `least` on, that one of the GPUs has; 0: none. */
static uint64_t
next_size(const struct gpu *gpus, unsigned n, uint64_t least)
{
    uint64_t best = 0;

    for (unsigned i = 0; i < n; i++) {
        struct vgpu_type types[TYPES_MAX];
        const int k = types_of_gpu(gpus[i].model, gpus[i].memory_bytes, types, TYPES_MAX);

        for (int t = 0; t < k; t++) {
            const uint64_t bytes = types[t].framebuffer_bytes;

            if (bytes >= least && (best == 0 || bytes < best))
                best = bytes;
        }
    }
    return best;
}

/* Any type of exactly that size; types of different models have different names. */
static int
place_of_size(const struct manager *m, const struct gpu *gpus, unsigned n, uint64_t size,
              struct vgpu_state *s, struct err *e)
{
    int rc = -ENOENT;

    for (unsigned i = 0; i < n && rc < 0; i++) {
        struct vgpu_type types[TYPES_MAX];
        const int k = types_of_gpu(gpus[i].model, gpus[i].memory_bytes, types, TYPES_MAX);

        for (int t = 0; t < k && rc < 0; t++) {
            struct request_create r = {.type = ""};
            struct placement_choice c;

            if (types[t].framebuffer_bytes != size)
                continue;
            text_copy(r.type, sizeof r.type, types[t].name);
            rc = pick_among(m, gpus, n, &r, &c, e);
            if (rc == 0)
                note_place(s, &gpus[c.gpu], &c);
        }
    }
    return rc;
}

int
vgpu_place_again(const struct manager *m, uint64_t framebuffer_bytes, const char *asked,
                 const char *home, struct vgpu_state *s, struct err *e)
{
    const struct gpu *one = inventory_find(&m->inventory, asked[0] ? asked : home);
    const struct gpu *gpus = asked[0] ? one : m->inventory.gpus;
    const unsigned n = asked[0] ? 1 : m->inventory.n;
    uint64_t size;
    int rc = -ENOENT;

    if (asked[0] && !one)
        return inventory_no_such(&m->inventory, asked, e);
    if (n == 0)
        return err_set(e, -ENODEV, "no OpenCL device found");
    if (one && place_of_size(m, one, 1, framebuffer_bytes, s, NULL) == 0)
        return 0;
    size = next_size(gpus, n, framebuffer_bytes);
    if (size == 0)
        return err_set(e, -ENOSPC, "no vGPU of a GPU here is that large");
    /* What is said is about the size that fits best. */
    rc = place_of_size(m, gpus, n, size, s, e);
    while (rc < 0 && (size = next_size(gpus, n, size + 1)) != 0)
        rc = place_of_size(m, gpus, n, size, s, NULL);
    return rc < 0 ? e->code : 0;
}

static int
vgpu_pick_name(const struct manager *m, const struct request_create *r,
               const struct peer *peer, struct vgpu_state *s, struct err *e)
{
    const struct vgpu *other;

    if (r->name[0]) {
        text_copy(s->name, sizeof s->name, r->name); /* a valid name fits */
        other = vgpu_find(m, s->name);
        if (!other)
            return 0;
        return err_set(e, -EEXIST,
                       other->deleting ? "a vGPU '%s' is being deleted"
                                       : "a vGPU '%s' exists already",
                       s->name);
    }
    snprintf(s->name, sizeof s->name, "run-%d", (int)peer->pid);
    for (unsigned i = 2; vgpu_find(m, s->name); i++)
        snprintf(s->name, sizeof s->name, "run-%d-%u", (int)peer->pid, i);
    return 0;
}

int
vgpu_pick_uuid(struct vgpu_state *s, struct err *e)
{
    unsigned char b[16];

    if (getrandom(b, sizeof b, 0) != sizeof b)
        return err_set(e, -EIO, "no random numbers: %s", strerror(errno));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(s->uuid, sizeof s->uuid,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
             b[13], b[14], b[15]);
    return 0;
}

static int
vgpu_describe(const struct manager *m, const struct request_create *r,
              const struct peer *peer, struct vgpu_state *s, struct err *e)
{
    int rc = vgpu_pick_name(m, r, peer, s, e);

    if (rc == 0)
        rc = vgpu_place(m, r, s, e);
    if (rc == 0)
        rc = vgpu_pick_uuid(s, e);
    s->owner_uid = peer->uid;
    s->created_unix = (uint64_t)time(NULL);
    if (r->ephemeral)
        s->owner =
            (struct process_id){(uint64_t)peer->pid, process_start_ticks(peer->pid)};
    return rc;
}

static int
vgpu_make(struct vgpu *v, struct err *e)
{
    int rc = 0;

    if (!v->s.passthrough)
        rc = vgpu_make_account(v, e);
    if (rc == 0 && !v->s.passthrough)
        rc = vgpu_listen(v, e);
    if (rc == 0 && v->s.owner.pid)
        rc = vgpu_watch_owner(v, e);
    if (rc == 0)
        rc = vgpu_state_save(v->m->folders.state_vgpus, &v->s, e);
    return rc;
}

int
vgpu_create(struct manager *m, const struct request_create *r, const struct peer *peer,
            struct vgpu **ret, struct err *e)
{
    struct vgpu_state s = {0};
    struct vgpu *v;
    int rc = vgpu_describe(m, r, peer, &s, e);

    if (rc < 0)
        return rc;
    v = vgpu_new(m, &s);
    if (!v)
        return err_set(e, -ENOMEM, "out of memory");
    rc = vgpu_make(v, e);
    if (rc < 0) {
        vgpu_remove_files(v);
        vgpu_forget(v);
        return rc;
    }
    vgpu_insert(v);
    vgpu_govern(v);
    if (v->gpu)
        gpu_time_changed(m, v->gpu);
    log_info("vGPU '%s': created, type %s on %s", s.name, s.type, s.gpu);
    *ret = v;
    return 0;
}
