/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include "base/cleanup.h"
#include "child.h"
#include "stats.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define START_MS 60000 /* PoCL starts within a second, unless the machine is full */
#define ANSWER_MS 120000
#define TRAINING_MS 900000

struct side {
    bool vgpu;
    struct child child; /* bench-calls, kept for a round */
};

enum { NATIVE, VGPU, SIDES };

/* One benchmark, whose answer may serve several rows. */
struct task {
    const struct measure *m;
    const struct row *row; /* the first of them */
    unsigned round;
};

/* How long one benchmark samples, in milliseconds: seconds in all when quick. */
static unsigned
sample_ms(const struct measure *m)
{
    return m->quick ? 30 : 400;
}

static unsigned
training_steps(const struct measure *m, const char *model)
{
    if (strcmp(model, "small") == 0)
        return m->quick ? 30 : 150;
    return m->quick ? 3 : 20;
}

/* Programs. */

static int
start_calls(const struct host *h, bool vgpu, struct child *c, struct err *e)
{
    struct host_argv argv;
    json_t *ready = NULL;
    int rc;

    host_program(h, h->calls, vgpu, &argv);
    rc = child_start(c, argv.v, e);
    if (rc == 0)
        rc = child_answer(c, START_MS, &ready, e);
    if (rc < 0)
        return err_wrap(e, "bench-calls");
    rc = json_is_true(json_object_get(ready, "ready")) ? 0 : -EPROTO;
    json_decref(ready);
    return rc < 0 ? err_set(e, rc, "bench-calls found no device") : 0;
}

static int
ask_calls(const struct task *t, const struct child *c, struct err *e)
{
    char line[96];

    snprintf(line, sizeof line, "%s %u", t->row->benchmark, sample_ms(t->m));
    return child_say(c, line, e);
}

/* An answer without samples says why. */
static int
take_answer(struct child *c, json_t **ret, struct err *e)
{
    json_t *answer;
    const char *why;
    int rc = child_answer(c, ANSWER_MS, &answer, e);

    if (rc < 0)
        return rc;
    why = json_string_value(json_object_get(answer, "error"));
    if (!why)
        why = json_string_value(json_object_get(answer, "skip"));
    if (why || !json_is_object(json_object_get(answer, "samples"))) {
        rc = err_set(e, -EIO, "%s", why ? why : "no samples");
        json_decref(answer);
        return rc;
    }
    *ret = answer;
    return 0;
}

static struct figure
figure_of(const json_t *answer, const char *series)
{
    const json_t *list = json_object_get(json_object_get(answer, "samples"), series);
    const unsigned n = (unsigned)json_array_size(list);
    _cleanup_free_ double *v = n ? calloc(n, sizeof *v) : NULL;

    if (!v)
        return (struct figure){NAN, NAN};
    for (unsigned i = 0; i < n; i++)
        v[i] = json_number_value(json_array_get(list, i));
    return (struct figure){stats_median(v, n), stats_quantile(v, n, 0.99)};
}

/* One side's answer to a benchmark, as JSON with samples. */

static int
run_calls(const struct task *t, struct side *s, json_t **ret, struct err *e)
{
    int rc = 0;

    if (!s->child.pid)
        rc = start_calls(t->m->host, s->vgpu, &s->child, e);
    if (rc == 0)
        rc = ask_calls(t, &s->child, e);
    if (rc == 0)
        rc = take_answer(&s->child, ret, e);
    if (rc < 0)
        child_stop(&s->child);
    return rc;
}

/* Rates add up; a rate is kept as nanoseconds per operation. */
static int
take_together(const struct task *t, struct child *guests, json_t **ret, struct err *e)
{
    double per_ns = 0;

    for (int i = 0; i < GUESTS; i++) {
        json_t *answer;
        int rc = take_answer(&guests[i], &answer, e);

        if (rc < 0)
            return rc;
        per_ns += 1.0 / figure_of(answer, t->row->series).median;
        json_decref(answer);
    }
    *ret = json_pack("{s{s[f]}}", "samples", t->row->series, 1.0 / per_ns);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int
run_guests(const struct task *t, struct side *s, json_t **ret, struct err *e)
{
    struct child guests[GUESTS];
    int rc = 0;

    for (int i = 0; i < GUESTS; i++)
        guests[i] = (struct child)CHILD_NONE;
    for (int i = 0; i < GUESTS && rc == 0; i++)
        rc = start_calls(t->m->host, s->vgpu, &guests[i], e);
    for (int i = 0; i < GUESTS && rc == 0; i++)
        rc = ask_calls(t, &guests[i], e);
    if (rc == 0)
        rc = take_together(t, guests, ret, e);
    for (int i = 0; i < GUESTS; i++)
        child_stop(&guests[i]);
    return rc;
}

static int
run_training(const struct task *t, struct side *s, json_t **ret, struct err *e)
{
    const struct host *h = t->m->host;
    struct host_argv argv;
    json_t *answer;
    char steps[16];
    double median, p99;
    int rc;

    snprintf(steps, sizeof steps, "%u", training_steps(t->m, t->row->benchmark));
    host_program(h, h->train, s->vgpu, &argv);
    for (const char *const *w =
             (const char *const[]){"--model", t->row->benchmark, "--steps", steps,
                                   "--no-eval", "--json", "--report", "0", NULL};
         *w; w++)
        host_add(&argv, *w);
    rc = child_run(argv.v, TRAINING_MS, &answer, e);
    if (rc < 0)
        return err_wrap(e, "tessera-train");
    median = json_number_value(json_object_get(answer, "step_median_s")) * 1e9;
    p99 = json_number_value(json_object_get(answer, "step_p99_s")) * 1e9;
    json_decref(answer);
    *ret = json_pack("{sfsf}", "median", median, "p99", p99);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static const struct {
    int (*run)(const struct task *t, struct side *s, json_t **ret, struct err *e);
} sources[] = {
    [SOURCE_CALLS] = {run_calls},
    [SOURCE_GUESTS] = {run_guests},
    [SOURCE_TRAINING] = {run_training},
    [SOURCE_START] = {NULL}, /* no part of a round: fleet.h */
};

/* Rounds. */

static bool
same_task(const struct row *a, const struct row *b)
{
    return a->source == b->source && strcmp(a->benchmark, b->benchmark) == 0;
}

static struct figure
row_figure(const struct row *row, const json_t *answer)
{
    if (row->source == SOURCE_TRAINING)
        return (struct figure){json_number_value(json_object_get(answer, "median")),
                               json_number_value(json_object_get(answer, "p99"))};
    return figure_of(answer, row->series);
}

static void
keep(const struct task *t, json_t *const answers[SIDES], const char *problem)
{
    for (unsigned i = 0; i < t->m->nresults; i++) {
        struct result *r = &t->m->results[i];

        if (!same_task(r->row, t->row))
            continue;
        if (problem)
            snprintf(r->problem, sizeof r->problem, "%s", problem);
        else
            result_add(r, row_figure(r->row, answers[NATIVE]),
                       row_figure(r->row, answers[VGPU]));
    }
}

static int
run_task(const struct task *t, struct side sides[SIDES])
{
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *answers[SIDES] = {NULL, NULL};
    int rc = 0;

    for (unsigned i = 0; i < SIDES && rc == 0; i++) {
        const unsigned s = (i + t->round) % SIDES;

        rc = sources[t->row->source].run(t, &sides[s], &answers[s], &e);
        if (rc < 0)
            err_wrap(&e, "%s", sides[s].vgpu ? "vGPU" : "native");
    }
    if (child_signal())
        rc = -EINTR;
    else
        keep(t, answers, rc < 0 ? err_msg(&e) : NULL);
    json_decref(answers[NATIVE]);
    json_decref(answers[VGPU]);
    return rc == -EINTR ? rc : 0;
}

/* Is the row the first of its task, and did the task work so far? */
static bool
is_due(const struct measure *m, unsigned i)
{
    if (!sources[m->results[i].row->source].run)
        return false;
    for (unsigned k = 0; k < i; k++) {
        if (same_task(m->results[k].row, m->results[i].row))
            return false;
    }
    return !m->results[i].problem[0];
}

static int
run_round(const struct measure *m, unsigned round)
{
    struct side sides[SIDES] = {{false, CHILD_NONE}, {true, CHILD_NONE}};
    char words[48];
    int rc = 0;

    snprintf(words, sizeof words, "round %u of %u", round + 1, m->rounds);
    for (unsigned i = 0; i < m->nresults && rc == 0; i++) {
        const struct task t = {m, m->results[i].row, round};

        if (!is_due(m, i))
            continue;
        if (m->progress)
            m->progress(words, t.row->name);
        rc = run_task(&t, sides);
    }
    child_stop(&sides[NATIVE].child);
    child_stop(&sides[VGPU].child);
    return rc;
}

int
measure_run(const struct measure *m, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < m->rounds && rc == 0; i++)
        rc = run_round(m, i);
    return rc < 0 ? err_set(e, rc, "interrupted") : 0;
}
