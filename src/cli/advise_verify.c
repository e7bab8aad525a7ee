/* SPDX-License-Identifier: MIT */
/*
 * As many guests at once as were advised, each on a vGPU and in a process of its own, which is to
 * its program what `tessera run` is. Signals are blocked from the first run on (child.h), so that
 * whatever ends this, GPUs and vGPUs are then as they were.
 */
#include "cli/advise.h"

#include "base/cleanup.h"
#include "cli/child.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAST_LOOK_US                                                                     \
    50000 /* what a worker takes to see that its guest is gone, and more */

struct guest {
    json_t *vgpu;
    pid_t pid; /* 0: it has ended */
    struct advise_track track;
};

struct verifying {
    struct client *c;
    char **program;
    const struct advice *advice;
    json_t *gpu;     /* as it was */
    bool set;        /* its policy was changed by us, */
    bool as_advised; /* or is the advised one without */
    int stopped;     /* by that signal */
    int failed;      /* the first status but 0 of a guest */
    unsigned n;
    struct guest guests[ADVISE_GUESTS_MAX];
};

/* ---- the GPU's policy -------------------------------------------------------------------- */

static int
patch(struct verifying *v, const char *policy, unsigned slice_us, struct err *e)
{
    _cleanup_free_ char *path =
        client_path("/v1/gpus/", json_text_of(v->gpu, "name", ""), "");
    json_t *body = json_pack("{ss si}", "policy", policy, "slice_us", (int)slice_us);
    int rc = path && body ? client_call(v->c, "PATCH", path, body, NULL, e)
                          : err_set(e, -ENOMEM, "out of memory");

    json_decref(body);
    return rc;
}

/* Where others are, or only root may, it stays as it is. */
static int
set_policy(struct verifying *v, const char *gpu, struct err *e)
{
    _cleanup_free_ char *path = client_path("/v1/gpus/", gpu, "");
    const unsigned slice = v->advice->slice_us;
    const char *wanted = sched_policy_word(v->advice->policy);
    _cleanup_err_ struct err refused = ERR_INIT;
    int rc = path ? client_call(v->c, "GET", path, NULL, &v->gpu, e)
                  : err_set(e, -ENOMEM, "out of memory");

    if (rc < 0)
        return rc;
    v->as_advised = strcmp(json_text_of(v->gpu, "policy", ""), wanted) == 0 &&
                    (slice == 0 || slice == json_u64_of(v->gpu, "slice_us"));
    if (v->as_advised || json_array_size(json_object_get(v->gpu, "vgpus")) > 0)
        return 0;
    v->set = patch(v, wanted, slice, &refused) == 0;
    v->as_advised = v->set;
    return 0;
}

/* A slice that is the default now was the default: of a set one nobody tells (gpu set can). */
static void
restore_policy(struct verifying *v)
{
    const unsigned slice = (unsigned)json_u64_of(v->gpu, "slice_us");
    const bool is_default = slice == sched_default_slice_ns(1) / 1000 ||
                            slice == sched_default_slice_ns(9) / 1000;
    _cleanup_err_ struct err e = ERR_INIT;

    if (v->set &&
        patch(v, json_text_of(v->gpu, "policy", ""), is_default ? 0 : slice, &e) < 0)
        fprintf(stderr, "tessera: advise: the policy of %s could not be set back: %s\n",
                json_text_of(v->gpu, "name", "?"), err_msg(&e));
}

/* ---- guests ------------------------------------------------------------------------------ */

static void
silence(void)
{
    int null = open("/dev/null", O_RDWR);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        _exit(EXIT_TESSERA);
    close(null);
}

static _Noreturn void
be_guest(const struct child *child, char **program)
{
    _cleanup_err_ struct err e = ERR_INIT;
    sigset_t none;
    int status;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigemptyset(&none);
    silence();
    sigprocmask(SIG_SETMASK, &none, NULL);
    status = child_run(child, program, &e);
    if (status < 0)
        fprintf(stderr, "tessera: advise: %s\n", err_msg(&e));
    _exit(status < 0 ? EXIT_TESSERA : status);
}

static int
start(struct verifying *v, struct guest *g, struct err *e)
{
    struct child child;
    int rc;

    child_init(&child);
    rc = child_add_vgpu(&child, g->vgpu, e);
    if (rc == 0) {
        fflush(NULL);
        g->pid = fork();
        if (g->pid == 0)
            be_guest(&child, v->program);
        if (g->pid < 0) {
            g->pid = 0;
            rc = err_set(e, -errno, "cannot fork: %s", strerror(errno));
        }
    }
    child_fini(&child);
    return rc;
}

static int
take_vgpus(struct verifying *v, const char *gpu, struct err *e)
{
    const struct client_vgpu spec = {
        .type = v->advice->type->name, .gpu = gpu, .ephemeral = true};

    for (; v->n < v->advice->guests; v->n++) {
        int rc = client_vgpu_create(v->c, &spec, &v->guests[v->n].vgpu, e);

        if (rc < 0)
            return err_wrap(e, "guest %u of %u", v->n + 1, v->advice->guests);
    }
    return 0;
}

static void
look_at_all(struct verifying *v)
{
    json_t *stats;

    if (client_call(v->c, "GET", "/v1/stats", NULL, &stats, NULL) < 0)
        return;
    for (unsigned i = 0; i < v->n; i++) {
        struct guest *g = &v->guests[i];
        struct advise_reading r;

        if (advise_read(stats, json_text_of(g->vgpu, "name", ""), &r) == 0)
            advise_track_add(&g->track, &r);
    }
    json_decref(stats);
}

static void
tell_all(struct verifying *v, int number)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (v->guests[i].pid > 0)
            kill(v->guests[i].pid, number);
    }
}

/* One failed: there is no use in waiting for the others. */
static void
ended(struct verifying *v, pid_t pid, int status)
{
    const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

    for (unsigned i = 0; i < v->n; i++) {
        if (v->guests[i].pid == pid)
            v->guests[i].pid = 0;
    }
    if (code == 0 || v->failed || v->stopped)
        return;
    v->failed = code;
    tell_all(v, SIGTERM);
}

static bool
some_run(const struct verifying *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (v->guests[i].pid > 0)
            return true;
    }
    return false;
}

static void
reap(struct verifying *v)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        ended(v, pid, status);
}

/* A signal from the terminal has reached the guests, too. */
static void
stop(struct verifying *v, const siginfo_t *info)
{
    const bool from_terminal = info->si_code == SI_KERNEL;

    v->stopped = info->si_signo;
    tell_all(v, from_terminal ? SIGTERM : info->si_signo);
}

static void
wait_for_all(struct verifying *v)
{
    static const int signals[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    const struct timespec interval = {.tv_nsec = (long)ADVISE_TICK_MS * 1000000};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (some_run(v)) {
        siginfo_t info;
        const int number = sigtimedwait(&set, &info, &interval);

        if (number < 0)
            look_at_all(v);
        else if (number != SIGCHLD)
            stop(v, &info);
        reap(v);
    }
    usleep(LAST_LOOK_US);
    look_at_all(v);
}

/* ---- what came of it --------------------------------------------------------------------- */

/* By time per launch, as some programs work for so long and others until they are done. */
static double
slowdown(const struct advise_measured *alone, const struct advise_measured *m)
{
    if (m->launches > 0)
        return alone->launches / m->launches;
    return alone->active_s > 0 ? m->active_s / alone->active_s : 1;
}

static void
compare(const struct verifying *v, const struct advise_measured *alone,
        struct advise_verified *ret)
{
    *ret = (struct advise_verified){.guests = v->n, .as_advised = v->as_advised};
    for (unsigned i = 0; i < v->n; i++) {
        const struct advise_measured m = advise_measure(&v->guests[i].track, 0, 0);

        ret->slowdown[i] = slowdown(alone, &m);
        ret->worst = fmax(ret->worst, ret->slowdown[i]);
    }
    ret->held = ret->worst <= v->advice->slowdown * ADVISE_TOLERANCE;
}

static int
outcome(const struct verifying *v, int *ret_status, struct err *e)
{
    if (v->stopped) {
        *ret_status = 128 + v->stopped;
        return err_set(e, -EINTR, "stopped");
    }
    if (v->failed) {
        *ret_status = v->failed;
        return err_set(e, -EIO, "a guest beside others failed (status %d)", v->failed);
    }
    return 0;
}

static void
clean_up(struct verifying *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        _cleanup_err_ struct err e = ERR_INIT;

        client_vgpu_delete(v->c, json_text_of(v->guests[i].vgpu, "name", ""), NULL, &e);
        json_decref(v->guests[i].vgpu);
    }
    restore_policy(v);
    json_decref(v->gpu);
}

int
advise_verify(struct client *c, const struct advise_report *said,
              struct advise_verified *ret, int *ret_status, struct err *e)
{
    _cleanup_free_ struct verifying *v = calloc(1, sizeof *v);
    int rc;

    if (!v)
        return err_set(e, -ENOMEM, "out of memory");
    *v = (struct verifying){.c = c, .program = said->program, .advice = said->advice};
    rc = set_policy(v, said->gpu, e);
    if (rc == 0)
        rc = take_vgpus(v, said->gpu, e);
    if (rc == 0)
        look_at_all(v);
    for (unsigned i = 0; i < v->n && rc == 0; i++)
        rc = start(v, &v->guests[i], e);
    if (rc < 0)
        tell_all(v, SIGTERM);
    wait_for_all(v);
    if (rc == 0)
        rc = outcome(v, ret_status, e);
    if (rc == 0)
        compare(v, said->measured, ret);
    clean_up(v);
    return rc;
}
