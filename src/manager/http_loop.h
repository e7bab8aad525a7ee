/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd tells its epoll descriptor and how long it can wait; the manager's loop does the
 * waiting, so that every request is handled on the one thread that owns all state.
 *
 *     epoll fd readable or timeout ──▶ MHD_run() ──▶ the daemon's handler
 */
#ifndef TESSERA_MANAGER_HTTP_LOOP_H
#define TESSERA_MANAGER_HTTP_LOOP_H

#include "manager/loop.h"

#include <microhttpd.h>

struct http_loop {
    struct MHD_Daemon *daemon;
    struct watch *watch;
    struct alarm *timeout;
};

/* Runs l->daemon (started with MHD_USE_EPOLL) on the loop. After an error: http_loop_stop(). */
int http_loop_start(struct http_loop *l, uv_loop_t *loop);

/* Something was resumed: the daemon has work without a byte from outside. */
void http_loop_wake(struct http_loop *l);

/* Stops and frees the daemon, too. */
void http_loop_stop(struct http_loop *l);

#endif
