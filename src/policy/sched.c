/* SPDX-License-Identifier: MIT */
/*
 * What all policies have in common: clocks, and how time and debts move them.
 *
 *   clock += time / weight      behind the GPU's clock: time is owed to it; ahead: it owes time
 *
 * Clocks are 64 bits and start in the middle, at SCHED_EPOCH_NS, since a claim lies behind the
 * start. They move about as fast as time (a member of weight 1/8 is moved by 8 ns for each of the
 * 1 in 8 that it gets), so there is room for centuries. A division rounds to a nanosecond of a
 * clock, once a turn: less than a millionth of the shortest slice.
 */
#include "policy/sched.h"

#include "policy/sched_internal.h"

#include <string.h>

#define SCHED_EPOCH_NS (UINT64_C(1) << 62)

/* The most that one charge moves a clock, so that no sum of them overflows. */
#define SCHED_MOVE_MAX_NS (UINT64_C(1) << 58)

/* 64 short turns bring a remembered overrun down to a third. */
#define OVERRUN_PART 64

const struct sched_ops *const sched_policies[SCHED_POLICIES] = {
    [SCHED_BEST_EFFORT] = &sched_best_effort,
    [SCHED_EQUAL_SHARE] = &sched_equal_share,
    [SCHED_FIXED_SHARE] = &sched_fixed_share,
};

bool
sched_policy_parse(const char *word, enum sched_policy *ret)
{
    for (unsigned i = 0; i < SCHED_POLICIES; i++)
        if (strcmp(word, sched_policies[i]->name) == 0) {
            *ret = (enum sched_policy)i;
            return true;
        }
    return false;
}

const char *
sched_policy_word(enum sched_policy policy)
{
    return sched_policies[policy]->name;
}

uint64_t
sched_default_slice_ns(unsigned max_instances)
{
    return max_instances > 8 ? UINT64_C(1000000) : UINT64_C(2000000);
}

uint64_t
sched_share_of_instances(unsigned max_instances)
{
    return SCHED_SHARE_ONE / (max_instances ? max_instances : 1);
}

uint64_t
sched_share_of_bytes(uint64_t framebuffer, uint64_t gpu)
{
    if (framebuffer >= gpu)
        return SCHED_SHARE_ONE;
    return (uint64_t)((unsigned __int128)framebuffer * SCHED_SHARE_ONE / gpu);
}

/* ---- clocks ------------------------------------------------------------------------ */

/* ns * SCHED_SHARE_ONE / weight, without the 128 bits that the product needs. */
static uint64_t
clock_of_time(uint64_t ns, uint64_t weight)
{
    const uint64_t whole = ns / weight, rest = ns % weight;

    if (whole >= SCHED_MOVE_MAX_NS / SCHED_SHARE_ONE)
        return SCHED_MOVE_MAX_NS;
    return whole * SCHED_SHARE_ONE + rest * SCHED_SHARE_ONE / weight;
}

static int64_t
clock_of_signed(int64_t ns, uint64_t weight)
{
    if (ns < 0)
        return -(int64_t)clock_of_time(-(uint64_t)ns, weight);
    return (int64_t)clock_of_time((uint64_t)ns, weight);
}

static int64_t
time_of_clock(int64_t clock_ns, uint64_t weight)
{
    return (int64_t)(((__int128)clock_ns * weight) / (int64_t)SCHED_SHARE_ONE);
}

void
sched_set_weight(const struct sched *s, struct sched_vgpu *v, uint64_t weight)
{
    v->weight = weight;
    v->step_ns = clock_of_time(s->params.slice_ns, weight);
    v->inverse = (SCHED_SHARE_ONE << SCHED_INVERSE_SHIFT) / weight;
}

void
sched_weigh_all_alike(struct sched *s)
{
    struct sched_vgpu *v;

    sched_for_each (v, s)
        sched_set_weight(s, v, SCHED_SHARE_ONE);
    s->nobody.weight = 0;
}

uint64_t
sched_mean(const struct sched *s)
{
    const struct sched_vgpu *v = &s->nobody;
    __int128 sum = (__int128)(int64_t)(v->clock_ns - s->clock_ns) * v->weight;
    uint64_t weights = v->weight;

    sched_for_each (v, s) {
        sum += (__int128)(int64_t)(v->clock_ns - s->clock_ns) * v->weight;
        weights += v->weight;
    }
    if (weights == SCHED_SHARE_ONE) /* as always under fixed share: no division */
        return s->clock_ns + (uint64_t)(int64_t)(sum >> 32);
    return s->clock_ns + (uint64_t)(int64_t)(weights ? sum / (int64_t)weights : 0);
}

static const struct sched_ops *
ops_of(const struct sched *s)
{
    return sched_policies[s->policy];
}

/* ---- members ----------------------------------------------------------------------- */

void
sched_init(struct sched *s, enum sched_policy policy, const struct sched_params *p)
{
    *s = (struct sched){.policy = policy, .params = *p, .clock_ns = SCHED_EPOCH_NS};
    list_init(&s->members);
    list_init(&s->nobody.node);
    s->nobody.joined = true;
    s->nobody.clock_ns = s->clock_ns;
    ops_of(s)->weigh(s);
}

/* What v is ahead of the GPU's clock, in device time, which means the same whatever it weighs. */
static int64_t
lag_of(const struct sched_vgpu *v, uint64_t due)
{
    return time_of_clock((int64_t)(v->clock_ns - due), v->weight);
}

/* New weights; what each is ahead or behind stays what it is in device time. */
static void
reweigh(struct sched *s, uint64_t due)
{
    struct sched_vgpu *v;

    sched_for_each (v, s)
        v->clock_ns = (uint64_t)lag_of(v, due);
    ops_of(s)->weigh(s);
    sched_for_each (v, s)
        v->clock_ns = due + (uint64_t)clock_of_signed((int64_t)v->clock_ns, v->weight);
}

/*
 * Lags add up to nothing, so nobody's is what those of the members leave open: who leaves in debt
 * leaves it to nobody, and the others are paid back out of time that nobody owns.
 */
static void
settle_nobody(struct sched *s, uint64_t due)
{
    struct sched_vgpu *nobody = &s->nobody, *v;
    __int128 sum = 0;

    if (nobody->weight == 0)
        return;
    sched_for_each (v, s)
        sum += (__int128)(int64_t)(v->clock_ns - due) * v->weight;
    sum /= (int64_t)nobody->weight;
    if (sum > (__int128)SCHED_MOVE_MAX_NS)
        sum = SCHED_MOVE_MAX_NS;
    if (sum < -(__int128)SCHED_MOVE_MAX_NS)
        sum = -(__int128)SCHED_MOVE_MAX_NS;
    nobody->clock_ns = due - (uint64_t)(int64_t)sum;
}

/* What it owes; less what has been paid off while it was away. */
static uint64_t
ahead_of_joiner(const struct sched *s, const struct sched_vgpu *v, uint64_t due)
{
    const uint64_t ahead = clock_of_time(v->owed_ns, v->weight);
    const uint64_t passed = due > v->left_ns ? due - v->left_ns : 0;

    if (!ops_of(s)->forgives)
        return ahead;
    return ahead > passed ? ahead - passed : 0;
}

void
sched_join(struct sched *s, struct sched_vgpu *v)
{
    const uint64_t due = ops_of(s)->due(s);

    if (v->joined)
        return;
    v->joined = true;
    v->ready = false;
    v->weight = 0; /* no lag */
    list_add_tail(&s->members, &v->node);
    s->n_members++;
    reweigh(s, due);
    v->clock_ns = due + ahead_of_joiner(s, v, due);
    settle_nobody(s, due);
    v->owed_ns = 0;
    v->left_ns = s->spent_ns;
}

/* Debts are measured against those who stay: there they are paid. */
void
sched_leave(struct sched *s, struct sched_vgpu *v)
{
    uint64_t due;

    if (!v->joined)
        return;
    due = ops_of(s)->due(s);
    sched_idle(s, v);
    v->joined = false;
    list_del(&v->node);
    s->n_members--;
    /* The last one's clock is where those start who come later: nobody lost what it took. */
    if (s->n_members == 0 && due > s->clock_ns)
        s->clock_ns = due;
    reweigh(s, due);
    settle_nobody(s, due);
    due = ops_of(s)->due(s);
    v->owed_ns = v->clock_ns > due ? (uint64_t)lag_of(v, due) : 0;
    v->left_ns = due;
}

void
sched_ready(struct sched *s, struct sched_vgpu *v)
{
    if (v->ready || !v->joined)
        return;
    if (ops_of(s)->ready)
        ops_of(s)->ready(s, v);
    v->ready = true;
    s->n_ready++;
}

void
sched_idle(struct sched *s, struct sched_vgpu *v)
{
    if (!v->ready)
        return;
    v->ready = false;
    s->n_ready--;
    v->left_ns = s->spent_ns;
    if (ops_of(s)->idle)
        ops_of(s)->idle(s, v);
}

/* ---- policy ------------------------------------------------------------------------ */

void
sched_change(struct sched *s, enum sched_policy policy, const struct sched_params *p)
{
    const uint64_t due = ops_of(s)->due(s);
    const int64_t lag = lag_of(&s->nobody, due);
    struct sched_vgpu *v;

    /* Who is further back than the least that is due had nothing to do: that is no claim. */
    if (s->policy == SCHED_BEST_EFFORT)
        sched_for_each (v, s)
            v->clock_ns = v->clock_ns < due ? due : v->clock_ns;
    s->clock_ns = due;
    s->policy = policy;
    s->params = *p;
    reweigh(s, due);
    s->nobody.clock_ns = due;
    if (s->nobody.weight > 0)
        s->nobody.clock_ns += (uint64_t)clock_of_signed(lag, s->nobody.weight);
}

uint64_t
sched_promised(const struct sched *s, const struct sched_vgpu *v)
{
    if (!v->joined)
        return 0;
    switch (s->policy) {
    case SCHED_BEST_EFFORT:
        return SCHED_SHARE_ONE / (s->n_ready + !v->ready);
    case SCHED_EQUAL_SHARE:
        return SCHED_SHARE_ONE / s->n_members;
    case SCHED_FIXED_SHARE:
    case SCHED_POLICIES:
        break;
    }
    return v->weight;
}

/* ---- turns ------------------------------------------------------------------------- */

bool
sched_pick(struct sched *s, struct sched_turn *ret)
{
    struct sched_turn turn = {.slice_ns = s->params.slice_ns};
    struct sched_vgpu *v = ops_of(s)->pick(s, &turn);

    if (!v)
        return false;
    turn.owned = s->policy != SCHED_BEST_EFFORT;
    v->clock_ns += v->step_ns;
    v->under_way_ns += turn.slice_ns;
    s->spent_ns += turn.slice_ns;
    if (v != &s->nobody) {
        turn.vgpu = v;
        /* The list is in order of the latest turns: of equals the first goes next. */
        list_del(&v->node);
        list_add_tail(&s->members, &v->node);
    }
    *ret = turn;
    return true;
}

/* Who has left in between owes by a number of its own. */
static void
charge_absent(struct sched_vgpu *v, int64_t more_ns)
{
    if (more_ns < 0 && (uint64_t)-more_ns > v->owed_ns)
        v->owed_ns = 0;
    else
        v->owed_ns += (uint64_t)more_ns;
}

static void
charge(struct sched *s, struct sched_vgpu *v, const struct sched_turn *turn,
       int64_t more_ns)
{
    s->spent_ns += (uint64_t)more_ns;
    if (!v->joined) {
        /* What it took while nobody else wanted any is nobody's loss. */
        if (!turn || !turn->open)
            charge_absent(v, more_ns);
        return;
    }
    if (v->weight == 0)
        return; /* time of nobody, who owns none any more */
    v->clock_ns += (uint64_t)clock_of_signed(more_ns, v->weight);
    if (ops_of(s)->charge)
        ops_of(s)->charge(s, v, turn);
}

/* The most of late: a greater one counts at once, a smaller one brings it down by a part. */
static void
note_overrun(uint64_t *most_ns, uint64_t ns)
{
    if (ns >= *most_ns)
        *most_ns = ns;
    else
        *most_ns -= (*most_ns - ns) / OVERRUN_PART;
}

void
sched_charge(struct sched *s, const struct sched_turn *turn, uint64_t used_ns)
{
    struct sched_vgpu *v = turn->vgpu ? turn->vgpu : &s->nobody;
    int64_t more_ns = (int64_t)(used_ns - turn->slice_ns);

    v->under_way_ns -=
        turn->slice_ns < v->under_way_ns ? turn->slice_ns : v->under_way_ns;
    /* One that paused within its slice tells nothing of its kernels. */
    if (turn->vgpu && !turn->open && more_ns >= 0) {
        v->known = true;
        note_overrun(&v->overrun_ns, (uint64_t)more_ns < SCHED_OVERRUN_MAX_NS
                                         ? (uint64_t)more_ns
                                         : SCHED_OVERRUN_MAX_NS);
        note_overrun(&s->overrun_ns, v->overrun_ns);
        note_overrun(&s->owed_most_ns, v->overrun_ns);
    }
    if (turn->owned && v->joined && more_ns < 0)
        more_ns = 0;
    charge(s, v, turn, more_ns);
}

void
sched_debt(struct sched *s, struct sched_vgpu *v, uint64_t ns)
{
    if (ns > s->owed_most_ns)
        s->owed_most_ns = ns < SCHED_OVERRUN_MAX_NS ? ns : SCHED_OVERRUN_MAX_NS;
    charge(s, v, NULL, ns < INT64_MAX ? (int64_t)ns : INT64_MAX);
}
