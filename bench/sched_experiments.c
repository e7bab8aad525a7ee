/* SPDX-License-Identifier: MIT */
#include "sched_experiments.h"

#include <math.h>
#include <stdio.h>

const char *const policy_words[3] = {"best-effort", "equal-share", "fixed-share"};

const struct experiment experiments[] = {
    {"shares-1", "1 busy vGPU, short kernels", run_shares, NULL, 1, false},
    {"shares-2", "2 busy vGPUs, short kernels", run_shares, NULL, 2, true},
    {"shares-4", "4 busy vGPUs, short kernels", run_shares, NULL, 4, false},
    {"shares-8", "8 busy vGPUs, short kernels", run_shares, NULL, 8, true},
    {"one-busy", "1 busy vGPU, 3 with a program that does nothing", run_one_busy, NULL, 0,
     true},
    {"bully-20", "20 ms kernels in a deep queue beside 0.5 ms", run_bully, NULL, 20000,
     true},
    {"bully-100", "100 ms kernels in a deep queue beside 0.5 ms", run_bully, NULL, 100000,
     false},
    {"bully-event", "200 kernels of 20 ms behind a user event", run_bully, "event", 20000,
     false},
    {"bully-before", "200 kernels of 20 ms queued before anyone else came", run_bully,
     "before", 20000, false},
    {"wait-20", "0.5 ms kernels, launch and wait, beside 20 ms", run_bully_wait, NULL,
     20000, false},
    {"wait-100", "the same beside 100 ms", run_bully_wait, NULL, 100000, false},
    {"mixed-sizes", "F/2 beside F/20, the rest idle or full", run_mixed, NULL, 0, false},
    {"trick-loop", "an endless loop of launch and wait", run_trick, NULL, 0, true},
    {"trick-tiny", "thousands of tiny kernels", run_trick, NULL, 1, false},
    {"trick-copies", "copies only", run_trick, NULL, 2, false},
    {"trick-builds", "builds only", run_trick, NULL, 3, false},
    {"trick-queues", "50 queues", run_trick, NULL, 4, false},
    {"trick-processes", "50 processes (quick: 8)", run_trick, NULL, 5, false},
    {"trick-endless", "a kernel that never ends; watchdog 1 s", run_endless, NULL, 0,
     true},
    {"cost", "one vGPU alone, with and without an arbiter", run_cost, NULL, 0, false},
    {"training", "training alone, with and without an arbiter", run_training, NULL, 0,
     false},
    {"changes", "policy and slice changed 100 times under load", run_changes, NULL, 0,
     true},
    {"manager", "the manager killed under load, and back", run_manager, NULL, 0, true},
    {"long-best", "changing load, 5 minutes, best effort", run_long, "best-effort", 300,
     false},
    {"long-equal", "changing load, 5 minutes, equal share", run_long, "equal-share", 300,
     false},
    {"long-fixed", "changing load, 5 minutes, fixed share", run_long, "fixed-share", 300,
     false},
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
