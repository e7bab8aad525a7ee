/* SPDX-License-Identifier: MIT */
/*
 * The program: benchmarks named on the command line run one after another; without names
 * it reads them from stdin, a line each, so that two such programs can take turns.
 * Each gives one line of JSON on stdout.
 */
#include "calls.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_MS 400
#define NAME_BYTES 64 /* sscanf() below takes one less */
#define SAMPLES_MIN 3

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

struct arguments {
    const char *device;
    unsigned long ms;
    char **names;
    int nnames;
};

#define WRITE(label, size)                                                               \
    {                                                                                    \
        .name = "write-" label, .run = bench_write, .bytes = (size),                     \
        .about = "blocking write of " label                                              \
    }
#define READ(label, size)                                                                \
    {                                                                                    \
        .name = "read-" label, .run = bench_read, .bytes = (size),                       \
        .about = "blocking read of " label                                               \
    }

const struct benchmark benchmarks[] = {
    {.name = "null-kernel", .run = bench_null_kernel, .about = "enqueue + finish"},
    {.name = "once", .run = bench_once, .most = 1, .about = "a single null kernel"},
    {.name = "enqueue-batch",
     .series = {"call", "drain"},
     .run = bench_enqueue,
     .count = 2000,
     .most = 50,
     .about = "set an argument + enqueue, 2,000 in a row"},
    WRITE("4", 4),
    WRITE("1k", KIB),
    WRITE("64k", 64 * KIB),
    WRITE("1m", MIB),
    WRITE("64m", 64 * MIB),
    WRITE("256m", 256 * MIB),
    WRITE("1g", GIB),
    READ("4", 4),
    READ("1k", KIB),
    READ("64k", 64 * KIB),
    READ("1m", MIB),
    READ("64m", 64 * MIB),
    READ("256m", 256 * MIB),
    READ("1g", GIB),
    {.name = "map-fill-64m",
     .run = bench_map_fill,
     .bytes = 64 * MIB,
     .about = "map + fill + unmap of 64 MiB"},
    {.name = "build-warm", .run = bench_build_warm, .most = 50, .about = "cached build"},
    {.name = "build-cold", .run = bench_build_cold, .most = 20, .about = "new source"},
    {.name = "buffers",
     .series = {"call", "done"},
     .run = bench_buffers,
     .count = 1000,
     .most = 50,
     .about = "1,000 buffers created, then released"},
    {.name = "kernels",
     .series = {"call", "done"},
     .run = bench_kernels,
     .count = 1000,
     .most = 50,
     .about = "1,000 kernels created, then released"},
    {.name = "events",
     .series = {"call", "done"},
     .run = bench_events,
     .count = 1000,
     .most = 50,
     .about = "1,000 user events created, then released"},
    {.name = "threads-1", .run = bench_threads, .count = 1, .about = "null kernels"},
    {.name = "threads-4", .run = bench_threads, .count = 4, .about = "null kernels"},
    {.name = "threads-16", .run = bench_threads, .count = 16, .about = "null kernels"},
    {0},
};

uint64_t
clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool
run_more(struct run *r)
{
    const unsigned n = r->series[0].n, most = r->b->most ? r->b->most : SAMPLES_MAX;

    if (!r->begin_ns)
        r->begin_ns = clock_ns();
    return n < most && (n < SAMPLES_MIN || clock_ns() - r->begin_ns < r->budget_ns);
}

void
run_sample(struct run *r, unsigned series, double ns)
{
    struct series *s = &r->series[series];

    if (s->n < SAMPLES_MAX)
        s->ns[s->n++] = ns;
}

/* Answers. */

static char running[NAME_BYTES] = "start";

_Noreturn void
calls_fail(cl_int code, const char *call)
{
    printf("{\"benchmark\":\"%s\",\"error\":\"%s: OpenCL error %d\"}\n", running, call,
           code);
    fflush(stdout);
    _Exit(EXIT_FAILURE);
}

void
calls_check(cl_int code, const char *call)
{
    if (code != CL_SUCCESS)
        calls_fail(code, call);
}

static void
print_series(const struct series *s)
{
    printf("\"%s\":[", s->name);
    for (unsigned i = 0; i < s->n; i++)
        printf("%s%.6g", i ? "," : "", s->ns[i]);
    putchar(']');
}

static void
print_run(const struct run *r)
{
    printf("{\"benchmark\":\"%s\",\"unit\":\"ns\",\"samples\":{", r->b->name);
    for (unsigned i = 0; i < SERIES_MAX && r->series[i].name; i++) {
        if (i)
            putchar(',');
        print_series(&r->series[i]);
    }
    puts("}}");
}

static const struct benchmark *
benchmark_find(const char *name)
{
    for (const struct benchmark *b = benchmarks; b->name; b++) {
        if (strcmp(b->name, name) == 0)
            return b;
    }
    return NULL;
}

static void
answer(struct calls *c, const char *name, unsigned long ms)
{
    static struct run r; /* too large for a stack frame */
    const struct benchmark *b = benchmark_find(name);

    snprintf(running, sizeof running, "%s", name);
    if (!b) {
        printf("{\"benchmark\":\"%s\",\"error\":\"there is no such benchmark\"}\n", name);
    } else if (b->bytes > c->max_alloc_bytes) {
        printf("{\"benchmark\":\"%s\",\"skip\":\"the device allows %llu MiB at once\"}\n",
               name, (unsigned long long)(c->max_alloc_bytes >> 20));
    } else {
        r = (struct run){.c = c, .b = b, .budget_ns = ms * 1000000ull};
        for (unsigned i = 0; i < SERIES_MAX; i++)
            r.series[i].name = b->series[i];
        if (!r.series[0].name)
            r.series[0].name = "time";
        b->run(&r);
        print_run(&r);
    }
    fflush(stdout);
}

/* "NAME" or "NAME MS" a line; an end of the file ends us. */
static void
serve(struct calls *c, const struct arguments *a)
{
    char line[128], name[NAME_BYTES];

    printf("{\"ready\":true,\"device\":\"%s\",\"platform\":\"%s\"}\n", c->device_name,
           c->platform_name);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        unsigned long ms = a->ms;

        if (sscanf(line, "%63s %lu", name, &ms) >= 1)
            answer(c, name, ms);
    }
}

/* Options. */

static _Noreturn void
list(void)
{
    for (const struct benchmark *b = benchmarks; b->name; b++)
        printf("%-14s %s\n", b->name, b->about);
    exit(EXIT_SUCCESS);
}

static error_t
option_seen(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    if (key == 'D') {
        a->device = arg;
    } else if (key == 't') {
        a->ms = strtoul(arg, NULL, 10);
    } else if (key == 'L') {
        list();
    } else if (key == ARGP_KEY_ARGS) {
        a->names = state->argv + state->next;
        a->nnames = state->argc - state->next;
    } else {
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int
main(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"device", 'D', "PLATFORM:N", 0, "Part of a platform's name, and which device",
         0},
        {"time", 't', "MS", 0, "Time for the samples of each benchmark (400)", 0},
        {"list", 'L', NULL, 0, "List the benchmarks", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = option_seen,
        .args_doc = "[BENCHMARK...]",
        .doc = "Times OpenCL calls; without names it takes them from its input."};
    struct arguments a = {.ms = DEFAULT_MS};
    struct calls c;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    calls_open(&c, a.device);
    for (int i = 0; i < a.nnames; i++)
        answer(&c, a.names[i], a.ms);
    if (a.nnames == 0)
        serve(&c, &a);
    calls_close(&c);
    return EXIT_SUCCESS;
}
