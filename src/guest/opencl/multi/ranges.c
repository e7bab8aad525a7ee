/* SPDX-License-Identifier: MIT */
#include "guest/opencl/multi/ranges.h"

#include <stdlib.h>
#include <string.h>

static void
stamp_hold(const struct ranges *r, void *stamp)
{
    if (stamp)
        r->ops->hold(stamp);
}

static void
stamp_drop(const struct ranges *r, void *stamp)
{
    if (stamp)
        r->ops->drop(stamp);
}

bool
ranges_init(struct ranges *r, size_t size, unsigned n_holders,
            const struct stamp_ops *ops)
{
    struct range *first = malloc(sizeof *first);
    void **stamp = calloc(n_holders, sizeof *stamp);

    *r = (struct ranges){.ops = ops, .n_holders = n_holders};
    if (!first || !stamp || n_holders > RANGES_HOLDERS_MAX) {
        free(first);
        free(stamp);
        return false;
    }
    *first = (struct range){
        .end = size, .valid = UINT64_MAX >> (64 - n_holders), .stamp = stamp};
    r->list = first;
    r->n = r->cap = 1;
    return true;
}

static void
range_clear(const struct ranges *r, struct range *g)
{
    for (unsigned i = 0; i < r->n_holders; i++)
        stamp_drop(r, g->stamp[i]);
    free(g->stamp);
}

void
ranges_fini(struct ranges *r)
{
    for (size_t i = 0; i < r->n; i++)
        range_clear(r, &r->list[i]);
    free(r->list);
    *r = (struct ranges){0};
}

/* The index of the range that holds byte `at`, which lies inside. */
static size_t
ranges_find(const struct ranges *r, size_t at)
{
    size_t low = 0, high = r->n - 1;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (r->list[mid].end <= at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct range *
ranges_at(const struct ranges *r, size_t at)
{
    return &r->list[ranges_find(r, at)];
}

static bool
ranges_grow(struct ranges *r)
{
    size_t cap = r->cap * 2;
    struct range *longer;

    if (r->n < r->cap)
        return true;
    longer = realloc(r->list, cap * sizeof *longer);
    if (!longer)
        return false;
    r->list = longer;
    r->cap = cap;
    return true;
}

/* Makes `at` the beginning of a range; the end of all is one already. */
static bool
ranges_split(struct ranges *r, size_t at)
{
    void **stamp;
    struct range *g;
    size_t i;

    if (at >= r->list[r->n - 1].end)
        return true;
    i = ranges_find(r, at);
    if (r->list[i].begin == at)
        return true;
    stamp = malloc(r->n_holders * sizeof *stamp);
    if (!stamp || !ranges_grow(r)) {
        free(stamp);
        return false;
    }
    g = &r->list[i];
    memmove(g + 1, g, (r->n - i) * sizeof *g);
    r->n++;
    g[1].stamp = stamp;
    for (unsigned h = 0; h < r->n_holders; h++) {
        stamp[h] = g->stamp[h];
        stamp_hold(r, stamp[h]);
    }
    g->end = g[1].begin = at;
    return true;
}

bool
ranges_cut(struct ranges *r, size_t begin, size_t end)
{
    return ranges_split(r, begin) && ranges_split(r, end);
}

static bool
ranges_alike(const struct ranges *r, const struct range *a, const struct range *b)
{
    return a->valid == b->valid &&
           memcmp(a->stamp, b->stamp, r->n_holders * sizeof *a->stamp) == 0;
}

/* Joins what is alike among the ranges that touch [begin, end]. */
static void
ranges_join(struct ranges *r, size_t begin, size_t end)
{
    size_t i = ranges_find(r, begin ? begin - 1 : 0);

    while (i + 1 < r->n && r->list[i].begin <= end) {
        struct range *a = &r->list[i], *b = a + 1;

        if (!ranges_alike(r, a, b)) {
            i++;
            continue;
        }
        a->end = b->end;
        range_clear(r, b);
        memmove(b, b + 1, (r->n - i - 2) * sizeof *b);
        r->n--;
    }
}

static void
range_put(const struct ranges *r, struct range *g, unsigned holder, void *stamp)
{
    stamp_hold(r, stamp);
    stamp_drop(r, g->stamp[holder]);
    g->stamp[holder] = stamp;
    g->valid |= 1ull << holder;
}

void
ranges_written(struct ranges *r, size_t begin, size_t end, unsigned holder, void *stamp)
{
    for (size_t i = ranges_find(r, begin); i < r->n && r->list[i].begin < end; i++) {
        struct range *g = &r->list[i];

        range_put(r, g, holder, stamp);
        g->valid = 1ull << holder;
        for (unsigned h = 0; h < r->n_holders; h++) {
            if (h == holder)
                continue;
            stamp_drop(r, g->stamp[h]);
            g->stamp[h] = NULL;
        }
    }
    ranges_join(r, begin, end);
}

void
ranges_copied(struct ranges *r, size_t begin, size_t end, unsigned holder, void *stamp)
{
    for (size_t i = ranges_find(r, begin); i < r->n && r->list[i].begin < end; i++)
        range_put(r, &r->list[i], holder, stamp);
    ranges_join(r, begin, end);
}
