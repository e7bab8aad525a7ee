/* SPDX-License-Identifier: MIT */
/* TESSERA_CALLLOG_ARG_INFO: a second table of the driver's, whose builds have one option more. */
#include "calllog.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* As the worker does it (src/worker/build.c), to the letter: drivers cache by that. */
#define OPTION " -cl-kernel-arg-info"

static const struct _cl_icd_dispatch *original;
static struct _cl_icd_dispatch longer;

static char *
with_option(const char *options)
{
    char *all;

    return asprintf(&all, "%s" OPTION, options ? options : "") < 0 ? NULL : all;
}

static cl_int CL_API_CALL
build(cl_program program, cl_uint n, const cl_device_id *devices, const char *options,
      void(CL_CALLBACK *notify)(cl_program, void *), void *data)
{
    char *all = with_option(options);
    cl_int rc = CL_OUT_OF_HOST_MEMORY;

    if (all)
        rc = original->clBuildProgram(program, n, devices, all, notify, data);
    free(all);
    return rc;
}

static cl_int CL_API_CALL
compile(cl_program program, cl_uint n, const cl_device_id *devices, const char *options,
        cl_uint n_headers, const cl_program *headers, const char **names,
        void(CL_CALLBACK *notify)(cl_program, void *), void *data)
{
    char *all = with_option(options);
    cl_int rc = CL_OUT_OF_HOST_MEMORY;

    if (all)
        rc = original->clCompileProgram(program, n, devices, all, n_headers, headers,
                                        names, notify, data);
    free(all);
    return rc;
}

const struct _cl_icd_dispatch *
calllog_with_options(const struct _cl_icd_dispatch *real)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    if (real == &calllog_table || !getenv("TESSERA_CALLLOG_ARG_INFO"))
        return real;
    pthread_mutex_lock(&lock);
    if (!original) {
        longer = *real;
        longer.clBuildProgram = build;
        longer.clCompileProgram = compile;
        original = real;
    }
    pthread_mutex_unlock(&lock);
    return real == original ? &longer : real;
}
