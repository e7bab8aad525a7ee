/* SPDX-License-Identifier: MIT */
/*
 * Fixed share: earliest eligible virtual deadline first (Stoica, Abdel-Wahab 1995). Weights add up
 * to SCHED_SHARE_ONE, since a member called nobody weighs what no vGPU owns; so the mean of all
 * clocks, the GPU's clock, moves exactly as fast as time is charged.
 *
 *   eligible   its clock is not ahead of the GPU's: it has not had more than its due
 *   deadline   clock + (slice + the most that turns overran of late) / weight: when it would be
 *              behind by that much, in device time; it is picked before that
 *
 * A vGPU that is away owns its share all the same, so that its debt is paid off by time that passes
 * idle (nobody takes it over).
 *
 * With the least clock alone a vGPU of 1/2 beside ten of 1/20 would wait for all ten between two of
 * its slices; by deadlines nobody falls behind by more than one slice, or the longest overrun.
 */
#include "policy/sched_internal.h"

static uint64_t
share_of(const struct sched_vgpu *v)
{
    if (v->share > SCHED_SHARE_ONE)
        return SCHED_SHARE_ONE;
    return v->share > SCHED_WEIGHT_MIN ? v->share : SCHED_WEIGHT_MIN;
}

/* Who owns what is left; a few units are what shares lose by rounding: the first one's. */
static void
weigh_nobody(struct sched *s, uint64_t left)
{
    struct sched_vgpu *first = sched_of(s->members.next);

    if (left > s->n_members) {
        sched_set_weight(s, &s->nobody, left);
        return;
    }
    s->nobody.weight = 0;
    if (s->n_members > 0)
        sched_set_weight(s, first, first->weight + left);
}

/* Each grows by the elastic percentage, or less: so far that all is owned. */
static void
fixed_share_weigh(struct sched *s)
{
    uint64_t shares = 0, left = SCHED_SHARE_ONE, grown;
    struct sched_vgpu *v;

    sched_for_each (v, s)
        shares += share_of(v);
    grown = shares * (100 + s->params.elastic_percent) / 100;
    if (grown > SCHED_SHARE_ONE)
        grown = SCHED_SHARE_ONE;
    sched_for_each (v, s) {
        const uint64_t w = (uint64_t)((unsigned __int128)share_of(v) * grown / shares);

        sched_set_weight(s, v, w);
        left -= w;
    }
    weigh_nobody(s, left);
}

/* The GPU's clock, and each one's, as they will be after the turns under way. */
static uint64_t
foreseen_mean(const struct sched *s)
{
    const struct sched_vgpu *v = &s->nobody;
    __int128 sum = (__int128)(int64_t)(v->clock_ns - s->clock_ns) * v->weight;

    sched_for_each (v, s)
        sum += (__int128)(int64_t)(sched_foreseen(s, v) - s->clock_ns) * v->weight;
    return s->clock_ns + (uint64_t)(int64_t)(sum >> 32);
}

static struct sched_vgpu *
fixed_share_pick(struct sched *s, struct sched_turn *ret)
{
    const uint64_t mean = foreseen_mean(s);
    const uint64_t most = s->params.slice_ns + s->overrun_ns;
    struct sched_vgpu *first = NULL, *v;
    uint64_t deadline = 0;

    (void)ret;
    if (s->n_members == 0)
        return NULL;
    s->clock_ns = mean; /* a base not far off, for the next sum */
    sched_for_each (v, s) {
        const uint64_t clock = sched_foreseen(s, v), end = clock + sched_stretch(v, most);

        if (clock <= mean && (!first || end < deadline)) {
            first = v;
            deadline = end;
        }
    }
    v = &s->nobody;
    if (v->weight > 0 && v->clock_ns <= mean &&
        (!first || v->clock_ns + sched_stretch(v, most) < deadline))
        return v;
    return first;
}

const struct sched_ops sched_fixed_share = {
    .name = "fixed-share",
    .summary = "every vGPU owns 1/most instances of its type, whoever else there is",
    .forgives = true,
    .weigh = fixed_share_weigh,
    .due = sched_mean,
    .pick = fixed_share_pick,
};
