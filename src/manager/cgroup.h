/* SPDX-License-Identifier: MIT */
/*
 * A control group for each vGPU, where we may make some: memory, tasks, CPU time if that is
 * limited, and a share of it as large as any other vGPU's. Version 1: a folder in each
 * controller's hierarchy, below our own group. Version 2: below our own group if it is ours alone
 * (systemd's Delegate=yes); we then move into its subgroup `manager`, as groups with limits may
 * hold no process themselves.
 */
#ifndef TESSERA_MANAGER_CGROUP_H
#define TESSERA_MANAGER_CGROUP_H

#include "manager/strv.h"

#include <stdbool.h>
#include <stdint.h>

#define CGROUPS_MAX 3

struct cgroups {
    char *parents[CGROUPS_MAX]; /* owned folders, one vGPU's group in each */
    unsigned n;                 /* 0 = not allowed here */
    bool has_memory;
};

struct cgroup_limits {
    uint64_t memory_bytes;
    unsigned tasks;
    unsigned cpu_percent; /* of one core; 0 = as much as there is */
};

/* runtime tells the managers of one machine apart. */
void cgroups_init(struct cgroups *c, const char *runtime);
void cgroups_fini(struct cgroups *c);

/* Makes the vGPU's groups, if need be, and adds the worker's arguments to enter them. */
int cgroups_prepare(const struct cgroups *c, const char *vgpu,
                    const struct cgroup_limits *limits, struct strv *argv);

/* Removes a vGPU's groups. False: one still has a process and stays, for another try. */
bool cgroups_remove(const struct cgroups *c, const char *vgpu);

#endif
