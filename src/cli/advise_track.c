/* SPDX-License-Identifier: MIT */
/*
 * Figures of readings. What is asked is how a guest works when it works: from its first kernel to
 * its last command, so that neither its start nor its end thins the duty cycle, and without the
 * compiler, which takes nothing of a GPU's time.
 */
#include "cli/advise.h"
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SECOND_NS 1e9
/* Two readings closer to each other, as at the program's end, say little of a share. */
#define INTERVAL_MIN_NS (ADVISE_TICK_MS * UINT64_C(1000000) / 2)

static const json_t *
vgpu_named(const json_t *stats, const char *name)
{
    const json_t *gpus = json_object_get(stats, "gpus");

    for (size_t i = 0; i < json_array_size(gpus); i++) {
        const json_t *list = json_object_get(json_array_get(gpus, i), "vgpus");

        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *v = json_array_get(list, k);

            if (strcmp(json_text_of(v, "name", ""), name) == 0)
                return v;
        }
    }
    return NULL;
}

int
advise_read(const json_t *stats, const char *name, struct advise_reading *ret)
{
    const json_t *v = vgpu_named(stats, name);

    if (!v)
        return -ENOENT;
    *ret = (struct advise_reading){
        .time_ns = json_u64_of(stats, "time_ns"),
        .used_ns = json_u64_of(v, "used_ns"),
        .busy_ns = json_u64_of(v, "busy_ns"),
        .compile_ns = json_u64_of(v, "compile_ns"),
        .waited_ns = json_u64_of(v, "waited_ns"),
        .commands = json_u64_of(v, "commands"),
        .kernels = json_u64_of(v, "kernels"),
        .copied_bytes = json_u64_of(v, "copied_bytes"),
        .peak_bytes = json_u64_of(v, "peak_bytes"),
        .kernel_p50_ns = json_u64_of(v, "kernel_p50_ns"),
        .kernel_p99_ns = json_u64_of(v, "kernel_p99_ns"),
    };
    return 0;
}

static uint64_t
sum_of(const struct advise_reading *r)
{
    return r->used_ns + r->commands + r->compile_ns + r->copied_bytes;
}

static void
add_share(struct advise_track *t, double share)
{
    const double off = share - t->mean;

    t->intervals++;
    t->mean += off / t->intervals;
    t->squares += off * (share - t->mean);
}

/* Intervals in which the compiler ran tell nothing of how a guest works. */
static void
add_interval(struct advise_track *t, const struct advise_reading *r, bool active)
{
    const uint64_t ns = r->time_ns - t->last.time_ns;

    if (ns < INTERVAL_MIN_NS || r->compile_ns != t->last.compile_ns)
        return;
    if (!active) {
        t->idle++; /* a pause if more comes, else the end */
        return;
    }
    for (; t->idle > 0; t->idle--)
        add_share(t, 0);
    add_share(t, (double)(r->used_ns - t->last.used_ns) / (double)ns);
}

static void
begin(struct advise_track *t, const struct advise_reading *r)
{
    const struct advise_reading none = {.time_ns = r->time_ns};

    t->begun = true;
    t->before = t->last.time_ns > 0 ? t->last : none;
    t->intervals = t->idle = 0;
    t->mean = t->squares = 0;
}

/* It begins once more with the first kernel: what is copied and built before is a start, too. */
void
advise_track_add(struct advise_track *t, const struct advise_reading *r)
{
    const uint64_t sum = sum_of(r);
    const bool active = sum > t->seen;

    if (active && (!t->begun || (t->last.kernels == 0 && r->kernels > 0))) {
        begin(t, r);
    } else if (t->begun) {
        add_interval(t, r, active);
    }
    if (active)
        t->end_ns = r->time_ns;
    t->seen = sum;
    t->last = *r;
}

static double
seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / SECOND_NS : 0;
}

static double
share(double part, double all)
{
    return all > 0 ? fmin(part / all, 1.0) : 0;
}

struct advise_measured
advise_measure(const struct advise_track *t, double wall_s, double host_s)
{
    const struct advise_reading *r = &t->last, *from = &t->before;
    const double used_s = seconds_between(from->used_ns, r->used_ns);
    const double busy_s = seconds_between(from->busy_ns, r->busy_ns);
    const double waited_s = seconds_between(from->waited_ns, r->waited_ns);
    const double compile_s = seconds_between(from->compile_ns, r->compile_ns);
    const double span_s = seconds_between(t->before.time_ns, t->end_ns);
    /* Compilers of two queues may run at once: then it is no less than the device's time. */
    const double active_s = fmax(span_s - compile_s, used_s);

    return (struct advise_measured){
        .wall_s = wall_s,
        .active_s = active_s,
        .compile_s = compile_s,
        .duty = share(used_s, active_s),
        .busy = share(busy_s, active_s),
        .host_cores = wall_s > 0 ? host_s / wall_s : 0,
        .variation = t->intervals > 1 && t->mean > 0
                         ? sqrt(t->squares / (t->intervals - 1)) / t->mean
                         : 0,
        .launches = active_s > 0 ? (double)r->kernels / active_s : 0,
        .waited = share(waited_s, active_s),
        .intervals = t->intervals,
        .peak_bytes = r->peak_bytes,
        .kernels = r->kernels,
        .commands = r->commands,
        .copied_bytes = r->copied_bytes,
        .kernel_p50_ns = r->kernel_p50_ns,
        .kernel_p99_ns = r->kernel_p99_ns,
    };
}
