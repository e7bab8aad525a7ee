/* SPDX-License-Identifier: MIT */
/* What is to be simulated, out of the command line's words. */
#include "cli/simulate.h"

#include "cli/duration.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOST_GPUS 10000
#define MOST_INSTANCES 1000
#define USUAL_VGPUS 8
#define USUAL_TIME_NS UINT64_C(60000000000)
#define USUAL_HANDOVER_NS 20000
#define USUAL_LINGER_NS 50000
#define SECOND_NS UINT64_C(1000000000)

/* ---- numbers and times ------------------------------------------------------------- */

struct range {
    const char *option;
    uint64_t least, most;
};

static uint64_t
take_number(const char *text, const struct range *r, uint64_t usual, char **argv)
{
    uint64_t v;
    char *end;

    if (!text)
        return usual;
    errno = 0;
    v = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || v < r->least || v > r->most)
        args_mistake(argv, "%s '%s': a number from %" PRIu64 " to %" PRIu64, r->option,
                     text, r->least, r->most);
    return v;
}

static uint64_t
take_time(const char *text, const struct range *r, uint64_t usual, char **argv)
{
    char least[DURATION_TEXT_BYTES], most[DURATION_TEXT_BYTES];
    uint64_t ns;

    if (!text)
        return usual;
    if (sim_parse_time(text, &ns) == 0 && ns >= r->least && ns <= r->most)
        return ns;
    duration_format(r->least, least, sizeof least);
    duration_format(r->most, most, sizeof most);
    args_mistake(argv, "%s '%s': a time with its unit (2ms), from %s to %s", r->option,
                 text, least, most);
}

static void
take_policy(struct simulate *s, const char *word, char **argv)
{
    enum sched_policy policy;

    if (!word || strcmp(word, "all") == 0) {
        for (unsigned i = 0; i < SCHED_POLICIES; i++)
            s->policies[i] = true;
    } else if (sched_policy_parse(word, &policy)) {
        s->policies[policy] = true;
    } else {
        args_mistake(argv, "--policy '%s': best-effort, equal-share, fixed-share or all",
                     word);
    }
}

void
simulate_take_options(struct simulate *s, const struct simulate_args *a, char **argv)
{
    static const struct range gpus = {"--gpus", 1, MOST_GPUS},
                              instances = {"--max-instances", 1, MOST_INSTANCES},
                              seed = {"--seed", 0, INT64_MAX},
                              elastic = {"--elastic", 0, 100},
                              time = {"--time", SCHED_SLICE_MIN_NS, SIM_TIME_MAX_NS},
                              slice = {"--slice", SCHED_SLICE_MIN_NS, SCHED_SLICE_MAX_NS},
                              handover = {"--handover", 0, SECOND_NS},
                              linger = {"--linger", 0, SECOND_NS};

    take_policy(s, a->policy, argv);
    s->gpus = (unsigned)take_number(a->gpus, &gpus, 1, argv);
    s->max_instances = (unsigned)take_number(a->max_instances, &instances, 0, argv);
    s->p.seed = take_number(a->seed, &seed, 1, argv);
    s->p.sched.elastic_percent = (unsigned)take_number(a->elastic, &elastic, 0, argv);
    s->p.length_ns = take_time(a->time, &time, 0, argv);
    s->p.sched.slice_ns = take_time(a->slice, &slice, 0, argv);
    s->p.handover_ns = take_time(a->handover, &handover, USUAL_HANDOVER_NS, argv);
    s->p.linger_ns = take_time(a->linger, &linger, USUAL_LINGER_NS, argv);
}

/* ---- guests ------------------------------------------------------------------------ */

static void
take_guest(struct sim_guest *g, const char *word, char **argv)
{
    const char *problem;
    char key[64];

    g->kernel = (struct sim_dist){.shape = SIM_EXPONENTIAL, .a_ns = 500000};
    g->arrival = SIM_BUSY;
    if (sim_parse_guest(word, g, &problem, key) < 0)
        args_mistake(argv, "'%s': %s: %s", word, key, problem);
}

/* "bully" described once and wanted thrice is bully-0, bully-1, bully-2. */
static void
name_copy(struct sim_guest *g, unsigned i, char **argv)
{
    char number[16];

    if (!*g->name) {
        snprintf(g->name, sizeof g->name, "vgpu%u", i);
        return;
    }
    snprintf(number, sizeof number, "-%u", i);
    if (strlen(g->name) + strlen(number) >= sizeof g->name)
        args_mistake(argv, "'%s': too long a name to be numbered", g->name);
    memcpy(g->name + strlen(g->name), number, strlen(number) + 1);
}

static void
repeat_last(struct simulate *s, unsigned described, char **argv)
{
    const struct sim_guest last = s->guests[described - 1];

    for (unsigned i = described - 1; i < s->n; i++) {
        s->guests[i] = last;
        if (!*last.name || s->n > described)
            name_copy(&s->guests[i], *last.name ? i - (described - 1) : i, argv);
    }
}

static void
check_names(const struct simulate *s, char **argv)
{
    for (unsigned i = 0; i < s->n; i++)
        for (unsigned k = 0; k < i; k++)
            if (strcmp(s->guests[i].name, s->guests[k].name) == 0)
                args_mistake(argv, "two vGPUs are called '%s'", s->guests[i].name);
}

void
simulate_take_guests(struct simulate *s, const struct simulate_args *a, char **argv)
{
    static const struct range vgpus = {"--vgpus", 1, SIM_VGPUS_MAX};
    const unsigned words = a->args.nwords, described = words ? words : 1;
    const unsigned usual = a->trace ? words : words > 1 ? words : USUAL_VGPUS;

    s->n = (unsigned)take_number(a->vgpus, &vgpus, usual, argv);
    if (s->n < words)
        args_mistake(argv, "--vgpus %u: %u are described", s->n, words);
    if (s->n == 0)
        return;
    for (unsigned i = 0; i < described; i++) {
        take_guest(&s->guests[i], words ? a->args.words[i] : "", argv);
        if (!*s->guests[i].name && i + 1 < described)
            name_copy(&s->guests[i], i, argv);
    }
    repeat_last(s, described, argv);
    check_names(s, argv);
}

/* ---- what follows from the others -------------------------------------------------- */

/* Until the last command of the trace could have ended, had it been alone. */
static uint64_t
usual_time(const struct simulate *s)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < s->n; i++) {
        const struct sim_guest *g = &s->guests[i];
        const struct sim_command *last;

        if (g->arrival != SIM_TRACE)
            continue;
        last = &g->trace[g->trace_length - 1];
        if (g->start_ns + last->at_ns + last->length_ns > end)
            end = g->start_ns + last->at_ns + last->length_ns;
    }
    if (end == 0)
        return USUAL_TIME_NS;
    return end < SIM_TIME_MAX_NS ? end : SIM_TIME_MAX_NS;
}

static void
check_guests(const struct simulate *s, char **argv)
{
    uint64_t shares = 0;

    for (unsigned i = 0; i < s->n; i++) {
        const struct sim_guest *g = &s->guests[i];

        shares += g->share;
        if (g->start_ns >= s->p.length_ns)
            args_mistake(argv, "'%s' starts after the end: see --time", g->name);
    }
    if (s->policies[SCHED_FIXED_SHARE] && shares > SCHED_SHARE_ONE)
        args_mistake(argv,
                     "the shares make %.1f %%: fixed share has 100 %% to give "
                     "(share=, --max-instances)",
                     100 * (double)shares / (double)SCHED_SHARE_ONE);
}

void
simulate_complete(struct simulate *s, const struct simulate_args *a, char **argv)
{
    if (s->max_instances == 0)
        s->max_instances = s->n;
    for (unsigned i = 0; i < s->n; i++)
        if (s->guests[i].share == 0)
            s->guests[i].share = sched_share_of_instances(s->max_instances);
    if (!a->slice)
        s->p.sched.slice_ns = sched_default_slice_ns(s->max_instances);
    if (!a->time)
        s->p.length_ns = usual_time(s);
    check_guests(s, argv);
}
