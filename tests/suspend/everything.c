/* SPDX-License-Identifier: MIT */
/*
 * everything [--list] [pocl] [--only NAME]...: one object of every kind and in every state that
 * OpenCL knows. Makes them, prints READY, waits for a line on its standard input; then every query
 * must answer as before, every content must be there, and all of it is used further. One TAP line a
 * part.
 *
 * An ordinary OpenCL program: natively it passes with nothing but ENTER in between. With "pocl" it
 * does not ask for what PoCL itself leaves out.
 */
#include "suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 128

static const struct part *const lists[] = {
    context_parts,        memory_parts, image_parts, program_parts,   kernel_parts,
    event_parts,          map_parts,    held_parts,  held_more_parts, wait_parts,
    command_buffer_parts,
};

struct world w;
bool pocl;

enum outcome { FINE, FAILED, SKIPPED };
static struct {
    const struct part *part;
    enum outcome outcome;
    char words[512];
} run[PARTS_MAX];
static size_t n_run;

static jmp_buf out_of_part;
static enum outcome why;
static char why_words[512];

static _Noreturn void
leave(enum outcome o, const char *fmt, va_list ap)
{
    why = o;
    vsnprintf(why_words, sizeof why_words, fmt, ap);
    longjmp(out_of_part, 1);
}

void
part_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    leave(FAILED, fmt, ap);
}

void
part_skip(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    leave(SKIPPED, fmt, ap);
}

static bool
calls(void (*f)(void))
{
    if (setjmp(out_of_part))
        return false;
    if (f)
        f();
    return true;
}

/* A part that failed or was skipped is left alone from then on. */
static void
step(size_t i, const char *name, void (*f)(void))
{
    if (run[i].outcome != FINE || calls(f))
        return;
    run[i].outcome = why;
    snprintf(run[i].words, sizeof run[i].words, "%s: %.480s", name, why_words);
}

static void
open_world(void)
{
    static const char source[] = "kernel void scramble(global uint *p, uint seed)\n"
                                 "{\n"
                                 "    size_t i = get_global_id(0);\n"
                                 "    uint x = (p[i] ^ (seed + (uint)i)) * 2654435761u;\n"
                                 "    p[i] = x ^ (x >> 15);\n"
                                 "}\n";
    cl_int rc;

    OK(clGetPlatformIDs(1, &w.platform, NULL));
    OK(clGetDeviceIDs(w.platform, CL_DEVICE_TYPE_ALL, 1, &w.device, NULL));
    w.context = clCreateContext(NULL, 1, &w.device, NULL, NULL, &rc);
    OK(rc);
    w.queue = queue_new(CL_QUEUE_PROFILING_ENABLE);
    w.program = build(source, "");
    w.scramble = kernel_of(w.program, "scramble");
    watch(DEVICE, w.device, "the device");
}

static void
close_world(void)
{
    OK(clFinish(w.queue));
    OK(clReleaseKernel(w.scramble));
    OK(clReleaseProgram(w.program));
    OK(clReleaseCommandQueue(w.queue));
    OK(clReleaseContext(w.context));
}

static char *before, *after;

static void
ask_before(void)
{
    OK(clFinish(w.queue));
    before = watched();
}

static void
ask_after(void)
{
    after = watched();
}

/* Line by line; tells each that differs, and their number. */
static unsigned
differences(const char *a, const char *b)
{
    unsigned n = 0;

    while (*a || *b) {
        const size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

        if (la != lb || memcmp(a, b, la) != 0) {
            printf("# was: %.*s\n# is:  %.*s\n", (int)la, a, (int)lb, b);
            n++;
        }
        a += la + (a[la] != 0);
        b += lb + (b[lb] != 0);
    }
    return n;
}

static bool
print_parts(void)
{
    bool fine = true;

    for (size_t i = 0; i < n_run; i++) {
        const bool failed = run[i].outcome == FAILED;

        printf("%s %zu - %s%s%s\n", failed ? "not ok" : "ok", i + 2, run[i].part->name,
               run[i].outcome == SKIPPED ? " # SKIP " : "",
               run[i].outcome == SKIPPED ? run[i].words : "");
        if (failed)
            printf("# %s\n", run[i].words);
        fine = fine && !failed;
    }
    return fine;
}

static void
wait_for_line(void)
{
    int c;

    puts("READY");
    fflush(stdout);
    do
        c = getchar();
    while (c != '\n' && c != EOF);
}

static void
must(const char *name, void (*f)(void))
{
    if (calls(f))
        return;
    printf("Bail out! %s: %s\n", name, why_words);
    exit(1);
}

static int
everything(void)
{
    bool fine;

    must("begin", open_world);
    for (size_t i = 0; i < n_run; i++)
        step(i, "make", run[i].part->make);
    must("queries before", ask_before);
    wait_for_line();
    must("queries after", ask_after);
    for (size_t i = 0; i < n_run; i++)
        step(i, "check", run[i].part->check);
    for (size_t i = 0; i < n_run; i++)
        step(i, "use", run[i].part->use);
    printf("1..%zu\n", n_run + 1);
    fine = differences(before, after) == 0;
    printf("%s 1 - every query answers as before\n", fine ? "ok" : "not ok");
    fine = print_parts() && fine;
    must("end", close_world);
    free(before);
    free(after);
    return fine ? 0 : 1;
}

static bool
wanted(const char *name, int argc, char **argv)
{
    bool some = false;

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--only") != 0)
            continue;
        some = true;
        if (strcmp(argv[i + 1], name) == 0)
            return true;
    }
    return !some;
}

int
main(int argc, char **argv)
{
    pocl = argc > 1 && strcmp(argv[1], "pocl") == 0;
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
        for (const struct part *p = lists[l]; p->name; p++) {
            if (wanted(p->name, argc, argv) && n_run < PARTS_MAX)
                run[n_run++].part = p;
        }
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < n_run; i++)
            puts(run[i].part->name);
        return 0;
    }
    if (n_run == 0) {
        fprintf(stderr, "everything: no such part: see everything --list\n");
        return 2;
    }
    return everything();
}
