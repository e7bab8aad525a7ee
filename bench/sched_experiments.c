/* SPDX-License-Identifier: MIT */
#include "sched_experiments.h"

#include <math.h>
#include <stdio.h>

const char *const policy_words[3] = {"best-effort", "equal-share", "fixed-share"};

const struct experiment experiments[] = {
    {"shares-1", "1 busy vGPU, short kernels", run_shares, 1, NULL},
    {"shares-2", "2 busy vGPUs, short kernels", run_shares, 2, NULL},
    {"shares-4", "4 busy vGPUs, short kernels", run_shares, 4, NULL},
    {"shares-8", "8 busy vGPUs, short kernels", run_shares, 8, NULL},
    {"one-busy", "1 busy vGPU, 3 with a program that does nothing", run_one_busy, 0,
     NULL},
    {"bully-20", "20 ms kernels in a deep queue beside 0.5 ms", run_bully, 20000, NULL},
    {"bully-100", "100 ms kernels in a deep queue beside 0.5 ms", run_bully, 100000,
     NULL},
    {"bully-event", "200 kernels of 20 ms behind a user event", run_bully, 20000,
     "event"},
    {"bully-before", "200 kernels of 20 ms queued before anyone else came", run_bully,
     20000, "before"},
    {"wait-20", "0.5 ms kernels, launch and wait, beside 20 ms", run_bully_wait, 20000,
     NULL},
    {"wait-100", "the same beside 100 ms", run_bully_wait, 100000, NULL},
    {"mixed-sizes", "F/2 beside F/20, the rest idle or full", run_mixed, 0, NULL},
    {"trick-loop", "an endless loop of launch and wait", run_trick, 0, NULL},
    {"trick-tiny", "thousands of tiny kernels", run_trick, 1, NULL},
    {"trick-copies", "copies only", run_trick, 2, NULL},
    {"trick-builds", "builds only", run_trick, 3, NULL},
    {"trick-queues", "50 queues", run_trick, 4, NULL},
    {"trick-processes", "50 processes (quick: 8)", run_trick, 5, NULL},
    {"trick-endless", "a kernel that never ends; watchdog 1 s", run_endless, 0, NULL},
    {"cost", "one vGPU alone, with and without an arbiter", run_cost, 0, NULL},
    {"training", "training alone, with and without an arbiter", run_training, 0, NULL},
    {"changes", "policy and slice changed 100 times under load", run_changes, 0, NULL},
    {"manager", "the manager killed under load, and back", run_manager, 0, NULL},
    {"long-best", "changing load, 5 minutes, best effort", run_long, 300, "best-effort"},
    {"long-equal", "changing load, 5 minutes, equal share", run_long, 300, "equal-share"},
    {"long-fixed", "changing load, 5 minutes, fixed share", run_long, 300, "fixed-share"},
    {0},
};

struct figure_id
figure_of(const struct round *r, const struct experiment *x, const char *policy)
{
    return (struct figure_id){
        .experiment = x->name, .pinned = r->site->pinned, .policy = policy};
}

void
series_set(const struct round *r, const struct experiment *x, const char *policy,
           json_t *value)
{
    char name[96];

    snprintf(name, sizeof name, "%s%s %s", x->name, r->site->pinned ? " pinned" : "",
             policy);
    json_object_set_new(r->figures->series, name, value);
}

json_t *
numbers_json(const double *v, unsigned n)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, isfinite(v[i]) ? json_real(v[i]) : json_null());
    return list;
}
