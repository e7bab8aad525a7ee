/* SPDX-License-Identifier: MIT */
/* Programs (bench-load) on vGPUs or the bare driver, and windows of time in which they work. */
#ifndef BENCH_SCHED_LOAD_H
#define BENCH_SCHED_LOAD_H

#include "child.h"
#include "sched_site.h"

/* How a program works; bench-load's options. */
struct load_spec {
    unsigned length_us;     /* of a kernel, about; 0: the shortest there is */
    unsigned depth;         /* batches in flight; 0: launch and wait */
    unsigned batch, queues; /* 0: one */
    const char *flag; /* "--copies", "--builds", "--endless", "--behind-event" or NULL */
    unsigned on_ms, off_ms;
};

/* What it did in a window. */
struct outcome {
    double rate; /* launches a second; NAN: no answer */
    double p50_ns,
        p99_ns;      /* of a batch, from the launch until its end was seen; NAN: none */
    json_t *buckets; /* work in each tenth of a second; owned */
    uint64_t launched, completed; /* in all, once nothing was queued any more */
    char problem[120];
};

struct program {
    char vgpu[32]; /* "": on the bare driver */
    struct load_spec spec;
    struct child child;
    struct outcome last;
};

/* Starts it; program_ready() waits until all is compiled. vgpu NULL: on the bare driver. */
int program_start(struct program *p, const struct site *s, const char *vgpu,
                  const struct load_spec *spec, struct err *e);
int program_ready(struct program *p, struct err *e);
void program_stop(struct program *p);

struct window {
    unsigned warm_ms, ms;
    bool accounts; /* ask for the manager's, too */
    /* Called, with `arg`, between begin and end of the counted time; may be NULL. */
    int (*during)(void *arg, uint64_t from_ns, uint64_t end_ns, struct err *e);
    void *arg;
    unsigned first_ms; /* how much earlier than the others the first program begins */
};

/* The manager's accounts at both ends of a window; owned, NULL where there are none. */
struct accounts {
    json_t *before, *after;
};

/*
 * Lets n programs work at the same time, and fills their `last`. A program that fails has its
 * problem there; an error is only what makes the whole window void. ret may be NULL.
 */
int programs_run(const struct site *s, struct program *const *p, unsigned n,
                 const struct window *w, struct accounts *ret, struct err *e);

void accounts_fini(struct accounts *a);

#endif
