/* SPDX-License-Identifier: MIT */
#include "cli/sample.h"

#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1e9

static const char *const order_words[] = {
    [ORDER_GOT] = "got",         [ORDER_ASKED] = "asked",     [ORDER_MEMORY] = "memory",
    [ORDER_WAITING] = "waiting", [ORDER_KERNELS] = "kernels", [ORDER_NAME] = "name",
};

bool
sample_order_parse(const char *word, enum sample_order *ret)
{
    for (size_t i = 0; i < sizeof order_words / sizeof *order_words; i++) {
        if (strcmp(order_words[i], word) == 0) {
            *ret = (enum sample_order)i;
            return true;
        }
    }
    return false;
}

const char *
sample_order_word(enum sample_order order)
{
    return order_words[order];
}

/* The object of that name in a list; NULL: there is none. */
static const json_t *
named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);

        if (strcmp(json_text_of(o, "name", ""), name) == 0)
            return o;
    }
    return NULL;
}

/* By how much a counter grew; an absent earlier object stands for zeros. */
static double
growth(const json_t *before, const json_t *now, const char *key)
{
    const uint64_t a = json_u64_of(before, key), b = json_u64_of(now, key);

    return b > a ? (double)(b - a) : 0;
}

/* Parts of the time cannot be more than all of it: waiting sums up over sessions. */
static double
part(const json_t *before, const json_t *now, const char *key, double elapsed_ns)
{
    return fmin(growth(before, now, key) / elapsed_ns, 1.0);
}

static double
rate(const json_t *before, const json_t *now, const char *key, double elapsed_ns)
{
    return growth(before, now, key) / elapsed_ns * SECOND_NS;
}

static void
vgpu_rates(struct vgpu_rates *r, const json_t *before, const json_t *now, double ns)
{
    const json_t *asked = json_object_get(now, "share_asked");

    *r = (struct vgpu_rates){
        .name = json_text_of(now, "name", "-"),
        .type = json_text_of(now, "type", "-"),
        .state = json_text_of(now, "state", "-"),
        .asked = json_is_number(asked) ? json_number_value(asked) : NAN,
        .got = part(before, now, "used_ns", ns),
        .busy = part(before, now, "busy_ns", ns),
        .waiting = part(before, now, "waited_ns", ns),
        .compiling = part(before, now, "compile_ns", ns),
        .kernels = rate(before, now, "kernels", ns),
        .copied_bytes = rate(before, now, "copied_bytes", ns),
        .overruns = rate(before, now, "overruns", ns),
        .framebuffer_bytes = json_u64_of(now, "framebuffer_bytes"),
        .used_bytes = json_u64_of(now, "used_bytes"),
        .sessions = (unsigned)json_u64_of(now, "sessions"),
    };
}

static int
gpu_rates(struct gpu_rates *r, const json_t *before, const json_t *now, double ns)
{
    const json_t *list = json_object_get(now, "vgpus");
    const json_t *old = json_object_get(before, "vgpus");

    *r = (struct gpu_rates){
        .name = json_text_of(now, "name", "-"),
        .model = json_text_of(now, "model", "-"),
        .policy = json_text_of(now, "policy", "-"),
        .slice_us = json_u64_of(now, "slice_us"),
        .memory_bytes = json_u64_of(now, "memory_bytes"),
        .used = part(before, now, "used_ns", ns),
        .idle = part(before, now, "idle_ns", ns),
        .arbiter_cpu = growth(before, now, "arbiter_cpu_ns") / ns,
        .turns = rate(before, now, "turns", ns),
        .nvgpus = json_array_size(list),
    };
    r->vgpus = calloc(r->nvgpus + 1, sizeof *r->vgpus);
    if (!r->vgpus)
        return -ENOMEM;
    for (size_t i = 0; i < r->nvgpus; i++) {
        const json_t *v = json_array_get(list, i);

        vgpu_rates(&r->vgpus[i], named(old, json_text_of(v, "name", "")), v, ns);
    }
    return 0;
}

int
sample_init(struct sample *s, const json_t *earlier, json_t *later)
{
    const json_t *list = json_object_get(later, "gpus");
    const json_t *old = json_object_get(earlier, "gpus");
    const uint64_t begin = json_u64_of(earlier, "time_ns");
    const uint64_t end = json_u64_of(later, "time_ns");
    int rc = 0;

    *s = (struct sample){.time_ns = end, .elapsed_ns = end - begin};
    if (!json_is_array(list))
        return -EPROTO;
    if (end <= begin)
        return -EAGAIN;
    s->gpus = calloc(json_array_size(list) + 1, sizeof *s->gpus);
    if (!s->gpus)
        return -ENOMEM;
    s->later = json_incref(later);
    for (size_t i = 0; i < json_array_size(list) && rc == 0; i++) {
        const json_t *g = json_array_get(list, i);

        rc = gpu_rates(&s->gpus[i], named(old, json_text_of(g, "name", "")), g,
                       (double)s->elapsed_ns);
        s->ngpus = i + 1;
    }
    if (rc < 0)
        sample_fini(s);
    return rc;
}

void
sample_fini(struct sample *s)
{
    for (size_t i = 0; i < s->ngpus; i++)
        free(s->gpus[i].vgpus);
    free(s->gpus);
    json_decref(s->later);
    *s = (struct sample){0};
}

/* Sorting. */

static double
value_of(const struct vgpu_rates *v, enum sample_order order)
{
    switch (order) {
    case ORDER_GOT:
        return v->got;
    case ORDER_ASKED:
        return isnan(v->asked) ? -1 : v->asked;
    case ORDER_MEMORY:
        return (double)v->used_bytes;
    case ORDER_WAITING:
        return v->waiting;
    case ORDER_KERNELS:
        return v->kernels;
    case ORDER_NAME:
        break;
    }
    return 0;
}

static int
compare(const void *a, const void *b, void *order)
{
    const struct vgpu_rates *x = a, *y = b;
    const double p = value_of(x, *(enum sample_order *)order);
    const double q = value_of(y, *(enum sample_order *)order);

    /* The names decide between equals, so that lines do not dance. */
    return p > q ? -1 : p < q ? 1 : strcmp(x->name, y->name);
}

void
sample_sort(struct sample *s, enum sample_order order)
{
    for (size_t i = 0; i < s->ngpus; i++)
        qsort_r(s->gpus[i].vgpus, s->gpus[i].nvgpus, sizeof *s->gpus[i].vgpus, compare,
                &order);
}

/* For programs. */

static json_t *
number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *
vgpu_json(const struct vgpu_rates *v)
{
    return json_pack(
        "{ss ss ss so so so so so so so so si sI sI}", "name", v->name, "type", v->type,
        "state", v->state, "share_asked", number(v->asked), "share_got", number(v->got),
        "busy", number(v->busy), "waiting", number(v->waiting), "compiling",
        number(v->compiling), "kernels_per_second", number(v->kernels),
        "copied_bytes_per_second", number(v->copied_bytes), "overruns_per_second",
        number(v->overruns), "sessions", (int)v->sessions, "framebuffer_bytes",
        (json_int_t)v->framebuffer_bytes, "used_bytes", (json_int_t)v->used_bytes);
}

static json_t *
gpu_json(const struct gpu_rates *g)
{
    json_t *list = json_array();

    for (size_t i = 0; i < g->nvgpus; i++)
        json_array_append_new(list, vgpu_json(&g->vgpus[i]));
    return json_pack("{ss ss ss sI sI so so so so so}", "name", g->name, "model",
                     g->model, "policy", g->policy, "slice_us", (json_int_t)g->slice_us,
                     "memory_bytes", (json_int_t)g->memory_bytes, "used", number(g->used),
                     "idle", number(g->idle), "arbiter_cpu", number(g->arbiter_cpu),
                     "turns_per_second", number(g->turns), "vgpus", list);
}

json_t *
sample_json(const struct sample *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->ngpus; i++)
        json_array_append_new(list, gpu_json(&s->gpus[i]));
    return json_pack("{sI sI so}", "time_ns", (json_int_t)s->time_ns, "elapsed_ns",
                     (json_int_t)s->elapsed_ns, "gpus", list);
}
