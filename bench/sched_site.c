/* SPDX-License-Identifier: MIT */
#include "sched_site.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "child.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMMAND_MS 60000
#define CALIBRATE_MS 60000
#define LEAVE_NS UINT64_C(5000000000)
#define MEMORY "2g"

void
site_sleep_until(uint64_t ns)
{
    const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
                               .tv_nsec = (long)(ns % 1000000000u)};

    while (!child_signal() &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
        ;
}

int
site_tessera(const struct site *s, json_t **ret, struct err *e, ...)
{
    struct host_argv argv = {0};
    const char *word, *first = NULL;
    va_list ap;
    int rc;

    host_add(&argv, s->host.tessera);
    va_start(ap, e);
    while ((word = va_arg(ap, const char *))) {
        first = first ? first : word;
        host_add(&argv, word);
    }
    va_end(ap);
    host_add(&argv, "-o");
    host_add(&argv, "json");
    rc = child_run(argv.v, COMMAND_MS, ret, e);
    return rc < 0 ? err_wrap(e, "tessera %s", first ? first : "") : 0;
}

/* The smallest of many on an idle device: the device's speed, undisturbed. */
static int
calibrate(struct site *s, struct err *e)
{
    struct host_argv argv;
    json_t *answer;
    int rc;

    host_program(&s->host, s->host.load, false, &argv);
    host_add(&argv, "--calibrate");
    rc = child_run(argv.v, CALIBRATE_MS, &answer, e);
    if (rc < 0)
        return err_wrap(e, "bench-load --calibrate");
    s->iterations_per_us =
        json_number_value(json_object_get(answer, "iterations_per_us"));
    json_decref(answer);
    return s->iterations_per_us > 0 ? 0 : err_set(e, -EPROTO, "no calibration");
}

/* The GPU's core is its own: what we start from here on runs on the others. */
static void
leave_core(struct site *s)
{
    cpu_set_t others;

    sched_getaffinity(0, sizeof s->cores, &s->cores);
    if (!s->pinned)
        return;
    others = s->cores;
    CPU_CLR(0, &others);
    sched_setaffinity(0, sizeof others, &others);
}

int
site_init(struct site *s, const char *build, bool pin, struct err *e)
{
    const struct host_options o = {
        .build = build, .pin = pin, .memory = MEMORY, .vgpus = 8};
    int rc;

    *s = (struct site){.pinned = pin};
    sched_getaffinity(0, sizeof s->cores, &s->cores);
    setenv("TESSERA_SHARE_CACHE", "1",
           1); /* what is compiled is no part of what is measured */
    rc = host_init(&s->host, &o, e);
    if (rc == 0)
        rc = calibrate(s, e);
    if (rc == 0)
        leave_core(s);
    return rc;
}

void
site_fini(struct site *s)
{
    sched_setaffinity(0, sizeof s->cores, &s->cores);
    host_fini(&s->host);
}

/* vGPUs. */

static const char *
gpu_name(const struct site *s)
{
    const char *name = json_string_value(json_object_get(s->host.gpu, "name"));

    return name ? name : "gpu0";
}

static int
type_for(const struct site *s, unsigned instances, char *buf, size_t cap, struct err *e)
{
    json_t *answer;
    const json_t *list;
    int rc = host_ask(&s->host, "types", gpu_name(s), &answer, e);

    if (rc < 0)
        return rc;
    rc = -ENOENT;
    list = json_object_get(answer, "types");
    for (size_t i = 0; i < json_array_size(list) && rc < 0; i++) {
        const json_t *t = json_array_get(list, i);

        if (json_integer_value(json_object_get(t, "max_instances")) != instances)
            continue;
        snprintf(buf, cap, "%s", json_string_value(json_object_get(t, "name")));
        rc = 0;
    }
    json_decref(answer);
    return rc < 0 ? err_set(e, rc, "no type fits %u times", instances) : 0;
}

int
site_create(const struct site *s, const char *name, unsigned instances, struct err *e)
{
    char type[64];
    int rc = type_for(s, instances, type, sizeof type, e);

    if (rc < 0)
        return rc;
    return site_tessera(s, NULL, e, "create", name, "--type", type, "--gpu", gpu_name(s),
                        NULL);
}

int
site_delete_all(const struct site *s, struct err *e)
{
    const char *const argv[] = {s->host.tessera, "delete", "all", NULL};

    return child_run_always(argv, COMMAND_MS, e);
}

int
site_policy(const struct site *s, const char *policy, const char *slice, struct err *e)
{
    return site_tessera(s, NULL, e, "gpu", "set", gpu_name(s), "--policy", policy,
                        "--slice", slice, NULL);
}

int
site_set(const struct site *s, const char *option, const char *value, struct err *e)
{
    return site_tessera(s, NULL, e, "gpu", "set", gpu_name(s), option, value, NULL);
}

/* The manager. */

int
site_kill_manager(const struct site *s, struct err *e)
{
    const pid_t pid = host_manager(&s->host);
    const uint64_t until = now_ns() + LEAVE_NS;

    if (pid <= 1 || kill(pid, SIGKILL) < 0)
        return err_set(e, -ESRCH, "the manager cannot be killed");
    /* It is no child of ours: whoever waits for it decides when its number is free. */
    while (kill(pid, 0) == 0 && now_ns() < until)
        site_sleep_until(now_ns() + 1000000);
    return 0;
}

int
site_revive(const struct site *s, struct err *e)
{
    cpu_set_t ours;
    int rc;

    /* Its software GPUs are cut from the cores that it inherits. */
    sched_getaffinity(0, sizeof ours, &ours);
    sched_setaffinity(0, sizeof s->cores, &s->cores);
    rc = site_tessera(s, NULL, e, "gpus", NULL);
    sched_setaffinity(0, sizeof ours, &ours);
    return rc;
}

/* Accounts. */

int
site_stats(const struct site *s, json_t **ret, struct err *e)
{
    return site_tessera(s, ret, e, "stats", NULL);
}

static const json_t *
object_of(const json_t *stats, const char *vgpu)
{
    const json_t *gpus = json_object_get(stats, "gpus");

    if (!vgpu)
        return json_array_get(gpus, 0);
    for (size_t i = 0; i < json_array_size(gpus); i++) {
        const json_t *list = json_object_get(json_array_get(gpus, i), "vgpus");

        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *v = json_array_get(list, k);
            const char *name = json_string_value(json_object_get(v, "name"));

            if (name && strcmp(name, vgpu) == 0)
                return v;
        }
    }
    return NULL;
}

double
site_share(const json_t *before, const json_t *after, const char *vgpu,
           const char *counter)
{
    const json_t *a = json_object_get(object_of(before, vgpu), counter);
    const json_t *b = json_object_get(object_of(after, vgpu), counter);
    const json_int_t t = json_integer_value(json_object_get(after, "time_ns")) -
                         json_integer_value(json_object_get(before, "time_ns"));

    if (!a || !b || t <= 0)
        return NAN;
    return (double)(json_integer_value(b) - json_integer_value(a)) / (double)t;
}
