/* SPDX-License-Identifier: MIT */
#include "heldtest.h"

#include <stdio.h>
#include <string.h>

struct cl c;
cl_program program;
cl_kernel scramble;
bool by_event, pocl;

static const char more_source[] =
    "kernel void put(global uint *p, uint at, uint value) { p[at] = value; }\n"
    "typedef struct { uint v[16]; } block;\n"
    "kernel void put_block(global uint *p, uint at, block b)\n"
    "{ for (uint i = 0; i < 16; i++) p[at + i] = b.v[i]; }\n"
    "kernel void tally(global uint *p, uint at, local uint *l, uint n)\n"
    "{\n"
    "    uint sum = 0;\n"
    "    for (uint i = 0; i < n; i++) l[i] = i * n;\n"
    "    for (uint i = 0; i < n; i++) sum += l[i];\n"
    "    p[at] = sum;\n"
    "}\n"
    "kernel void put_if(global uint *p, global uint *other, uint at)\n"
    "{ p[at] = other ? other[at] : 77; }\n"
    "kernel void busy(global uint *p, uint n)\n"
    "{\n"
    "    for (uint i = 0; i < n; i++) p[0] = p[0] * 1664525u + 1013904223u;\n"
    "}\n"
    "kernel void shift(global uint *p, read_only image2d_t from, sampler_t s, uint "
    "width)\n"
    "{\n"
    "    int x = (int)get_global_id(0), y = (int)get_global_id(1);\n"
    "    p[(uint)y * width + (uint)x] = read_imageui(from, s, (int2)(x + 5, y)).x;\n"
    "}\n";

void
held_open(int argc, char **argv)
{
    char source[4096];
    cl_int rc;

    if (argc < 2 || (strcmp(argv[1], "event") != 0 && strcmp(argv[1], "turn") != 0))
        fail("usage: %s event|turn [pocl]", argv[0]);
    by_event = strcmp(argv[1], "event") == 0;
    pocl = argc > 2 && strcmp(argv[2], "pocl") == 0;
    cl_open(&c);
    snprintf(source, sizeof source, "%s%s", scramble_source, more_source);
    program = clCreateProgramWithSource(c.context, 1, &(const char *){source}, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(program, 0, NULL, "", NULL, NULL)); /* for all devices */
    scramble = cl_kernel_of(program, "scramble");
}

void
held_close(void)
{
    OK(clReleaseKernel(scramble));
    OK(clReleaseProgram(program));
    cl_close(&c);
}

void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

cl_event
user_event(void)
{
    cl_int rc;
    cl_event e = clCreateUserEvent(c.context, &rc);

    OK(rc);
    return e;
}

void
hold_begin(struct hold *h)
{
    *h = (struct hold){0};
    if (!by_event)
        return;
    h->event = user_event();
    h->n = 1;
    h->list = &h->event;
}

void
hold_stays(const struct hold *h, cl_uint n, const cl_event *events)
{
    if (h->n == 0)
        return;
    sleep_ms(20);
    for (cl_uint i = 0; i < n; i++)
        EXPECT(status_of(events[i]) > CL_RUNNING);
}

void
hold_open(struct hold *h)
{
    if (h->n == 0)
        return;
    OK(clSetUserEventStatus(h->event, CL_COMPLETE));
    OK(clReleaseEvent(h->event));
    *h = (struct hold){0};
}

cl_int
status_of(cl_event e)
{
    cl_int status;

    OK(clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                      NULL));
    return status;
}

bool
comes_soon(cl_event e)
{
    for (unsigned ms = 0; status_of(e) != CL_COMPLETE; ms++) {
        if (ms == WAIT_MS)
            return false;
        sleep_ms(1);
    }
    return true;
}

void
release_events(cl_uint n, const cl_event *events)
{
    for (cl_uint i = 0; i < n; i++)
        OK(clReleaseEvent(events[i]));
}

cl_event
launch(cl_command_queue queue, cl_mem b, uint32_t seed, cl_uint n, const cl_event *waits)
{
    const size_t words = WORDS;
    cl_event e;

    cl_args(scramble, b, seed);
    OK(clEnqueueNDRangeKernel(queue, scramble, 1, NULL, &words, NULL, n, n ? waits : NULL,
                              &e));
    return e;
}

void
launch_held(const struct hold *h, cl_command_queue queue, cl_mem b, uint32_t seed)
{
    OK(clReleaseEvent(launch(queue, b, seed, h->n, h->list)));
}

cl_mem
new_buffer(uint32_t *host, uint32_t seed)
{
    pattern_fill(host, WORDS, seed);
    return cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, BYTES, host);
}

void
compare(cl_mem b, const uint32_t *want, const char *what)
{
    uint32_t got[WORDS];

    OK(clEnqueueReadBuffer(c.queue, b, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL));
    same_words(got, want, WORDS, what);
}

cl_command_queue
out_of_order(void)
{
    return cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
}

cl_command_queue
next_device_queue(void)
{
    cl_device_id devices[16];
    cl_command_queue queue;
    cl_int rc;

    OK(clGetContextInfo(c.context, CL_CONTEXT_DEVICES, sizeof devices, devices, NULL));
    queue = clCreateCommandQueue(c.context, devices[(c.index + 1) % c.n_devices], 0, &rc);
    OK(rc);
    return queue;
}
