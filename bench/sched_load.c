/* SPDX-License-Identifier: MIT */
#include "sched_load.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define READY_MS 120000
#define LEAD_NS UINT64_C(50000000) /* so that all have read their line by then */
#define ANSWER_MS 60000            /* past the end: what is queued may be long */
#define MS_NS UINT64_C(1000000)

/* The command line. */

struct words {
    char text[8][32];
    unsigned n;
};

static void
add_number(struct host_argv *argv, struct words *w, const char *option, unsigned value)
{
    char *text = w->text[w->n++];

    snprintf(text, sizeof w->text[0], "%u", value);
    host_add(argv, option);
    host_add(argv, text);
}

static unsigned
iterations_of(const struct site *s, unsigned length_us)
{
    const double n = s->iterations_per_us * length_us;

    return n < 1 ? 1 : (unsigned)n;
}

static void
command_line(const struct program *p, const struct site *s, struct host_argv *argv,
             struct words *w)
{
    const struct load_spec *l = &p->spec;

    if (p->vgpu[0]) {
        *argv = (struct host_argv){0};
        host_add(argv, s->host.tessera);
        host_add(argv, "run");
        host_add(argv, p->vgpu);
        host_add(argv, "--");
        host_add(argv, s->host.load);
    } else {
        host_program(&s->host, s->host.load, false, argv);
    }
    add_number(argv, w, "--iterations", iterations_of(s, l->length_us));
    add_number(argv, w, "--depth", l->depth);
    add_number(argv, w, "--batch", l->batch ? l->batch : 1);
    add_number(argv, w, "--queues", l->queues ? l->queues : 1);
    if (l->off_ms) {
        add_number(argv, w, "--on", l->on_ms);
        add_number(argv, w, "--off", l->off_ms);
    }
    if (l->flag)
        host_add(argv, l->flag);
}

int
program_start(struct program *p, const struct site *s, const char *vgpu,
              const struct load_spec *spec, struct err *e)
{
    struct host_argv argv;
    struct words words = {.n = 0};

    *p = (struct program){.spec = *spec, .child = CHILD_NONE, .last.rate = NAN};
    snprintf(p->vgpu, sizeof p->vgpu, "%s", vgpu ? vgpu : "");
    command_line(p, s, &argv, &words);
    return child_start(&p->child, argv.v, e);
}

int
program_ready(struct program *p, struct err *e)
{
    json_t *answer;
    int rc = child_answer(&p->child, READY_MS, &answer, e);

    if (rc < 0)
        return err_wrap(e, "bench-load on %s", p->vgpu[0] ? p->vgpu : "the bare driver");
    if (!json_is_true(json_object_get(answer, "ready")))
        rc = err_set(e, -EIO, "bench-load: %s",
                     json_string_value(json_object_get(answer, "error")));
    json_decref(answer);
    return rc;
}

static void
outcome_fini(struct outcome *o)
{
    json_decref(o->buckets);
    *o = (struct outcome){.rate = NAN, .p50_ns = NAN, .p99_ns = NAN};
}

void
program_stop(struct program *p)
{
    outcome_fini(&p->last);
    child_stop(&p->child);
}

/* A window. */

static int
say_go(const struct program *p, uint64_t start, uint64_t from, uint64_t end,
       struct err *e)
{
    char line[128];

    snprintf(line, sizeof line, "go %" PRIu64 " %" PRIu64 " %" PRIu64, start, from, end);
    return child_say(&p->child, line, e);
}

static double
number_or_nan(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

static int
take_answer(struct program *p, const json_t *answer, struct err *e)
{
    const json_t *latency = json_object_get(answer, "latency_ns");
    const char *why = json_string_value(json_object_get(answer, "error"));

    if (why)
        return err_set(e, -EIO, "%s", why);
    p->last.rate = number_or_nan(answer, "work") * 1e9 / number_or_nan(answer, "span_ns");
    p->last.p50_ns = number_or_nan(latency, "p50");
    p->last.p99_ns = number_or_nan(latency, "p99");
    p->last.buckets = json_incref(json_object_get(answer, "buckets"));
    return 0;
}

/* What it did, and then that nothing is queued any more. */
static int
collect_one(struct program *p, int timeout_ms, struct err *e)
{
    json_t *answer;
    int rc = child_answer(&p->child, timeout_ms, &answer, e);

    if (rc < 0)
        return rc;
    rc = take_answer(p, answer, e);
    json_decref(answer);
    if (rc == 0)
        rc = child_answer(&p->child, ANSWER_MS, &answer, e);
    if (rc < 0)
        return rc;
    p->last.launched = (uint64_t)json_integer_value(json_object_get(answer, "launched"));
    p->last.completed =
        (uint64_t)json_integer_value(json_object_get(answer, "completed"));
    json_decref(answer);
    return 0;
}

static int
collect(struct program *p, uint64_t end_ns, struct err *e)
{
    const uint64_t now = now_ns();
    const int left_ms = end_ns > now ? (int)((end_ns - now) / MS_NS) : 0;
    _cleanup_err_ struct err why = ERR_INIT;
    int rc = collect_one(p, left_ms + ANSWER_MS, &why);

    if (rc == 0)
        return 0;
    if (child_signal())
        return err_set(e, -EINTR, "interrupted");
    snprintf(p->last.problem, sizeof p->last.problem, "%s", err_msg(&why));
    child_stop(&p->child);
    return 0;
}

static int
watch(const struct site *s, const struct window *w, uint64_t from, uint64_t end,
      struct accounts *a, struct err *e)
{
    int rc = 0;

    site_sleep_until(from);
    if (w->accounts)
        rc = site_stats(s, &a->before, e);
    if (rc == 0 && w->during)
        rc = w->during(w->arg, from, end, e);
    if (rc == 0)
        site_sleep_until(end);
    if (rc == 0 && w->accounts)
        rc = site_stats(s, &a->after, e);
    return rc;
}

int
programs_run(const struct site *s, struct program *const *p, unsigned n,
             const struct window *w, struct accounts *ret, struct err *e)
{
    const uint64_t first = now_ns() + LEAD_NS, start = first + w->first_ms * MS_NS;
    const uint64_t from = start + w->warm_ms * MS_NS, end = from + w->ms * MS_NS;
    struct accounts a = {NULL, NULL};
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++) {
        outcome_fini(&p[i]->last);
        rc = say_go(p[i], i == 0 ? first : start, from, end, e);
    }
    if (rc == 0)
        rc = watch(s, w, from, end, &a, e);
    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = collect(p[i], end, e);
    if (rc == 0 && child_signal())
        rc = err_set(e, -EINTR, "interrupted");
    if (rc == 0 && ret)
        *ret = a;
    else
        accounts_fini(&a);
    return rc;
}

void
accounts_fini(struct accounts *a)
{
    json_decref(a->before);
    json_decref(a->after);
    *a = (struct accounts){NULL, NULL};
}
