/* SPDX-License-Identifier: MIT */
/*
 * Equal share: the member with the least clock, whether it has work or not. All weigh the same and
 * pay for whole slices, so clocks stay within one overrun of each other; the GPU's is their mean,
 * since what some are ahead is what the others are behind. Who is away owns no time, so nothing
 * pays off its debt but its own later turns.
 */
#include "policy/sched_internal.h"

static struct sched_vgpu *
equal_share_pick(struct sched *s, struct sched_turn *ret)
{
    struct sched_vgpu *least = NULL, *v;

    (void)ret;
    sched_for_each (v, s) {
        if (!least || sched_foreseen(s, v) < sched_foreseen(s, least))
            least = v;
    }
    return least;
}

const struct sched_ops sched_equal_share = {
    .name = "equal-share",
    .summary = "every running vGPU owns an equal part of the time, used or not",
    .weigh = sched_weigh_all_alike,
    .due = sched_mean,
    .pick = equal_share_pick,
};
