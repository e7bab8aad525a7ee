/* SPDX-License-Identifier: MIT */
/*
 * Advice of figures, in this order: what the guest needs of the GPU's time, the policy that gives
 * it, the type that holds its memory (and, under fixed share, whose share is large enough), and how
 * many such guests there is room for: in memory, in time, and on the host.
 */
#include "cli/advise.h"
#include "cli/duration.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* To spare, for other data than this run's: a tenth, or two of the guest library's credits. */
#define MARGIN_PARTS 10
#define MARGIN_MIN_BYTES (UINT64_C(16) << 20)

/* Who keeps the device busy for so much of the time wants as much of it as there is. */
#define DUTY_THROUGHPUT 0.7
/* Whose share varies no more, over at least so many readings, works at a rate of its own; */
#define VARIATION_STEADY 0.25
#define INTERVALS_STEADY 10
/* where pauses are long enough to be kept on purpose: frames, requests; */
#define PAUSE_PACED_S 0.005
/* else shorter ones are its own steps between launches. Who asks less than this only visits. */
#define DUTY_LATENCY 0.2

#define SLICE_SHORT_US 1000u
#define SECOND_NS 1e9
#define SIZE_BYTES 32

static const char *const need_words[] = {
    [ADVISE_GUESS] = "guess",
    [ADVISE_THROUGHPUT] = "throughput",
    [ADVISE_LATENCY] = "latency",
    [ADVISE_RATE] = "rate",
};

const char *
advise_need_word(enum advise_need need)
{
    return need_words[need];
}

bool
advise_need_parse(const char *word, enum advise_need *ret)
{
    for (unsigned i = ADVISE_THROUGHPUT; i <= ADVISE_RATE; i++) {
        if (strcmp(need_words[i], word) == 0) {
            *ret = (enum advise_need)i;
            return true;
        }
    }
    return false;
}

double
advise_slowdown(double duty, unsigned guests)
{
    double queue = 0, round_trip = 1;

    /* Of one guest alone: `duty` of each round trip at the device, the rest elsewhere. */
    for (unsigned n = 1; n <= guests; n++) {
        const double at_device = duty * (1 + queue);

        round_trip = at_device + (1 - duty);
        queue = n * at_device / round_trip;
    }
    return round_trip;
}

/* ---- what it needs --------------------------------------------------------------------- */

static double
pause_s(const struct advise_measured *m)
{
    return m->launches > 0 ? (1 - m->duty) / m->launches : 0;
}

static bool
is_paced(const struct advise_measured *m)
{
    return m->intervals >= INTERVALS_STEADY && m->variation <= VARIATION_STEADY &&
           pause_s(m) >= PAUSE_PACED_S;
}

static enum advise_need
guess_need(const struct advise_measured *m)
{
    if (m->duty >= DUTY_THROUGHPUT)
        return ADVISE_THROUGHPUT;
    if (is_paced(m))
        return ADVISE_RATE;
    return m->duty >= DUTY_LATENCY ? ADVISE_LATENCY : ADVISE_THROUGHPUT;
}

static void
say_guess(const struct advise_measured *m, enum advise_need need, char *why, size_t cap)
{
    char pause[DURATION_TEXT_BYTES];

    duration_format((uint64_t)(pause_s(m) * 1e6) * 1000, pause, sizeof pause);
    if (need == ADVISE_RATE)
        snprintf(
            why, cap,
            "it launches %.0f times a second, evenly (+-%.0f %%), with pauses of %s: "
            "a rate of its own, which only a share that is always there keeps",
            m->launches, m->variation * 100, pause);
    else if (need == ADVISE_LATENCY)
        snprintf(
            why, cap,
            "it works in step with the GPU (busy %.0f %%, pauses of %s between "
            "launches), so each wait for a turn makes its steps longer: short slices",
            m->duty * 100, pause);
    else if (m->duty >= DUTY_THROUGHPUT)
        snprintf(why, cap,
                 "it keeps the GPU busy for %.0f %% of the time: it takes what there is, "
                 "and what others leave",
                 m->duty * 100);
    else
        snprintf(why, cap,
                 "it asks for %.1f %% of the GPU's time only, in bursts: who has work "
                 "gets the GPU, and nothing passes idle",
                 m->duty * 100);
}

static void
say_asked(enum advise_need need, char *why, size_t cap)
{
    static const char *const words[] = {
        [ADVISE_THROUGHPUT] = "throughput was asked for: the GPU rests only when nobody "
                              "has work",
        [ADVISE_LATENCY] = "latency was asked for: whoever runs has its turn, after one "
                           "short slice of each other",
        [ADVISE_RATE] =
            "a rate was asked for: its share is there however many others are",
    };

    snprintf(why, cap, "%s", words[need]);
}

static void
pick_policy(const struct advise_measured *m, enum advise_need asked, struct advice *a)
{
    static const enum sched_policy policies[] = {
        [ADVISE_THROUGHPUT] = SCHED_BEST_EFFORT,
        [ADVISE_LATENCY] = SCHED_EQUAL_SHARE,
        [ADVISE_RATE] = SCHED_FIXED_SHARE,
    };

    a->need = asked == ADVISE_GUESS ? guess_need(m) : asked;
    a->policy = policies[a->need];
    a->slice_us = a->need == ADVISE_LATENCY ? SLICE_SHORT_US : 0;
    if (asked == ADVISE_GUESS)
        say_guess(m, a->need, a->why_policy, sizeof a->why_policy);
    else
        say_asked(a->need, a->why_policy, sizeof a->why_policy);
}

/* ---- type ------------------------------------------------------------------------------ */

static unsigned
guests_in_time(double duty)
{
    const double n = duty > 0 ? floor(1 / duty) : ADVISE_GUESTS_MAX;

    return n < 1 ? 1 : n > ADVISE_GUESTS_MAX ? ADVISE_GUESTS_MAX : (unsigned)n;
}

/* Types are sorted, the largest first: the last that is good is the smallest. */
static const struct vgpu_type *
smallest(const struct advise_site *site, uint64_t bytes, unsigned most)
{
    const struct vgpu_type *found = NULL;

    for (unsigned i = 0; i < site->ntypes; i++) {
        const struct vgpu_type *t = &site->types[i];

        if (t->framebuffer_bytes >= bytes && t->max_instances <= most)
            found = t;
    }
    return found;
}

static void
say_type(const struct advise_measured *m, const struct advice *a, char *why, size_t cap)
{
    char peak[SIZE_BYTES], spare[SIZE_BYTES];
    const uint64_t has = a->type->framebuffer_bytes;

    size_format(m->peak_bytes, peak, sizeof peak);
    size_format(a->needed_bytes - m->peak_bytes, spare, sizeof spare);
    if (has < a->needed_bytes)
        snprintf(why, cap,
                 "it held %s at most, and no type is larger: less to spare than the %s "
                 "that are advised",
                 peak, spare);
    else
        snprintf(why, cap, "it held %s at most; with %s to spare", peak, spare);
}

static void
add_share_words(const struct advise_measured *m, const struct advice *a,
                const struct vgpu_type *by_memory, char *why, size_t cap)
{
    const size_t n = strlen(why);

    if (a->type != by_memory)
        snprintf(why + n, cap - n,
                 ". %s would hold that, but 1/%u of the time is less than the %.0f %% "
                 "that it uses",
                 by_memory->name, by_memory->max_instances, m->duty * 100);
}

static void
pick_type(const struct advise_measured *m, const struct advise_site *site,
          struct advice *a)
{
    const uint64_t tenth = m->peak_bytes / MARGIN_PARTS;
    const unsigned most =
        a->policy == SCHED_FIXED_SHARE ? guests_in_time(m->duty) : UINT32_MAX;
    const struct vgpu_type *by_memory;
    uint64_t bytes;

    a->needed_bytes =
        m->peak_bytes + (tenth > MARGIN_MIN_BYTES ? tenth : MARGIN_MIN_BYTES);
    bytes = smallest(site, a->needed_bytes, UINT32_MAX) ? a->needed_bytes : m->peak_bytes;
    by_memory = smallest(site, bytes, UINT32_MAX);
    a->type = smallest(site, bytes, most);
    if (!a->type) /* no type is as large a part of the time: the largest */
        a->type = by_memory && site->ntypes > 0 ? &site->types[0] : NULL;
    if (!a->type) {
        snprintf(a->why_type, sizeof a->why_type, "no type of this GPU holds it");
        return;
    }
    say_type(m, a, a->why_type, sizeof a->why_type);
    add_share_words(m, a, by_memory, a->why_type, sizeof a->why_type);
}

/* ---- guests ---------------------------------------------------------------------------- */

static unsigned
guests_on_host(const struct advise_measured *m, const struct advise_site *site)
{
    const double each = m->host_cores + m->duty * site->gpu_cores;
    const double n = each > 0 ? floor(site->cores / each) : ADVISE_GUESTS_MAX;

    return n < 1 ? 1 : n > ADVISE_GUESTS_MAX ? ADVISE_GUESTS_MAX : (unsigned)n;
}

static unsigned
least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static void
say_guests(const struct advise_measured *m, const struct advise_site *site,
           const struct advice *a, char *why, size_t cap)
{
    size_t n;

    snprintf(
        why, cap,
        "room in memory for %u, in time for %u (each uses %.1f %%), on %u core%s for %u",
        a->by_memory, a->by_time, m->duty * 100, site->cores, site->cores == 1 ? "" : "s",
        a->by_host);
    n = strlen(why);
    if (a->by_memory > 1 && a->by_time == 1)
        snprintf(why + n, cap - n, ". Two would take about %.1f times as long each",
                 advise_slowdown(m->duty, 2));
    else if (a->guests > 1)
        snprintf(why + n, cap - n,
                 ". Where they meet they wait: up to about %.2f times as long as alone",
                 a->slowdown);
}

static void
pick_guests(const struct advise_measured *m, const struct advise_site *site,
            struct advice *a)
{
    a->by_memory = a->type->max_instances;
    a->by_time = guests_in_time(m->duty);
    a->by_host = guests_on_host(m, site);
    a->guests = least(least(a->by_memory, a->by_time), a->by_host);
    a->slowdown = advise_slowdown(m->duty, a->guests);
    say_guests(m, site, a, a->why_guests, sizeof a->why_guests);
}

void
advise_pick(const struct advise_measured *m, const struct advise_site *site,
            enum advise_need need, struct advice *ret)
{
    *ret = (struct advice){0};
    if (m->commands == 0 && m->peak_bytes == 0) {
        snprintf(
            ret->why_type, sizeof ret->why_type,
            "it gave the vGPU nothing to do: is it an OpenCL program, and did it choose "
            "the platform Tessera?");
        return;
    }
    pick_policy(m, need, ret);
    pick_type(m, site, ret);
    if (ret->type)
        pick_guests(m, site, ret);
}
