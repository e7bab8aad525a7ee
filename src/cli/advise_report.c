/* SPDX-License-Identifier: MIT */
/* Advice in words, and as JSON. */
#include "cli/advise.h"
#include "cli/cli.h"
#include "cli/duration.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SIZE_BYTES 32
#define MS 1000000u
#define ENOUGH_S 2.0 /* twenty readings */

/* To what a person reads: 1.234 s, not 1.234567891 s. */
static const char *
seconds_words(double s, char buf[DURATION_TEXT_BYTES])
{
    duration_format((uint64_t)(s * 1e3 + 0.5) * MS, buf, DURATION_TEXT_BYTES);
    return buf;
}

static const char *
size_words(uint64_t bytes, char buf[SIZE_BYTES])
{
    size_format(bytes, buf, SIZE_BYTES);
    return buf;
}

/* ---- measured ---------------------------------------------------------------------------- */

static void
print_memory(const struct advise_measured *m)
{
    char peak[SIZE_BYTES], all[SIZE_BYTES];

    printf("  %-11s %s at most, of %s\n", "memory", size_words(m->peak_bytes, peak),
           size_words(m->framebuffer_bytes, all));
}

static void
print_time(const struct advise_measured *m)
{
    char active[DURATION_TEXT_BYTES], compile[DURATION_TEXT_BYTES];

    printf("  %-11s %.1f %% of %s (by the device's clock %.1f %%)", "duty cycle",
           m->duty * 100, seconds_words(m->active_s, active), m->busy * 100);
    if (m->compile_s > 0)
        printf(", compiler %s apart", seconds_words(m->compile_s, compile));
    if (m->waited >= 0.01)
        printf(", waiting %.0f %%", m->waited * 100);
    putchar('\n');
}

static void
print_kernels(const struct advise_measured *m)
{
    char half[DURATION_TEXT_BYTES], most[DURATION_TEXT_BYTES];

    printf("  %-11s %llu, %.1f a second", "kernels", (unsigned long long)m->kernels,
           m->launches);
    if (m->kernel_p50_ns > 0) {
        duration_format(m->kernel_p50_ns / 1000 * 1000, half, sizeof half);
        duration_format(m->kernel_p99_ns / 1000 * 1000, most, sizeof most);
        printf("; half take up to %s, 99 %% up to %s", half, most);
    }
    putchar('\n');
}

static void
print_measured(const struct advise_report *r)
{
    const struct advise_measured *m = r->measured;
    char wall[DURATION_TEXT_BYTES], copied[SIZE_BYTES];

    printf("%s on %s of %s, %s\n", r->program[0], r->type, r->gpu,
           seconds_words(m->wall_s, wall));
    print_memory(m);
    print_time(m);
    print_kernels(m);
    printf("  %-11s %s\n", "copied", size_words(m->copied_bytes, copied));
    printf("  %-11s %.2f cores\n\n", "host", m->host_cores);
    if (m->commands > 0 && m->active_s < ENOUGH_S)
        printf(
            "It worked for %s only: let it run for longer to have figures that last.\n\n",
            seconds_words(m->active_s, wall));
}

/* ---- advised ----------------------------------------------------------------------------- */

static void
print_advice(const struct advice *a)
{
    printf("%-13s %s: %s\n", "type", a->type->name, a->why_type);
    printf("%-13s %s", "policy", sched_policy_word(a->policy));
    if (a->slice_us > 0)
        printf(", slice %u us", a->slice_us);
    printf(": %s\n", a->why_policy);
    printf("%-13s %u: %s\n\n", "guests a GPU", a->guests, a->why_guests);
}

static void
print_commands(const struct advise_report *r)
{
    const struct advice *a = r->advice;

    printf("  tessera gpu set %s --policy %s", r->gpu, sched_policy_word(a->policy));
    if (a->slice_us > 0)
        printf(" --slice %uus", a->slice_us);
    printf("\n  tessera run --type %s --", a->type->name);
    for (char **word = r->program; *word; word++)
        printf(" %s", *word);
    putchar('\n');
}

static void
print_verified(const struct advise_verified *v, const struct advice *a)
{
    printf("\n%-13s %u at once: each launch took", "verified", v->guests);
    for (unsigned i = 0; i < v->guests; i++)
        printf("%s %.2f", i ? "," : "", v->slowdown[i]);
    printf(" times as long as alone; foretold were %.2f, give or take a tenth: %s\n",
           a->slowdown, v->held ? "it holds" : "it does NOT hold");
    if (!v->as_advised)
        printf("%-13s with the policy that the GPU has: others use it, or only root may "
               "change it\n",
               "");
}

void
advise_print(const struct advise_report *r)
{
    print_measured(r);
    if (!r->advice->type) {
        printf("no advice: %s\n", r->advice->why_type);
        return;
    }
    print_advice(r->advice);
    print_commands(r);
    if (r->verified)
        print_verified(r->verified, r->advice);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *
integer(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *
known(uint64_t ns)
{
    return ns ? integer(ns) : json_null();
}

static json_t *
measured_json(const struct advise_measured *m)
{
    return json_pack(
        "{sf sf sf so so sf sf sf sf so so sf so so so sf}", "wall_s", m->wall_s,
        "active_s", m->active_s, "compile_s", m->compile_s, "peak_bytes",
        integer(m->peak_bytes), "framebuffer_bytes", integer(m->framebuffer_bytes),
        "duty", m->duty, "busy", m->busy, "waited", m->waited, "variation", m->variation,
        "commands", integer(m->commands), "kernels", integer(m->kernels),
        "kernels_per_second", m->launches, "kernel_p50_ns", known(m->kernel_p50_ns),
        "kernel_p99_ns", known(m->kernel_p99_ns), "copied_bytes",
        integer(m->copied_bytes), "host_cores", m->host_cores);
}

static json_t *
advice_json(const struct advice *a)
{
    if (!a->type)
        return json_null();
    return json_pack(
        "{ss so so ss ss si si s{si si si} sf s{ss ss ss}}", "type", a->type->name,
        "framebuffer_bytes", integer(a->type->framebuffer_bytes), "needed_bytes",
        integer(a->needed_bytes), "need", advise_need_word(a->need), "policy",
        sched_policy_word(a->policy), "slice_us", (int)a->slice_us, "guests",
        (int)a->guests, "guests_by", "memory", (int)a->by_memory, "time", (int)a->by_time,
        "host", (int)a->by_host, "slowdown", a->slowdown, "why", "type", a->why_type,
        "policy", a->why_policy, "guests", a->why_guests);
}

static json_t *
verified_json(const struct advise_verified *v)
{
    json_t *list;

    if (!v)
        return json_null();
    list = json_array();
    for (unsigned i = 0; i < v->guests; i++)
        json_array_append_new(list, json_real(v->slowdown[i]));
    return json_pack("{si so sf sb sb}", "guests", (int)v->guests, "slowdowns", list,
                     "worst", v->worst, "policy_as_advised", (int)v->as_advised, "held",
                     (int)v->held);
}

json_t *
advise_json(const struct advise_report *r)
{
    json_t *program = json_array();

    for (char **word = r->program; *word; word++)
        json_array_append_new(program, json_string(*word));
    return json_pack("{so ss ss so so ss* so}", "program", program, "gpu", r->gpu, "type",
                     r->type, "measured", measured_json(r->measured), "advice",
                     advice_json(r->advice), "no_advice",
                     r->advice->type ? NULL : r->advice->why_type, "verified",
                     verified_json(r->verified));
}
