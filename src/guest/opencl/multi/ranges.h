/* SPDX-License-Identifier: MIT */
/*
 * Where the valid bytes of one buffer are: a sorted list of ranges that covers it without gaps.
 * Each range says which holders (vGPUs, by index) have its latest bytes, and by what command each
 * got them. Knows nothing of OpenCL: a stamp is counted by the two functions given, and only
 * compared.
 */
#ifndef TESSERA_GUEST_OPENCL_MULTI_RANGES_H
#define TESSERA_GUEST_OPENCL_MULTI_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGES_HOLDERS_MAX 64

struct stamp_ops {
    void (*hold)(void *stamp); /* never called with NULL */
    void (*drop)(void *stamp);
};

struct range {
    size_t begin, end;
    uint64_t valid; /* bit per holder; never 0 */
    void **stamp;   /* per holder; NULL: nothing to wait for */
};

struct ranges {
    const struct stamp_ops *ops;
    unsigned n_holders;
    size_t n, cap;
    struct range *list;
};

/* One range [0, size), valid at every holder (nobody has written yet). False without memory. */
bool ranges_init(struct ranges *r, size_t size, unsigned n_holders,
                 const struct stamp_ops *ops);
void ranges_fini(struct ranges *r);

/*
 * Makes [begin, end) whole ranges of the list, so that what is then said of it needs no memory.
 * False without memory, with nothing changed that matters. begin < end <= size.
 */
bool ranges_cut(struct ranges *r, size_t begin, size_t end);

/*
 * Cut before: holder alone has these bytes, by `stamp`. Neighbours that say the same become one.
 */
void ranges_written(struct ranges *r, size_t begin, size_t end, unsigned holder,
                    void *stamp);

/* Cut before: holder has them too. */
void ranges_copied(struct ranges *r, size_t begin, size_t end, unsigned holder,
                   void *stamp);

/* The range that holds byte `at`. */
const struct range *ranges_at(const struct ranges *r, size_t at);

static inline bool
range_valid_at(const struct range *g, unsigned holder)
{
    return g->valid >> holder & 1;
}

/* The holder to copy from: the lowest that has the bytes. */
static inline unsigned
range_source(const struct range *g)
{
    return (unsigned)__builtin_ctzll(g->valid);
}

#endif
