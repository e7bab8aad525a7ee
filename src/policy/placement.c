/* SPDX-License-Identifier: MIT */
/*
 * A GPU holds a few dozen vGPUs at most, so nothing is sorted or kept: free pieces are
 * found anew by looking at every vGPU. A free piece begins at 0 or where a vGPU ends:
 *
 *     0        10        20        30        40 GiB
 *     |--10g---|         |--5g-|              |      pieces: 10..20 and 25..40
 *
 * A 5 GiB vGPU may start at 10, 15, 25, 30, 35; at 10 and 15 the 15 GiB piece stays
 * whole.
 */
#include "policy/placement.h"

#include "base/checked.h"
#include "policy/explain.h"

#include <errno.h>
#include <string.h>

struct span {
    uint64_t start, end;
};

static struct span
span_of(const struct placement_gpu *gpu, const struct placement_vgpu *v)
{
    struct span s = {0, gpu->memory_bytes};

    if (v->passthrough)
        return s;
    s.start = v->start_bytes;
    if (!checked_add(v->start_bytes, v->framebuffer_bytes, &s.end))
        s.end = UINT64_MAX;
    return s;
}

/*
 * The end of the free piece that begins at from; from itself if that byte is taken. extra
 * is taken too.
 */
static uint64_t
piece_end(const struct placement_gpu *gpu, const struct span *extra, uint64_t from)
{
    uint64_t end = gpu->memory_bytes;

    if (from >= end)
        return from;

    for (unsigned i = 0; i <= gpu->nvgpus; i++) {
        const struct span s = i < gpu->nvgpus ? span_of(gpu, &gpu->vgpus[i]) : *extra;

        if (s.start <= from && from < s.end)
            return from;
        if (s.start >= from && s.start < end && s.start < s.end)
            end = s.start;
    }
    return end;
}

static uint64_t
largest_piece(const struct placement_gpu *gpu, const struct span *extra)
{
    uint64_t best = piece_end(gpu, extra, 0);

    for (unsigned i = 0; i <= gpu->nvgpus; i++) {
        const struct span s = i < gpu->nvgpus ? span_of(gpu, &gpu->vgpus[i]) : *extra;
        const uint64_t len = piece_end(gpu, extra, s.end) - s.end;

        if (len > best)
            best = len;
    }
    return best;
}

/* The length of the free piece that holds s; 0 if s is not free. */
static uint64_t
piece_around(const struct placement_gpu *gpu, const struct span *s)
{
    struct span piece = {0, gpu->memory_bytes};

    for (unsigned i = 0; i < gpu->nvgpus; i++) {
        const struct span v = span_of(gpu, &gpu->vgpus[i]);

        if (v.start < s->end && s->start < v.end)
            return 0;
        if (v.end <= s->start && v.end > piece.start)
            piece.start = v.end;
        if (v.start >= s->end && v.start < piece.end)
            piece.end = v.start;
    }
    return piece.end - piece.start;
}

static const struct span nothing = {0, 0};

uint64_t
placement_largest_free(const struct placement_gpu *gpu)
{
    return largest_piece(gpu, &nothing);
}

static uint64_t
used_bytes(const struct placement_gpu *gpu)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < gpu->nvgpus; i++) {
        const struct span s = span_of(gpu, &gpu->vgpus[i]);

        if (!checked_add(used, s.end - s.start, &used) || used > gpu->memory_bytes)
            return gpu->memory_bytes;
    }
    return used;
}

uint64_t
placement_free_bytes(const struct placement_gpu *gpu)
{
    return gpu->memory_bytes - used_bytes(gpu);
}

bool
placement_is_type(const struct placement_vgpu *v, uint64_t framebuffer_bytes,
                  unsigned max_instances)
{
    return !v->passthrough && v->framebuffer_bytes == framebuffer_bytes &&
           v->type_max_instances == max_instances;
}

static unsigned
count_type(const struct placement_gpu *gpu, const struct vgpu_type *type)
{
    unsigned count = 0;

    for (unsigned i = 0; i < gpu->nvgpus; i++)
        count += placement_is_type(&gpu->vgpus[i], type->framebuffer_bytes,
                                   type->max_instances);
    return count;
}

static bool
passed_through(const struct placement_gpu *gpu)
{
    for (unsigned i = 0; i < gpu->nvgpus; i++)
        if (gpu->vgpus[i].passthrough)
            return true;
    return false;
}

/* All that can refuse a type before its place is looked for. */
static enum placement_refusal
check_rules(const struct placement_gpu *gpu, const struct vgpu_type *type)
{
    const unsigned same = count_type(gpu, type);

    if (type->framebuffer_bytes < TYPE_MIN_BYTES)
        return PLACEMENT_NO_SUCH_TYPE;
    if (gpu->reserved_elsewhere)
        return PLACEMENT_RESERVED;
    if (passed_through(gpu))
        return PLACEMENT_PASSED_THROUGH;
    if (gpu->mode == EQUAL_SIZE && same != gpu->nvgpus)
        return PLACEMENT_OTHER_TYPE_IN_USE;
    if (same >= type->max_instances)
        return PLACEMENT_TYPE_FULL;
    return PLACEMENT_OK;
}

/* How good a free start is; of equals the lowest start was seen first and stays. */
struct fit {
    uint64_t largest_left; /* more is better */
    uint64_t piece;        /* less is better; 0 = not free */
    uint64_t start;
};

static bool
fit_better(const struct fit *a, const struct fit *b)
{
    if (b->piece == 0)
        return true;
    if (a->largest_left != b->largest_left)
        return a->largest_left > b->largest_left;
    return a->piece < b->piece;
}

enum placement_refusal
placement_check_gpu(const struct placement_gpu *gpu, const struct vgpu_type *type,
                    uint64_t *ret_start)
{
    const enum placement_refusal rules = check_rules(gpu, type);
    const uint64_t size = type->framebuffer_bytes;
    struct fit best = {0, 0, 0};

    if (rules != PLACEMENT_OK)
        return rules;

    for (uint64_t k = 0; k < gpu->memory_bytes / size; k++) {
        const struct span s = {k * size, (k + 1) * size};
        struct fit f = {0, piece_around(gpu, &s), s.start};

        if (f.piece == 0)
            continue;
        f.largest_left = largest_piece(gpu, &s);
        if (fit_better(&f, &best))
            best = f;
        if (gpu->mode == EQUAL_SIZE)
            break;
    }
    if (best.piece == 0)
        return PLACEMENT_NO_SPACE;
    *ret_start = best.start;
    return PLACEMENT_OK;
}

unsigned
placement_available(const struct placement_gpu *gpu, const struct vgpu_type *type)
{
    const uint64_t size = type->framebuffer_bytes;
    unsigned room, count = 0;

    if (check_rules(gpu, type) != PLACEMENT_OK)
        return 0;

    /* Starts of one type are a size apart: taking one leaves the others free. */
    room = type->max_instances - count_type(gpu, type);
    for (uint64_t k = 0; k < gpu->memory_bytes / size && count < room; k++) {
        const struct span s = {k * size, (k + 1) * size};

        count += piece_around(gpu, &s) != 0;
    }
    return count;
}

enum placement_refusal
placement_check_passthrough(const struct placement_gpu *gpu)
{
    if (gpu->reserved_elsewhere)
        return PLACEMENT_RESERVED;
    if (passed_through(gpu))
        return PLACEMENT_PASSED_THROUGH;
    return gpu->nvgpus ? PLACEMENT_IN_USE : PLACEMENT_OK;
}

enum placement_refusal
placement_check_request(const struct placement_gpu *gpu, const char *type_name,
                        struct placement_choice *ret)
{
    static const struct vgpu_type whole = {"passthrough", 0, 1};

    if (type_name) {
        if (type_parse(gpu->model, gpu->memory_bytes, type_name, &ret->type) < 0)
            return PLACEMENT_NO_SUCH_TYPE;
        return placement_check_gpu(gpu, &ret->type, &ret->start_bytes);
    }
    ret->type = whole;
    ret->type.framebuffer_bytes = gpu->memory_bytes;
    ret->start_bytes = 0;
    return placement_check_passthrough(gpu);
}

/*
 * Is a's memory used to a greater part than b's? > 0: yes, < 0: less. In MiB the products
 * fit up to 4 PiB.
 */
static int
compare_fill(const struct placement_gpu *a, const struct placement_gpu *b)
{
    const uint64_t x = (used_bytes(a) >> 20) * (b->memory_bytes >> 20);
    const uint64_t y = (used_bytes(b) >> 20) * (a->memory_bytes >> 20);

    return (x > y) - (x < y);
}

static bool
gpu_better(const struct placement_gpu *a, const struct placement_gpu *b,
           enum placement_order order)
{
    const int fill = compare_fill(a, b);

    if (order == PACK)
        return fill != 0 ? fill > 0 : a->nvgpus > b->nvgpus;
    if (a->nvgpus != b->nvgpus)
        return a->nvgpus < b->nvgpus;
    return placement_free_bytes(a) > placement_free_bytes(b);
}

int
placement_pick(const struct placement_gpu *gpus, unsigned n, const char *type_name,
               enum placement_order order, struct placement_choice *ret,
               struct placement_problem *ret_problem)
{
    struct placement_problem problem;
    struct placement_choice best;
    bool found = false;

    for (unsigned i = 0; i < n; i++) {
        struct placement_choice c;

        if (placement_check_request(&gpus[i], type_name, &c) != PLACEMENT_OK)
            continue;
        if (found && !gpu_better(&gpus[i], &gpus[best.gpu], order))
            continue;
        c.gpu = i;
        best = c;
        found = true;
    }
    if (found) {
        *ret = best;
        return 0;
    }
    explain_pick(gpus, n, type_name, &problem);
    if (ret_problem)
        *ret_problem = problem;
    return placement_errno(problem.refusal);
}

enum placement_refusal
placement_mode_change_check(const struct placement_gpu *gpu, enum gpu_mode mode,
                            struct placement_problem *ret_problem)
{
    if (mode == MIXED_SIZE || passed_through(gpu))
        return PLACEMENT_OK;

    for (unsigned i = 1; i < gpu->nvgpus; i++) {
        if (placement_is_type(&gpu->vgpus[i], gpu->vgpus[0].framebuffer_bytes,
                              gpu->vgpus[0].type_max_instances))
            continue;
        if (ret_problem)
            explain_mode_change(gpu, ret_problem);
        return PLACEMENT_OTHER_TYPE_IN_USE;
    }
    return PLACEMENT_OK;
}

int
placement_errno(enum placement_refusal refusal)
{
    switch (refusal) {
    case PLACEMENT_OK:
        return 0;
    case PLACEMENT_NO_SPACE:
    case PLACEMENT_TYPE_FULL:
        return -ENOSPC;
    case PLACEMENT_OTHER_TYPE_IN_USE:
    case PLACEMENT_PASSED_THROUGH:
    case PLACEMENT_IN_USE:
    case PLACEMENT_RESERVED:
        return -EBUSY;
    case PLACEMENT_NO_SUCH_TYPE:
        return -ENOENT;
    case PLACEMENT_NO_GPU:
        return -ENODEV;
    }
    return -EINVAL;
}
