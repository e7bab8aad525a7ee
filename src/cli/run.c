/* SPDX-License-Identifier: MIT */
/*
 * tessera run: a program on a vGPU, or on several. Unless it names a vGPU, it gets new
 * ones that live as long as this process: the manager watches us, so that they are gone
 * even when we are killed.
 */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/child.h"
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_COUNT 64
/* How long a worker may take to see that its guest is gone. */
#define LAST_LOOK_TRIES 100
#define LAST_LOOK_US 2000

struct run_args {
    struct args args;
    const char *type, *gpu, *count;
    bool passthrough;
};

struct run {
    struct client *c;
    bool ephemeral;
    json_t *vgpus;  /* as they looked before */
    char **program; /* inside argv */
};

static const struct args_usage usage = {
    .words = "[NAME[,NAME...]] -- PROGRAM [ARG...]",
    .max_words = 1,
    .doc = "Runs a program on the vGPUs NAME, or on new ones that are deleted when it "
           "ends. The program sees Tessera's OpenCL platform alone, with one device per "
           "vGPU; with --passthrough it sees the GPU's own. The exit status is the "
           "program's (128 + signal if one ended it), 127 or 126 if it cannot be "
           "started, 125 if Tessera fails.",
    .options =
        {
            {"type", "TYPE", "on a new vGPU of this type",
             offsetof(struct run_args, type)},
            {"passthrough", NULL, "on a whole idle GPU, without Tessera in between",
             offsetof(struct run_args, passthrough)},
            {"gpu", "GPU", "new vGPUs on this GPU", offsetof(struct run_args, gpu)},
            {"count", "N", "on N new vGPUs at once", offsetof(struct run_args, count)},
        },
};

/* The vGPUs. */

static bool
is_taken(const struct run *r, const char *name)
{
    for (size_t i = 0; i < json_array_size(r->vgpus); i++) {
        if (strcmp(json_text_of(json_array_get(r->vgpus, i), "name", ""), name) == 0)
            return true;
    }
    return false;
}

static int
take_named(struct run *r, const char *name, struct err *e)
{
    json_t *v;
    int rc;

    if (is_taken(r, name))
        return err_set(e, -EINVAL, "the vGPU '%s' is named twice", name);
    rc = client_vgpu_get(r->c, name, &v, e);
    if (rc < 0)
        return rc;
    json_array_append_new(r->vgpus, v);
    if (strcmp(json_text_of(v, "state", ""), "unavailable") == 0)
        return err_set(e, -ENODEV, "the vGPU is unavailable: %s",
                       json_text_of(v, "unavailable", "?"));
    if (strcmp(json_text_of(v, "state", ""), "suspended") == 0)
        return err_set(e, -EBUSY, "the vGPU is suspended: 'tessera resume %s' goes on",
                       name);
    return 0;
}

/* "a,b": no name holds a comma. */
static int
take_all_named(struct run *r, const char *names, struct err *e)
{
    _cleanup_free_ char *copy = strdup(names);
    char *rest = copy, *name;
    int rc = copy ? 0 : err_set(e, -ENOMEM, "out of memory");

    while (rc == 0 && (name = strsep(&rest, ",")))
        rc = take_named(r, name, e);
    return rc;
}

static int
take_new(struct run *r, const struct run_args *a, unsigned count, struct err *e)
{
    const struct client_vgpu spec = {.type = a->type, .gpu = a->gpu, .ephemeral = true};

    for (unsigned i = 0; i < count; i++) {
        json_t *v;
        int rc = client_vgpu_create(r->c, &spec, &v, e);

        if (rc < 0 && count > 1)
            err_wrap(e, "vGPU %u of %u", i + 1, count);
        if (rc < 0)
            return rc;
        json_array_append_new(r->vgpus, v);
    }
    return 0;
}

/* Says why a session of this vGPU was ended, or what it met, while the program ran. */
static void
report_error(const json_t *before, const json_t *after)
{
    const json_t *old = json_object_get(before, "last_error");
    const json_t *new = json_object_get(after, "last_error");

    if (json_u64_of(new, "number") > json_u64_of(old, "number"))
        fprintf(stderr, "tessera: vGPU '%s': %s\n", json_text_of(after, "name", "?"),
                json_text_of(new, "message", "?"));
}

static bool
has_dead_guest(const json_t *vgpu)
{
    const json_t *sessions = json_object_get(vgpu, "sessions");

    for (size_t i = 0; i < json_array_size(sessions); i++) {
        pid_t pid = (pid_t)json_u64_of(json_array_get(sessions, i), "guest_pid");

        if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
            return true;
    }
    return false;
}

/*
 * A worker ends moments after its guest; waits for those that are about to, so that what
 * they have to say is heard.
 */
static int
look_again(struct run *r, const char *name, json_t **ret, struct err *e)
{
    int rc = client_vgpu_get(r->c, name, ret, e);

    for (int i = 0; i < LAST_LOOK_TRIES && rc == 0 && has_dead_guest(*ret); i++) {
        usleep(LAST_LOOK_US);
        json_decref(*ret);
        rc = client_vgpu_get(r->c, name, ret, e);
    }
    return rc;
}

/* The manager may have been stopped meanwhile: then there is nothing left to say. */
static void
let_go(struct run *r)
{
    client_forbid_start(r->c);
    for (size_t i = 0; i < json_array_size(r->vgpus); i++) {
        const json_t *before = json_array_get(r->vgpus, i);
        const char *name = json_text_of(before, "name", "");
        _cleanup_err_ struct err e = ERR_INIT;
        json_t *after = NULL;
        int rc = look_again(r, name, &after, &e);

        if (rc == 0) {
            report_error(before, after);
            json_decref(after);
        }
        if (r->ephemeral)
            client_vgpu_delete(r->c, name, NULL, &e);
    }
    json_decref(r->vgpus);
    client_free(r->c);
}

/* The program. */

static int
describe(const struct run *r, struct child *child, struct err *e)
{
    int rc = 0;

    for (size_t i = 0; i < json_array_size(r->vgpus) && rc == 0; i++)
        rc = child_add_vgpu(child, json_array_get(r->vgpus, i), e);
    return rc;
}

static int
run_program(struct run *r, struct err *e)
{
    struct child child;
    int rc;

    child_init(&child);
    rc = describe(r, &child, e);
    if (rc == 0)
        rc = child_run(&child, r->program, e);
    child_fini(&child);
    return rc;
}

static int
run(const struct run_args *a, unsigned count, char **program)
{
    struct run r = {.ephemeral = a->args.nwords == 0, .program = program};
    const char *what =
        r.ephemeral ? (a->type ? a->type : "passthrough") : a->args.words[0];
    _cleanup_err_ struct err e = ERR_INIT;
    int rc;

    r.c = cli_client(false, EXIT_TESSERA);
    r.vgpus = json_array();
    rc = r.ephemeral ? take_new(&r, a, count, &e) : take_all_named(&r, what, &e);
    if (rc == 0)
        rc = run_program(&r, &e);
    if (rc < 0) {
        cli_fail(r.c, &e, "run '%s'", what);
        rc = EXIT_TESSERA;
    }
    let_go(&r);
    return rc;
}

static unsigned
parse_count(const struct run_args *a, char **argv)
{
    char *end;
    unsigned long n;

    if (!a->count)
        return 1;
    n = strtoul(a->count, &end, 10);
    if (end == a->count || *end || n < 1 || n > MAX_COUNT)
        args_mistake(argv, "--count '%s': a number from 1 to %d", a->count, MAX_COUNT);
    return (unsigned)n;
}

int
cmd_run(int argc, char **argv)
{
    char **program = child_split(&argc, argv);
    struct run_args a = {0};
    unsigned count, ways;

    args_parse(&usage, argc, argv, &a);
    ways = (a.args.nwords > 0) + (a.type != NULL) + a.passthrough;
    if (ways != 1)
        args_mistake(argv, "one of NAME, --type TYPE, --passthrough is needed");
    if (a.args.nwords > 0 && (a.count || a.gpu))
        args_mistake(argv, "--count and --gpu are for new vGPUs, '%s' is one already",
                     a.args.words[0]);
    if (!program[0])
        args_mistake(argv, "the program is missing: ... -- PROGRAM [ARG...]");
    count = parse_count(&a, argv);
    return run(&a, count, program);
}
