/* SPDX-License-Identifier: MIT */
/*
 * guest_build N SOURCE [OPTIONS]: builds it N times, each time with another number in it (NUMBER).
 * Prints "built", or how the build failed and its log.
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cl_int
build(const struct cl *c, const char *source, const char *options, int number)
{
    char first[32], log[4096] = "";
    const char *parts[] = {first, source};
    cl_program p;
    cl_int rc;

    snprintf(first, sizeof first, "#define NUMBER %d\n", number);
    p = clCreateProgramWithSource(c->context, 2, parts, NULL, &rc);
    OK(rc);
    rc = clBuildProgram(p, 1, &c->device, options, NULL, NULL);
    OK(clGetProgramBuildInfo(p, c->device, CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL));
    if (rc != CL_SUCCESS)
        printf("failed %d: %s\n", rc, log);
    OK(clReleaseProgram(p));
    return rc;
}

int
main(int argc, char **argv)
{
    struct cl c;

    if (argc < 3)
        fail("usage: guest_build N SOURCE [OPTIONS]");
    cl_open(&c);
    for (int i = 0; i < atoi(argv[1]); i++) {
        if (build(&c, argv[2], argc > 3 ? argv[3] : "", i) != CL_SUCCESS)
            return 1;
    }
    cl_close(&c);
    puts("built");
    return 0;
}
