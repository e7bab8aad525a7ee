/* SPDX-License-Identifier: MIT */
#include "load_track.h"

#include <errno.h>
#include <stdlib.h>

void
track_begin(struct track *t, uint64_t begin_ns)
{
    t->begin_ns = begin_ns;
    t->n = 0;
}

int
track_done(struct track *t, uint64_t at_ns)
{
    if (t->n == t->cap) {
        const unsigned cap = t->cap ? t->cap * 2 : 1024;
        uint64_t *more;

        if (t->n >= TRACK_MAX)
            return -ENOSPC;
        more = realloc(t->done_ns, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        t->done_ns = more;
        t->cap = cap;
    }
    t->done_ns[t->n++] = at_ns;
    return 0;
}

/* How many completions lie at or before that time. */
static unsigned
count_until(const struct track *t, uint64_t at_ns)
{
    unsigned low = 0, high = t->n;

    while (low < high) {
        const unsigned middle = low + (high - low) / 2;

        if (t->done_ns[middle] <= at_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

double
track_at(const struct track *t, uint64_t at_ns)
{
    const unsigned n = count_until(t, at_ns);
    const uint64_t last = n ? t->done_ns[n - 1] : t->begin_ns;

    /* Nothing came later: what is under way is not known. */
    if (n == t->n || at_ns <= last)
        return n;
    return n + (double)(at_ns - last) / (double)(t->done_ns[n] - last);
}

void
track_fini(struct track *t)
{
    free(t->done_ns);
    *t = (struct track){0};
}
