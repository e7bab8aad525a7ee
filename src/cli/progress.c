/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"
#include "base/io.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR_CHARS 30u
#define LINE_BYTES 256
#define PART_UNITS 1000u

static struct {
    unsigned total, before, phase, done; /* in units of work, a step being one */
    const char *name;
    uint64_t begin_ns, show_ns; /* show_ns: nothing is drawn before */
    bool terminal, colour, lines;
} bar;

void
progress_start(unsigned total)
{
    const char *none = getenv("NO_COLOR");

    memset(&bar, 0, sizeof bar);
    bar.total = total;
    bar.begin_ns = now_ns();
    bar.lines = true;
    bar.terminal = isatty(STDERR_FILENO);
    bar.colour = bar.terminal && (!none || !none[0]);
}

void
progress_start_late(unsigned delay_ms)
{
    progress_start(PART_UNITS);
    bar.lines = false;
    bar.show_ns = bar.begin_ns + delay_ms * 1000000ull;
}

static unsigned
units_done(void)
{
    return bar.before + (bar.done < bar.phase ? bar.done : bar.phase);
}

/* "2:05 left"; nothing before there is something to go by. */
static void
format_left(char *text, size_t cap)
{
    const double elapsed_s = (double)(now_ns() - bar.begin_ns) / 1e9;
    const unsigned done = units_done();
    unsigned left_s;

    text[0] = '\0';
    if (done == 0 || done > bar.total)
        return;
    left_s = (unsigned)(elapsed_s * (bar.total - done) / done);
    snprintf(text, cap, "%u:%02u left", left_s / 60, left_s % 60);
}

static void
draw(void)
{
    const unsigned percent = bar.total ? 100 * units_done() / bar.total : 0;
    const unsigned full = BAR_CHARS * percent / 100;
    char left[32], line[LINE_BYTES], chars[BAR_CHARS + 1];

    if (now_ns() < bar.show_ns)
        return;
    memset(chars, '.', BAR_CHARS);
    memset(chars, '#', full < BAR_CHARS ? full : BAR_CHARS);
    chars[BAR_CHARS] = '\0';
    format_left(left, sizeof left);
    snprintf(line, sizeof line, "\r%s[%s]%s %3u %%  %-34s %s\033[K",
             bar.colour ? "\033[32m" : "", chars, bar.colour ? "\033[0m" : "", percent,
             bar.name, left);
    fputs(line, stderr);
    fflush(stderr);
}

static void
print_phase(void)
{
    char left[32];

    format_left(left, sizeof left);
    fprintf(stderr, "%3u %%  %s%s%s\n", bar.total ? 100 * bar.before / bar.total : 0,
            bar.name, left[0] ? ", " : "", left);
}

void
progress_phase(const char *name, unsigned units)
{
    bar.before += bar.phase;
    bar.phase = units;
    bar.done = 0;
    bar.name = name;
    if (bar.terminal)
        draw();
    else if (bar.lines)
        print_phase();
}

void
progress_part(const char *name, double part)
{
    if (bar.name != name) {
        bar.begin_ns = now_ns(); /* what is left is told of this phase alone */
        bar.name = name;
    }
    bar.phase = PART_UNITS;
    progress_tick((unsigned)(part * PART_UNITS));
}

void
progress_tick(unsigned done)
{
    bar.done = done;
    if (bar.terminal)
        draw();
}

void
progress_skip(unsigned units)
{
    bar.total -= units;
}

void
progress_end(void)
{
    if (bar.terminal && now_ns() >= bar.show_ns)
        fputs("\r\033[K", stderr);
}
