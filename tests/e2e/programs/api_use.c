/* SPDX-License-Identifier: MIT */
/*
 * usage: api_use [--driver] [CHAPTER | ENTRY]…   (all of them where none is named)
 *
 * With CLTEST_DEVICE=N the contexts are over all devices, and device N is used.
 */
#include "api_use.h"

#include "api_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool driver; /* accept what the driver is known to do */
static char **chosen;
static int n_chosen;
static unsigned n_ok, n_failed, n_left_out, n_skipped;

const char use_source[] =
    "kernel void add(global uint *p, uint n, local uint *l)\n"
    "{\n"
    "    l[get_local_id(0)] = n;\n"
    "    p[get_global_id(0)] += l[get_local_id(0)];\n"
    "}\n"
    "kernel __attribute__((reqd_work_group_size(4, 1, 1))) void four(global uint *p)\n"
    "{\n"
    "    p[get_global_id(0)] = (uint)get_local_size(0);\n"
    "}\n"
    "kernel void place(global uint *p)\n"
    "{\n"
    "    p[get_global_id(0)] = (uint)get_global_id(0) + 100;\n"
    "}\n";

/* ---- cases ------------------------------------------------------------------------- */

/* Entries among the arguments choose cases; chapters are chosen by main. */
static bool
entry_chosen(const char *entry)
{
    bool any = false;

    for (int i = 0; i < n_chosen; i++) {
        if (strncmp(chosen[i], "cl", 2) != 0)
            continue;
        any = true;
        if (strcmp(chosen[i], entry) == 0)
            return true;
    }
    return !any;
}

bool
use_begins(const struct use_case *c)
{
    if (!entry_chosen(c->entry))
        return false;
    if (driver && c->difference && c->driver == NO_STATUS) {
        printf("left out %s %s: %s (%s: the driver crashes, or never answers)\n",
               c->entry, c->kind, c->what, c->difference);
        n_left_out++;
        return false;
    }
    return true;
}

static void
case_good(const struct use_case *c, const char *answer, bool differs)
{
    printf("ok %s %s: %s%s%s", c->entry, c->kind, c->what, *answer ? " -> " : "", answer);
    if (differs)
        printf(" (%s)", c->difference);
    putchar('\n');
    n_ok++;
}

void
use_ends(const struct use_case *c, cl_int got)
{
    if (got == c->want || (c->also != NO_STATUS && got == c->also)) {
        case_good(c, status_name(got), false);
    } else if (driver && c->difference && got == c->driver) {
        case_good(c, status_name(got), true);
    } else {
        printf("FAILED %s %s: %s: got %s (%d), not %s", c->entry, c->kind, c->what,
               status_name(got), got, status_name(c->want));
        printf(c->also == NO_STATUS ? "\n" : " nor %s\n", status_name(c->also));
        n_failed++;
    }
}

void
use_ends_truth(const struct use_case *c, bool truth)
{
    if (truth || (driver && c->difference)) {
        case_good(c, "", !truth);
    } else {
        printf("FAILED %s %s: %s\n", c->entry, c->kind, c->what);
        n_failed++;
    }
}

void
use_skips(const char *function, const char *extension)
{
    printf("skipped %s: the device has not %s\n", function, extension);
    n_skipped++;
}

cl_int
use_new(const struct use *u, const void *object)
{
    return (object != NULL) == (u->rc == CL_SUCCESS) ? u->rc : NO_ANSWER;
}

void
use_must(cl_int status, const char *what)
{
    if (status == CL_SUCCESS)
        return;
    printf("FAILED and ended: %s: %s (%d)\n", what, status_name(status), status);
    exit(2);
}

/* ---- helpers ----------------------------------------------------------------------- */

uint64_t
number_of(query_fn get, void *object, cl_uint param)
{
    uint64_t v = 0;
    cl_int rc = get(object, param, sizeof v, &v, NULL);

    return rc == CL_SUCCESS ? v : 0xbadbadbadull;
}

uint64_t
device_number(const struct use *u, cl_device_info param)
{
    return NUMBER(clGetDeviceInfo, u->device, param);
}

bool
text_is(query_fn get, void *object, cl_uint param, const char *want)
{
    char text[4096];
    size_t len = 0;

    return get(object, param, sizeof text, text, &len) == CL_SUCCESS &&
           len == strlen(want) + 1 && strcmp(text, want) == 0;
}

bool
device_text_has(const struct use *u, cl_device_info param, const char *word)
{
    char text[8192] = "";

    return clGetDeviceInfo(u->device, param, sizeof text, text, NULL) == CL_SUCCESS &&
           strstr(text, word) != NULL;
}

static void
sleep_a_moment(void)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    nanosleep(&ms, NULL);
}

bool
comes_true(const volatile int *flag)
{
    for (int i = 0; i < 10000 && !__atomic_load_n(flag, __ATOMIC_ACQUIRE); i++)
        sleep_a_moment();
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

bool
event_comes_to(cl_event e, cl_int status)
{
    const cl_uint param = CL_EVENT_COMMAND_EXECUTION_STATUS;

    for (int i = 0; i < 10000; i++) {
        if ((cl_int)NUMBER(clGetEventInfo, e, param) == status)
            return true;
        sleep_a_moment();
    }
    return false;
}

void
buffer_fill(struct use *u, uint8_t first)
{
    uint8_t bytes[USE_BYTES];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(first + i);
    MUST(clEnqueueWriteBuffer(u->queue, u->buffer, CL_TRUE, 0, sizeof bytes, bytes, 0,
                              NULL, NULL));
}

bool
buffer_is(struct use *u, size_t at, const void *bytes, size_t n)
{
    uint8_t got[USE_BYTES];

    return clEnqueueReadBuffer(u->queue, u->buffer, CL_TRUE, at, n, got, 0, NULL, NULL) ==
               CL_SUCCESS &&
           memcmp(got, bytes, n) == 0;
}

cl_event
failed_event(struct use *u)
{
    cl_event e = clCreateUserEvent(u->context, &u->rc);

    MUST(u->rc);
    MUST(clSetUserEventStatus(e, -77));
    return e;
}

cl_program
program_of(struct use *u, const char *source, const char *options)
{
    cl_program p = clCreateProgramWithSource(u->context, 1, &source, NULL, &u->rc);

    MUST(u->rc);
    MUST(clBuildProgram(p, 1, &u->device, options, NULL, NULL));
    return p;
}

/* ---- the shared objects, and what chapters there are ------------------------------- */

static cl_event
complete_event(struct use *u, cl_context c)
{
    cl_event e = clCreateUserEvent(c, &u->rc);

    MUST(u->rc);
    MUST(clSetUserEventStatus(e, CL_COMPLETE));
    return e;
}

/* Two contexts over the first device, or over all, of which CLTEST_DEVICE is used. */
static void
contexts_open(struct use *u)
{
    const char *among_all = getenv("CLTEST_DEVICE");

    MUST(clGetDeviceIDs(u->platform, CL_DEVICE_TYPE_ALL, 16, u->devices, &u->n_devices));
    if (!among_all)
        u->n_devices = 1;
    u->at = among_all ? (cl_uint)strtoul(among_all, NULL, 10) : 0;
    MUST(u->at < u->n_devices && u->n_devices <= 16 ? CL_SUCCESS : CL_INVALID_DEVICE);
    u->device = u->devices[u->at];
    u->context = clCreateContext(NULL, u->n_devices, u->devices, NULL, NULL, &u->rc);
    MUST(u->rc);
    u->other = clCreateContext(NULL, u->n_devices, u->devices, NULL, NULL, &u->rc);
    MUST(u->rc);
}

static void
use_open(struct use *u)
{
    MUST(clGetPlatformIDs(1, &u->platform, NULL));
    contexts_open(u);
    u->queue =
        clCreateCommandQueue(u->context, u->device, CL_QUEUE_PROFILING_ENABLE, &u->rc);
    MUST(u->rc);
    u->other_queue = clCreateCommandQueue(u->other, u->device, 0, &u->rc);
    MUST(u->rc);
    u->buffer = clCreateBuffer(u->context, 0, USE_BYTES, NULL, &u->rc);
    MUST(u->rc);
    u->other_buffer = clCreateBuffer(u->other, 0, USE_BYTES, NULL, &u->rc);
    MUST(u->rc);
    u->user_event = complete_event(u, u->context);
    u->other_event = complete_event(u, u->other);
    u->program = program_of(u, use_source, "-cl-kernel-arg-info");
}

static void
use_close(struct use *u)
{
    MUST(clReleaseProgram(u->program));
    MUST(clReleaseEvent(u->user_event));
    MUST(clReleaseEvent(u->other_event));
    MUST(clReleaseMemObject(u->buffer));
    MUST(clReleaseMemObject(u->other_buffer));
    MUST(clReleaseCommandQueue(u->queue));
    MUST(clReleaseCommandQueue(u->other_queue));
    MUST(clReleaseContext(u->context));
    MUST(clReleaseContext(u->other));
}

static const struct chapter {
    const char *name;
    void (*run)(struct use *u);
} chapters[] = {
    {"platform", api_platform},   {"context", api_context},
    {"queue", api_queue},         {"buffer", api_buffer},
    {"image", api_image},         {"sampler", api_sampler},
    {"program", api_program},     {"kernel", api_kernel},
    {"enqueue", api_enqueue},     {"event", api_event},
    {"refused", api_refused},     {"command_buffer", api_command_buffer},
    {"extension", api_extension},
};

#define N_CHAPTERS (sizeof chapters / sizeof *chapters)

static bool
chapter_chosen(const struct chapter *c)
{
    bool any = false;

    for (int i = 0; i < n_chosen; i++) {
        if (strcmp(chosen[i], c->name) == 0)
            return true;
        any |= strncmp(chosen[i], "cl", 2) != 0;
    }
    return !any;
}

static void
names_check(void)
{
    for (int i = 0; i < n_chosen; i++) {
        bool known = strncmp(chosen[i], "cl", 2) == 0;

        for (size_t k = 0; k < N_CHAPTERS; k++)
            known |= strcmp(chosen[i], chapters[k].name) == 0;
        if (!known) {
            fprintf(stderr, "no chapter is named %s\n", chosen[i]);
            exit(2);
        }
    }
}

int
main(int argc, char **argv)
{
    struct use u = {0};

    driver = argc > 1 && strcmp(argv[1], "--driver") == 0;
    chosen = argv + 1 + driver;
    n_chosen = argc - 1 - driver;
    names_check();
    setvbuf(stdout, NULL, _IOLBF, 0);
    use_open(&u);
    for (size_t i = 0; i < N_CHAPTERS; i++) {
        if (chapter_chosen(&chapters[i]))
            chapters[i].run(&u);
    }
    use_close(&u);
    printf("%u ok, %u failed, %u left out\n", n_ok, n_failed, n_left_out);
    return n_failed > 0 || n_ok + n_skipped == 0;
}
