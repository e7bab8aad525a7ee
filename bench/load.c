/* SPDX-License-Identifier: MIT */
/* The program: options, the lines that it is asked by, and its answers. */
#include "load.h"

#include "stats.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BUCKET_NS UINT64_C(100000000)

static struct load load; /* too large for a stack frame */

uint64_t
clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Answers. */

_Noreturn void
calls_fail(cl_int code, const char *call)
{
    printf("{\"error\":\"%s: OpenCL error %d\",\"code\":%d,\"at_ns\":%" PRIu64 "}\n",
           call, code, code, clock_ns());
    fflush(stdout);
    _Exit(EXIT_FAILURE);
}

void
calls_check(cl_int code, const char *call)
{
    if (code != CL_SUCCESS)
        calls_fail(code, call);
}

static double
work_at(const struct load *l, uint64_t ns)
{
    double sum = 0;

    for (unsigned i = 0; i < l->o.queues; i++)
        sum += track_at(&l->lanes[i].track, ns);
    return sum * l->o.batch;
}

static void
print_latency(const struct load *l)
{
    const double *v = l->latency_ns;
    const unsigned n = l->nlatencies;

    printf("\"latency_ns\":{\"n\":%u", n);
    if (n > 0)
        printf(",\"p50\":%.0f,\"p99\":%.0f,\"max\":%.0f", stats_quantile(v, n, 0.5),
               stats_quantile(v, n, 0.99), stats_quantile(v, n, 1.0));
    fputs("},", stdout);
}

static void
answer(const struct load *l)
{
    printf("{\"work\":%.6f,\"span_ns\":%" PRIu64 ",\"launched\":%" PRIu64
           ",\"completed\":%" PRIu64 ",",
           work_at(l, l->end_ns) - work_at(l, l->from_ns), l->end_ns - l->from_ns,
           l->launched, l->completed);
    print_latency(l);
    printf("\"bucket_ns\":%" PRIu64 ",\"buckets\":[", BUCKET_NS);
    for (uint64_t at = l->from_ns; at + BUCKET_NS <= l->end_ns; at += BUCKET_NS)
        printf("%s%.6g", at > l->from_ns ? "," : "",
               work_at(l, at + BUCKET_NS) - work_at(l, at));
    puts("]}");
    fflush(stdout);
}

static void
serve(struct load *l)
{
    char line[160];

    printf("{\"ready\":true,\"device\":\"%s\"}\n", l->c.device_name);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "go %" SCNu64 " %" SCNu64 " %" SCNu64, &l->start_ns, &l->from_ns,
                   &l->end_ns) != 3)
            continue;
        load_work(l);
        answer(l);
        load_drain(l);
        printf("{\"idle\":true,\"launched\":%" PRIu64 ",\"completed\":%" PRIu64 "}\n",
               l->launched, l->completed);
        fflush(stdout);
    }
}

/* Options. */

enum key {
    KEY_DEVICE = 0x100,
    KEY_ITERATIONS,
    KEY_QUEUES,
    KEY_DEPTH,
    KEY_BATCH,
    KEY_BEHIND,
    KEY_COPIES,
    KEY_BUILDS,
    KEY_ENDLESS,
    KEY_ON,
    KEY_OFF,
    KEY_CALIBRATE,
};

static const struct argp_option option_table[] = {
    {"device", KEY_DEVICE, "PLATFORM:N", 0, "Part of a platform's name, and which device",
     0},
    {"iterations", KEY_ITERATIONS, "N", 0, "Length of a kernel's loop", 0},
    {"queues", KEY_QUEUES, "N", 0, "Command queues (1)", 0},
    {"depth", KEY_DEPTH, "N", 0, "Batches in flight per queue; 0: launch and wait (0)",
     0},
    {"batch", KEY_BATCH, "N", 0, "Launches to a batch (1)", 0},
    {"behind-event", KEY_BEHIND, NULL, 0, "The first batches wait for a user event", 0},
    {"copies", KEY_COPIES, NULL, 0, "Copies between buffers instead of kernels", 0},
    {"builds", KEY_BUILDS, NULL, 0, "Builds of new programs instead", 0},
    {"endless", KEY_ENDLESS, NULL, 0, "A kernel that never ends", 0},
    {"on", KEY_ON, "MS", 0, "Works so long, then rests", 0},
    {"off", KEY_OFF, "MS", 0, "Rests so long", 0},
    {"calibrate", KEY_CALIBRATE, NULL, 0, "Print iterations per microsecond, and end", 0},
    {0},
};

static unsigned
number(const char *text, unsigned most, struct argp_state *state)
{
    char *end;
    const unsigned long n = strtoul(text, &end, 10);

    if (end == text || *end || n > most)
        argp_error(state, "'%s': a number up to %u", text, most);
    return (unsigned)n;
}

static bool
kind_option(struct load_options *o, int key)
{
    static const struct {
        int key;
        enum load_kind kind;
    } kinds[] = {{KEY_COPIES, LOAD_COPIES},
                 {KEY_BUILDS, LOAD_BUILDS},
                 {KEY_ENDLESS, LOAD_ENDLESS}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].key == key) {
            o->kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

struct arguments {
    struct load_options o;
    bool calibrate;
};

static error_t
option_seen(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    if (kind_option(&a->o, key))
        return 0;
    if (key == KEY_DEVICE)
        a->o.device = arg;
    else if (key == KEY_ITERATIONS)
        a->o.iterations = number(arg, UINT32_MAX, state);
    else if (key == KEY_QUEUES)
        a->o.queues = number(arg, LOAD_QUEUES_MAX, state);
    else if (key == KEY_DEPTH)
        a->o.depth = number(arg, LOAD_DEPTH_MAX, state);
    else if (key == KEY_BATCH)
        a->o.batch = number(arg, 1000, state);
    else if (key == KEY_BEHIND)
        a->o.behind = true;
    else if (key == KEY_ON)
        a->o.on_ms = number(arg, 3600000, state);
    else if (key == KEY_OFF)
        a->o.off_ms = number(arg, 3600000, state);
    else if (key == KEY_CALIBRATE)
        a->calibrate = true;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int
main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table,
        .parser = option_seen,
        .doc =
            "Keeps a device busy, when and as long as its input says, and tells how much "
            "was done."};
    struct arguments a = {.o = {.queues = 1, .batch = 1, .iterations = 1}};

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    load.o = a.o;
    if (!load.o.queues || !load.o.batch)
        argp_failure(NULL, EXIT_FAILURE, 0,
                     "there is at least one queue, and one launch");
    load_open(&load);
    if (a.calibrate) {
        printf("{\"iterations_per_us\":%.3f}\n", load_calibrate(&load));
        return EXIT_SUCCESS;
    }
    serve(&load);
    return EXIT_SUCCESS;
}
