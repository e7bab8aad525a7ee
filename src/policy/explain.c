/* SPDX-License-Identifier: MIT */
/*
 * A refusal reads "clause; clause: advice". Every GPU that has the type gives a clause
 * that says why it cannot take the vGPU; advice names only what was tried here and would
 * work. Only when all GPUs are short of space is it one sentence about the best of them.
 */
#include "policy/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* More clauses than this nobody reads: the rest is counted. */
#define MAX_CLAUSES 4

#define SIZE_TEXT 24

struct text {
    char *buf;
    size_t cap, len;
};

__attribute__((format(printf, 2, 3))) static void
text_add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->len = (size_t)n < t->cap - t->len ? t->len + (size_t)n : t->cap - 1;
}

static struct text
text_of(struct placement_problem *p)
{
    struct text t = {p->text, sizeof(p->text), 0};

    p->text[0] = '\0';
    return t;
}

static const char *
type_name_of(const struct placement_vgpu *v)
{
    if (v->passthrough)
        return "passthrough";
    return v->type_name ? v->type_name : "(unnamed)";
}

/* The first vGPU that is not of the type: there is one in the way. */
static const struct placement_vgpu *
other_vgpu(const struct placement_gpu *gpu, const struct vgpu_type *type)
{
    for (unsigned i = 0; i < gpu->nvgpus; i++)
        if (!placement_is_type(&gpu->vgpus[i], type->framebuffer_bytes,
                               type->max_instances))
            return &gpu->vgpus[i];
    return &gpu->vgpus[0];
}

static void
add_space(struct text *t, const struct placement_gpu *gpu, const struct vgpu_type *type)
{
    const uint64_t largest = placement_largest_free(gpu);
    char has[SIZE_TEXT], needs[SIZE_TEXT];

    size_format(largest, has, sizeof(has));
    size_format(type->framebuffer_bytes, needs, sizeof(needs));
    if (largest < type->framebuffer_bytes)
        text_add(t, "%s has %s free in one piece, %s needs %s", gpu->name, has,
                 type->name, needs);
    else
        text_add(t, "%s has %s free in one piece, but not from a multiple of %s on",
                 gpu->name, has, needs);
}

static void
add_full(struct text *t, const struct placement_gpu *gpu, const struct vgpu_type *type)
{
    if (type->max_instances == 1)
        text_add(t, "the one instance of %s on %s is in use", type->name, gpu->name);
    else
        text_add(t, "all %u instances of %s on %s are in use", type->max_instances,
                 type->name, gpu->name);
}

static void
add_clause(struct text *t, const struct placement_gpu *gpu, const struct vgpu_type *type,
           enum placement_refusal refusal)
{
    switch (refusal) {
    case PLACEMENT_NO_SPACE:
        add_space(t, gpu, type);
        break;
    case PLACEMENT_OTHER_TYPE_IN_USE:
        text_add(t, "%s is in use by vGPUs of type %s (equal-size mode)", gpu->name,
                 type_name_of(other_vgpu(gpu, type)));
        break;
    case PLACEMENT_TYPE_FULL:
        add_full(t, gpu, type);
        break;
    case PLACEMENT_PASSED_THROUGH:
        text_add(t, "%s is passed through", gpu->name);
        break;
    case PLACEMENT_IN_USE:
        text_add(t, "%s has %u vGPU%s", gpu->name, gpu->nvgpus,
                 gpu->nvgpus == 1 ? "" : "s");
        break;
    case PLACEMENT_RESERVED:
        text_add(t, "%s is reserved outside Tessera", gpu->name);
        break;
    case PLACEMENT_NO_SUCH_TYPE:
    case PLACEMENT_NO_GPU:
    case PLACEMENT_OK:
        break;
    }
}

/* What would work on a GPU in equal-size mode: its own type, or mixed-size mode. */
static bool
add_advice(struct text *t, const struct placement_gpu *gpu, const struct vgpu_type *type)
{
    const struct placement_vgpu *other = other_vgpu(gpu, type);
    const struct vgpu_type its_type = {"", other->framebuffer_bytes,
                                       other->type_max_instances};
    struct placement_gpu mixed = *gpu;
    uint64_t start;
    bool own, change;

    mixed.mode = MIXED_SIZE;
    own = other->type_name && placement_available(gpu, &its_type) > 0;
    change = placement_check_gpu(&mixed, type, &start) == PLACEMENT_OK;
    if (own)
        text_add(t, ": create a %s", other->type_name);
    if (change)
        text_add(t, "%s it with 'tessera gpu set %s --mode mixed-size'",
                 own ? ", or switch" : ": switch", gpu->name);
    return own || change;
}

static void
explain_no_such_type(struct text *t, const struct placement_gpu *gpus, unsigned n,
                     const char *type_name)
{
    const struct placement_gpu *gpu = &gpus[0];
    struct vgpu_type types[TYPES_MAX];
    int count;

    /* Who writes h200-16g wants to see the types of the h200. */
    for (unsigned i = 0; i < n; i++) {
        const size_t len = strlen(gpus[i].model);

        if (strncmp(type_name, gpus[i].model, len) == 0 && type_name[len] == '-') {
            gpu = &gpus[i];
            break;
        }
    }
    count = types_of_gpu(gpu->model, gpu->memory_bytes, types, TYPES_MAX);
    if (n == 1)
        text_add(t, "%s has no type '%.64s' (it has ", gpu->name, type_name);
    else
        text_add(t, "no GPU has type '%.64s' (%s has ", type_name, gpu->name);
    for (int i = 0; i < count; i++)
        text_add(t, "%s%s", i ? ", " : "", types[i].name);
    text_add(t, "%s)", count > 0 ? "" : "none");
}

static void
explain_no_space(struct text *t, const struct placement_gpu *gpus, unsigned n,
                 const struct vgpu_type *type)
{
    const struct placement_gpu *best = &gpus[0];
    char needs[SIZE_TEXT], has[SIZE_TEXT];
    uint64_t most;

    for (unsigned i = 1; i < n; i++)
        if (placement_largest_free(&gpus[i]) > placement_largest_free(best))
            best = &gpus[i];
    most = placement_largest_free(best);
    size_format(most, has, sizeof(has));
    size_format(type->framebuffer_bytes, needs, sizeof(needs));
    text_add(t, "no GPU has %s free", needs);
    if (most >= type->framebuffer_bytes)
        text_add(t, " from a multiple of %s on", needs);
    text_add(t, " (best: %s, %s)", best->name, has);
}

static void
explain_each(struct text *t, const struct placement_gpu *gpus, unsigned n,
             const char *type_name)
{
    unsigned clauses = 0;

    for (unsigned i = 0; i < n; i++) {
        struct placement_choice c;
        const enum placement_refusal r = placement_check_request(&gpus[i], type_name, &c);

        if (r == PLACEMENT_NO_SUCH_TYPE || ++clauses > MAX_CLAUSES)
            continue;
        text_add(t, "%s", clauses > 1 ? "; " : "");
        add_clause(t, &gpus[i], &c.type, r);
    }
    if (clauses > MAX_CLAUSES)
        text_add(t, "; and %u more GPU%s", clauses - MAX_CLAUSES,
                 clauses - MAX_CLAUSES == 1 ? "" : "s");
    if (!type_name) {
        text_add(t, ": passthrough takes a whole idle GPU");
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        struct placement_choice c;

        if (placement_check_request(&gpus[i], type_name, &c) ==
                PLACEMENT_OTHER_TYPE_IN_USE &&
            add_advice(t, &gpus[i], &c.type))
            break;
    }
}

void
explain_pick(const struct placement_gpu *gpus, unsigned n, const char *type_name,
             struct placement_problem *ret)
{
    struct text t = text_of(ret);
    struct placement_choice c = {0};
    unsigned short_of_space = 0;

    ret->refusal = n ? PLACEMENT_NO_SUCH_TYPE : PLACEMENT_NO_GPU;
    for (unsigned i = 0; i < n; i++) {
        const enum placement_refusal r = placement_check_request(&gpus[i], type_name, &c);

        short_of_space += r == PLACEMENT_NO_SPACE;
        if (ret->refusal == PLACEMENT_NO_SUCH_TYPE)
            ret->refusal = r;
    }

    if (n == 0)
        text_add(&t, "there is no GPU");
    else if (ret->refusal == PLACEMENT_NO_SUCH_TYPE)
        explain_no_such_type(&t, gpus, n, type_name);
    else if (short_of_space == n)
        explain_no_space(&t, gpus, n, &c.type);
    else
        explain_each(&t, gpus, n, type_name);
}

void
explain_mode_change(const struct placement_gpu *gpu, struct placement_problem *ret)
{
    struct text t = text_of(ret);
    unsigned listed = 0;

    ret->refusal = PLACEMENT_OTHER_TYPE_IN_USE;
    text_add(&t, "%s has vGPUs of different types (", gpu->name);
    for (unsigned i = 0; i < gpu->nvgpus; i++) {
        const struct placement_vgpu *v = &gpu->vgpus[i];
        bool seen = false;

        for (unsigned j = 0; j < i; j++)
            seen |= placement_is_type(&gpu->vgpus[j], v->framebuffer_bytes,
                                      v->type_max_instances);
        if (!seen)
            text_add(&t, "%s%s", listed++ ? ", " : "", type_name_of(v));
    }
    text_add(&t, "): equal-size mode takes one type only");
}
