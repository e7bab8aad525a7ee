/* SPDX-License-Identifier: MIT */
/*
 * Two things to wait for on the manager's loop. Both live on the heap, because
 * libuv gives a handle's memory back only later; after ..._free() the callback
 * never comes again. The callback may free what it was called for. Manager
 * thread only.
 */
#ifndef TESSERA_MANAGER_LOOP_H
#define TESSERA_MANAGER_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef void loop_fn(void *arg);

/* Calls ready while fd is readable. The watch owns fd, also when watch_new() fails. */
struct watch;
int watch_new(uv_loop_t *loop, int fd, loop_fn *ready, void *arg, struct watch **ret);
int watch_fd(const struct watch *w);
void watch_free(struct watch *w);

/* From now on ready does not come any more. */
void watch_stop(struct watch *w);

/* From now on ready comes when the other side hangs up, not for what there is to read. */
void watch_hang_up_only(struct watch *w);

/* As at first again. */
void watch_readable(struct watch *w);

/* Calls due once, delay_ms after each alarm_set(); setting it again moves it. */
struct alarm;
int alarm_new(uv_loop_t *loop, loop_fn *due, void *arg, struct alarm **ret);
void alarm_set(struct alarm *a, uint64_t delay_ms);
void alarm_stop(struct alarm *a);
void alarm_free(struct alarm *a);

/* A pidfd of that very process (not of a later one with the same number), or -ESRCH. */
int process_open(pid_t pid, uint64_t start_ticks);

/*
 * A pidfd of who has that number now. A child of ours has it until we reap it; of another process
 * the caller has to find out who it is.
 */
int process_open_number(pid_t pid);

/* Sends a signal through a pidfd. */
int process_signal(int pidfd, int signal);

#endif
