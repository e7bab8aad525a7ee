/* SPDX-License-Identifier: MIT */
/*
 * The worker's jail: what a session can still do to the host once somebody else's code runs in
 * it, be it through a fault in the driver or, on a software GPU, because kernels are machine code
 * here. docs/security.md says what each step promises.
 *
 *   cgroups ─▶ user ─▶ limits ─▶ paths (Landlock) ─▶ calls (seccomp)
 *
 * Entered once, by the only thread that there is, before the first byte of the guest is read.
 * Each step needs what the next one takes away.
 */
#ifndef TESSERA_WORKER_JAIL_H
#define TESSERA_WORKER_JAIL_H

#include <stdbool.h>
#include <sys/types.h>

/* What a driver needs decides how narrow the jail can be. */
enum jail_profile {
    JAIL_NONE,     /* no new privileges, and nothing else */
    JAIL_SOFTWARE, /* PoCL and the fake driver: what is listed is allowed */
    JAIL_HARDWARE, /* a vendor's driver: what is listed is refused */
};

#define JAIL_CGROUPS_MAX 3 /* as many as version 1 has controllers that limit us */

struct jail_options {
    enum jail_profile profile;
    const char *cache, *tmp; /* the folders that it may write to; NULL: there is none */
    uid_t uid;               /* whom to become; 0 = stay who we are */
    gid_t gid;
    const char *cgroups[JAIL_CGROUPS_MAX]; /* folders of groups to enter */
    unsigned n_cgroups;
};

/* "none", "software" or "hardware"; -EINVAL for other words. */
int jail_profile_parse(const char *word, enum jail_profile *ret);

/* Enters it. On an error *ret_step names the step that failed; half a jail is no jail. */
int jail_enter(const struct jail_options *o, const char **ret_step);

/* The steps, for tests. Each is irrevocable for the calling process. */
int jail_cgroups(const struct jail_options *o);
int jail_user(const struct jail_options *o);
int jail_limits(void);
int
jail_paths(const struct jail_options *o); /* 0 also where the kernel has no Landlock */
int jail_calls(enum jail_profile profile);

#endif
