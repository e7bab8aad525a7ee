/* SPDX-License-Identifier: MIT */
/*
 * tessera advise, in parts: advise.c has the command line and the one run that is measured,
 * advise_track.c makes figures of readings, advise_pick.c advice of figures (both pure),
 * advise_verify.c runs as many as were advised, advise_report.c says all that. Inside
 * src/cli/advise*.c and its test only.
 */
#ifndef TESSERA_CLI_ADVISE_H
#define TESSERA_CLI_ADVISE_H

#include "base/err.h"
#include "client/client.h"
#include "policy/sched.h"
#include "policy/types.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define ADVISE_TICK_MS 100u /* between two readings */

/* ---- advise_track.c ---------------------------------------------------------------------- */

/* Counters of one vGPU, as /v1/stats has them. */
struct advise_reading {
    uint64_t time_ns, used_ns, busy_ns, compile_ns, waited_ns;
    uint64_t commands, kernels, copied_bytes, peak_bytes;
    uint64_t kernel_p50_ns, kernel_p99_ns; /* 0: unknown */
};

/* Of the vGPU `name` in an answer of /v1/stats; -ENOENT: it is not there. */
int advise_read(const json_t *stats, const char *name, struct advise_reading *ret);

/* Readings of a vGPU that begins with all counters at 0. Zeroed memory is a good one. */
struct advise_track {
    struct advise_reading last, before; /* the last; the one before it began */
    uint64_t end_ns;                    /* when something was last seen to be done */
    uint64_t seen;                      /* sum of the counters then: has it grown? */
    unsigned intervals, idle;           /* with something done; since then without */
    double mean, squares;               /* of the device's share of intervals (Welford) */
    bool begun;
};

void advise_track_add(struct advise_track *t, const struct advise_reading *r);

/* What a program did. Shares are of active_s. */
struct advise_measured {
    double wall_s; /* the whole program */
    double
        active_s; /* from its first kernel (or command) to the end, without the compiler */
    double compile_s;
    double duty;       /* the device's time in turns with its commands: what is charged */
    double busy;       /* device time by the device's own clock */
    double host_cores; /* CPU time of the program itself, a second */
    double variation;  /* of duty, from reading to reading: deviation over mean */
    double launches;   /* a second */
    double waited;     /* with commands that waited for a turn */
    unsigned intervals; /* that variation is of */
    uint64_t peak_bytes, framebuffer_bytes;
    uint64_t kernels, commands, copied_bytes;
    uint64_t kernel_p50_ns, kernel_p99_ns; /* 0: unknown */
};

/* wall_s, host_s: the program's, as measured outside. */
struct advise_measured advise_measure(const struct advise_track *t, double wall_s,
                                      double host_s);

/* ---- advise_pick.c ----------------------------------------------------------------------- */

/* What a guest needs of the GPU's time. */
enum advise_need { ADVISE_GUESS, ADVISE_THROUGHPUT, ADVISE_LATENCY, ADVISE_RATE };

/* Where the guests are to run. */
struct advise_site {
    struct vgpu_type types[TYPES_MAX]; /* of the GPU, the largest first */
    unsigned ntypes;
    unsigned cores;     /* of the machine, for the programs */
    unsigned gpu_cores; /* those that a software GPU computes on, among them; else 0 */
};

#define ADVISE_WHY_BYTES 256

struct advice {
    const struct vgpu_type
        *type;             /* one of the site's; NULL: there is nothing to advise */
    uint64_t needed_bytes; /* the peak and what is to spare */
    enum advise_need need; /* as asked for, or as guessed: never ADVISE_GUESS */
    enum sched_policy policy;
    unsigned slice_us; /* 0: the default */
    unsigned guests;   /* on one GPU: the least of these */
    unsigned by_memory, by_time, by_host;
    double slowdown; /* so much longer each takes beside the others, at most, about */
    char why_type[ADVISE_WHY_BYTES], why_policy[ADVISE_WHY_BYTES];
    char why_guests[ADVISE_WHY_BYTES]; /* with why_type alone where there is no advice */
};

void advise_pick(const struct advise_measured *m, const struct advise_site *site,
                 enum advise_need need, struct advice *ret);

/*
 * How much longer a guest takes that needs `duty` of the time and meets others of its kind at
 * random (mean value analysis of a closed system: Reiser and Lavenberg 1980).
 */
double advise_slowdown(double duty, unsigned guests);

const char *advise_need_word(enum advise_need need);
bool advise_need_parse(const char *word, enum advise_need *ret); /* "throughput", ... */

/* ---- advise_verify.c --------------------------------------------------------------------- */

#define ADVISE_GUESTS_MAX 32 /* as many as any type allows on a GPU */
#define ADVISE_TOLERANCE 1.1 /* what is measured may be off by so much */

struct advise_verified {
    unsigned guests;
    double slowdown[ADVISE_GUESTS_MAX]; /* time per launch over that of the run alone */
    double worst;
    bool
        as_advised; /* the policy; false: it is not ours to change, or others use the GPU */
    bool held;
};

/* All that there is to say of a program. */
struct advise_report {
    char **program;
    const char *gpu, *type; /* where it was measured */
    const struct advise_measured *measured;
    const struct advice *advice;
    const struct advise_verified *verified; /* NULL: it was not asked for */
};

/*
 * Runs as many as were advised, at once. 0; -EINTR: a signal ended it (*ret_status is the exit
 * status to leave with); -EIO: a guest failed, *ret_status is its.
 */
int advise_verify(struct client *c, const struct advise_report *said,
                  struct advise_verified *ret, int *ret_status, struct err *e);

/* ---- advise_report.c --------------------------------------------------------------------- */

void advise_print(const struct advise_report *r);
json_t *advise_json(const struct advise_report *r);

#endif
