/* SPDX-License-Identifier: MIT */
/*
 * What the test programs share. They are ordinary OpenCL programs: each does its work on
 * the first device that it finds, checks every answer against plain C, prints one line a
 * case, and ends with status 1 and words on stderr at the first thing that is wrong. So
 * the same program run on the bare driver proves that the test asks for the right thing.
 * With CLTEST_DEVICE=N the context is one over all devices, and the work the Nth one's.
 */
#ifndef TESSERA_TESTS_CLTEST_H
#define TESSERA_TESTS_CLTEST_H

#include <CL/cl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cl {
    cl_platform_id platform;
    cl_device_id device;
    cl_context context; /* of so many devices, of which `device` is this one: */
    cl_uint n_devices, index;
    cl_command_queue queue; /* in order, with profiling */
};

/* Prints and ends the program with status 1. */
_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void check_status(cl_int status, const char *what, const char *file, int line);

#define OK(call) check_status((call), #call, __FILE__, __LINE__)
#define EXPECT(truth)                                                                    \
    do {                                                                                 \
        if (!(truth))                                                                    \
            fail("%s:%d: not so: %s", __FILE__, __LINE__, #truth);                       \
    } while (0)

void cl_open(struct cl *c);
void cl_close(struct cl *c);

/* Never fail but by fail(). */
cl_mem cl_buffer(const struct cl *c, cl_mem_flags flags, size_t bytes, void *host);
cl_command_queue cl_queue(const struct cl *c, cl_command_queue_properties properties);
cl_program cl_build(const struct cl *c, const char *source);
cl_kernel cl_kernel_of(cl_program program, const char *name);
void cl_args(cl_kernel kernel, cl_mem buffer, cl_uint value);
void *alloc(size_t bytes);

/* kernel void scramble(global uint *p, uint seed), and the same in C. */
extern const char scramble_source[];
void scramble_host(uint32_t *p, size_t n, uint32_t seed);

void pattern_fill(uint32_t *p, size_t n, uint32_t seed);
void same_words(const uint32_t *got, const uint32_t *want, size_t n, const char *what);
void same_bytes(const void *got, const void *want, size_t bytes, const char *what);

double now_s(void);
void sleep_ms(unsigned ms);
void wait_for_file(const char *path);

#endif
