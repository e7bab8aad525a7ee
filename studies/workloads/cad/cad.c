/* SPDX-License-Identifier: MIT */
/*
 * The mesh goes to the device once. A frame is begun when it is due, or as soon after
 * that as the one before it, and ends when its pixels are here:
 *
 *     due 0        due 1        due 2        due 3
 *     |#######     |#################        |######      # begun to pixels
 *                  1 is late, 2 is missed
 *
 *   compile + warm-up | [barrier] | frame, frame, ... | result
 *
 * Reports and pictures are made between frames.
 */
#include "cad/cad.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cad/assembly.h"
#include "cad/kernels.h"
#include "cad/obj.h"
#include "cad/picture.h"
#include "cad/report.h"
#include "common/barrier.h"
#include "common/stop.h"
#include "common/terminal.h"
#include "common/times.h"

enum { WARM_UP_FRAMES = 3 };

struct viewer {
    const struct options *options;
    struct mesh mesh;
    struct gpu gpu;
    struct scene scene;
    struct renderer renderer;
    struct pose pose;
    struct pace pace;
    struct times frame_s, due_s; /* of each frame that was drawn */
    FILE *rate_file;
    double rate_since;
    uint64_t rate_drawn, rate_missed;
    struct progress progress;
    struct report report;
    struct result result;
};

static int
load_mesh(struct viewer *v, struct failure *why)
{
    progress_phase(&v->progress, "making the mesh");
    return v->options->mesh_file ? obj_load(v->options->mesh_file, &v->mesh, why)
                                 : assembly_make(&v->mesh, why);
}

static void
open_device(struct viewer *v, const struct gpu_entry *entry)
{
    const struct options *const o = v->options;

    progress_phase(&v->progress, "compiling kernels");
    gpu_init(&v->gpu, entry, &cad_program);
    renderer_init(&v->renderer, &v->gpu, &v->mesh, o->width, o->height, !o->no_edges);
    scene_init(&v->scene, &v->mesh, o->width, o->height, o->run.seed);
}

static void
on_compiled(void *data, unsigned done, unsigned count)
{
    struct viewer *const v = data;

    progress_update(&v->progress, done, count, "");
}

static void
draw(struct viewer *v, uint64_t frame)
{
    scene_pose(&v->scene, frame, &v->pose);
    renderer_draw(&v->renderer, &v->pose);
}

/* Makes every kernel ready. */
static void
warm_up(struct viewer *v)
{
    v->gpu.on_compiled = on_compiled;
    v->gpu.on_compiled_data = v;
    for (int i = 0; i < WARM_UP_FRAMES && !stop; i++) {
        draw(v, 0);
        v->gpu.on_compiled = NULL;
    }
}

/* Until then by clock_seconds, or until a signal. */
static void
sleep_until(double seconds)
{
    const double whole = floor(seconds);
    const struct timespec t = {.tv_sec = (time_t)whole,
                               .tv_nsec = (long)((seconds - whole) * 1e9)};

    while (!stop && clock_seconds() < seconds)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void
rate_write(struct viewer *v, double now)
{
    if (!v->rate_file || now - v->rate_since < 1.0)
        return;
    fprintf(v->rate_file, "%.3f %llu %llu\n", now - v->pace.began,
            (unsigned long long)(v->pace.drawn - v->rate_drawn),
            (unsigned long long)(v->pace.missed - v->rate_missed));
    fflush(v->rate_file);
    v->rate_since = now;
    v->rate_drawn = v->pace.drawn;
    v->rate_missed = v->pace.missed;
}

static void
report_if_due(struct viewer *v)
{
    const uint32_t every = v->options->run.report_every;
    const size_t count = v->frame_s.count;
    double sum = 0.0;

    if (!every || v->options->run.quiet || count % every)
        return;
    for (size_t i = count - every; i < count; i++)
        sum += v->frame_s.seconds[i] / every;
    progress_clear(&v->progress);
    report_frame(&v->report, v->result.last_frame, sum, v->pace.missed);
}

static int
write_picture(struct viewer *v, struct failure *why)
{
    char path[PATH_MAX];
    const int r =
        picture_path(v->options->png, v->result.last_frame, path, sizeof path, why);

    return r < 0 ? r : picture_write_png(&v->renderer.image, path, why);
}

/* Waits for the frame that is next, draws it, and notes how long it took. */
static int
one_frame(struct viewer *v, struct failure *why)
{
    const double due = pace_due(&v->pace);
    double began, ended;

    sleep_until(due);
    if (stop)
        return -EINTR;
    v->result.last_frame = v->pace.number;
    began = clock_seconds();
    draw(v, v->pace.number);
    ended = clock_seconds();
    if (gpu_failed(&v->gpu))
        return failure_set(why, -EIO, "%s", v->gpu.failure.text);
    if (times_add(&v->frame_s, ended - began, why) < 0 ||
        times_add(&v->due_s, ended - due, why) < 0)
        return -ENOMEM;
    pace_end_frame(&v->pace, ended);
    return 0;
}

static void
show_progress(struct viewer *v)
{
    const struct pace *const p = &v->pace;
    char note[64];

    snprintf(note, sizeof note, "%.1f ms, %llu missed",
             v->frame_s.seconds[v->frame_s.count - 1] * 1e3,
             (unsigned long long)p->missed);
    progress_update(&v->progress, (double)p->number, (double)p->frames, note);
}

static int
draw_all(struct viewer *v, struct failure *why)
{
    const bool each = v->options->png && picture_is_numbered(v->options->png);

    progress_phase(&v->progress, "drawing");
    pace_init(&v->pace, clock_seconds(), v->options->rate, v->options->frames);
    v->rate_since = v->pace.began;
    while (!pace_is_over(&v->pace)) {
        int r = one_frame(v, why);

        if (r >= 0 && each)
            r = write_picture(v, why);
        if (r < 0)
            return r;
        rate_write(v, clock_seconds());
        report_if_due(v);
        show_progress(v);
    }
    v->result.draw_s =
        fmax(clock_seconds() - v->pace.began, (double)v->pace.frames / v->pace.rate);
    return v->options->png && !each ? write_picture(v, why) : 0;
}

static void
fill_result(struct viewer *v, const struct gpu_entry *entry)
{
    struct result *const r = &v->result;

    r->mesh = v->options->mesh_file ? v->options->mesh_file : "gears";
    r->device = entry->device_name;
    r->platform = entry->platform_name;
    r->pace = v->pace;
    r->rate_reached = (double)v->pace.drawn / r->draw_s;
    r->frame_s = stats_of(v->frame_s.seconds, v->frame_s.count);
    r->due_s = stats_of(v->due_s.seconds, v->due_s.count);
    r->triangles = v->mesh.triangle_count;
    r->width = v->options->width;
    r->height = v->options->height;
    r->seed = v->options->run.seed;
    r->device_bytes = v->gpu.allocated_bytes;
    r->checksum = picture_checksum(&v->renderer.image);
}

static int
run_phases(struct viewer *v, const struct gpu_entry *entry, struct failure *why)
{
    const double began = clock_seconds();
    int r = 0;

    open_device(v, entry);
    warm_up(v);
    v->result.compile_s = clock_seconds() - began;
    if (gpu_failed(&v->gpu))
        return failure_set(why, -EIO, "%s", v->gpu.failure.text);
    if (stop)
        return -EINTR;

    if (v->options->run.wait_for) {
        progress_phase(&v->progress, "waiting for the start");
        r = barrier_wait(v->options->run.wait_for, &stop, why);
    }
    if (r >= 0)
        r = draw_all(v, why);
    if (r < 0)
        return r;
    progress_clear(&v->progress);
    fill_result(v, entry);
    report_result(&v->report, &v->result);
    return 0;
}

static void
viewer_fini(struct viewer *v)
{
    progress_clear(&v->progress);
    renderer_fini(&v->renderer);
    gpu_fini(&v->gpu);
    mesh_fini(&v->mesh);
    times_fini(&v->frame_s);
    times_fini(&v->due_s);
    if (v->rate_file)
        fclose(v->rate_file);
}

int
cad_run(const struct options *options, struct failure *why)
{
    static struct viewer v; /* large */
    struct gpu_entry entry;
    int r;

    v.options = options;
    r = gpu_find(&entry, options->run.device, why);
    if (r < 0)
        return r;
    if (options->run.rate_file && !(v.rate_file = fopen(options->run.rate_file, "we")))
        return failure_set(why, -errno, "%s: %s", options->run.rate_file,
                           strerror(errno));

    progress_init(&v.progress, options->run.quiet);
    report_init(&v.report, options->run.json, options->run.quiet);
    stop_on_signals();
    r = load_mesh(&v, why);
    if (r >= 0)
        r = run_phases(&v, &entry, why);
    viewer_fini(&v);
    return r;
}
