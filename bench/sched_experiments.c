/* SPDX-License-Identifier: MIT */
#include "sched_experiments.h"

#include <math.h>
#include <stdio.h>

const char *const policy_words[3] = {"best-effort", "equal-share", "fixed-share"};

const struct experiment experiments[] = {
    {"shares-1", "1 busy vGPU, short kernels", run_shares, 1, NULL, false},
    {"shares-2", "2 busy vGPUs, short kernels", run_shares, 2, NULL, true},
    {"shares-4", "4 busy vGPUs, short kernels", run_shares, 4, NULL, false},
    {"shares-8", "8 busy vGPUs, short kernels", run_shares, 8, NULL, true},
    {"one-busy", "1 busy vGPU, 3 with a program that does nothing", run_one_busy, 0, NULL,
     true},
    {"bully-20", "20 ms kernels in a deep queue beside 0.5 ms", run_bully, 20000, NULL,
     true},
    {"bully-100", "100 ms kernels in a deep queue beside 0.5 ms", run_bully, 100000, NULL,
     false},
    {"bully-event", "200 kernels of 20 ms behind a user event", run_bully, 20000, "event",
     false},
    {"bully-before", "200 kernels of 20 ms queued before anyone else came", run_bully,
     20000, "before", false},
    {"wait-20", "0.5 ms kernels, launch and wait, beside 20 ms", run_bully_wait, 20000,
     NULL, false},
    {"wait-100", "the same beside 100 ms", run_bully_wait, 100000, NULL, false},
    {"mixed-sizes", "F/2 beside F/20, the rest idle or full", run_mixed, 0, NULL, false},
    {"trick-loop", "an endless loop of launch and wait", run_trick, 0, NULL, true},
    {"trick-tiny", "thousands of tiny kernels", run_trick, 1, NULL, false},
    {"trick-copies", "copies only", run_trick, 2, NULL, false},
    {"trick-builds", "builds only", run_trick, 3, NULL, false},
    {"trick-queues", "50 queues", run_trick, 4, NULL, false},
    {"trick-processes", "50 processes (quick: 8)", run_trick, 5, NULL, false},
    {"trick-endless", "a kernel that never ends; watchdog 1 s", run_endless, 0, NULL,
     true},
    {"cost", "one vGPU alone, with and without an arbiter", run_cost, 0, NULL, false},
    {"training", "training alone, with and without an arbiter", run_training, 0, NULL,
     false},
    {"changes", "policy and slice changed 100 times under load", run_changes, 0, NULL,
     true},
    {"manager", "the manager killed under load, and back", run_manager, 0, NULL, true},
    {"long-best", "changing load, 5 minutes, best effort", run_long, 300, "best-effort",
     false},
    {"long-equal", "changing load, 5 minutes, equal share", run_long, 300, "equal-share",
     false},
    {"long-fixed", "changing load, 5 minutes, fixed share", run_long, 300, "fixed-share",
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
