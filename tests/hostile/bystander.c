/* SPDX-License-Identifier: MIT */
/*
 * bystander [WORDS]: an ordinary OpenCL program that scrambles words on the device and in plain
 * C, round after round, and ends with status 1 at the first that differ. Otherwise it runs until
 * killed.
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>

#define WORDS (64u << 10)

int
main(int argc, char **argv)
{
    const size_t words = argc > 1 ? strtoul(argv[1], NULL, 10) : WORDS,
                 bytes = words * sizeof(uint32_t);
    uint32_t *want = alloc(bytes), *got = alloc(bytes);
    struct cl c;
    cl_kernel kernel;
    cl_mem buffer;

    cl_open(&c);
    kernel = cl_kernel_of(cl_build(&c, scramble_source), "scramble");
    buffer = cl_buffer(&c, CL_MEM_READ_WRITE, bytes, NULL);
    puts("running");
    fflush(stdout);
    for (uint32_t seed = 1;; seed++) {
        pattern_fill(want, words, seed);
        OK(clEnqueueWriteBuffer(c.queue, buffer, CL_FALSE, 0, bytes, want, 0, NULL,
                                NULL));
        cl_args(kernel, buffer, seed);
        OK(clEnqueueNDRangeKernel(c.queue, kernel, 1, NULL, &words, NULL, 0, NULL, NULL));
        OK(clEnqueueReadBuffer(c.queue, buffer, CL_TRUE, 0, bytes, got, 0, NULL, NULL));
        scramble_host(want, words, seed);
        same_words(got, want, words, "scrambled");
        sleep_ms(5);
    }
}
