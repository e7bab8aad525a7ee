/* SPDX-License-Identifier: MIT */
/*
 * tessera advise: a program runs once on a large vGPU, of which the manager tells what it used, and
 * that says which type, which policy, and how many such guests a GPU carries.
 */
#include "cli/advise.h"

#include "base/args.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/child.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* How long a worker may take to see that its guest is gone. */
#define LAST_LOOK_TRIES 250
#define LAST_LOOK_US 2000
/* A framebuffer as full as this may have been too small for a program that failed. */
#define FULL_PERCENT 90

struct advise_args {
    struct args args;
    const char *type, *gpu, *need;
    bool verify;
};

static const struct args_usage usage = {
    .words = "-- PROGRAM [ARG...]",
    .doc =
        "Runs a program once on a new vGPU, of the largest type that is free, and says "
        "of "
        "which type, under which policy and how many at once such programs are best run. "
        "The exit status is the program's where it fails: then nothing is advised.",
    .options =
        {
            {"type", "TYPE", "measure on this type", offsetof(struct advise_args, type)},
            {"gpu", "GPU", "on this GPU", offsetof(struct advise_args, gpu)},
            {"need", "WHAT",
             "what it needs of the GPU's time: throughput, latency or rate (guessed by "
             "what "
             "is measured)",
             offsetof(struct advise_args, need)},
            {"verify", NULL, "then run as many at once as advised, and compare",
             offsetof(struct advise_args, verify)},
        },
};

struct advise {
    struct client *c;
    char **program;
    json_t *vgpu; /* where it runs, as it last was */
    bool is_ours; /* it is there */
    struct advise_track track;
};

/* ---- where it runs ----------------------------------------------------------------------- */

/* The largest type of which there is one free; "": there is none. Borrowed from the answer. */
static const json_t *
largest_free(const json_t *answer, const char *gpu)
{
    const json_t *types = json_object_get(answer, "types"), *found = NULL;

    for (size_t i = 0; i < json_array_size(types); i++) {
        const json_t *t = json_array_get(types, i);

        if (gpu && strcmp(json_text_of(t, "gpu", ""), gpu) != 0)
            continue;
        if (json_u64_of(t, "available") > 0 &&
            json_u64_of(t, "framebuffer_bytes") > json_u64_of(found, "framebuffer_bytes"))
            found = t;
    }
    return found;
}

static int
create(struct advise *a, const char *type, const char *gpu, struct err *e)
{
    const struct client_vgpu spec = {.type = type, .gpu = gpu, .ephemeral = true};

    int rc = client_vgpu_create(a->c, &spec, &a->vgpu, e);

    a->is_ours = rc == 0;
    return rc;
}

static int
take_vgpu(struct advise *a, const struct advise_args *o, struct err *e)
{
    const json_t *found;
    json_t *answer;
    int rc;

    if (o->type)
        return create(a, o->type, o->gpu, e);
    rc = client_call(a->c, "GET", "/v1/types", NULL, &answer, e);
    if (rc < 0)
        return rc;
    found = largest_free(answer, o->gpu);
    if (found)
        rc =
            create(a, json_text_of(found, "name", ""), json_text_of(found, "gpu", ""), e);
    else
        rc = err_set(e, -ENOSPC,
                     "no GPU%s%s has a vGPU free ('tessera list' shows who has them)",
                     o->gpu ? " named " : "", o->gpu ? o->gpu : "");
    json_decref(answer);
    return rc;
}

static int
read_site(struct advise *a, struct advise_site *s, struct err *e)
{
    _cleanup_free_ char *path =
        client_path("/v1/gpus/", json_text_of(a->vgpu, "gpu", ""), "");
    json_t *gpu;
    int rc, n;

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    rc = client_call(a->c, "GET", path, NULL, &gpu, e);
    if (rc < 0)
        return rc;
    n = types_of_gpu(json_text_of(gpu, "model", ""), json_u64_of(gpu, "memory_bytes"),
                     s->types, TYPES_MAX);
    s->ntypes = n < 0 ? 0 : (unsigned)n;
    s->cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (strcmp(json_text_of(gpu, "kind", ""), "software") == 0)
        s->gpu_cores = (unsigned)json_u64_of(gpu, "compute_units");
    json_decref(gpu);
    return 0;
}

/* ---- the run ----------------------------------------------------------------------------- */

static int
look(struct advise *a, struct err *e)
{
    struct advise_reading r;
    json_t *stats;
    int rc = client_call(a->c, "GET", "/v1/stats", NULL, &stats, e);

    if (rc < 0)
        return rc;
    rc = advise_read(stats, json_text_of(a->vgpu, "name", ""), &r);
    if (rc == 0)
        advise_track_add(&a->track, &r);
    else
        err_set(e, rc, "the vGPU was deleted meanwhile");
    json_decref(stats);
    return rc;
}

/* A manager that is away for a moment is asked again at the next tick. */
static void
tick(void *user)
{
    _cleanup_err_ struct err e = ERR_INIT;

    look(user, &e);
}

/* Waits for the program's sessions to end, so that all that they did is counted. */
static int
last_look(struct advise *a, struct err *e)
{
    _cleanup_free_ char *name = strdup(json_text_of(a->vgpu, "name", ""));

    for (int i = 0; i < LAST_LOOK_TRIES; i++) {
        json_t *v;
        int rc = name ? client_vgpu_get(a->c, name, &v, e)
                      : err_set(e, -ENOMEM, "out of memory");

        if (rc < 0)
            return rc;
        json_decref(a->vgpu);
        a->vgpu = v;
        if (json_array_size(json_object_get(v, "sessions")) == 0)
            break;
        usleep(LAST_LOOK_US);
    }
    return look(a, e);
}

/* With JSON on our stdout, what the program prints goes to stderr. */
static int
run_child(struct advise *a, bool json, struct err *e)
{
    struct child child;
    int rc, out = -1;

    child_init(&child);
    child.tick = tick;
    child.user = a;
    child.tick_ms = ADVISE_TICK_MS;
    rc = child_add_vgpu(&child, a->vgpu, e);
    fflush(stdout);
    if (json)
        out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    if (json && (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) && rc == 0)
        rc = err_set(e, -errno, "cannot turn stdout: %s", strerror(errno));
    if (rc == 0)
        rc = child_run(&child, a->program, e);
    if (out >= 0) {
        dup2(out, STDOUT_FILENO);
        close(out);
    }
    child_fini(&child);
    return rc;
}

static double
seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* The program's exit status, or a negative errno. */
static int
measure(struct advise *a, bool json, struct advise_measured *ret, struct err *e)
{
    const uint64_t begin = now_ns();
    struct rusage used;
    double wall_s;
    int status, rc = look(a, e);

    if (rc < 0)
        return rc;
    status = run_child(a, json, e);
    wall_s = (double)(now_ns() - begin) / 1e9;
    if (status < 0)
        return status;
    client_forbid_start(a->c);
    rc = last_look(a, e);
    if (rc < 0 && status == 0)
        return rc;
    getrusage(RUSAGE_CHILDREN, &used);
    *ret = advise_measure(&a->track, wall_s,
                          seconds_of(used.ru_utime) + seconds_of(used.ru_stime));
    ret->framebuffer_bytes = json_u64_of(a->vgpu, "framebuffer_bytes");
    return status;
}

static void
let_go(struct advise *a)
{
    _cleanup_err_ struct err e = ERR_INIT;

    if (a->is_ours)
        client_vgpu_delete(a->c, json_text_of(a->vgpu, "name", ""), NULL, &e);
    a->is_ours = false; /* its name may be another's now */
}

/* ---- what comes of it -------------------------------------------------------------------- */

static int
say_failed(const struct advise *a, const struct advise_measured *m, int status)
{
    const json_t *error = json_object_get(a->vgpu, "last_error");

    if (status > 128)
        fprintf(stderr,
                "tessera: advise: nothing is advised: the program was ended by %s\n",
                strsignal(status - 128));
    else
        fprintf(stderr,
                "tessera: advise: nothing is advised: the program ended with status %d\n",
                status);
    if (json_is_object(error))
        fprintf(stderr, "tessera: vGPU: %s\n", json_text_of(error, "message", "?"));
    if (m->peak_bytes / FULL_PERCENT >= m->framebuffer_bytes / 100 && m->peak_bytes > 0)
        fputs("hint: its framebuffer was nearly full: try a larger --type\n", stderr);
    return status;
}

static int
say(const struct advise_report *r, bool json)
{
    json_t *o;

    if (json) {
        o = advise_json(r);
        cli_print(o, true, NULL);
        json_decref(o);
    } else {
        advise_print(r);
    }
    fflush(stdout);
    return r->advice->type && (!r->verified || r->verified->held) ? 0 : EXIT_FAILED;
}

/* The exit status, or a negative errno. */
static int
advise_on(struct advise *a, const struct advise_args *o, enum advise_need need,
          const struct advise_measured *m, struct err *e)
{
    struct advise_site site = {0};
    struct advise_verified verified;
    struct advice advice;
    struct advise_report r = {.program = a->program,
                              .gpu = json_text_of(a->vgpu, "gpu", ""),
                              .type = json_text_of(a->vgpu, "type", ""),
                              .measured = m,
                              .advice = &advice};
    int status = 0, rc = read_site(a, &site, e);

    if (rc < 0)
        return rc;
    advise_pick(m, &site, need, &advice);
    if (o->verify && advice.type) {
        let_go(a);
        rc = advise_verify(a->c, &r, &verified, &status, e);
        if (rc == 0)
            r.verified = &verified;
        else if (status == 0)
            return rc;
    }
    if (status == 0)
        return say(&r, o->args.json);
    fprintf(stderr, "tessera: advise: %s\n", err_msg(e));
    return status;
}

static int
advise(const struct advise_args *o, enum advise_need need, char **program)
{
    struct advise a = {.program = program};
    struct advise_measured m = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    int rc;

    a.c = cli_client(false, EXIT_TESSERA);
    rc = take_vgpu(&a, o, &e);
    if (rc == 0)
        rc = measure(&a, o->args.json, &m, &e);
    if (rc > 0)
        rc = say_failed(&a, &m, rc);
    else if (rc == 0)
        rc = advise_on(&a, o, need, &m, &e);
    if (rc < 0) {
        cli_fail(a.c, &e, "advise '%s'", program[0]);
        rc = EXIT_TESSERA;
    }
    let_go(&a);
    json_decref(a.vgpu);
    client_free(a.c);
    return rc;
}

int
cmd_advise(int argc, char **argv)
{
    char **program = child_split(&argc, argv);
    enum advise_need need = ADVISE_GUESS;
    struct advise_args o = {0};

    args_parse(&usage, argc, argv, &o);
    if (!program[0])
        args_mistake(argv, "the program is missing: ... -- PROGRAM [ARG...]");
    if (o.need && !advise_need_parse(o.need, &need))
        args_mistake(argv, "--need '%s': throughput, latency or rate", o.need);
    return advise(&o, need, program);
}
