/* SPDX-License-Identifier: MIT */
/*
 * A control group for each vGPU, where we may make some: memory, tasks, CPU time if that is
 * limited, and a share of it as large as any other vGPU's. Version 1: a folder in each
 * controller's hierarchy, below our own group. Version 2: below our own group if it is ours alone
 * (systemd's Delegate=yes); we then move into its subgroup `manager`, as groups with limits may
 * hold no process themselves.
 *
 * Where a driver has the kernel account for its device's memory (version 2's dmem, Linux 6.14), the
 * programs of CUDA's of each vGPU have a group, too, which holds them to its framebuffer.
 */
#ifndef TESSERA_MANAGER_CGROUP_H
#define TESSERA_MANAGER_CGROUP_H

#include "manager/strv.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUPS_MAX 3

struct cgroups {
    char *parents[CGROUPS_MAX]; /* owned folders, one vGPU's group in each */
    unsigned n;                 /* 0 = not allowed here */
    bool has_memory;
    char *
        programs; /* owned: the folder with a group for each vGPU's; NULL: there is no dmem */
};

struct cgroup_limits {
    uint64_t memory_bytes;
    unsigned tasks;
    unsigned cpu_percent; /* of one core; 0 = as much as there is */
};

/* mount: where groups are (CGROUP_MOUNT, but in tests). runtime tells the managers of one machine
 * apart. programs: groups for these, too. */
#define CGROUP_MOUNT "/sys/fs/cgroup"
void cgroups_init(struct cgroups *c, const char *mount, const char *runtime,
                  bool programs);
void cgroups_fini(struct cgroups *c);

/* Makes the vGPU's groups, if need be, and adds the worker's arguments to enter them. */
int cgroups_prepare(const struct cgroups *c, const char *vgpu,
                    const struct cgroup_limits *limits, struct strv *argv);

/*
 * The part of a device's memory that the kernel accounts for (dmem.capacity in the root group: a
 * name and bytes a line): the largest whose name has the device's PCI address. false: none.
 */
#define DMEM_REGION_BYTES 128
bool dmem_region_parse(const char *text, const char *pci, char ret[DMEM_REGION_BYTES]);
bool dmem_region(const char *mount, const char *pci, char ret[DMEM_REGION_BYTES]);

/* The vGPU's programs may have so much of the region. -ENOTSUP: there are no such groups. */
int cgroups_limit_programs(const struct cgroups *c, const char *vgpu, const char *region,
                           uint64_t bytes);

/* Moves that process there, and what it starts from then on. */
int cgroups_add_program(const struct cgroups *c, const char *vgpu, pid_t pid);

/* Removes a vGPU's groups. False: one still has a process and stays, for another try. */
bool cgroups_remove(const struct cgroups *c, const char *vgpu);

#endif
