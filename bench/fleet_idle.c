/* SPDX-License-Identifier: MIT */
/* Guests that have used their vGPU and now do nothing: what that costs the host. */
#include "child.h"
#include "fleet.h"
#include "host.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define GUESTS_IDLE 24
#define START_MS 120000 /* for all of them, at once on few cores */
#define ANSWER_MS 60000
#define SETTLE_MS 3000
#define WINDOWS 5
#define WINDOW_MS 2000
#define WINDOW_QUICK_MS 300
#define WORKERS_MAX 64

struct crew {
    pid_t pid[WORKERS_MAX + 1]; /* the manager and the workers */
    unsigned n;
};

static int
answered(struct child *c, int timeout_ms, const char *key, struct err *e)
{
    json_t *answer;
    const char *why;
    int rc = child_answer(c, timeout_ms, &answer, e);

    if (rc < 0)
        return err_wrap(e, "bench-calls");
    why = json_string_value(json_object_get(answer, "error"));
    if (!json_object_get(answer, key))
        rc = err_set(e, -EIO, "bench-calls: %s", why ? why : "it said something else");
    json_decref(answer);
    return rc;
}

/* They start at once; each then runs one kernel. */
static int
guests_start(const struct host *h, struct child *guests, unsigned n, struct err *e)
{
    struct host_argv argv;
    int rc = 0;

    host_program(h, h->calls, true, &argv);
    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = child_start(&guests[i], argv.v, e);
    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = answered(&guests[i], START_MS, "ready", e);
    for (unsigned i = 0; i < n && rc == 0; i++) {
        rc = child_say(&guests[i], "once", e);
        if (rc == 0)
            rc = answered(&guests[i], ANSWER_MS, "samples", e);
    }
    return rc;
}

static void
add_workers(struct crew *crew, const json_t *vgpu)
{
    const json_t *sessions = json_object_get(vgpu, "sessions");

    for (size_t i = 0; i < json_array_size(sessions) && crew->n < WORKERS_MAX; i++) {
        const json_t *s = json_array_get(sessions, i);

        crew->pid[crew->n++] =
            (pid_t)json_integer_value(json_object_get(s, "worker_pid"));
    }
}

static int
crew_find(const struct host *h, struct crew *crew, struct err *e)
{
    json_t *answer;
    const json_t *list;
    int rc = host_ask(h, "list", NULL, &answer, e);

    if (rc < 0)
        return rc;
    *crew = (struct crew){.pid = {host_manager(h)}, .n = 1};
    list = json_object_get(answer, "vgpus");
    for (size_t i = 0; i < json_array_size(list); i++)
        add_workers(crew, json_array_get(list, i));
    json_decref(answer);
    if (crew->pid[0] <= 0 || crew->n != GUESTS_IDLE + 1)
        return err_set(e, -EIO, "%u workers for %d guests", crew->n - 1, GUESTS_IDLE);
    return 0;
}

/* CPU time of all their threads, ended ones too: by the scheduler's clock, not by ticks. */
static int
crew_cpu_ns(const struct crew *crew, double *ret, struct err *e)
{
    double sum = 0;

    for (unsigned i = 0; i < crew->n; i++) {
        struct timespec t;
        clockid_t clock;

        if (clock_getcpuclockid(crew->pid[i], &clock) != 0 ||
            clock_gettime(clock, &t) < 0)
            return err_set(e, -ESRCH, "a worker or the manager has ended");
        sum += (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
    }
    *ret = sum;
    return 0;
}

static double
clock_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int
rest_ms(int ms, struct err *e)
{
    poll(NULL, 0, ms);
    return child_signal() ? err_set(e, -EINTR, "interrupted") : 0;
}

static int
measure_window(const struct crew *crew, int ms, struct result *r, struct err *e)
{
    const double begin = clock_now_ns();
    double before = 0, after = 0;
    int rc = crew_cpu_ns(crew, &before, e);

    if (rc == 0)
        rc = rest_ms(ms, e);
    if (rc == 0)
        rc = crew_cpu_ns(crew, &after, e);
    if (rc == 0)
        result_add(
            r, (struct figure){NAN, NAN},
            (struct figure){100.0 * (after - before) / (clock_now_ns() - begin), NAN});
    return rc;
}

int
fleet_idle(const struct fleet *f, const struct host *h, struct result *r, struct err *e)
{
    struct child guests[GUESTS_IDLE];
    struct crew crew;
    int rc;

    for (unsigned i = 0; i < GUESTS_IDLE; i++)
        guests[i] = (struct child)CHILD_NONE;
    rc = guests_start(h, guests, 1, e); /* the others find its kernel compiled */
    if (rc == 0)
        rc = guests_start(h, guests + 1, GUESTS_IDLE - 1, e);
    if (rc == 0)
        rc = rest_ms(SETTLE_MS, e);
    if (rc == 0)
        rc = crew_find(h, &crew, e);
    for (unsigned i = 0; i < WINDOWS && rc == 0; i++)
        rc = measure_window(&crew, f->quick ? WINDOW_QUICK_MS : WINDOW_MS, r, e);
    for (unsigned i = 0; i < GUESTS_IDLE; i++)
        child_stop(&guests[i]);
    return rc;
}
