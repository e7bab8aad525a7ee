/* SPDX-License-Identifier: MIT */
/*
 * guest_printf order       printf of kernels between printf of the host, in each way to learn
 *                          that a kernel is complete
 * guest_printf large MIB   much text
 * guest_printf own         the program reads its own stdout while a kernel prints much
 * guest_printf broken      nobody reads; SIGPIPE is ignored
 * guest_printf closed      there is no stdout
 */
#include "cltest.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 64u
#define OWN_BYTES (3u << 20)

/* A line is LINE_BYTES long: 20 characters and a number of 43 digits with its newline. */
static const char source[] = "kernel void say(global uint *p, uint n) {\n"
                             "    printf(\"kernel %u:\", n);\n"
                             "    p[0] += n;\n"
                             "    printf(\" %5.2f|%-4d|%v4hld|%s\\n\", n / 3.0f, (int)n, "
                             "(int4)(1, 2, 3, 4), \"words\");\n"
                             "}\n"
                             "kernel void bytes(global uint *p, uint n) {\n"
                             "    printf(\"no newline%c%c%c\", 0, 255, (int)n);\n"
                             "}\n"
                             "kernel void lines(global uint *p, uint n) {\n"
                             "    for (uint i = 0; i < n; i++)\n"
                             "        printf(\"much text, in a line%43u\\n\", i);\n"
                             "}\n";

static struct cl c;
static cl_kernel say, bytes, lines;
static cl_mem buffer;

static void
host_says(const char *words)
{
    printf("host: %s\n", words);
    fflush(stdout);
}

static cl_event
run(cl_kernel kernel, cl_uint n)
{
    const size_t one = 1;
    cl_event e;

    cl_args(kernel, buffer, n);
    OK(clEnqueueNDRangeKernel(c.queue, kernel, 1, NULL, &one, NULL, 0, NULL, &e));
    return e;
}

static void CL_CALLBACK
on_complete(cl_event e, cl_int status, void *arg)
{
    (void)e;
    EXPECT(status == CL_COMPLETE);
    host_says("callback");
    atomic_store((atomic_int *)arg, 1);
}

static void
learn_by_status(cl_event e)
{
    cl_int status = CL_QUEUED;

    OK(clFlush(c.queue));
    while (status != CL_COMPLETE) {
        OK(clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                          NULL));
        EXPECT(status >= CL_COMPLETE);
    }
    host_says("status");
}

static void
learn_by_callback(cl_event e)
{
    atomic_int called = 0;

    OK(clSetEventCallback(e, CL_COMPLETE, on_complete, &called));
    OK(clFlush(c.queue));
    while (!atomic_load(&called))
        sleep_ms(1);
}

static void
learn_by_read(void)
{
    cl_uint sum, *mapped;
    cl_int rc;

    OK(clEnqueueReadBuffer(c.queue, buffer, CL_TRUE, 0, sizeof sum, &sum, 0, NULL, NULL));
    printf("host: read %u\n", sum);
    fflush(stdout);
    OK(clReleaseEvent(run(say, 70)));
    mapped = clEnqueueMapBuffer(c.queue, buffer, CL_TRUE, CL_MAP_READ, 0, sizeof sum, 0,
                                NULL, NULL, &rc);
    OK(rc);
    printf("host: map %u\n", *mapped);
    fflush(stdout);
    OK(clEnqueueUnmapMemObject(c.queue, buffer, mapped, 0, NULL, NULL));
}

static void
order(void)
{
    for (cl_uint round = 0; round < 20; round++) {
        cl_event e[5];

        for (cl_uint i = 0; i < 5; i++) {
            e[i] = run(say, round * 10 + i);
            if (i == 0)
                OK(clFinish(c.queue));
            else if (i == 1)
                OK(clWaitForEvents(1, &e[i]));
            else if (i == 2)
                learn_by_status(e[i]);
            else if (i == 3)
                learn_by_callback(e[i]);
            else
                learn_by_read();
            host_says("knows");
            OK(clReleaseEvent(e[i]));
        }
        OK(clReleaseEvent(run(bytes, round)));
    }
    OK(clFinish(c.queue));
    host_says("end");
}

static void
large(unsigned mib)
{
    host_says("begin");
    for (unsigned i = 0; i < mib; i++)
        OK(clReleaseEvent(run(lines, (1u << 20) / LINE_BYTES)));
    OK(clFinish(c.queue));
    host_says("end");
}

/* More than pipes and rings hold: the kernel can end only if its text gets here meanwhile. */
static void
own(void)
{
    static char text[OWN_BYTES];
    size_t have = 0;
    int fds[2], out = dup(STDOUT_FILENO);

    OK(clReleaseEvent(run(bytes, 0)));
    OK(clFinish(c.queue));
    EXPECT(pipe(fds) == 0 && dup2(fds[1], STDOUT_FILENO) >= 0);
    OK(clReleaseEvent(run(lines, OWN_BYTES / LINE_BYTES)));
    OK(clFlush(c.queue));
    sleep_ms(
        200); /* all that lies between is full now; a call that does not wait must not */
    for (cl_uint i = 0; i < 200; i++)
        OK(clReleaseEvent(run(bytes, i)));
    while (have < OWN_BYTES) {
        ssize_t n = read(fds[0], text + have, OWN_BYTES - have);

        EXPECT(n > 0);
        have += (size_t)n;
    }
    OK(clFinish(c.queue));
    EXPECT(dup2(out, STDOUT_FILENO) >= 0);
    for (size_t at = 0, i = 0; at < OWN_BYTES; at += LINE_BYTES, i++) {
        char want[LINE_BYTES + 1];

        snprintf(want, sizeof want, "much text, in a line%43zu\n", i);
        EXPECT(memcmp(text + at, want, LINE_BYTES) == 0);
    }
    host_says("read all of it");
}

static void
unread(void)
{
    cl_uint sum = 0;

    for (cl_uint i = 0; i < 3; i++) {
        OK(clReleaseEvent(run(lines, OWN_BYTES / LINE_BYTES)));
        OK(clReleaseEvent(run(say, 5)));
    }
    OK(clEnqueueReadBuffer(c.queue, buffer, CL_TRUE, 0, sizeof sum, &sum, 0, NULL, NULL));
    EXPECT(sum == 15);
    fputs("went on without a reader\n", stderr);
}

static void
break_stdout(void)
{
    int fds[2];

    signal(SIGPIPE, SIG_IGN);
    EXPECT(pipe(fds) == 0 && dup2(fds[1], STDOUT_FILENO) >= 0);
    close(fds[0]);
    close(fds[1]);
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    cl_uint zero = 0;
    cl_program program;

    if (strcmp(what, "closed") == 0)
        close(STDOUT_FILENO);
    cl_open(&c);
    program = cl_build(&c, source);
    say = cl_kernel_of(program, "say");
    bytes = cl_kernel_of(program, "bytes");
    lines = cl_kernel_of(program, "lines");
    buffer = cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof zero, &zero);
    if (strcmp(what, "order") == 0)
        order();
    else if (strcmp(what, "large") == 0 && argc == 3)
        large((unsigned)strtoul(argv[2], NULL, 10));
    else if (strcmp(what, "own") == 0)
        own();
    else if (strcmp(what, "broken") == 0) {
        break_stdout();
        unread();
    } else if (strcmp(what, "closed") == 0)
        unread();
    else
        fail("guest_printf order|large MIB|own|broken|closed");
    OK(clReleaseMemObject(buffer));
    OK(clReleaseKernel(say));
    OK(clReleaseKernel(bytes));
    OK(clReleaseKernel(lines));
    OK(clReleaseProgram(program));
    cl_close(&c);
    return 0;
}
