/* SPDX-License-Identifier: MIT */
#include "sched_figures.h"

#include "stats.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const unit_words[] = {[FIGURE_POINTS] = "points",
                                         [FIGURE_SHARE] = "share",
                                         [FIGURE_RATIO] = "ratio",
                                         [FIGURE_TIME] = "ns",
                                         [FIGURE_COUNT] = "count"};
static const char *const aim_words[] = {
    [AIM_NONE] = "none", [AIM_AT_MOST] = "at-most", [AIM_AT_LEAST] = "at-least"};

int
figures_init(struct figures *f)
{
    f->n = 0;
    f->series = json_object();
    f->problems = json_object();
    return f->series && f->problems ? 0 : -ENOMEM;
}

void
figures_fini(struct figures *f)
{
    json_decref(f->series);
    json_decref(f->problems);
}

static bool
is_that(const struct figure *f, const char *experiment, bool pinned, const char *policy,
        const char *what)
{
    return f->pinned == pinned && strcmp(f->experiment, experiment) == 0 &&
           strcmp(f->policy, policy) == 0 && strcmp(f->what, what) == 0;
}

const struct figure *
figure_find(const struct figures *f, const char *experiment, bool pinned,
            const char *policy, const char *what)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (is_that(&f->list[i], experiment, pinned, policy, what))
            return &f->list[i];
    }
    return NULL;
}

static struct figure *
figure_make(struct figures *f, const struct figure_id *id)
{
    struct figure *new;

    for (unsigned i = 0; i < f->n; i++) {
        if (is_that(&f->list[i], id->experiment, id->pinned, id->policy, id->what))
            return &f->list[i];
    }
    if (f->n == FIGURES_MAX)
        return NULL;
    new = &f->list[f->n++];
    *new = (struct figure){
        .pinned = id->pinned, .unit = id->unit, .aim = id->aim, .target = id->target};
    snprintf(new->experiment, sizeof new->experiment, "%s", id->experiment);
    snprintf(new->policy, sizeof new->policy, "%s", id->policy);
    snprintf(new->what, sizeof new->what, "%s", id->what);
    return new;
}

void
figure_add(struct figures *f, const struct figure_id *id, double value)
{
    struct figure *to = isnan(value) ? NULL : figure_make(f, id);

    if (to && to->n < FIGURE_ROUNDS_MAX)
        to->values[to->n++] = value;
}

double
figure_median(const struct figure *f)
{
    return stats_median(f->values, f->n);
}

double
figure_worst(const struct figure *f)
{
    if (f->aim == AIM_NONE)
        return figure_median(f);
    return stats_quantile(f->values, f->n, f->aim == AIM_AT_MOST ? 1.0 : 0.0);
}

bool
figure_met(const struct figure *f, bool worst)
{
    const double v = worst ? figure_worst(f) : figure_median(f);

    if (f->aim == AIM_NONE)
        return true;
    return f->aim == AIM_AT_MOST ? v <= f->target : v >= f->target;
}

/* With three digits and the unit that keeps the number between 1 and 1000. */
static void
time_words(double ns, char *buf, size_t cap)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    int i = 0;

    for (; i < 3 && fabs(ns) >= 999.5; i++)
        ns /= 1000;
    snprintf(buf, cap, "%.*f %s", ns < 9.995 ? 2 : ns < 99.95 ? 1 : 0, ns, units[i]);
}

void
figure_words(const struct figure *f, double value, char *buf, size_t cap)
{
    if (isnan(value))
        snprintf(buf, cap, "-");
    else if (f->unit == FIGURE_POINTS)
        snprintf(buf, cap, "%.2f pt", value * 100);
    else if (f->unit == FIGURE_SHARE)
        snprintf(buf, cap, "%.2f %%", value * 100);
    else if (f->unit == FIGURE_RATIO)
        snprintf(buf, cap, "%.4f", value);
    else if (f->unit == FIGURE_TIME)
        time_words(value, buf, cap);
    else
        snprintf(buf, cap, "%.0f", value);
}

void
figure_target_words(const struct figure *f, char *buf, size_t cap)
{
    char value[FIGURE_WORDS_BYTES];

    figure_words(f, f->target, value, sizeof value);
    if (f->aim == AIM_NONE)
        snprintf(buf, cap, "-");
    else
        snprintf(buf, cap, "%s %s", f->aim == AIM_AT_MOST ? "<=" : ">=", value);
}

/* Series and problems are named after their experiment: "shares-8", "shares-8 pinned ...". */
static bool
belongs(const char *name, const char *experiment, bool pinned)
{
    const size_t len = strlen(experiment);

    return strncmp(name, experiment, len) == 0 &&
           (name[len] == '\0' || name[len] == ' ') &&
           (strncmp(name + len, " pinned", 7) == 0) == pinned;
}

static void
drop_named(json_t *o, const char *experiment, bool pinned)
{
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(o, next, name, value)
    {
        if (belongs(name, experiment, pinned))
            json_object_del(o, name);
    }
}

void
figures_drop(struct figures *f, const char *experiment, bool pinned)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < f->n; i++) {
        const struct figure *old = &f->list[i];

        if (old->pinned != pinned || strcmp(old->experiment, experiment) != 0)
            f->list[kept++] = *old;
    }
    f->n = kept;
    drop_named(f->series, experiment, pinned);
    drop_named(f->problems, experiment, pinned);
}

/* JSON. */

static json_t *
figure_json(const struct figure *f)
{
    json_t *values = json_array();
    json_t *o;

    for (unsigned i = 0; i < f->n; i++)
        json_array_append_new(values, json_real(f->values[i]));
    o = json_pack("{ss sb ss ss ss ss sf sf sf so}", "experiment", f->experiment,
                  "pinned", (int)f->pinned, "policy", f->policy, "what", f->what, "unit",
                  unit_words[f->unit], "aim", aim_words[f->aim], "target", f->target,
                  "median", figure_median(f), "worst", figure_worst(f), "rounds", values);
    if (o && f->aim != AIM_NONE) {
        json_object_set_new(o, "reached", json_boolean(figure_met(f, false)));
        json_object_set_new(o, "always_reached", json_boolean(figure_met(f, true)));
    }
    return o;
}

json_t *
figures_json(const struct figures *f)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < f->n; i++)
        json_array_append_new(list, figure_json(&f->list[i]));
    return json_pack("{so sO sO}", "figures", list, "series", f->series, "problems",
                     f->problems);
}

static unsigned
word_index(const char *const *words, unsigned n, const char *word)
{
    for (unsigned i = 0; i < n; i++) {
        if (word && strcmp(words[i], word) == 0)
            return i;
    }
    return 0;
}

static void
figure_load(struct figures *f, const json_t *o)
{
    const char *unit, *aim;
    const json_t *values;
    struct figure_id id;
    int pinned;

    if (json_unpack((json_t *)o, "{ss sb ss ss ss ss sF so}", "experiment",
                    &id.experiment, "pinned", &pinned, "policy", &id.policy, "what",
                    &id.what, "unit", &unit, "aim", &aim, "target", &id.target, "rounds",
                    &values) < 0)
        return;
    id.pinned = pinned;
    id.unit = word_index(unit_words, sizeof unit_words / sizeof *unit_words, unit);
    id.aim = word_index(aim_words, sizeof aim_words / sizeof *aim_words, aim);
    for (size_t i = 0; i < json_array_size(values); i++)
        figure_add(f, &id, json_number_value(json_array_get(values, i)));
}

void
figures_load(struct figures *f, const json_t *o)
{
    const json_t *list = json_object_get(o, "figures");

    for (size_t i = 0; i < json_array_size(list); i++)
        figure_load(f, json_array_get(list, i));
    json_object_update(f->series, json_object_get(o, "series"));
    json_object_update(f->problems, json_object_get(o, "problems"));
}
