/* SPDX-License-Identifier: MIT */
#include "manager/spawn.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>

/*
 * Descriptors are lifted above all targets first, so that no dup2() hits one still
 * needed.
 */
#define SAFE_FD 16

static int
add_fds(posix_spawn_file_actions_t *actions, int out_fd, const int *fds, int nfds,
        int *lifted)
{
    int rc =
        posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    if (!rc)
        rc = posix_spawn_file_actions_adddup2(
            actions, out_fd >= 0 ? out_fd : STDERR_FILENO, STDOUT_FILENO);
    for (int i = 0; i < nfds && !rc; i++) {
        lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, SAFE_FD);
        if (lifted[i] < 0)
            return errno;
        rc = posix_spawn_file_actions_adddup2(actions, lifted[i], SPAWN_FIRST_FD + i);
    }
    if (!rc)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, SPAWN_FIRST_FD + nfds);
    return rc;
}

static int
set_signals(posix_spawnattr_t *attr)
{
    sigset_t all, none;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setsigmask(attr, &none);
    return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSIGMASK);
}

pid_t
spawn_process(const struct strv *argv, const struct strv *env, int out_fd, const int *fds,
              int nfds)
{
    int lifted[SPAWN_MAX_FDS];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    pid_t pid = -1;
    int rc;

    if (argv->failed || env->failed || nfds > SPAWN_MAX_FDS)
        return -ENOMEM;
    for (int i = 0; i < SPAWN_MAX_FDS; i++)
        lifted[i] = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    rc = add_fds(&actions, out_fd, fds, nfds, lifted);
    if (!rc)
        rc = set_signals(&attr);
    if (!rc)
        rc = posix_spawn(&pid, argv->v[0], &actions, &attr, argv->v, env->v);
    for (int i = 0; i < nfds; i++)
        cleanup_closep(&lifted[i]);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc ? -rc : pid;
}

void
worker_environment(struct strv *env, const char *icd, const char *cache, const char *tmp)
{
    static const char *const passed[] = {
        "LANG",
        "TESSERA_LOG",
        "ASAN_OPTIONS",
        "LSAN_OPTIONS",
        "TSAN_OPTIONS",
        "UBSAN_OPTIONS",
        "TESSERA_FAKE_FAULT", /* of the fake back end alone */
        /* Of the tests' interposing driver (tests/calllog). */
        "TESSERA_CALLLOG",
        "TESSERA_CALLLOG_DRIVER",
    };
    static const char *const of_probe[] = {"PATH", "HOME", "TMPDIR"};

    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        strv_add_env(env, passed[i]);
    /* A manager that was started inside a guest was given Tessera's own platform. */
    if (icd && icd[0])
        strv_add(env, "OCL_ICD_VENDORS=%s", icd);
    else if (!getenv("TESSERA_VGPU"))
        strv_add_env(env, "OCL_ICD_VENDORS");
    for (size_t i = 0; i < sizeof of_probe / sizeof *of_probe && !cache; i++)
        strv_add_env(env, of_probe[i]);
    if (!cache)
        return;
    strv_add(env, "PATH=/usr/bin:/bin");
    strv_add(env, "HOME=%s", cache);
    strv_add(env, "TMPDIR=%s", tmp);
    strv_add(env, "POCL_CACHE_DIR=%s", cache);
}
