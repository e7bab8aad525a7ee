/* SPDX-License-Identifier: MIT */
#include "common/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };

double
clock_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void
progress_init(struct progress *p, bool quiet)
{
    const char *const term = getenv("TERM");

    *p = (struct progress){.on = !quiet && isatty(STDERR_FILENO) &&
                                 !(term && !strcmp(term, "dumb"))};
}

void
progress_phase(struct progress *p, const char *phase)
{
    p->phase = phase;
    p->began_at = p->drawn_at = clock_seconds();
    if (p->on)
        fprintf(stderr, "\r\033[K%s ...", phase);
}

static void
format_left(char *text, size_t size, double seconds)
{
    const unsigned s = seconds < 359999.0 ? (unsigned)(seconds + 0.5) : 359999;

    if (s >= 3600)
        snprintf(text, size, "%u:%02u:%02u left", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%u:%02u left", s / 60, s % 60);
}

void
progress_update(struct progress *p, double done, double total, const char *note)
{
    const double now = clock_seconds(), part = done / total;
    char left[32] = "", bar[BAR_WIDTH + 1];
    int filled;

    if (!p->on || (now - p->drawn_at < 0.1 && done < total))
        return;
    p->drawn_at = now;

    filled = (int)(part * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    if (part > 0.02 && done < total)
        format_left(left, sizeof left, (now - p->began_at) * (1.0 - part) / part);
    fprintf(stderr, "\r\033[K%s [%s] %3.0f %%  %s  %s", p->phase, bar, part * 100.0, note,
            left);
}

void
progress_clear(struct progress *p)
{
    if (p->on)
        fputs("\r\033[K", stderr);
}
