/* SPDX-License-Identifier: MIT */
/* Wrong calls on programs and kernels: OpenCL 3.0, sections 5.8 to 5.10. */
#include "kernels.h"
#include "say.h"

#include <string.h>

static void
wrong_program(struct world *w)
{
    const char *none = NULL;
    const struct program *p = any_program(w);
    cl_int rc = 1;

    switch (below(w, 6)) {
    case 0:
        clCreateProgramWithSource(w->context, 0, &none, NULL, &rc);
        wrong(w, NULL, "clCreateProgramWithSource, no strings", rc);
        return;
    case 1:
        clCreateProgramWithSource(w->context, 1, &none, NULL, &rc);
        wrong(w, NULL, "clCreateProgramWithSource, a string of nothing", rc);
        return;
    case 2:
        wrong(w, NULL, "clBuildProgram, nothing",
              clBuildProgram(NULL, 0, NULL, "", NULL, NULL));
        return;
    case 3:
        if (!p)
            return;
        clCreateKernel(p->program, "no_such_kernel", &rc);
        wrong(w, NULL, "clCreateKernel, no such name", rc);
        return;
    case 4:
        if (!p)
            return;
        clCreateKernel(p->program, NULL, &rc);
        wrong(w, NULL, "clCreateKernel, no name", rc);
        return;
    default:
        if (p)
            wrong(w, NULL, "clBuildProgram, devices but no list",
                  clBuildProgram(p->program, 1, NULL, "", NULL, NULL));
    }
}

/* Every argument is set again before the next launch. */
static void
wrong_argument(struct world *w)
{
    const struct kernel *k = any_kernel(w);
    const char *args = k ? kinds[k->kind].args : "";
    const cl_uint n = (cl_uint)strlen(args), i = n ? (cl_uint)below(w, n) : 0;
    const struct record record[2] = {{0}};

    if (!k)
        return;
    if (chance(w, 25)) {
        wrong(w, NULL, "clSetKernelArg, no such index",
              clSetKernelArg(k->kernel, n, sizeof record[0], record));
        return;
    }
    if (args[i] == 's')
        wrong(w, "struct-arg-size", "clSetKernelArg, a larger struct",
              clSetKernelArg(k->kernel, i, sizeof record, record));
    else if (args[i] == 'u')
        wrong(w, "scalar-arg-size", "clSetKernelArg, a number of 8 bytes",
              clSetKernelArg(k->kernel, i, 8, record));
    else if (args[i] == 'l' && chance(w, 50))
        wrong(w, NULL, "clSetKernelArg, local memory with a value",
              clSetKernelArg(k->kernel, i, 16, record));
    else if (args[i] == 'l')
        wrong(w, NULL, "clSetKernelArg, no local memory",
              clSetKernelArg(k->kernel, i, 0, NULL));
    else if (args[i] != 'p')
        wrong(w, NULL, "clSetKernelArg, memory of 4 bytes",
              clSetKernelArg(k->kernel, i, 4, record));
}

/* Without a kernel PoCL 3.1 crashes. */
static void
wrong_launch(struct world *w)
{
    const struct kernel *k = any_kernel(w);
    cl_command_queue q = any_queue(w)->queue;
    const size_t global[3] = {64, 1, 1};

    if (!k || !k->set)
        return;
    switch (below(w, 3)) {
    case 0:
        wrong(w, NULL, "clEnqueueNDRangeKernel, 0 dimensions",
              clEnqueueNDRangeKernel(q, k->kernel, 0, NULL, global, NULL, 0, NULL, NULL));
        return;
    case 1:
        wrong(w, NULL, "clEnqueueNDRangeKernel, 4 dimensions",
              clEnqueueNDRangeKernel(q, k->kernel, 4, NULL, global, NULL, 0, NULL, NULL));
        return;
    default:
        wrong(w, NULL, "clEnqueueNDRangeKernel, no queue",
              clEnqueueNDRangeKernel(NULL, k->kernel, 1, NULL, global, NULL, 0, NULL,
                                     NULL));
    }
}

/* A kernel without arguments yet. */
static void
unset_arguments(struct world *w)
{
    const struct program *p = any_program(w);
    const size_t global = 64;
    cl_kernel kernel;
    cl_int rc;

    if (!p || p->source != 0)
        return;
    kernel = clCreateKernel(p->program, "scramble", &rc);
    if (rc != CL_SUCCESS)
        return;
    wrong(w, NULL, "clEnqueueNDRangeKernel, no arguments set",
          clEnqueueNDRangeKernel(any_queue(w)->queue, kernel, 1, NULL, &global, NULL, 0,
                                 NULL, NULL));
    clReleaseKernel(kernel);
}

const struct op wrong_program_ops[] = {
    {"wrong program", WRONG | PROGRAM, 2, wrong_program},
    {"wrong argument", WRONG | PROGRAM, 3, wrong_argument},
    {"wrong launch", WRONG | PROGRAM, 2, wrong_launch},
    {"unset arguments", WRONG | PROGRAM, 1, unset_arguments},
    {0},
};
