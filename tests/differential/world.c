/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "order.h"
#include "say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct op *const tables[] = {
    memory_ops, map_ops,   event_ops,       program_ops,       image_ops,
    query_ops,  wrong_ops, wrong_event_ops, wrong_program_ops, wrong_image_ops};

enum { OPENING = 4 }; /* steps that create */

void
give_up(const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

/* SplitMix64: a step's numbers depend on the seed and its own number alone. */
uint64_t
next_random(struct world *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

size_t
below(struct world *w, size_t n)
{
    return (size_t)(next_random(w) >> 16) % n;
}

bool
chance(struct world *w, unsigned percent)
{
    return below(w, 100) < percent;
}

void *
host_memory(struct world *w, size_t bytes)
{
    uint8_t *p = aligned_alloc(256, (bytes + 255) / 256 * 256);
    const uint64_t seed = next_random(w);

    if (!p || w->allocations == ALLOCATIONS)
        give_up("too much memory in one sequence");
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)((seed + i * 0x9e3779b97f4a7c15u) >> 29);
    w->allocation[w->allocations++] = p;
    return p;
}

/* Callbacks. */

struct callback *
callback_new(struct world *w, int expected)
{
    struct callback *c;

    if (w->callbacks == CALLBACKS)
        return NULL;
    c = &w->callback[w->callbacks++];
    atomic_init(&c->calls, 0);
    atomic_init(&c->status, 0);
    c->id = ++w->ids;
    c->expected = expected;
    return c;
}

void
callbacks_settle(struct world *w)
{
    const struct timespec pause = {.tv_nsec = 50000};
    unsigned calls;

    for (unsigned i = 0; i < w->callbacks; i++) {
        struct callback *c = &w->callback[i];

        for (int n = 0; n < 40000 && atomic_load(&c->calls) == 0; n++)
            nanosleep(&pause, NULL);
        calls = atomic_load(&c->calls);
        note(w, "callback c%u: called %u times, status %d", c->id, calls,
             atomic_load(&c->status));
        if (calls == 0)
            give_up("callback c%u was not called in time", c->id);
    }
    w->callbacks = 0;
}

/* The devices: two of the platform, or two parts of the first. */

static void
devices_split(struct world *w)
{
    const cl_device_partition_property by[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    cl_uint n = 0;
    const cl_int status = clCreateSubDevices(w->device[0], by, 0, NULL, &n);

    if (status != CL_SUCCESS || n < DEVICES)
        give_up("no second device: %s", status_name(status));
    {
        cl_device_id part[64];

        if (n > 64 || clCreateSubDevices(w->device[0], by, n, part, NULL) != CL_SUCCESS)
            give_up("the device cannot be split");
        memcpy(w->device, part, sizeof w->device);
    }
}

void
devices_open(struct world *w)
{
    cl_uint platforms = 0, n = 0, bits = 0;

    if (clGetPlatformIDs(1, &w->platform, &platforms) != CL_SUCCESS ||
        clGetDeviceIDs(w->platform, CL_DEVICE_TYPE_ALL, DEVICES, w->device, &n) !=
            CL_SUCCESS)
        give_up("no OpenCL device");
    if (n < w->options->devices)
        devices_split(w);
    for (unsigned i = 0; i < w->options->devices; i++) {
        clGetDeviceInfo(w->device[i], CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof bits, &bits,
                        NULL);
        if (bits / 8 > w->align)
            w->align = bits / 8;
    }
}

/* One sequence. */

static void
queue_open(struct world *w, unsigned i)
{
    const bool in_order = i == 0 ? chance(w, 70) : chance(w, 40),
               profiled = chance(w, 60);
    const unsigned device = (unsigned)below(w, w->options->devices);
    const cl_queue_properties properties[] = {
        CL_QUEUE_PROPERTIES,
        (in_order ? 0u : CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) |
            (profiled ? CL_QUEUE_PROFILING_ENABLE : 0u),
        0};
    cl_int rc;
    cl_command_queue q;

    step(w, "clCreateCommandQueueWithProperties", "device %u, properties %u -> q%u",
         device, (unsigned)properties[1], i);
    q = clCreateCommandQueueWithProperties(w->context, w->device[device], properties,
                                           &rc);
    if (answer(w, rc) == CL_SUCCESS)
        w->queue[i] = (struct queue){
            .queue = q, .device = device, .in_order = in_order, .profiled = profiled};
}

static void
sequence_open(struct world *w)
{
    cl_int rc;
    unsigned queues;

    step(w, "clCreateContext", "%u devices", w->options->devices);
    w->context = clCreateContext(NULL, w->options->devices, w->device, NULL, NULL, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        give_up("no context");
    queues = 1 + (unsigned)below(w, QUEUES);
    if (queues < w->options->devices)
        queues = w->options->devices;
    for (unsigned i = 0; i < queues; i++)
        queue_open(w, i);
    if (!any_queue(w))
        give_up("no queue");
}

static void
mappings_close(struct world *w)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        if (w->mapping[i].pointer)
            mapping_end(w, &w->mapping[i]);
    }
    finish_all(w);
}

/* Every byte that the host may read. */
static void
dump(struct world *w)
{
    const cl_mem_flags hidden = CL_MEM_HOST_NO_ACCESS | CL_MEM_HOST_WRITE_ONLY;
    static const size_t zero[3];
    char name[16];

    for (unsigned i = 0; i < MEMORIES; i++) {
        const struct memory *m = &w->memory[i];
        void *p;
        cl_int rc;

        if (!m->mem || (m->flags & hidden))
            continue;
        snprintf(name, sizeof name, "m%u", m->id);
        p = host_memory(w, m->bytes);
        step(w, "read", "%s at the end", name);
        rc = m->format ? clEnqueueReadImage(w->queue[0].queue, m->mem, CL_TRUE, zero,
                                            m->extent, 0, 0, p, 0, NULL, NULL)
                       : clEnqueueReadBuffer(w->queue[0].queue, m->mem, CL_TRUE, 0,
                                             m->bytes, p, 0, NULL, NULL);
        if (answer(w, rc) == CL_SUCCESS)
            note_bytes(w, name, p, m->bytes);
    }
}

static cl_int
close_one(struct world *w, unsigned kind, unsigned i)
{
    switch (kind) {
    case 0:
        return w->memory[i].mem ? clReleaseMemObject(w->memory[i].mem) : CL_SUCCESS;
    case 1:
        return w->kernel[i].kernel ? clReleaseKernel(w->kernel[i].kernel) : CL_SUCCESS;
    case 2:
        return w->program[i].program ? clReleaseProgram(w->program[i].program)
                                     : CL_SUCCESS;
    case 3:
        return w->sampler[i].sampler ? clReleaseSampler(w->sampler[i].sampler)
                                     : CL_SUCCESS;
    case 4:
        return w->event[i].event ? clReleaseEvent(w->event[i].event) : CL_SUCCESS;
    default:
        return w->queue[i].queue ? clReleaseCommandQueue(w->queue[i].queue) : CL_SUCCESS;
    }
}

/* Releases everything, in any order of kinds: objects hold on to what they need. */
static void
sequence_close(struct world *w)
{
    static const unsigned many[] = {MEMORIES, KERNELS, PROGRAMS,
                                    SAMPLERS, EVENTS,  QUEUES};
    const size_t first = below(w, 6), context_at = below(w, 6);

    for (unsigned k = 0; k < 6; k++) {
        const unsigned kind = (unsigned)(first + k) % 6;

        for (unsigned i = 0; i < many[kind]; i++) {
            const cl_int rc = close_one(w, kind, i);

            if (rc != CL_SUCCESS)
                note(w, "release of kind %u: %s", kind, status_name(rc));
        }
        if (k == context_at) {
            step(w, "clReleaseContext", "%s", k == 5 ? "last" : "before other objects");
            answer(w, clReleaseContext(w->context));
        }
    }
    callbacks_settle(w);
    for (unsigned i = 0; i < w->allocations; i++)
        free(w->allocation[i]);
}

/* At first, things to work with. */
static bool
fits(const struct world *w, const struct op *op)
{
    return (op->groups & w->groups) == op->groups &&
           (w->step > OPENING || strncmp(op->name, "create", 6) == 0);
}

static const struct op *
any_op(struct world *w)
{
    size_t total = 0, at;

    for (int pass = 0; pass < 2; pass++) {
        at = pass ? below(w, total) : 0;
        for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
            for (const struct op *op = tables[t]; op->run; op++) {
                if (!fits(w, op))
                    continue;
                if (!pass)
                    total += op->weight;
                else if (at < op->weight)
                    return op;
                else
                    at -= op->weight;
            }
        }
    }
    give_up("no steps to choose from");
}

static bool
skipped(const struct world *w, unsigned number)
{
    char name[16];

    snprintf(name, sizeof name, ",%u,", number);
    return w->options->skip && strstr(w->options->skip, name);
}

void
sequence_run(struct world *w, uint64_t seed)
{
    printf("sequence %llu\n", (unsigned long long)seed);
    w->random = seed * 0xd1342543de82ef95u;
    w->groups = w->options->groups;
    /* Building takes longer than all else together: one sequence in ten does. */
    if (seed % 10 != 0 && (w->groups & (MEMORY | IMAGE)))
        w->groups &= ~(unsigned)PROGRAM;
    sequence_open(w);
    for (w->step = 1; w->step <= w->options->ops; w->step++) {
        w->random = (seed << 20) + w->step;
        next_random(w);
        w->acted = skipped(w, w->step);
        for (int tries = 0; tries < 8 && !w->acted; tries++)
            any_op(w)->run(w);
    }
    finish_all(w);
    mappings_close(w);
    callbacks_settle(w);
    dump(w);
    sequence_close(w);
    printf("end %llu\n", (unsigned long long)seed);
    fflush(stdout);
}
