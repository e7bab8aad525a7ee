/* SPDX-License-Identifier: MIT */
#include "host.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "child.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VGPUS_AT_ONCE 5       /* one, and GUESTS more */
#define SOFTWARE_MEMORY "16g" /* so that a type of 2 GiB allows that many */
#define TYPE_BYTES_MAX ((json_int_t)2 << 30)
#define COMMAND_MS 90000
#define REMOVE_FDS 16

/* What could make one side differ from the other, or find another manager. */
static const char *const foreign[] = {
    "TESSERA_VGPU",
    "TESSERA_WORKER",
    "TESSERA_NO_START",
    "TESSERA_BACKEND",
    "OCL_ICD_FILENAMES",
    "POCL_AFFINITY",
    "POCL_MAX_PTHREAD_COUNT",
    "POCL_DEVICES",
    "POCL_MEMORY_LIMIT",
    "POCL_WORK_GROUP_METHOD",
    "POCL_MAX_WORK_GROUP_SIZE",
};

/* Files. */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

static void
remove_folder(const char *path)
{
    nftw(path, remove_one, REMOVE_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int
make_folder(struct host *h, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    _cleanup_free_ char *path =
        str_printf("%s/tessera-bench-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");

    if (!path || !mkdtemp(path))
        return err_set(e, -errno, "no temporary folder: %s", strerror(errno));
    h->folder = take_ptr(path);
    return 0;
}

static int
find_program(char **ret, const char *build, const char *name, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", build, name);
    char *real = path ? realpath(path, NULL) : NULL;

    if (!real)
        return err_set(e, -ENOENT, "%s/%s: %s; build first, or give --build", build, name,
                       strerror(errno));
    *ret = real;
    return 0;
}

/* The environment. */

static int
set_folder(const struct host *h, const char *name, const char *below)
{
    _cleanup_free_ char *path = str_printf("%s/%s", h->folder, below);

    return !path || mkdir_parents(path, 0700) < 0 || setenv(name, path, 1) ? -EIO : 0;
}

/* PoCL puts its thread i on core i, the manager the first GPU on the first cores. */
static void
pin_native(unsigned cores)
{
    char text[16];

    snprintf(text, sizeof text, "%u", cores);
    setenv("POCL_MAX_PTHREAD_COUNT", text, 1);
    setenv("POCL_AFFINITY", "1", 1);
}

static int
set_environment(const struct host *h, const struct host_options *o, struct err *e)
{
    char gpus[16];

    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        unsetenv(foreign[i]);
    if (set_folder(h, "TESSERA_RUNTIME_DIR", "run") < 0 ||
        set_folder(h, "TESSERA_STATE_DIR", "state") < 0 ||
        set_folder(h, "POCL_CACHE_DIR", "cache") < 0)
        return err_set(e, -EIO, "cannot make folders below %s", h->folder);
    snprintf(gpus, sizeof gpus, "%u", o->pin ? 2 : o->gpus ? o->gpus : 1);
    setenv("TESSERA_SOFTWARE_GPUS", gpus, 1);
    setenv("TESSERA_SOFTWARE_MEMORY", o->memory ? o->memory : SOFTWARE_MEMORY, 1);
    setenv("TESSERA_SOFTWARE_DISCRETE", o->discrete ? "1" : "0", 1);
    return 0;
}

/* GPU and type. */

static const char *
text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

int
host_ask(const struct host *h, const char *command, const char *word, json_t **ret,
         struct err *e)
{
    const char *const argv[] = {h->tessera, command, "-o", "json", word, NULL};
    int rc = child_run(argv, COMMAND_MS, ret, e);

    if (rc < 0)
        err_wrap(e, "tessera %s", command);
    return rc;
}

static bool
is_wanted(const json_t *gpu, const char *name)
{
    return name ? strcmp(text_of(gpu, "name"), name) == 0
                : strcmp(text_of(gpu, "kind"), "software") == 0;
}

static int
pick_gpu(struct host *h, const char *name, struct err *e)
{
    json_t *answer;
    const json_t *list;
    int rc;

    h->started = true; /* asking starts it */
    rc = host_ask(h, "gpus", NULL, &answer, e);
    if (rc < 0)
        return rc;
    list = json_object_get(answer, "gpus");
    for (size_t i = 0; i < json_array_size(list) && !h->gpu; i++) {
        if (is_wanted(json_array_get(list, i), name))
            h->gpu = json_incref(json_array_get(list, i));
    }
    json_decref(answer);
    if (!h->gpu)
        return err_set(e, -ENODEV, "there is no %s", name ? name : "software GPU");
    h->device = str_printf("%s:%lld", text_of(h->gpu, "platform"),
                           json_integer_value(json_object_get(h->gpu, "device_index")));
    return h->device ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* The largest that is small enough, and there often enough. */
static int
pick_type(struct host *h, unsigned vgpus, struct err *e)
{
    const json_int_t wanted = vgpus ? vgpus : VGPUS_AT_ONCE;
    json_int_t best = 0;
    json_t *answer;
    const json_t *list;
    int rc = host_ask(h, "types", text_of(h->gpu, "name"), &answer, e);

    if (rc < 0)
        return rc;
    list = json_object_get(answer, "types");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i);
        const json_int_t bytes =
            json_integer_value(json_object_get(t, "framebuffer_bytes"));

        if (json_integer_value(json_object_get(t, "available")) < wanted ||
            bytes > TYPE_BYTES_MAX || bytes <= best)
            continue;
        best = bytes;
        free(h->type);
        h->type = strdup(text_of(t, "name"));
    }
    json_decref(answer);
    return h->type ? 0 : err_set(e, -ENOSPC, "no vGPU type fits %d times", (int)wanted);
}

static int
check_pinned(const struct host *h, struct err *e)
{
    const char *cores = text_of(h->gpu, "cores");
    unsigned first = 1, last, n = 0;

    if (sscanf(cores, "%u-%u", &first, &last) == 2 && last >= first)
        n = last - first + 1;
    else if (sscanf(cores, "%u", &first) == 1)
        n = 1;
    if (!json_is_true(json_object_get(h->gpu, "cores_pinned")) || first != 0)
        return err_set(e, -ENOTSUP,
                       "--pin needs two cores or more, the first among them (the GPU has "
                       "'%s')",
                       cores);
    pin_native(n);
    return 0;
}

int
host_init(struct host *h, const struct host_options *o, struct err *e)
{
    int rc;

    *h = (struct host){0};
    rc = find_program(&h->tessera, o->build, "tessera", e);
    if (rc == 0)
        rc = find_program(&h->calls, o->build, "bench/bench-calls", e);
    if (rc == 0)
        rc = find_program(&h->load, o->build, "bench/bench-load", e);
    if (rc == 0)
        rc = find_program(&h->train, o->build, "studies/workloads/tessera-train", e);
    if (rc == 0)
        rc = make_folder(h, e);
    if (rc == 0)
        rc = set_environment(h, o, e);
    if (rc == 0)
        rc = pick_gpu(h, o->gpu, e);
    if (rc == 0)
        rc = pick_type(h, o->vgpus, e);
    return rc == 0 && o->pin ? check_pinned(h, e) : rc;
}

void
host_fini(struct host *h)
{
    const char *const argv[] = {h->tessera, "shutdown", "--end", NULL};
    _cleanup_err_ struct err e = ERR_INIT;

    if (h->started && child_run_always(argv, COMMAND_MS, &e) < 0)
        fprintf(stderr, "tessera-bench: tessera shutdown: %s\n", err_msg(&e));
    if (h->folder)
        remove_folder(h->folder);
    free(h->folder);
    free(h->tessera);
    free(h->calls);
    free(h->load);
    free(h->train);
    json_decref(h->gpu);
    free(h->type);
    free(h->device);
    *h = (struct host){0};
}

void
host_add(struct host_argv *a, const char *word)
{
    if (a->n < HOST_ARGV_MAX)
        a->v[a->n++] = word;
}

void
host_program(const struct host *h, const char *program, bool vgpu, struct host_argv *ret)
{
    *ret = (struct host_argv){0};
    if (vgpu) {
        host_add(ret, h->tessera);
        host_add(ret, "run");
        host_add(ret, "--type");
        host_add(ret, h->type);
        host_add(ret, "--gpu");
        host_add(ret, text_of(h->gpu, "name"));
        host_add(ret, "--");
    }
    host_add(ret, program);
    if (!vgpu) {
        host_add(ret, "--device");
        host_add(ret, h->device);
    }
}

pid_t
host_manager(const struct host *h)
{
    _cleanup_free_ char *path = str_printf("%s/run/tesserad.pid", h->folder);
    _cleanup_free_ char *text = NULL;
    size_t len;

    if (!path || read_file(path, 64, &text, &len) < 0)
        return 0;
    return (pid_t)strtol(text, NULL, 10);
}

bool
host_discrete(const struct host *h)
{
    return strcmp(text_of(h->gpu, "storage"), "discrete") == 0;
}
