/* SPDX-License-Identifier: MIT */
#include "manager/http_loop.h"

#include <fcntl.h>

static void
http_run(void *arg)
{
    struct http_loop *l = arg;
    MHD_UNSIGNED_LONG_LONG ms;

    MHD_run(l->daemon);
    if (MHD_get_timeout(l->daemon, &ms) == MHD_YES)
        alarm_set(l->timeout, ms);
    else
        alarm_stop(l->timeout);
}

int
http_loop_start(struct http_loop *l, uv_loop_t *loop)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int rc = alarm_new(loop, http_run, l, &l->timeout);

    if (rc == 0)
        rc = watch_new(loop, fcntl(info->epoll_fd, F_DUPFD_CLOEXEC, 0), http_run, l,
                       &l->watch);
    return rc;
}

void
http_loop_wake(struct http_loop *l)
{
    alarm_set(l->timeout, 0);
}

void
http_loop_stop(struct http_loop *l)
{
    MHD_stop_daemon(l->daemon);
    watch_free(l->watch);
    alarm_free(l->timeout);
}
