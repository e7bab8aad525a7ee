/* SPDX-License-Identifier: MIT */
/*
 * Each program's output goes to a file; its "step" lines tell how far it is, its "result"
 * line is the result. Several at once meet at a file before the first measured step.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/demo.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define LIMIT_NS (600 * UINT64_C(1000000000)) /* far more than any of them should take */
#define TICK_US 100000
#define OUTPUT_MAX_BYTES (1 << 20)
#define ARGS_MAX 32
#define TEXT_BYTES 24
#define REPORT_EVERY "20"

struct instance {
    pid_t pid; /* 0: it has ended well */
    char *out, *err;
    unsigned steps;
};

struct running {
    const struct demo_site *site;
    const struct demo_job *job;
    char *barrier, *go; /* NULL for one alone */
    bool gone;          /* the barrier is open */
    struct instance at[DEMO_MAX_AT_ONCE];
};

/* The command line. */

struct words {
    char *argv[ARGS_MAX];
    unsigned n;
};

static void
words_add(struct words *w, const char *word)
{
    if (w->n + 1 < ARGS_MAX)
        w->argv[w->n++] = (char *)word;
}

static void
add_wrapper(struct words *w, const struct demo_job *job, const char *tessera)
{
    if (job->way == DEMO_NATIVE)
        return;
    words_add(w, tessera);
    words_add(w, "run");
    words_add(w, job->way == DEMO_PASSTHROUGH ? "--passthrough" : "--type=" DEMO_TYPE);
    words_add(w, "--");
}

static void
add_trainer(struct words *w, const struct running *r, const char *steps, const char *seed,
            const char *device)
{
    words_add(w, r->site->trainer);
    words_add(w, "--json");
    words_add(w, "--report=" REPORT_EVERY);
    words_add(w, steps);
    words_add(w, seed);
    words_add(w, device);
    if (!r->job->eval)
        words_add(w, "--no-eval");
    if (r->go) {
        words_add(w, "--wait-for");
        words_add(w, r->go);
    }
}

/* Native and passed through it is the same device, by the driver's own name. */
static char *
device_option(const struct running *r)
{
    const json_t *gpu = r->site->gpu;
    const char *platform = json_string_value(json_object_get(gpu, "platform"));
    const json_int_t index = json_integer_value(json_object_get(gpu, "device_index"));

    if (r->job->way == DEMO_NATIVE || r->job->way == DEMO_PASSTHROUGH)
        return str_printf("--device=%s:%d", platform ? platform : "", (int)index);
    return strdup("--device=Tessera:0");
}

static pid_t
spawn(const struct running *r, const struct instance *in)
{
    const char *icd = json_string_value(json_object_get(r->site->gpu, "icd"));
    _cleanup_free_ char *tessera = str_printf("%s/tessera", r->site->bin);
    _cleanup_free_ char *runtime =
        str_printf("TESSERA_RUNTIME_DIR=%s/run", r->site->folder);
    _cleanup_free_ char *cache = str_printf("POCL_CACHE_DIR=%s/pocl", r->site->folder);
    _cleanup_free_ char *vendors = str_printf("OCL_ICD_VENDORS=%s", icd ? icd : "");
    _cleanup_free_ char *steps = str_printf("--steps=%u", r->job->steps);
    _cleanup_free_ char *seed =
        str_printf("--seed=%llu", (unsigned long long)r->job->seed);
    _cleanup_free_ char *device = device_option(r);
    const char *const extra[] = {runtime, "TESSERA_NO_START=1", cache,
                                 icd ? vendors : NULL, NULL};
    struct words w = {0};

    if (!tessera || !runtime || !cache || !vendors || !steps || !seed || !device)
        return -ENOMEM;
    add_wrapper(&w, r->job, tessera);
    add_trainer(&w, r, steps, seed, device);
    return demo_spawn(w.argv, extra, in->out, in->err);
}

/* The barrier. */

static int
barrier_make(struct running *r)
{
    if (r->job->count == 1)
        return 0;
    r->barrier = str_printf("%s/barrier", r->site->folder);
    r->go = r->barrier ? str_printf("%s/go", r->barrier) : NULL;
    if (!r->go)
        return -ENOMEM;
    unlink(r->go);
    return mkdir_parents(r->barrier, 0700);
}

static unsigned
count_ready(const char *folder)
{
    _cleanup_closedir_ DIR *d = opendir(folder);
    const struct dirent *entry;
    unsigned n = 0;

    while (d && (entry = readdir(d))) {
        const char *end = strrchr(entry->d_name, '.');

        n += end && strcmp(end, ".ready") == 0;
    }
    return n;
}

static void
barrier_watch(struct running *r)
{
    if (!r->go || r->gone || count_ready(r->barrier) < r->job->count)
        return;
    r->gone = write_file_atomic(r->go, "", 0, 0600) == 0;
}

/* What they say. */

static unsigned
steps_so_far(const struct instance *in)
{
    static const char mark[] = "\"step\":";
    _cleanup_free_ char *text = NULL;
    unsigned last = 0;
    size_t len;

    if (read_file(in->out, OUTPUT_MAX_BYTES, &text, &len) < 0)
        return in->steps;
    for (const char *p = text; (p = strstr(p, mark)); p += sizeof mark - 1) {
        if (p[sizeof mark - 1] != '"')
            last = (unsigned)strtoul(p + sizeof mark - 1, NULL, 10);
    }
    return last;
}

static double
real_of(const json_t *o, const char *key, double missing)
{
    const json_t *v = json_object_get(o, key);

    return json_is_number(v) ? json_number_value(v) : missing;
}

static int
read_result(const struct instance *in, struct demo_result *ret, struct err *e)
{
    static const char mark[] = "{\"event\":\"result\"";
    _cleanup_free_ char *text = NULL;
    const char *line;
    json_t *raw;
    size_t len;
    int rc = read_file(in->out, OUTPUT_MAX_BYTES, &text, &len);

    if (rc < 0)
        return err_set(e, rc, "%s: %s", in->out, strerror(-rc));
    line = strstr(text, mark);
    raw = line ? json_loads(line, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (!raw)
        return err_set(e, -EPROTO, "the training program ended without a result");
    *ret = (struct demo_result){.step_s = real_of(raw, "step_median_s", 0.0),
                                .train_s = real_of(raw, "train_s", 0.0),
                                .loss = real_of(raw, "loss", 0.0),
                                .accuracy = real_of(raw, "accuracy", -1.0),
                                .raw = raw};
    return 0;
}

static int
explain_failure(const struct instance *in, int status, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t len;

    if (read_file(in->err, OUTPUT_MAX_BYTES, &text, &len) < 0 || len == 0)
        return err_set(e, -EIO, "the training program ended with status %#x", status);
    text[strcspn(text, "\n")] = '\0';
    return err_set(e, -EIO, "the training program failed: %s", text);
}

/* From beginning to end. */

static int
start_all(struct running *r, struct err *e)
{
    for (unsigned i = 0; i < r->job->count; i++) {
        struct instance *in = &r->at[i];

        in->out = str_printf("%s/out-%u", r->site->folder, i);
        in->err = str_printf("%s/err-%u", r->site->folder, i);
        if (!in->out || !in->err)
            return err_set(e, -ENOMEM, "out of memory");
        in->pid = spawn(r, in);
        if (in->pid < 0)
            return err_set(e, in->pid, "cannot start the training program: %s",
                           strerror(-in->pid));
    }
    return 0;
}

/* How many still run; a negative errno when one failed. */
static int
look_at_all(struct running *r, unsigned *ret_steps, struct err *e)
{
    int running = 0;

    *ret_steps = 0;
    for (unsigned i = 0; i < r->job->count; i++) {
        struct instance *in = &r->at[i];
        int status;

        if (in->pid > 0 && waitpid(in->pid, &status, WNOHANG) == in->pid) {
            in->pid = 0;
            if (status != 0)
                return explain_failure(in, status, e);
        }
        running += in->pid > 0;
        in->steps = steps_so_far(in);
        *ret_steps += in->steps;
    }
    return running;
}

static int
wait_for_all(struct running *r, void (*tick)(unsigned steps), struct err *e)
{
    const uint64_t begin = now_ns();
    unsigned steps;
    int running;

    while ((running = look_at_all(r, &steps, e)) > 0) {
        if (demo_stopped())
            return err_set(e, -EINTR, "stopped");
        if (now_ns() - begin > LIMIT_NS)
            return err_set(e, -ETIMEDOUT, "training does not end");
        barrier_watch(r);
        tick(steps);
        usleep(TICK_US);
    }
    return running;
}

static void
running_fini(struct running *r)
{
    for (unsigned i = 0; i < r->job->count; i++) {
        demo_end_child(r->at[i].pid);
        free(r->at[i].out);
        free(r->at[i].err);
    }
    free(r->barrier);
    free(r->go);
}

int
demo_run(const struct demo_site *s, const struct demo_job *job,
         void (*tick)(unsigned steps), struct demo_result *ret, struct err *e)
{
    struct running r = {.site = s, .job = job};
    int rc = barrier_make(&r);

    if (rc < 0)
        err_set(e, rc, "%s: %s", s->folder, strerror(-rc));
    else
        rc = start_all(&r, e);
    if (rc == 0)
        rc = wait_for_all(&r, tick, e);
    for (unsigned i = 0; i < job->count && rc == 0; i++)
        rc = read_result(&r.at[i], &ret[i], e);
    running_fini(&r);
    return rc;
}
