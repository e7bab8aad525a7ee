/* SPDX-License-Identifier: MIT */
/* GPU after GPU, policy after policy; sums over GPUs as they come. */
#include "cli/simulate.h"

#include "base/io.h"
#include "cli/progress.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define GPU_UNITS 100u /* of the progress bar */
#define DRAW_NS UINT64_C(100000000)

static struct {
    bool wanted;
    unsigned gpu; /* the one under way */
    uint64_t length_ns, drawn_ns;
} bar;

static void
draw(uint64_t simulated_ns)
{
    const double part = (double)simulated_ns / (double)bar.length_ns;
    const uint64_t now = now_ns();

    if (!bar.wanted || now - bar.drawn_ns < DRAW_NS)
        return;
    bar.drawn_ns = now;
    progress_tick(bar.gpu * GPU_UNITS + (unsigned)(part * GPU_UNITS));
}

static double
part_of(const struct simulate *s, uint64_t ns, unsigned guest)
{
    return (double)ns / (double)(s->p.length_ns - s->guests[guest].start_ns);
}

/* Those who always have work, each by its promise: the others leave theirs of themselves. */
static double
jain(const struct simulate *s, const struct sim_result *r)
{
    double x[SIM_VGPUS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < s->n; i++) {
        if (s->guests[i].arrival != SIM_BUSY)
            continue;
        x[n] = part_of(s, r[i].used_ns, i);
        if (r[i].promised)
            x[n] /= (double)r[i].promised / (double)SCHED_SHARE_ONE;
        n++;
    }
    return n > 1 ? sim_jain(x, n) : NAN;
}

static void
add_vgpu(const struct simulate *s, unsigned i, const struct sim_result *r,
         struct simulate_vgpu *v)
{
    const double got = part_of(s, r->used_ns, i);
    const uint64_t p99 = sim_waits_quantile(&r->waits, 0.99);

    v->promised =
        r->promised ? (double)r->promised / (double)SCHED_SHARE_ONE : (double)NAN;
    v->got += got / s->gpus;
    v->got_least = bar.gpu == 0 || got < v->got_least ? got : v->got_least;
    v->got_most = got > v->got_most ? got : v->got_most;
    v->held += part_of(s, r->held_ns, i) / s->gpus;
    v->commands += r->commands;
    v->commands_s += (double)r->commands / s->gpus * 1e9 /
                     (double)(s->p.length_ns - s->guests[i].start_ns);
    sim_waits_add(&v->waits, &r->waits);
    v->p99_worst_ns = p99 > v->p99_worst_ns ? p99 : v->p99_worst_ns;
}

static void
run_policy(const struct simulate *s, struct sim_result *r, struct simulate_outcome *o)
{
    struct sim_params p = s->p;

    p.policy = o->policy;
    p.progress = bar.wanted ? draw : NULL;
    for (bar.gpu = 0; bar.gpu < s->gpus; bar.gpu++) {
        struct simulate_gpu *g = &o->gpus[bar.gpu];
        struct sim_gpu gpu;

        p.seed = s->p.seed + bar.gpu;
        sim_run(&p, s->guests, s->n, &gpu, r);
        *g = (struct simulate_gpu){
            .jain = jain(s, r),
            .idle = (double)gpu.idle_ns / (double)p.length_ns,
            .handover = (double)gpu.handover_ns / (double)p.length_ns,
            .turns = gpu.turns,
        };
        for (unsigned i = 0; i < s->n; i++)
            add_vgpu(s, i, &r[i], &o->vgpus[i]);
    }
}

static int
run_all(const struct simulate *s, struct simulate_outcome *o, unsigned *ret_n)
{
    struct sim_result *r = calloc(s->n, sizeof *r);
    unsigned n = 0;
    int rc = r ? 0 : -ENOMEM;

    for (unsigned i = 0; i < SCHED_POLICIES && rc == 0; i++) {
        if (!s->policies[i])
            continue;
        o[n].policy = (enum sched_policy)i;
        o[n].vgpus = calloc(s->n, sizeof *o[n].vgpus);
        o[n].gpus = calloc(s->gpus, sizeof *o[n].gpus);
        rc = o[n].vgpus && o[n].gpus ? 0 : -ENOMEM;
        if (bar.wanted)
            progress_phase(sched_policy_word(o[n].policy), s->gpus * GPU_UNITS);
        if (rc == 0)
            run_policy(s, r, &o[n]);
        n++;
    }
    free(r);
    *ret_n = n;
    return rc;
}

int
simulate_run(struct simulate *s, struct simulate_outcome **ret, unsigned *ret_n,
             struct err *e)
{
    struct simulate_outcome *o = calloc(SCHED_POLICIES, sizeof *o);
    unsigned wanted = 0;
    int rc;

    if (!o)
        return err_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < SCHED_POLICIES; i++)
        wanted += s->policies[i];
    bar.wanted = isatty(STDERR_FILENO);
    bar.length_ns = s->p.length_ns;
    if (bar.wanted)
        progress_start(wanted * s->gpus * GPU_UNITS);
    rc = run_all(s, o, ret_n);
    if (bar.wanted)
        progress_end();
    if (rc < 0) {
        simulate_outcomes_free(o, *ret_n);
        return err_set(e, rc, "out of memory");
    }
    *ret = o;
    return 0;
}

void
simulate_outcomes_free(struct simulate_outcome *o, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free(o[i].vgpus);
        free(o[i].gpus);
    }
    free(o);
}
