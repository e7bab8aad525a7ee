/* SPDX-License-Identifier: MIT */
/*
 * The parent makes a folder, starts the workers, and collects what they tell:
 *
 *   folder | workers make their files | [barrier] | start | operations ... | result
 */
#include "office/office.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/barrier.h"
#include "common/stop.h"
#include "common/terminal.h"
#include "common/times.h"
#include "office/crew.h"
#include "office/folder.h"
#include "office/report.h"

struct office {
    const struct options *options;
    struct folder folder;
    struct crew crew;
    struct times kinds[OPERATIONS], all, late;
    double began;
    struct progress progress;
    struct report report;
    struct result result;
    struct failure first; /* why an operation failed, the first of them */
};

static int
on_operation(void *data, const struct message *m, struct failure *why)
{
    struct office *const o = data;
    const uint32_t every = o->options->run.report_every;
    int r = 0;

    if (every && m->number % every == 0 && !o->options->run.quiet) {
        progress_clear(&o->progress);
        report_operation(&o->report, m);
    }
    if (m->late_s >= 0.0)
        r = times_add(&o->late, m->late_s, why);
    if (m->why[0]) {
        o->result.failed++;
        failure_set(&o->first, -EIO, "worker %u: %s: %s", m->worker,
                    operations[m->kind].name, m->why);
        return r;
    }
    if (r == 0)
        r = times_add(&o->kinds[m->kind], m->seconds, why);
    return r < 0 ? r : times_add(&o->all, m->seconds, why);
}

/* Until all workers have made their files. */
static int
prepare(struct office *o, struct failure *why)
{
    char note[32];
    int r = 0;

    progress_phase(&o->progress, "making files");
    while (o->crew.ready < o->crew.count && r == 0) {
        r = crew_turn(&o->crew, why);
        if (stop)
            return -EINTR;
        snprintf(note, sizeof note, "%u of %u", o->crew.ready, o->crew.count);
        progress_update(&o->progress, o->crew.ready, o->crew.count, note);
    }
    if (r == 0 && o->options->run.wait_for) {
        progress_phase(&o->progress, "waiting for the start");
        r = barrier_wait(o->options->run.wait_for, &stop, why);
    }
    return r;
}

static void
show(struct office *o, double elapsed)
{
    const struct options *const options = o->options;
    const size_t count = o->all.count + o->result.failed;
    char note[48];

    snprintf(note, sizeof note, "%zu operations", count);
    if (options->operations)
        progress_update(&o->progress, (double)count,
                        (double)options->operations * options->workers, note);
    else if (elapsed < options->run.duration_s)
        progress_update(&o->progress, elapsed, options->run.duration_s, note);
}

/* Until all workers are done. */
static int
gather(struct office *o, struct failure *why)
{
    const double began = clock_seconds();
    int r = 0;

    progress_phase(&o->progress, "working");
    crew_start(&o->crew);
    while (o->crew.done < o->crew.count && r == 0) {
        r = crew_turn(&o->crew, why);
        if (stop)
            return -EINTR;
        show(o, clock_seconds() - began);
    }
    o->result.run_s = clock_seconds() - began;
    return r;
}

static struct latency
latency_of(struct times *times)
{
    return (struct latency){.count = times->count,
                            .s = stats_of(times->seconds, times->count)};
}

static void
fill_result(struct office *o)
{
    o->result.workers = o->options->workers;
    o->result.seed = o->options->run.seed;
    o->result.cpu_s = o->crew.cpu_s;
    for (unsigned i = 0; i < OPERATIONS; i++)
        o->result.kinds[i] = latency_of(&o->kinds[i]);
    o->result.all = latency_of(&o->all);
    o->result.late = latency_of(&o->late);
}

static int
run_phases(struct office *o, struct failure *why)
{
    const struct options *const options = o->options;
    int r = folder_make(&o->folder, options->folder, why);

    if (r == 0)
        r = crew_init(&o->crew, options, o->folder.path, why);
    if (r == 0)
        r = prepare(o, why);
    if (r == 0)
        r = gather(o, why);
    if (r < 0)
        return r;

    progress_clear(&o->progress);
    fill_result(o);
    report_result(&o->report, &o->result);
    if (o->result.failed)
        return failure_set(why, -EIO, "%s (%" PRIu64 " of %zu operations failed)",
                           o->first.text, o->result.failed,
                           o->all.count + o->result.failed);
    return 0;
}

static void
office_fini(struct office *o)
{
    progress_clear(&o->progress);
    crew_fini(&o->crew);
    for (unsigned i = 0; i < OPERATIONS; i++)
        times_fini(&o->kinds[i]);
    times_fini(&o->all);
    times_fini(&o->late);
}

int
office_run(const struct options *options, struct failure *why)
{
    static struct office o; /* too large for the stack */
    int r, removed;

    o = (struct office){.options = options,
                        .crew = {.messages = -1, .start = -1},
                        .result.workers = options->workers};
    o.crew.on_operation = on_operation;
    o.crew.data = &o;
    progress_init(&o.progress, options->run.quiet);
    report_init(&o.report, options->run.json, options->run.quiet);

    stop_on_signals();
    r = run_phases(&o, why);
    office_fini(&o);
    removed = folder_remove(&o.folder, why);
    return r < 0 ? r : removed;
}
