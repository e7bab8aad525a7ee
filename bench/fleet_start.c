/* SPDX-License-Identifier: MIT */
/*
 * vGPUs from their beginning: batches of programs that run one null kernel, natively and on
 * a vGPU that is made for each, in turn. The vGPUs stay; when all programs are over, no
 * worker may be left.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "child.h"
#include "fleet.h"
#include "host.h"
#include "stats.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define AT_ONCE 8
#define BATCHES 25 /* of 8: 200 vGPUs */
#define BATCHES_QUICK 3
#define PROGRAM_MS 120000
#define LEAVE_MS 5000 /* a worker ends soon after its guest */
#define NAME_BYTES 16

/* One program: its time from the call to its end. */
struct start {
    pthread_t thread;
    const struct host *host;
    double ns;
    int rc;
    bool vgpu;
    char name[NAME_BYTES], why[160];
};

static void
start_argv(const struct start *s, struct host_argv *argv)
{
    const struct host *h = s->host;
    static const char both[] = "\"$0\" create \"$1\" --type \"$2\" >/dev/null && exec "
                               "\"$0\" run \"$1\" -- \"$3\" "
                               "once";
    /* A new vGPU has no compiled kernel yet, and neither has this. */
    static const char native[] = "d=$(mktemp -d) && POCL_CACHE_DIR=$d \"$0\" --device "
                                 "\"$1\" once; r=$?; rm -rf \"$d\"; exit $r";
    const char *const of_vgpu[] = {"sh",    "-c",    both,     h->tessera,
                                   s->name, h->type, h->calls, NULL};
    const char *const of_native[] = {"sh", "-c", native, h->calls, h->device, NULL};

    *argv = (struct host_argv){0};
    for (const char *const *w = s->vgpu ? of_vgpu : of_native; *w; w++)
        host_add(argv, *w);
}

static void *
start_main(void *arg)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct start *s = arg;
    struct host_argv argv;
    json_t *answer = NULL;
    const uint64_t begin = now_ns();

    start_argv(s, &argv);
    s->rc = child_run(argv.v, PROGRAM_MS, &answer, &e);
    s->ns = (double)(now_ns() - begin);
    if (s->rc == 0 && !json_object_get(answer, "samples"))
        s->rc = err_set(&e, -EIO, "bench-calls could not run its kernel");
    if (s->rc < 0)
        snprintf(s->why, sizeof s->why, "%s %s: %s", s->vgpu ? "vGPU" : "native", s->name,
                 err_msg(&e));
    json_decref(answer);
    return NULL;
}

static int
batch_run(const struct host *h, unsigned batch, bool vgpu, struct figure *ret,
          struct err *e)
{
    struct start s[AT_ONCE];
    double ns[AT_ONCE];
    unsigned n;
    int rc = 0;

    for (n = 0; n < AT_ONCE; n++) {
        s[n] = (struct start){.host = h, .vgpu = vgpu};
        snprintf(s[n].name, NAME_BYTES, "v%u", batch * AT_ONCE + n);
        if (pthread_create(&s[n].thread, NULL, start_main, &s[n]) != 0)
            break;
    }
    if (n < AT_ONCE)
        rc = err_set(e, -EAGAIN, "no thread");
    for (unsigned i = 0; i < n; i++) {
        pthread_join(s[i].thread, NULL);
        ns[i] = s[i].ns;
        if (s[i].rc < 0 && rc == 0)
            rc = err_set(e, s[i].rc, "%s", s[i].why);
    }
    if (rc == 0)
        *ret = (struct figure){stats_median(ns, n), stats_quantile(ns, n, 0.99)};
    return rc;
}

/* Who is second finds a warmer machine, so they take turns in that, too. */
static int
batches_run(const struct host *h, unsigned batch, struct figure figures[2], struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < 2 && rc == 0; i++) {
        const bool vgpu = (i + batch) % 2 == 1;

        rc = batch_run(h, batch, vgpu, &figures[vgpu], e);
    }
    return rc;
}

/* Workers of vGPUs, as the manager tells, and the manager's children of any kind. */
static int
workers_left(const struct host *h, unsigned vgpus, unsigned *ret, struct err *e)
{
    const int manager = (int)host_manager(h);
    _cleanup_free_ char *path = str_printf("/proc/%d/task/%d/children", manager, manager);
    _cleanup_free_ char *children = NULL;
    size_t len = 0, have;
    json_t *answer;
    int rc = host_ask(h, "list", NULL, &answer, e);

    if (rc < 0)
        return rc;
    *ret = 0;
    have = json_array_size(json_object_get(answer, "vgpus"));
    for (size_t i = 0; i < have; i++)
        *ret += (unsigned)json_array_size(json_object_get(
            json_array_get(json_object_get(answer, "vgpus"), i), "sessions"));
    json_decref(answer);
    if (have != vgpus)
        return err_set(e, -EIO, "%zu vGPUs are there, %u were made", have, vgpus);
    /* Where the kernel does not tell children, the manager's word must do. */
    if (path && read_file(path, 65536, &children, &len) == 0)
        *ret += len > 0;
    return 0;
}

static int
check_no_worker(const struct host *h, unsigned vgpus, struct err *e)
{
    unsigned left = 0;
    int rc = 0;

    for (int ms = 0; ms < LEAVE_MS && rc == 0; ms += 100) {
        rc = workers_left(h, vgpus, &left, e);
        if (rc < 0 || left == 0)
            return rc;
        poll(NULL, 0, 100);
    }
    return err_set(e, -EBUSY, "idle vGPUs hold workers (%u)", left);
}

/* The first batch fills the driver's caches, on each GPU, and does not count. */
int
fleet_start(const struct fleet *f, const struct host *h, struct result *r, struct err *e)
{
    const unsigned batches = f->quick ? BATCHES_QUICK : BATCHES;
    struct figure figures[2];
    int rc = 0;

    for (unsigned i = 0; i < batches && rc == 0; i++) {
        char words[48];

        snprintf(words, sizeof words, "%u of %u vGPUs", i * AT_ONCE, batches * AT_ONCE);
        if (f->progress)
            f->progress(words, r->row->name);
        rc = batches_run(h, i, figures, e);
        if (rc == 0 && i > 0)
            result_add(r, figures[0], figures[1]);
    }
    return rc == 0 ? check_no_worker(h, batches * AT_ONCE, e) : rc;
}
