/* SPDX-License-Identifier: MIT */
/* Programs and kernels: OpenCL 3.0, sections 5.8, 5.9 and 5.10. */
#include "kernels.h"
#include "order.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>

static struct program *
free_program(struct world *w)
{
    for (unsigned i = 0; i < PROGRAMS; i++) {
        if (!w->program[i].program)
            return &w->program[i];
    }
    return NULL;
}

static struct kernel *
free_kernel(struct world *w)
{
    for (unsigned i = 0; i < KERNELS; i++) {
        if (!w->kernel[i].kernel)
            return &w->kernel[i];
    }
    return NULL;
}

static void CL_CALLBACK
built(cl_program program, void *data)
{
    struct callback *c = data;

    (void)program;
    atomic_fetch_add(&c->calls, 1);
}

/* Builds for all devices, named or not, now or with a callback. */
static cl_int
build(struct world *w, cl_program program, const char *options)
{
    const bool named = chance(w, 50);
    struct callback *c = chance(w, 20) ? callback_new(w, 0) : NULL;
    cl_int rc;

    if (c)
        finish_all(w); /* so that every callback is due */
    step(w, "clBuildProgram", "\"%s\"%s%s", options, named ? " for all devices" : "",
         c ? ", callback" : "");
    rc =
        answer(w, clBuildProgram(program, named ? w->options->devices : 0,
                                 named ? w->device : NULL, options, c ? built : NULL, c));
    if (c && rc == CL_SUCCESS)
        callbacks_settle(w);
    return rc;
}

static cl_program
program_of(struct world *w, const char *source)
{
    cl_int rc;
    cl_program program;

    step(w, "clCreateProgramWithSource", "%zu bytes", strlen(source));
    program = clCreateProgramWithSource(w->context, 1, &source, NULL, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        give_up("no program");
    return program;
}

static void
program_keep(struct world *w, cl_program program, unsigned source, bool binary)
{
    struct program *p = free_program(w);

    if (!p)
        give_up("no room for a program");
    *p = (struct program){.program = program,
                          .id = ++w->ids,
                          .source = source,
                          .linked = source == LINKED,
                          .binary = binary};
    note(w, "-> p%u", p->id);
}

static void
create_program(struct world *w)
{
    static const char *const k[] = {"-DK=3", "-D K=5 -cl-kernel-arg-info"};
    const unsigned most = w->options->groups & IMAGE ? SOURCES : SOURCES - 1;
    const unsigned source = (unsigned)below(w, most);
    const char *options = source == 2 ? k[below(w, 2)] : "-cl-kernel-arg-info";
    cl_program program;

    if (!free_program(w))
        return;
    program = program_of(w, sources[source]);
    if (build(w, program, options) == CL_SUCCESS)
        program_keep(w, program, source, false);
    else
        clReleaseProgram(program);
}

static cl_int
compile(struct world *w, cl_program program, cl_program header)
{
    const char *name = "twist.h";

    step(w, "clCompileProgram", "with twist.h");
    return answer(
        w, clCompileProgram(program, 0, NULL, NULL, 1, &header, &name, NULL, NULL));
}

static void
link_program(struct world *w)
{
    cl_program part[3], linked;
    cl_int rc;

    if (!free_program(w) || chance(w, 50)) /* four builds in one */
        return;
    part[0] = program_of(w, linked_helper);
    part[1] = program_of(w, linked_main);
    part[2] = program_of(w, linked_header);
    if (compile(w, part[0], part[2]) == CL_SUCCESS &&
        compile(w, part[1], part[2]) == CL_SUCCESS) {
        step(w, "clLinkProgram", "2 programs");
        linked = clLinkProgram(w->context, 0, NULL, NULL, 2, part, NULL, NULL, &rc);
        if (answer(w, rc) == CL_SUCCESS)
            program_keep(w, linked, LINKED, false);
    }
    for (int i = 0; i < 3; i++)
        clReleaseProgram(part[i]);
}

/* A program made from another one's binaries. */
static void
binary_program(struct world *w)
{
    const struct program *from = any_program(w);
    size_t bytes[DEVICES] = {0};
    unsigned char *binary[DEVICES] = {NULL};
    const unsigned n = w->options->devices;
    cl_int rc, status[DEVICES];
    cl_program program;

    if (!from || !free_program(w))
        return;
    step(w, "clGetProgramInfo", "p%u CL_PROGRAM_BINARY_SIZES", from->id);
    answer(w, clGetProgramInfo(from->program, CL_PROGRAM_BINARY_SIZES, sizeof bytes,
                               bytes, NULL));
    for (unsigned i = 0; i < n; i++)
        binary[i] = host_memory(w, bytes[i] + 1);
    step(w, "clGetProgramInfo", "p%u CL_PROGRAM_BINARIES", from->id);
    answer(w, clGetProgramInfo(from->program, CL_PROGRAM_BINARIES, n * sizeof *binary,
                               binary, NULL));
    step(w, "clCreateProgramWithBinary", "of p%u", from->id);
    program = clCreateProgramWithBinary(w->context, n, w->device, bytes,
                                        (const unsigned char **)binary, status, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        return;
    for (unsigned i = 0; i < n; i++)
        note(w, "binary status %s", status_name(status[i]));
    if (build(w, program, "") == CL_SUCCESS)
        program_keep(w, program, from->source, true);
    else
        clReleaseProgram(program);
}

/* One that does not compile: it says so, and stays without kernels. */
static void
broken_program(struct world *w)
{
    cl_build_status state = 1;
    cl_program program;

    if (chance(w, 80)) /* it costs as much as a good one */
        return;
    program = program_of(w, broken_source);
    step(w, "clBuildProgram", "a broken one");
    answer(w, clBuildProgram(program, 0, NULL, "", NULL, NULL));
    step(w, "clGetProgramBuildInfo", "CL_PROGRAM_BUILD_STATUS");
    answer(w, clGetProgramBuildInfo(program, w->device[0], CL_PROGRAM_BUILD_STATUS,
                                    sizeof state, &state, NULL));
    note(w, "build status %d", state);
    clReleaseProgram(program);
}

static void
release_program(struct world *w)
{
    struct program *p = any_program(w);

    if (!p)
        return;
    step(w, "clReleaseProgram", "p%u", p->id);
    answer(w, clReleaseProgram(p->program));
    p->program = NULL;
}

/* Kernels. */

static unsigned
any_kind(struct world *w, unsigned source)
{
    const size_t first = below(w, KINDS);

    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[(first + i) % KINDS].source == source)
            return (unsigned)(first + i) % KINDS;
    }
    give_up("a source without kernels");
}

static void
create_kernel(struct world *w)
{
    const struct program *p = any_program(w);
    struct kernel *k = free_kernel(w);
    unsigned kind;
    cl_int rc;

    if (!p || !k)
        return;
    kind = any_kind(w, p->source);
    step(w, "clCreateKernel", "p%u %s -> k%u", p->id, kinds[kind].name, w->ids + 1);
    k->kernel = clCreateKernel(p->program, kinds[kind].name, &rc);
    k->id = ++w->ids;
    k->kind = kind;
    k->set = false;
    k->binary = p->binary;
    if (answer(w, rc) != CL_SUCCESS)
        k->kernel = NULL;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void
kernels_in_program(struct world *w)
{
    const struct program *p = any_program(w);
    cl_kernel list[8];
    char name[8][32];
    cl_uint n = 0;

    if (!p)
        return;
    step(w, "clCreateKernelsInProgram", "p%u", p->id);
    if (answer(w, clCreateKernelsInProgram(p->program, 8, list, &n)) != CL_SUCCESS)
        return;
    for (cl_uint i = 0; i < n; i++) {
        clGetKernelInfo(list[i], CL_KERNEL_FUNCTION_NAME, sizeof name[i], name[i], NULL);
        clReleaseKernel(list[i]);
    }
    qsort(name, n, sizeof name[0], by_name);
    for (cl_uint i = 0; i < n; i++)
        note(w, "kernel %s", name[i]);
}

static void
release_kernel(struct world *w)
{
    struct kernel *k = any_kernel(w);

    if (!k)
        return;
    step(w, "clReleaseKernel", "k%u", k->id);
    answer(w, clReleaseKernel(k->kernel));
    k->kernel = NULL;
}

static bool
is_pixels(const struct memory *m)
{
    const cl_channel_type type = m->format->format.image_channel_data_type;

    return m->desc.image_type == CL_MEM_OBJECT_IMAGE2D &&
           (type == CL_UNSIGNED_INT8 || type == CL_UNSIGNED_INT16 ||
            type == CL_UNSIGNED_INT32);
}

/* Something for an argument that takes memory; NULL: there is none. */
static const struct memory *
any_memory_for(struct world *w, char arg)
{
    const size_t first = below(w, MEMORIES);
    const cl_mem_flags against =
        arg == 'w' || arg == 'o' ? CL_MEM_READ_ONLY : CL_MEM_WRITE_ONLY;

    for (size_t i = 0; i < MEMORIES; i++) {
        const struct memory *m = &w->memory[(first + i) % MEMORIES];

        /* A buffer to write is read, too. */
        if (!m->mem || (m->flags & (against | (arg == 'w' ? CL_MEM_WRITE_ONLY : 0u))))
            continue;
        if (arg == 'w' || arg == 'r' ? !m->format : m->format && is_pixels(m))
            return m;
    }
    return NULL;
}

struct arguments {
    const struct memory *memory[4];
    const struct sampler *sampler;
};

/* Different memory for each argument: false where that is not to be had. */
static bool
choose_arguments(struct world *w, const struct kind *kind, struct arguments *a)
{
    for (unsigned i = 0; kind->args[i]; i++) {
        const char arg = kind->args[i];

        if (arg == 'p' && !(a->sampler = any_sampler(w)))
            return false;
        if (!strchr("wrio", arg))
            continue;
        a->memory[i] = any_memory_for(w, arg);
        if (!a->memory[i])
            return false;
        for (unsigned j = 0; j < i; j++) {
            if (a->memory[j] && a->memory[j]->root == a->memory[i]->root)
                return false;
        }
    }
    return true;
}

static void
set_argument(struct world *w, cl_kernel kernel, char arg, cl_uint i,
             const struct arguments *a)
{
    const cl_uint number = (cl_uint)below(w, 1000);
    const struct record record = {
        number, 7, (cl_ushort)number, {1, number, 3, number * 4}};
    const void *value = &number;
    size_t bytes = sizeof number;

    if (strchr("wrio", arg)) {
        value = &a->memory[i]->mem;
        bytes = sizeof(cl_mem);
        step(w, "clSetKernelArg", "%u: m%u", i, a->memory[i]->id);
    } else if (arg == 'p') {
        value = &a->sampler->sampler;
        bytes = sizeof(cl_sampler);
        step(w, "clSetKernelArg", "%u: s%u", i, a->sampler->id);
    } else if (arg == 'l') {
        value = NULL;
        bytes = 64 * sizeof(cl_uint);
        step(w, "clSetKernelArg", "%u: local, %zu bytes", i, bytes);
    } else if (arg == 's') {
        value = &record;
        bytes = sizeof record;
        step(w, "clSetKernelArg", "%u: record of %u", i, number);
    } else
        step(w, "clSetKernelArg", "%u: %u", i, number);
    answer(w, clSetKernelArg(kernel, i, bytes, value));
}

static void
set_arguments(struct world *w, cl_kernel kernel, const struct kind *kind,
              const struct arguments *a)
{
    const cl_uint n = (cl_uint)strlen(kind->args), first = (cl_uint)below(w, n);

    for (cl_uint i = 0; i < n; i++)
        set_argument(w, kernel, kind->args[(first + i) % n], (first + i) % n, a);
}

static void
use_arguments(struct enqueue *e, const struct kind *kind, const struct arguments *a)
{
    for (unsigned i = 0; kind->args[i]; i++) {
        const struct memory *m = a->memory[i];

        if (m)
            enqueue_use(e, m, 0, m->format ? m->bytes : 64 * sizeof(cl_uint),
                        kind->args[i] == 'w' || kind->args[i] == 'o');
    }
}

static void
run(struct world *w, struct enqueue *e, cl_kernel kernel, const struct kind *kind)
{
    const bool local = chance(w, 60) || strchr(kind->args, 'l');

    step(w, "clEnqueueNDRangeKernel", "%s%s %s", kind->name,
         local ? "" : ", any local size", e->text);
    enqueue_end(
        w, e,
        answer(w, clEnqueueNDRangeKernel(e->queue->queue, kernel, kind->dims,
                                         kind->offset[0] ? kind->offset : NULL,
                                         kind->global, local ? kind->local : NULL, e->n,
                                         enqueue_waits(e), enqueue_event(e))),
        false);
}

static void
launch(struct world *w)
{
    struct kernel *k = any_kernel(w);
    const struct kind *kind = k ? &kinds[k->kind] : NULL;
    struct arguments a = {0};
    struct enqueue e;

    if (!k || !choose_arguments(w, kind, &a))
        return;
    enqueue_begin(w, &e, CL_COMMAND_NDRANGE_KERNEL);
    use_arguments(&e, kind, &a);
    if (!enqueue_order(w, &e, false))
        return;
    set_arguments(w, k->kernel, kind, &a);
    k->set = true;
    run(w, &e, k->kernel, kind);
}

/* A clone has the arguments of the original, and keeps them when the original's change. */
static void
clone(struct world *w)
{
    struct kernel *k = any_kernel(w);
    const struct kind *kind = k ? &kinds[k->kind] : NULL;
    struct arguments a = {0};
    struct enqueue e;
    cl_kernel copy;
    cl_int rc;

    if (!k || !choose_arguments(w, kind, &a))
        return;
    enqueue_begin(w, &e, CL_COMMAND_NDRANGE_KERNEL);
    use_arguments(&e, kind, &a);
    if (!enqueue_order(w, &e, false))
        return;
    set_arguments(w, k->kernel, kind, &a);
    step(w, "clCloneKernel", "k%u", k->id);
    copy = clCloneKernel(k->kernel, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        return;
    set_arguments(w, k->kernel, kind, &a);
    k->set = true;
    run(w, &e, copy, kind);
    step(w, "clReleaseKernel", "the clone");
    answer(w, clReleaseKernel(copy));
}

const struct op program_ops[] = {
    {"create program", PROGRAM, 6, create_program},
    {"link program", PROGRAM | LINK, 1, link_program},
    {"program from binary", PROGRAM, 1, binary_program},
    {"broken program", PROGRAM, 1, broken_program},
    {"release program", PROGRAM, 1, release_program},
    {"create kernel", PROGRAM, 8, create_kernel},
    {"kernels in program", PROGRAM, 2, kernels_in_program},
    {"release kernel", PROGRAM, 2, release_kernel},
    {"launch", PROGRAM, 22, launch},
    {"clone", PROGRAM | CLONE, 3, clone},
    {0},
};
