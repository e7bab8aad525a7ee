/* SPDX-License-Identifier: MIT */
/*
 * guest_fork before|after [FILE]: a process and its child compute at the same time; the
 * fork is before or after the parent's first use of OpenCL. With FILE, both say "ready"
 * when they have used the device, and go on when FILE exists.
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS ((size_t)20000)

struct work {
    struct cl cl;
    cl_program program;
    cl_kernel kernel;
    cl_mem buffer;
};

static void
work_open(struct work *w)
{
    cl_open(&w->cl);
    w->program = cl_build(&w->cl, scramble_source);
    w->kernel = cl_kernel_of(w->program, "scramble");
    w->buffer = cl_buffer(&w->cl, CL_MEM_READ_WRITE, WORDS * 4, NULL);
}

static void
work_close(struct work *w)
{
    OK(clReleaseMemObject(w->buffer));
    OK(clReleaseKernel(w->kernel));
    OK(clReleaseProgram(w->program));
    cl_close(&w->cl);
}

static void
work_compute(struct work *w, uint32_t seed, unsigned rounds)
{
    uint32_t *host = alloc(WORDS * 4), *back = alloc(WORDS * 4);
    const size_t global = WORDS;

    pattern_fill(host, WORDS, seed);
    OK(clEnqueueWriteBuffer(w->cl.queue, w->buffer, CL_TRUE, 0, WORDS * 4, host, 0, NULL,
                            NULL));
    for (unsigned i = 0; i < rounds; i++) {
        cl_args(w->kernel, w->buffer, seed + i);
        OK(clEnqueueNDRangeKernel(w->cl.queue, w->kernel, 1, NULL, &global, NULL, 0, NULL,
                                  NULL));
        scramble_host(host, WORDS, seed + i);
    }
    OK(clEnqueueReadBuffer(w->cl.queue, w->buffer, CL_TRUE, 0, WORDS * 4, back, 0, NULL,
                           NULL));
    same_words(back, host, WORDS, "the buffer");
    free(host);
    free(back);
}

static void
meet(const char *file)
{
    if (!file)
        return;
    puts("ready");
    fflush(stdout);
    wait_for_file(file);
}

/* Leaves by exit(), so that what the libraries do there is tried too. */
static _Noreturn void
child(const char *file)
{
    struct work w;

    work_open(&w);
    work_compute(&w, 7, 5);
    meet(file);
    work_compute(&w, 8, 50);
    work_close(&w);
    exit(0);
}

int
main(int argc, char **argv)
{
    const bool after = argc > 1 && strcmp(argv[1], "after") == 0;
    const char *file = argc > 2 ? argv[2] : NULL;
    struct work w;
    int status;
    pid_t pid;

    if (after) {
        work_open(&w);
        work_compute(&w, 1, 5);
    }
    pid = fork();
    EXPECT(pid >= 0);
    if (pid == 0)
        child(file);
    if (!after)
        work_open(&w);
    work_compute(&w, 2, 5);
    meet(file);
    work_compute(&w, 3, 50);
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    work_compute(&w, 4, 5);
    work_close(&w);
    puts("parent and child agree with C");
    return 0;
}
