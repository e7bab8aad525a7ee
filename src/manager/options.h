/* SPDX-License-Identifier: MIT */
/* What tesserad was told on its command line, else by the environment. */
#ifndef TESSERA_MANAGER_OPTIONS_H
#define TESSERA_MANAGER_OPTIONS_H

#include "base/err.h"
#include "link/limit.h"

#include <stdbool.h>
#include <stdint.h>

/* Numbers from worker_uid_base on: the workers' group, then users. */
#define WORKER_UIDS 4096

struct options {
    char *runtime_dir, *state_dir; /* NULL = the usual ones */
    char *worker, *icd;            /* NULL = beside tesserad, else installed */
    bool no_dmem;                  /* programs of CUDA's stay in their control groups */
    char *cgroup_mount;            /* NULL = CGROUP_MOUNT */
    char *cuda_driver;             /* NULL = where the kernel module says */
    char *nvml_driver;             /* NULL = the one that is installed */
    char *backend;                 /* opencl or fake */
    char *jail;                    /* auto, none, software or hardware */
    bool share_cache;              /* one cache for all vGPUs of a GPU */
    unsigned worker_uid_base;      /* 0 = workers keep the manager's user */
    uint64_t worker_memory_bytes;  /* of a vGPU's workers, beside the framebuffer */
    unsigned worker_tasks;         /* processes and threads of a vGPU's workers */
    unsigned worker_cpu_percent;   /* of one core, a vGPU's workers; 0: no limit */
    int software_gpus;             /* -1 = one if there is no other GPU */
    uint64_t software_memory_bytes;
    bool software_discrete; /* software GPUs without storage shared with the guest */
    struct limits limits;   /* of each vGPU */
    char *metrics_listen;   /* [ADDRESS:]PORT; NULL = nowhere */
    unsigned idle_exit_s;   /* 0 = never */
    bool daemon_log;        /* log to RUNTIME/tesserad.log once the manager is up */
};

/*
 * Reads environment, then arguments; prints and exits for --help, --version and mistakes
 * (status 2), as argp does.
 */
int options_parse(int argc, char **argv, struct options *ret, struct err *e);
void options_fini(struct options *o);

#endif
