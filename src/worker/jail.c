/* SPDX-License-Identifier: MIT */
#include "worker/jail.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* PoCL, LLVM and a private folder of include files stay far below. */
#define DESCRIPTORS_MAX 1024

int
jail_profile_parse(const char *word, enum jail_profile *ret)
{
    static const char *const words[] = {
        [JAIL_NONE] = "none", [JAIL_SOFTWARE] = "software", [JAIL_HARDWARE] = "hardware"};

    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret = (enum jail_profile)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int
limit_set(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit now;

    if (getrlimit(resource, &now) < 0)
        return -errno;
    if (now.rlim_max > most)
        now.rlim_max = most;
    if (now.rlim_cur > now.rlim_max)
        now.rlim_cur = now.rlim_max;
    return setrlimit(resource, &now) < 0 ? -errno : 0;
}

int
jail_limits(void)
{
    int rc = limit_set(RLIMIT_CORE, 0);

    if (rc == 0)
        rc = limit_set(RLIMIT_NOFILE, DESCRIPTORS_MAX);
    /* No dump of a guest's bytes, and no other process of this user looks into them. */
    if (rc == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        rc = -errno;
    return rc;
}

int
jail_cgroups(const struct jail_options *o)
{
    for (unsigned i = 0; i < o->n_cgroups; i++) {
        _cleanup_free_ char *path = str_printf("%s/cgroup.procs", o->cgroups[i]);
        _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
        int rc;

        if (!path)
            return -ENOMEM;
        rc = fd < 0 ? -errno : write_all(fd, "0", 1); /* 0: who writes */
        if (rc < 0)
            return rc;
    }
    return 0;
}

int
jail_enter(const struct jail_options *o, const char **ret_step)
{
    int rc;

    *ret_step = "no new privileges";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (o->profile == JAIL_NONE)
        return 0;
    *ret_step = "cgroups";
    rc = jail_cgroups(o);
    if (rc < 0)
        return rc;
    *ret_step = "user";
    rc = jail_user(o);
    if (rc < 0)
        return rc;
    *ret_step = "limits";
    rc = jail_limits();
    if (rc < 0)
        return rc;
    *ret_step = "files";
    rc = jail_paths(o);
    if (rc < 0)
        return rc;
    *ret_step = "system calls";
    return jail_calls(o->profile);
}
