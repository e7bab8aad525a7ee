/* SPDX-License-Identifier: MIT */
/*
 *   files made | ready | start: think, operation, think, operation, ... | done
 *
 * A worker thinks first, so that many of them do not all begin with an operation at once.
 */
#include "office/worker.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/terminal.h"
#include "office/desk.h"
#include "office/message.h"
#include "office/plan.h"

/* Without a reader there is nothing left to do: SIGPIPE or this ends the process. */
static void
tell(const struct worker *w, struct message message)
{
    ssize_t put;

    message.worker = w->number;
    do
        put = write(w->messages, &message, sizeof message);
    while (put < 0 && errno == EINTR);
    if (put != sizeof message)
        _exit(EXIT_FAILURE);
}

static int
enter_folder(const struct worker *w, struct failure *why)
{
    char name[16];

    snprintf(name, sizeof name, "%u", w->number);
    if (chdir(w->folder) < 0 || mkdir(name, 0700) < 0 || chdir(name) < 0)
        return failure_set(why, -errno, "%s/%s: %s", w->folder, name, strerror(errno));
    return 0;
}

static void
wait_for_start(const struct worker *w)
{
    char byte;

    while (read(w->start, &byte, 1) < 0 && errno == EINTR)
        ;
}

/* User and system time of this process so far. */
static double
cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void
sleep_until(double when)
{
    const time_t seconds = (time_t)when;
    const struct timespec due = {.tv_sec = seconds,
                                 .tv_nsec = (long)((when - (double)seconds) * 1e9)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        ;
}

/*
 * Returns whether there is time for an operation after that. *ret_late_s: how long after
 * the time that was asked for the process ran again.
 */
static bool
think(double seconds, double end, double *ret_late_s)
{
    const double due = clock_seconds() + seconds;

    *ret_late_s = -1.0;
    if (due >= end) {
        sleep_until(end);
        return false;
    }
    if (seconds > 0.0) {
        sleep_until(due);
        *ret_late_s = clock_seconds() - due;
    }
    return true;
}

static void
operate(const struct worker *w, struct desk *desk, struct task *task,
        struct message *message)
{
    struct failure why = {0};
    const double began = clock_seconds();

    operations[task->kind].run(desk, &task->rng, &message->answer, &why);
    message->seconds = clock_seconds() - began;
    message->kind = task->kind;
    snprintf(message->why, sizeof message->why, "%.255s", why.text);
    tell(w, *message);
}

static void
work(const struct worker *w, struct desk *desk)
{
    const struct options *const o = w->options;
    const double cpu_began = cpu_seconds();
    const double end = o->operations ? INFINITY : clock_seconds() + o->run.duration_s;
    struct plan plan;

    plan_init(&plan, w->seed, o->think_s);
    for (uint32_t n = 1; !o->operations || n <= o->operations; n++) {
        struct message message = {.type = MESSAGE_OPERATION, .number = n};
        struct task task = plan_next(&plan);

        if (!think(task.think_s, end, &message.late_s))
            break;
        operate(w, desk, &task, &message);
    }
    tell(w, (struct message){.type = MESSAGE_DONE, .cpu_s = cpu_seconds() - cpu_began});
}

static struct desk desk; /* too large for the stack */

_Noreturn void
worker_run(const struct worker *w)
{
    struct message failed = {.type = MESSAGE_FAILED};
    struct failure why = {0};

    if (enter_folder(w, &why) < 0 ||
        desk_init(&desk, w->seed, w->options->text_file, &why) < 0) {
        snprintf(failed.why, sizeof failed.why, "%.255s", why.text);
        tell(w, failed);
        _exit(EXIT_FAILURE);
    }
    tell(w, (struct message){.type = MESSAGE_READY});
    wait_for_start(w);
    work(w, &desk);
    desk_fini(&desk);
    _exit(EXIT_SUCCESS);
}
