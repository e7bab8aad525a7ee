/* SPDX-License-Identifier: MIT */
/* Where bench-sched measures: a private manager, its vGPUs, its policies, its accounts. */
#ifndef BENCH_SCHED_SITE_H
#define BENCH_SCHED_SITE_H

#include "host.h"

#include <jansson.h>
#include <sched.h>
#include <stdint.h>

struct site {
    struct host host;
    bool pinned; /* the software GPU has one core, all else the others */
    double
        iterations_per_us; /* of bench-load's kernel, on the bare driver, measured once */
    cpu_set_t cores;       /* ours at the beginning */
};

/* Starts the manager and calibrates. */
int site_init(struct site *s, const char *build, bool pin, struct err *e);
void site_fini(struct site *s);

/* Runs `tessera WORD... -o json`, the words ended by NULL; ret may be NULL. */
int site_tessera(const struct site *s, json_t **ret, struct err *e, ...)
    __attribute__((sentinel));

/* A vGPU of the type that fits `instances` times on the GPU. */
int site_create(const struct site *s, const char *name, unsigned instances,
                struct err *e);
int site_delete_all(const struct site *s, struct err *e);

/* slice: such as "2ms". */
int site_policy(const struct site *s, const char *policy, const char *slice,
                struct err *e);
int site_set(const struct site *s, const char *option, const char *value, struct err *e);

/* SIGKILL to the manager; it is gone when this returns. site_revive() starts one anew. */
int site_kill_manager(const struct site *s, struct err *e);
int site_revive(const struct site *s, struct err *e);

/* The control API's /v1/stats. */
int site_stats(const struct site *s, json_t **ret, struct err *e);

/*
 * By how much a counter of a vGPU grew between two answers, over the time between them; the
 * GPU's own counter where vgpu is NULL. NAN when there is no such counter.
 */
double site_share(const json_t *before, const json_t *after, const char *vgpu,
                  const char *counter);

void site_sleep_until(uint64_t ns);

#endif
