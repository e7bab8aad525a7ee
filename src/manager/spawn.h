/* SPDX-License-Identifier: MIT */
/* Starting workers: nothing of the manager but what is named here reaches them. */
#ifndef TESSERA_MANAGER_SPAWN_H
#define TESSERA_MANAGER_SPAWN_H

#include "manager/strv.h"

#include <sys/types.h>

/* The first descriptor that the child gets besides stdin, stdout, stderr. */
#define SPAWN_FIRST_FD 3
#define SPAWN_MAX_FDS 6

/*
 * Starts argv[0] in a process session of its own, stdin from /dev/null, stderr
 * ours, stdout to out_fd (-1: to stderr), and fds[i] as descriptor
 * SPAWN_FIRST_FD + i. All other descriptors are closed, signals are as at
 * birth. The caller keeps its own descriptors. Returns the pid.
 */
pid_t spawn_process(const struct strv *argv, const struct strv *env, int out_fd,
                    const int *fds, int nfds);

/*
 * The environment of a worker, made anew: LANG, TESSERA_LOG, the sanitizers' options, the
 * driver's ICD file (NULL or "": OCL_ICD_VENDORS as the manager has it). A session's finds the
 * system's programs alone and keeps its files in cache and tmp; a probe (both NULL) has the
 * manager's PATH, HOME and TMPDIR.
 */
void worker_environment(struct strv *env, const char *icd, const char *cache,
                        const char *tmp);

#endif
