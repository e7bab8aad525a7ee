/* SPDX-License-Identifier: MIT */
/* The program that `tessera run` runs: its environment, its cores, its end. */
#ifndef TESSERA_CLI_CHILD_H
#define TESSERA_CLI_CHILD_H

#include "base/err.h"

#include <jansson.h>
#include <sched.h>
#include <stdbool.h>

struct child {
    char *icd;     /* OCL_ICD_VENDORS, owned; NULL = the system's own list */
    char *folders; /* TESSERA_VGPU, owned; NULL = not a guest */
    /* Of vGPUs on GPUs that CUDA knows, owned; NULL: none is. */
    char *cuda_devices; /* CUDA_VISIBLE_DEVICES */
    char *cuda_folder;  /* where libcuda.so.1 is found */
    char *cuda_driver;  /* TESSERA_CUDA_DRIVER; NULL: the kernel module's */
    bool passthrough;
    cpu_set_t cores;          /* passthrough of software GPUs: where it may run */
    unsigned threads;         /* and how many PoCL may start; 0 = as it likes */
    void (*tick)(void *user); /* called every tick_ms while it runs; NULL: nobody is */
    void *user;
    unsigned tick_ms;
};

void child_init(struct child *c);
void child_fini(struct child *c);

/*
 * Adds a vGPU, as the control API describes it, to what the program will see. All must be
 * of one kind, passthrough or not: -EINVAL.
 */
int child_add_vgpu(struct child *c, const json_t *vgpu, struct err *e);

/* Words after "--" are the program's, options among them too: cuts them off argv. */
char **child_split(int *argc, char **argv);

/*
 * Runs the program to its end and returns its exit status, 128 + the signal that ended
 * it, or EXIT_NOT_FOUND or EXIT_CANNOT_RUN (with words on stderr). SIGTERM and SIGHUP to
 * us go on to it, SIGINT and SIGQUIT too unless they come from the terminal, which sends
 * them to it anyway. A negative errno when we fail.
 */
int child_run(const struct child *c, char **argv, struct err *e);

#endif
