/* SPDX-License-Identifier: MIT */
#include "cad/pace.h"

#include <math.h>

void
pace_init(struct pace *pace, double began, double rate, uint64_t frames)
{
    *pace = (struct pace){.began = began, .rate = rate, .frames = frames};
}

double
pace_due(const struct pace *pace)
{
    return pace->began + (double)pace->number / pace->rate;
}

/* The first frame that is due then or later. */
static uint64_t
first_due(const struct pace *pace, double now)
{
    const double periods = ceil((now - pace->began) * pace->rate);

    return periods >= (double)pace->frames ? pace->frames : (uint64_t)fmax(periods, 0.0);
}

void
pace_end_frame(struct pace *pace, double now)
{
    const uint64_t next = pace->number + 1, last = pace->frames - 1;
    uint64_t due = first_due(pace, now);

    pace->drawn++;
    if (next >= pace->frames) {
        pace->number = pace->frames;
        return;
    }
    due = due < next ? next : due > last ? last : due;
    pace->late += now > pace->began + (double)next / pace->rate;
    pace->missed += due - next;
    pace->number = due;
}

bool
pace_is_over(const struct pace *pace)
{
    return pace->number >= pace->frames;
}
