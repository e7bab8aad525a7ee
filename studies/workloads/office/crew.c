/* SPDX-License-Identifier: MIT */
#include "office/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/rng.h"
#include "office/worker.h"

enum { TURN_MS = 50 }; /* how late a signal or a death may be seen */

/* Ctrl-C reaches the workers, too, but it is the parent that ends them. */
static void
follow_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
}

/* The other ends of both pipes are the parent's alone: the start is their end of file. */
static int
start_member(struct crew *c, const struct worker *worker, struct failure *why)
{
    const pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        return failure_set(why, -errno, "worker %u: fork: %s", worker->number,
                           strerror(errno));
    if (pid == 0) {
        follow_parent(parent);
        close(c->messages);
        close(c->start);
        worker_run(worker);
    }
    c->members[worker->number].pid = pid;
    return 0;
}

static int
open_pipes(struct crew *c, struct worker *w, struct failure *why)
{
    int messages[2], start[2];

    if (pipe2(messages, O_CLOEXEC) < 0)
        return failure_set(why, -errno, "pipe: %s", strerror(errno));
    c->messages = messages[0];
    w->messages = messages[1];
    if (pipe2(start, O_CLOEXEC) < 0)
        return failure_set(why, -errno, "pipe: %s", strerror(errno));
    w->start = start[0];
    c->start = start[1];
    if (fcntl(c->messages, F_SETFL, O_NONBLOCK) < 0)
        return failure_set(why, -errno, "pipe: %s", strerror(errno));
    return 0;
}

static void
close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int
crew_init(struct crew *c, const struct options *options, const char *folder,
          struct failure *why)
{
    struct worker w = {.options = options, .folder = folder, .messages = -1, .start = -1};
    struct rng seeds = {.state = options->run.seed};
    int r;

    c->count = options->workers;
    c->messages = c->start = -1;
    c->members = calloc(c->count, sizeof *c->members);
    if (!c->members)
        return failure_set(why, -ENOMEM, "out of memory");

    fflush(stdout); /* else each worker has a copy of what is not yet written */
    r = open_pipes(c, &w, why);
    for (w.number = 0; w.number < c->count && r == 0; w.number++) {
        w.seed = rng_next(&seeds);
        r = start_member(c, &w, why);
    }
    close_end(&w.messages);
    close_end(&w.start);
    return r;
}

void
crew_start(struct crew *c)
{
    close_end(&c->start);
}

static int
take(struct crew *c, const struct message *m, struct failure *why)
{
    switch (m->type) {
    case MESSAGE_READY:
        c->ready++;
        return 0;
    case MESSAGE_FAILED:
        return failure_set(why, -EIO, "worker %u: %s", m->worker, m->why);
    case MESSAGE_OPERATION:
        return c->on_operation(c->data, m, why);
    case MESSAGE_DONE:
        c->members[m->worker].done = true;
        c->done++;
        c->cpu_s += m->cpu_s;
        return 0;
    }
    return failure_set(why, -EPROTO, "message of type %d", (int)m->type);
}

/* All that is in the pipe. */
static int
take_all(struct crew *c, struct failure *why)
{
    for (;;) {
        char *const bytes = (char *)c->buffer;
        const ssize_t got = read(c->messages, bytes + c->buffered_bytes,
                                 sizeof c->buffer - c->buffered_bytes);
        size_t whole;

        if (got <= 0)
            return 0;
        c->buffered_bytes += (size_t)got;
        whole = c->buffered_bytes / sizeof c->buffer[0];
        for (size_t i = 0; i < whole; i++) {
            const int r = take(c, &c->buffer[i], why);

            if (r < 0)
                return r;
        }
        c->buffered_bytes -= whole * sizeof c->buffer[0];
        memmove(c->buffer, &c->buffer[whole], c->buffered_bytes);
    }
}

static struct member *
member_find(struct crew *c, pid_t pid)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->members[i].pid == pid)
            return &c->members[i];
    return NULL;
}

static int
complain(const struct crew *c, const struct member *m, pid_t pid, int status,
         struct failure *why)
{
    const unsigned number = (unsigned)(m - c->members);

    if (WIFSIGNALED(status))
        return failure_set(why, -EIO,
                           "worker %u (process %d) was killed by signal %d: %s", number,
                           pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
    return failure_set(why, -EIO, "worker %u (process %d) ended with status %d", number,
                       pid, WEXITSTATUS(status));
}

/* What a worker wrote before it ended is taken before that is judged. */
static int
reap(struct crew *c, struct failure *why)
{
    for (;;) {
        int status, r;
        const pid_t pid = waitpid(-1, &status, WNOHANG);
        struct member *const m = pid > 0 ? member_find(c, pid) : NULL;

        if (pid <= 0)
            return 0;
        if (!m)
            continue;
        m->pid = 0;
        r = take_all(c, why);
        if (r < 0)
            return r;
        if (!m->done)
            return complain(c, m, pid, status, why);
    }
}

int
crew_turn(struct crew *c, struct failure *why)
{
    struct pollfd pollfd = {.fd = c->messages, .events = POLLIN};
    int r;

    poll(&pollfd, 1, TURN_MS);
    r = take_all(c, why);
    return r < 0 ? r : reap(c, why);
}

void
crew_fini(struct crew *c)
{
    for (unsigned i = 0; c->members && i < c->count; i++)
        if (c->members[i].pid > 0)
            kill(c->members[i].pid, SIGKILL);
    for (unsigned i = 0; c->members && i < c->count; i++)
        while (c->members[i].pid > 0 && waitpid(c->members[i].pid, NULL, 0) < 0 &&
               errno == EINTR)
            ;
    free(c->members);
    close_end(&c->messages);
    close_end(&c->start);
}
