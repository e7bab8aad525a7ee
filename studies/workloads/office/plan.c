/* SPDX-License-Identifier: MIT */
#include "office/plan.h"

#include "office/desk.h"

void
plan_init(struct plan *ret_plan, uint64_t seed, double think_s)
{
    *ret_plan = (struct plan){.work.state = seed ^ 0x776f726b,
                              .pauses.state = seed ^ 0x706175736573,
                              .think_s = think_s};
}

static unsigned
draw_kind(struct rng *rng)
{
    unsigned total = 0, kind = 0;
    uint32_t at;

    for (unsigned i = 0; i < OPERATIONS; i++)
        total += operations[i].weight;
    for (at = rng_below(rng, total); at >= operations[kind].weight; kind++)
        at -= operations[kind].weight;
    return kind;
}

struct task
plan_next(struct plan *plan)
{
    struct task task = {.kind = draw_kind(&plan->work)};

    task.rng.state = rng_next(&plan->work);
    if (plan->think_s > 0.0)
        task.think_s = rng_exponential(&plan->pauses, plan->think_s);
    return task;
}
