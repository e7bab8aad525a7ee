/* SPDX-License-Identifier: MIT */
#include "common/times.h"

#include <errno.h>
#include <stdlib.h>

int
times_add(struct times *t, double seconds, struct failure *why)
{
    if (t->count == t->room) {
        const size_t room = t->room ? t->room * 2 : 1024;
        double *const more = realloc(t->seconds, room * sizeof *more);

        if (!more)
            return failure_set(why, -ENOMEM, "out of memory");
        t->seconds = more;
        t->room = room;
    }
    t->seconds[t->count++] = seconds;
    return 0;
}

void
times_fini(struct times *t)
{
    free(t->seconds);
}
