/* SPDX-License-Identifier: MIT */
/* A user of its own, where the manager is root; no capabilities, whoever we are. */
#include "worker/jail.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 16

static int
group_add(gid_t *groups, int n, gid_t group)
{
    for (int i = 0; i < n; i++) {
        if (groups[i] == group)
            return n;
    }
    if (n < GROUPS_MAX)
        groups[n++] = group;
    return n;
}

/* The groups that the GPUs' device nodes are for (video, render). */
static int
device_groups(gid_t *groups)
{
    static const char *const nodes[] = {"/dev/dri/*", "/dev/kfd", "/dev/nvidia*"};
    int n = 0;

    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        glob_t found = {0};
        struct stat st;

        if (glob(nodes[i], 0, NULL, &found) == 0) {
            for (size_t k = 0; k < found.gl_pathc; k++) {
                if (stat(found.gl_pathv[k], &st) == 0 && S_ISCHR(st.st_mode) &&
                    (st.st_mode & S_IWGRP) && !(st.st_mode & S_IWOTH) && st.st_gid != 0)
                    n = group_add(groups, n, st.st_gid);
            }
        }
        globfree(&found);
    }
    return n;
}

static int
capabilities_drop(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int
jail_user(const struct jail_options *o)
{
    gid_t groups[GROUPS_MAX];
    int n = o->uid && o->profile == JAIL_HARDWARE ? device_groups(groups) : 0;

    if (o->uid &&
        (setgroups((size_t)n, groups) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 ||
         setresuid(o->uid, o->uid, o->uid) < 0))
        return -errno;
    return capabilities_drop();
}
