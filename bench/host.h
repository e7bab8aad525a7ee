/* SPDX-License-Identifier: MIT */
/*
 * A private manager with folders of its own, found through this process's environment by
 * all that we start, and how to run a program natively and on a vGPU of it. The vGPUs are
 * ephemeral: they are gone when their program is, and without vGPUs the manager leaves,
 * even when we were killed.
 */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define HOST_ARGV_MAX 32

struct host_options {
    const char *build; /* the build tree */
    const char *gpu;   /* a GPU's name; NULL: the software GPU */
    bool discrete;     /* the software GPU shares no storage */
    bool pin;          /* the software GPU gets cores of its own */
    /* Of software GPUs: how many (0: one), and the memory of each (NULL: what a few vGPUs
     * of a common size take). */
    unsigned gpus;
    const char *memory;
    unsigned vgpus; /* that a type must have room for on the GPU; 0: a few */
};

struct host {
    char *folder; /* removed by host_fini() */
    char *tessera, *calls, *load, *train;
    json_t *gpu;  /* as `tessera gpus` tells it */
    char *type;   /* of the vGPUs */
    char *device; /* the same device on the bare driver: "PLATFORM:N" */
    bool started;
};

/* Arguments of a program; the words belong to the host, the caller and literals. */
struct host_argv {
    const char *v[HOST_ARGV_MAX + 1];
    unsigned n;
};

/* Makes the folders, starts the manager and picks GPU and type. Changes the environment.
 */
int host_init(struct host *h, const struct host_options *o, struct err *e);

/* Ends the manager and removes its folders; fine after a host_init() that failed. */
void host_fini(struct host *h);

void host_add(struct host_argv *a, const char *word);

/* bench-calls, bench-load or tessera-train (all take --device), on one side. */
void host_program(const struct host *h, const char *program, bool vgpu,
                  struct host_argv *ret);

/* Runs `tessera COMMAND -o json WORD`; word may be NULL, *ret is the caller's. */
int host_ask(const struct host *h, const char *command, const char *word, json_t **ret,
             struct err *e);

/* The manager's process, 0 when it cannot be told. */
pid_t host_manager(const struct host *h);

/* Is it a GPU that shares no storage with its guests? */
bool host_discrete(const struct host *h);

#endif
