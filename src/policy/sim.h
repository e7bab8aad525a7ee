/* SPDX-License-Identifier: MIT */
/*
 * One GPU on a virtual clock: made-up guests, the schedulers of sched.h as they are, and what each
 * guest got. GPUs have nothing to do with each other, so that a thousand are simulated one by one.
 *
 * A guest's next command arrives at a time that it alone decides; a turn is run command by command.
 * What the real arbiter adds is modelled by two numbers: the cost of a hand-over, and how long a
 * gate without commands keeps a turn. Not modelled: that the next turn is picked ahead.
 *
 * Everything is in the caller's memory; times in ns. The same seed gives the same answers.
 */
#ifndef TESSERA_POLICY_SIM_H
#define TESSERA_POLICY_SIM_H

#include "policy/sched.h"

#include <stddef.h>

#define SIM_VGPUS_MAX 32
#define SIM_NAME_MAX 48 /* with the final NUL */
#define SIM_NEVER UINT64_MAX
#define SIM_TIME_MAX_NS UINT64_C(3153600000000000000) /* a hundred years */

enum sim_shape { SIM_CONSTANT, SIM_EXPONENTIAL, SIM_UNIFORM };

/* A distribution of times: of mean a_ns, or between a_ns and b_ns. */
struct sim_dist {
    enum sim_shape shape;
    uint64_t a_ns, b_ns;
};

enum sim_arrival {
    SIM_BUSY,   /* a deep queue: always one more command */
    SIM_CLOSED, /* launches and waits; the next comes `gap` after the end */
    SIM_OPEN,   /* the next comes `gap` after this one came */
    SIM_TRACE,  /* recorded */
};

struct sim_command {
    uint64_t at_ns, length_ns;
};

/* What a guest does. */
struct sim_guest {
    char name[SIM_NAME_MAX];
    uint64_t share; /* in SCHED_SHARE_ONE */
    struct sim_dist kernel;
    enum sim_arrival arrival;
    struct sim_dist gap;
    uint64_t start_ns; /* it runs from then on */
    const struct sim_command *trace;
    size_t trace_length;
};

/* Waiting times in buckets, 16 to each power of two: right to 6 %. */
#define SIM_WAIT_BUCKETS (64 * 16)

struct sim_waits {
    uint64_t n, bucket[SIM_WAIT_BUCKETS];
};

struct sim_result {
    uint64_t promised; /* in SCHED_SHARE_ONE; best effort: 0 */
    uint64_t used_ns;  /* commands ran */
    uint64_t held_ns;  /* its turns, with what it let pass */
    uint64_t commands;
    struct sim_waits waits;
};

struct sim_params {
    enum sched_policy policy;
    struct sched_params sched;
    uint64_t length_ns;   /* how long to simulate */
    uint64_t handover_ns; /* lost when a turn goes from one vGPU to another */
    uint64_t linger_ns;   /* how long a turn is kept without commands (best effort) */
    uint64_t seed;
    void (*progress)(uint64_t now_ns); /* called now and then; NULL: nobody is */
};

/* What became of a GPU's time: these and the guests' used_ns add up to the length or a bit more. */
struct sim_gpu {
    uint64_t idle_ns, handover_ns, turns;
};

/* Simulates one GPU; n at most SIM_VGPUS_MAX. */
void sim_run(const struct sim_params *p, const struct sim_guest *guests, unsigned n,
             struct sim_gpu *ret_gpu, struct sim_result *ret);

/* The time that the part q (0 to 1) of the commands did not wait longer than; 0: there are none. */
uint64_t sim_waits_quantile(const struct sim_waits *w, double q);
void sim_waits_add(struct sim_waits *to, const struct sim_waits *from);

/* Jain's index of n numbers: 1: all alike; 1/n: one has all. 1 for none, or all 0. */
double sim_jain(const double *x, unsigned n);

/* ---- words (sim_words.c) ------------------------------------------------------------ */

/* A time: digits, a fraction if wanted, and ns, us, ms, s, m or h. -EINVAL; -ERANGE: too long. */
int sim_parse_time(const char *text, uint64_t *ret_ns);

/* "500us" | "const:500us" | "exp:500us" | "uniform:100us-2ms". -EINVAL */
int sim_parse_dist(const char *text, struct sim_dist *ret);

/* "1/8", "0.125", "12.5%": more than nothing, at most all. -EINVAL */
int sim_parse_share(const char *text, uint64_t *ret);

/*
 * A guest: "key=value,...": name, share (1/8, 0.125, 12.5%), kernel (a distribution), arrival
 * (busy, closed:THINK, open:INTERVAL), start (a time). Keys that are missing keep what *g holds.
 * -EINVAL: *ret_problem (static words) and ret_key (at least 64 bytes) say which is wrong.
 */
int sim_parse_guest(const char *text, struct sim_guest *g, const char **ret_problem,
                    char *ret_key);

/*
 * One line of a trace: "TIME VGPU LENGTH": 12.5ms a 500us. 1: a command; 0: a comment (#), or
 * empty; -EINVAL: *ret_problem (static words) says what is wrong.
 */
int sim_parse_line(const char *line, char name[SIM_NAME_MAX], struct sim_command *ret,
                   const char **ret_problem);

#endif
