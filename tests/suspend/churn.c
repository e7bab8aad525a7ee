/* SPDX-License-Identifier: MIT */
/*
 * churn [--threads N] [--seed N] [--rounds N] [--pace MS]: computes and verifies until there is a
 * line on its standard input, or it ends, or for so many rounds. Each thread keeps a chain of
 * words, on the device and in plain C; a round scrambles it in a random way - kernels, transfers,
 * maps, programs that are built, held commands, objects that come and go - and compares. Ten times
 * a second it prints "verified N"; a difference or an OpenCL error ends it with status 1. At last
 * "rounds N checksum X": X depends on seed, threads and rounds alone.
 *
 * An ordinary OpenCL program, to be suspended at any time.
 */
#include <CL/cl.h>
#include <argp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORDS ((size_t)16 << 10)
#define BYTES (WORDS * 4)
#define THREADS_MAX 16
#define TELL_MS 100

static const char source[] = "#ifndef ADD\n#define ADD 0\n#endif\n"
                             "kernel void scramble(global uint *p, uint seed)\n"
                             "{\n"
                             "    size_t i = get_global_id(0);\n"
                             "    uint x = (p[i] ^ (seed + (uint)i)) * 2654435761u;\n"
                             "    p[i] = (x ^ (x >> 15)) + ADD;\n"
                             "}\n";

static struct {
    unsigned threads, pace_ms;
    uint64_t seed, rounds;
} options = {.threads = 2, .seed = 1};

static cl_device_id device;
static cl_context context;
static cl_program program;
static atomic_bool enough;
static atomic_ulong verified;

struct lane {
    unsigned number;
    uint64_t random, rounds;
    cl_command_queue queue;
    cl_kernel kernel;
    cl_mem buffer;
    uint32_t host[WORDS], got[WORDS];
    pthread_t thread;
};

static void
check(cl_int status, const char *what, int line)
{
    if (status == CL_SUCCESS)
        return;
    fprintf(stderr, "churn: line %d: %s: OpenCL error %d\n", line, what, status);
    exit(1);
}
#define OK(call) check((call), #call, __LINE__)

static uint32_t
next(struct lane *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return (uint32_t)(l->random >> 32);
}

static void
scramble_host(uint32_t *p, size_t n, uint32_t seed, uint32_t add)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t x = (p[i] ^ (seed + (uint32_t)i)) * 2654435761u;

        p[i] = (x ^ (x >> 15)) + add;
    }
}

static void
launch(struct lane *l, cl_kernel k, cl_mem m, size_t n, uint32_t seed, cl_event wait)
{
    OK(clSetKernelArg(k, 0, sizeof(cl_mem), &m));
    OK(clSetKernelArg(k, 1, sizeof seed, &seed));
    OK(clEnqueueNDRangeKernel(l->queue, k, 1, NULL, &n, NULL, wait ? 1 : 0,
                              wait ? &wait : NULL, NULL));
}

static void
compare(struct lane *l)
{
    OK(clEnqueueReadBuffer(l->queue, l->buffer, CL_TRUE, 0, BYTES, l->got, 0, NULL,
                           NULL));
    if (memcmp(l->got, l->host, BYTES) == 0)
        return;
    for (size_t i = 0; i < WORDS; i++) {
        if (l->got[i] != l->host[i]) {
            fprintf(stderr, "churn: lane %u, round %llu: word %zu is %08x, not %08x\n",
                    l->number, (unsigned long long)l->rounds, i, l->got[i], l->host[i]);
            exit(1);
        }
    }
}

/* ---- what a round can be ----------------------------------------------------------- */

static void
kernels(struct lane *l)
{
    const uint32_t n = 1 + next(l) % 16;

    for (uint32_t i = 0; i < n; i++) {
        const uint32_t seed = next(l);

        launch(l, l->kernel, l->buffer, WORDS, seed, NULL);
        scramble_host(l->host, WORDS, seed, 0);
    }
}

static void
writes(struct lane *l)
{
    const size_t at = next(l) % WORDS, n = 1 + next(l) % (WORDS - at);

    scramble_host(l->host + at, n, next(l), 1);
    OK(clEnqueueWriteBuffer(l->queue, l->buffer, next(l) % 2, at * 4, n * 4, l->host + at,
                            0, NULL, NULL));
    OK(clFinish(l->queue));
}

static void
maps(struct lane *l)
{
    const size_t at = next(l) % WORDS, n = 1 + next(l) % (WORDS - at);
    const uint32_t seed = next(l);
    cl_int rc;
    uint32_t *const p =
        clEnqueueMapBuffer(l->queue, l->buffer, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE,
                           at * 4, n * 4, 0, NULL, NULL, &rc);

    OK(rc);
    scramble_host(p, n, seed, 2);
    scramble_host(l->host + at, n, seed, 2);
    OK(clEnqueueUnmapMemObject(l->queue, l->buffer, p, 0, NULL, NULL));
}

static void
copies(struct lane *l)
{
    const uint32_t seed = next(l);
    cl_int rc;
    cl_mem other = clCreateBuffer(context, CL_MEM_READ_WRITE, BYTES, NULL, &rc);

    OK(rc);
    OK(clEnqueueCopyBuffer(l->queue, l->buffer, other, 0, 0, BYTES, 0, NULL, NULL));
    launch(l, l->kernel, other, WORDS / 2, seed, NULL);
    OK(clReleaseMemObject(l->buffer));
    l->buffer = other;
    scramble_host(l->host, WORDS / 2, seed, 0);
}

static void
builds(struct lane *l)
{
    const uint32_t add = next(l) % 4, seed = next(l);
    const char *text = source;
    char option[32];
    cl_int rc;
    cl_program p = clCreateProgramWithSource(context, 1, &text, NULL, &rc);
    cl_kernel k;

    OK(rc);
    snprintf(option, sizeof option, "-DADD=%u", add);
    OK(clBuildProgram(p, 1, &device, option, NULL, NULL));
    k = clCreateKernel(p, "scramble", &rc);
    OK(rc);
    OK(clReleaseProgram(p));
    launch(l, k, l->buffer, WORDS, seed, NULL);
    OK(clReleaseKernel(k));
    scramble_host(l->host, WORDS, seed, add);
}

static void
held(struct lane *l)
{
    const uint32_t n = 1 + next(l) % 8;
    cl_int rc;
    cl_event gate = clCreateUserEvent(context, &rc);

    OK(rc);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t seed = next(l);

        launch(l, l->kernel, l->buffer, WORDS, seed, i == 0 ? gate : NULL);
        scramble_host(l->host, WORDS, seed, 0);
    }
    OK(clFlush(l->queue));
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clReleaseEvent(gate));
}

static void
events(struct lane *l)
{
    const uint32_t seed = next(l);
    cl_event e;
    cl_ulong begin, end;

    launch(l, l->kernel, l->buffer, WORDS, seed, NULL);
    scramble_host(l->host, WORDS, seed, 0);
    OK(clEnqueueMarkerWithWaitList(l->queue, 0, NULL, &e));
    OK(clWaitForEvents(1, &e));
    OK(clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_START, sizeof begin, &begin,
                               NULL));
    OK(clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL));
    OK(clReleaseEvent(e));
}

static void
queues(struct lane *l)
{
    cl_int rc;

    OK(clFinish(l->queue));
    OK(clReleaseCommandQueue(l->queue));
    l->queue = clCreateCommandQueue(context, device, CL_QUEUE_PROFILING_ENABLE, &rc);
    OK(rc);
    OK(clReleaseKernel(l->kernel));
    l->kernel = clCreateKernel(program, "scramble", &rc);
    OK(rc);
}

static void (*const ways[])(struct lane *) = {kernels, kernels, kernels, writes, maps,
                                              copies,  builds,  held,    events, queues};

/* ---- lanes ------------------------------------------------------------------------- */

static void
pace(void)
{
    const struct timespec t = {.tv_sec = options.pace_ms / 1000,
                               .tv_nsec = options.pace_ms % 1000 * 1000000L};

    if (options.pace_ms > 0)
        nanosleep(&t, NULL);
}

static void *
run_lane(void *arg)
{
    struct lane *const l = arg;
    cl_int rc;

    for (size_t i = 0; i < WORDS; i++)
        l->host[i] = (uint32_t)i * 3266489917u + l->number;
    l->queue = clCreateCommandQueue(context, device, CL_QUEUE_PROFILING_ENABLE, &rc);
    OK(rc);
    l->kernel = clCreateKernel(program, "scramble", &rc);
    OK(rc);
    l->buffer = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, BYTES, l->host, &rc);
    OK(rc);
    while (!atomic_load(&enough) && (options.rounds == 0 || l->rounds < options.rounds)) {
        ways[next(l) % (sizeof ways / sizeof *ways)](l);
        compare(l);
        l->rounds++;
        atomic_fetch_add(&verified, 1);
        pace();
    }
    OK(clReleaseMemObject(l->buffer));
    OK(clReleaseKernel(l->kernel));
    OK(clReleaseCommandQueue(l->queue));
    return NULL;
}

static void
open_device(void)
{
    const char *text = source;
    cl_platform_id platform;
    cl_int rc;

    OK(clGetPlatformIDs(1, &platform, NULL));
    OK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL));
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &rc);
    OK(rc);
    program = clCreateProgramWithSource(context, 1, &text, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(program, 1, &device, "", NULL, NULL));
}

static void *
await_end(void *unused)
{
    char c;

    if (read(STDIN_FILENO, &c, 1) < 0)
        perror("churn: standard input");
    atomic_store(&enough, true);
    return unused;
}

static void *
tell(void *unused)
{
    const struct timespec t = {.tv_nsec = TELL_MS * 1000000L};

    for (;;) {
        printf("verified %lu\n", atomic_load(&verified));
        fflush(stdout);
        nanosleep(&t, NULL);
    }
    return unused;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 't':
        options.threads = (unsigned)strtoul(arg, NULL, 10);
        if (options.threads < 1 || options.threads > THREADS_MAX)
            argp_error(state, "--threads: from 1 to %d", THREADS_MAX);
        return 0;
    case 's':
        options.seed = strtoull(arg, NULL, 10);
        return 0;
    case 'r':
        options.rounds = strtoull(arg, NULL, 10);
        return 0;
    case 'p':
        options.pace_ms = (unsigned)strtoul(arg, NULL, 10);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void
start(pthread_t *thread, void *(*f)(void *), void *arg)
{
    if (pthread_create(thread, NULL, f, arg) != 0) {
        fputs("churn: cannot start a thread\n", stderr);
        exit(1);
    }
}

static const struct argp_option option_table[] = {
    {"threads", 't', "N", 0, "Lanes (2)", 0},
    {"seed", 's', "N", 0, "Of what they do (1)", 0},
    {"rounds", 'r', "N", 0, "Of each lane (0: until standard input ends)", 0},
    {"pace", 'p', "MS", 0, "Pause after each round (0)", 0},
    {0},
};

int
main(int argc, char **argv)
{
    static const struct argp argp = {.options = option_table, .parser = parse};
    struct lane *lanes[THREADS_MAX];
    pthread_t reader, teller;
    uint64_t rounds = 0, sum = 14695981039346656037u;

    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    open_device();
    for (unsigned i = 0; i < options.threads; i++) {
        lanes[i] = calloc(1, sizeof **lanes);
        if (!lanes[i])
            return 1;
        lanes[i]->number = i;
        lanes[i]->random =
            (options.seed + 1) * 0x9e3779b97f4a7c15u + i * 0x2545f4914f6cdd1du;
        start(&lanes[i]->thread, run_lane, lanes[i]);
    }
    if (options.rounds == 0)
        start(&reader, await_end, NULL);
    start(&teller, tell, NULL);
    for (unsigned i = 0; i < options.threads; i++) {
        pthread_join(lanes[i]->thread, NULL);
        rounds += lanes[i]->rounds;
        for (size_t k = 0; k < WORDS; k++)
            sum = (sum ^ lanes[i]->host[k]) * 1099511628211u;
        free(lanes[i]);
    }
    OK(clReleaseProgram(program));
    OK(clReleaseContext(context));
    printf("rounds %llu checksum %016llx\n", (unsigned long long)rounds,
           (unsigned long long)sum);
    return 0;
}
