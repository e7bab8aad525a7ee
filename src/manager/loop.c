/* SPDX-License-Identifier: MIT */
#include "manager/loop.h"

#include "base/cleanup.h"
#include "link/account.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct watch {
    uv_poll_t poll;
    int fd;
    loop_fn *ready;
    void *arg;
};

struct alarm {
    uv_timer_t timer;
    loop_fn *due;
    void *arg;
};

static void
handle_closed(uv_handle_t *h)
{
    free(h->data);
}

static void
watch_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;

    (void)status;
    (void)events;
    w->ready(w->arg);
}

int
watch_new(uv_loop_t *loop, int fd, loop_fn *ready, void *arg, struct watch **ret)
{
    _cleanup_close_ int owned = fd;
    struct watch *w = calloc(1, sizeof *w);
    int rc;

    if (!w)
        return -ENOMEM;
    rc = uv_poll_init(loop, &w->poll, fd);
    if (rc < 0) {
        free(w);
        return rc;
    }
    w->poll.data = w;
    w->fd = take_fd(&owned);
    w->ready = ready;
    w->arg = arg;
    rc = uv_poll_start(&w->poll, UV_READABLE, watch_ready);
    if (rc < 0)
        watch_free(w);
    else
        *ret = w;
    return rc;
}

int
watch_fd(const struct watch *w)
{
    return w->fd;
}

void
watch_stop(struct watch *w)
{
    uv_poll_stop(&w->poll);
}

void
watch_hang_up_only(struct watch *w)
{
    uv_poll_start(&w->poll, UV_DISCONNECT, watch_ready);
}

void
watch_readable(struct watch *w)
{
    uv_poll_start(&w->poll, UV_READABLE, watch_ready);
}

void
watch_free(struct watch *w)
{
    if (!w)
        return;
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, handle_closed);
    close(w->fd);
}

static void
alarm_due(uv_timer_t *timer)
{
    struct alarm *a = timer->data;

    a->due(a->arg);
}

int
alarm_new(uv_loop_t *loop, loop_fn *due, void *arg, struct alarm **ret)
{
    struct alarm *a = calloc(1, sizeof *a);

    if (!a)
        return -ENOMEM;
    uv_timer_init(loop, &a->timer);
    a->timer.data = a;
    a->due = due;
    a->arg = arg;
    *ret = a;
    return 0;
}

void
alarm_set(struct alarm *a, uint64_t delay_ms)
{
    uv_timer_start(&a->timer, alarm_due, delay_ms, 0);
}

void
alarm_stop(struct alarm *a)
{
    uv_timer_stop(&a->timer);
}

void
alarm_free(struct alarm *a)
{
    if (!a)
        return;
    uv_timer_stop(&a->timer);
    uv_close((uv_handle_t *)&a->timer, handle_closed);
}

int
process_open(pid_t pid, uint64_t start_ticks)
{
    _cleanup_close_ int fd = -1;

    if (pid <= 0 || start_ticks == 0)
        return -ESRCH;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return -errno;
    /* Only now: what the descriptor names cannot be replaced under us any more. */
    if (process_start_ticks(pid) != start_ticks)
        return -ESRCH;
    return take_fd(&fd);
}

int
process_open_number(pid_t pid)
{
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    return fd < 0 ? -errno : fd;
}

int
process_signal(int pidfd, int signal)
{
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}
