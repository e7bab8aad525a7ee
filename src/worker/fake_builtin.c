/* SPDX-License-Identifier: MIT */
/* The kernels that the fake device knows: C functions over get_global_id(0). */
#include "worker/fake_internal.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One past the last id whose element of elem_bytes lies inside every buffer. */
static size_t
items_end(const struct fake_launch *l, size_t elem_bytes)
{
    size_t end = l->offset[0] + l->global[0];

    for (cl_uint i = 0; i < l->code->num_params; i++) {
        const cl_mem mem = l->args[i].mem;
        size_t fit;

        if (l->code->params[i].address != CL_KERNEL_ARG_ADDRESS_GLOBAL)
            continue;
        fit = mem ? mem->size / elem_bytes : 0;
        if (end > fit)
            end = fit;
    }
    return end;
}

/* NULL where items_end() is 0. */
static void *
buffer(const struct fake_launch *l, unsigned i)
{
    return l->args[i].mem ? l->args[i].mem->bytes : NULL;
}

static cl_uint
uint_value(const struct fake_launch *l, unsigned i)
{
    cl_uint v;

    memcpy(&v, l->args[i].value, sizeof(v));
    return v;
}

static void
run_nothing(const struct fake_launch *l)
{
    (void)l;
}

static void
run_add(const struct fake_launch *l)
{
    const float *a = buffer(l, 0), *b = buffer(l, 1);
    const size_t end = items_end(l, sizeof(float));
    float *out = buffer(l, 2);

    if (!a || !b || !out)
        return;
    for (size_t i = l->offset[0]; i < end; i++)
        out[i] = a[i] + b[i];
}

static void
run_scale(const struct fake_launch *l)
{
    const size_t end = items_end(l, sizeof(float));
    float *p = buffer(l, 0), factor;

    memcpy(&factor, l->args[1].value, sizeof(factor));
    for (size_t i = l->offset[0]; p && i < end; i++)
        p[i] *= factor;
}

static void
run_fill(const struct fake_launch *l)
{
    const size_t end = items_end(l, sizeof(cl_uint));
    cl_uint *p = buffer(l, 0);

    for (size_t i = l->offset[0]; p && i < end; i++)
        p[i] = uint_value(l, 1);
}

static void
run_copy(const struct fake_launch *l)
{
    const size_t end = items_end(l, sizeof(cl_uint));
    const cl_uint *src = buffer(l, 0);
    cl_uint *dst = buffer(l, 1);

    for (size_t i = l->offset[0]; src && dst && i < end; i++)
        dst[i] = src[i];
}

static void
run_groups(const struct fake_launch *l)
{
    const size_t end = items_end(l, sizeof(cl_uint));
    cl_uint *out = buffer(l, 0);

    for (size_t i = l->offset[0]; out && i < end; i++)
        out[i] = (cl_uint)((i - l->offset[0]) / l->local[0]);
}

static void
run_spin(const struct fake_launch *l)
{
    const cl_uint us = uint_value(l, 0);
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L};

    while (nanosleep(&left, &left) != 0)
        continue;
}

static void
run_hang(const struct fake_launch *l)
{
    (void)l;
    for (;;)
        pause();
}

static void
run_crash(const struct fake_launch *l)
{
    (void)l;
    raise(SIGSEGV);
}

#define GLOBAL(type, name)                                                               \
    {                                                                                    \
        name, type "*", CL_KERNEL_ARG_ADDRESS_GLOBAL, CL_KERNEL_ARG_TYPE_NONE, 0         \
    }
#define CONST(type, name)                                                                \
    {                                                                                    \
        name, type "*", CL_KERNEL_ARG_ADDRESS_GLOBAL, CL_KERNEL_ARG_TYPE_CONST, 0        \
    }
#define LOCAL(type, name)                                                                \
    {                                                                                    \
        name, type "*", CL_KERNEL_ARG_ADDRESS_LOCAL, CL_KERNEL_ARG_TYPE_NONE, 0          \
    }
#define VALUE(type, name, bytes)                                                         \
    {                                                                                    \
        name, type, CL_KERNEL_ARG_ADDRESS_PRIVATE, CL_KERNEL_ARG_TYPE_NONE, bytes        \
    }

static const struct fake_builtin builtins[] = {
    {"add",
     run_add,
     3,
     {CONST("float", "a"), CONST("float", "b"), GLOBAL("float", "out")}},
    {"fill", run_fill, 2, {GLOBAL("uint", "p"), VALUE("uint", "value", 4)}},
    {"scale", run_scale, 2, {GLOBAL("float", "p"), VALUE("float", "factor", 4)}},
    {"copy", run_copy, 2, {CONST("uint", "src"), GLOBAL("uint", "dst")}},
    {"groups", run_groups, 2, {GLOBAL("uint", "out"), LOCAL("uint", "scratch")}},
    {"spin", run_spin, 1, {VALUE("uint", "microseconds", 4)}},
    {"null_kernel", run_nothing, 0, {{0}}},
    {"hang", run_hang, 0, {{0}}},
    {"crash", run_crash, 0, {{0}}},
};

const struct fake_builtin *
fake_builtin_find(const char *name)
{
    static const struct fake_builtin unknown = {.name = "", .run = run_nothing};

    for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
        if (strcmp(builtins[i].name, name) == 0)
            return &builtins[i];
    }
    return &unknown;
}
