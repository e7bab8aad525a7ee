/* SPDX-License-Identifier: MIT */
/*
 * What the parts of `everything` share. A part makes objects of one kind, checks them after the
 * pause, and then goes on using them. It knows nothing of what happened in between.
 */
#ifndef TESSERA_TESTS_SUSPEND_SUITE_H
#define TESSERA_TESTS_SUSPEND_SUITE_H

#include <CL/cl.h>
#include <CL/cl_ext.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct part {
    const char *name; /* NULL ends a list */
    void (*make)(void);
    void (*check)(void); /* NULL: what queries answer is all there is */
    void (*use)(void);   /* also ends what make began */
};

extern const struct part context_parts[], memory_parts[], image_parts[], program_parts[],
    kernel_parts[], event_parts[], map_parts[], held_parts[], held_more_parts[],
    wait_parts[], command_buffer_parts[];

struct world {
    cl_platform_id platform;
    cl_device_id device;
    cl_context context;
    cl_command_queue queue; /* in order, with profiling */
    cl_program program;
    cl_kernel scramble; /* (global uint *p, uint seed) */
};
extern struct world w;
extern bool pocl; /* nothing is asked for that PoCL 3.1 itself leaves out */

/* ---- outcomes: these end the part, and are for the main thread alone --------------- */

_Noreturn void part_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void part_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void check_status(cl_int status, const char *what, const char *file, int line);

#define OK(call) check_status((call), #call, __FILE__, __LINE__)
#define EXPECT(truth)                                                                    \
    do {                                                                                 \
        if (!(truth))                                                                    \
            part_fail("%s:%d: not so: %s", __FILE__, __LINE__, #truth);                  \
    } while (0)

/* ---- queries ----------------------------------------------------------------------- */

enum kind {
    DEVICE,
    CONTEXT,
    QUEUE,
    MEM,
    IMAGE,
    SAMPLER,
    PROGRAM,
    KERNEL,
    EVENT,
    COMMAND_BUFFER,
    N_KINDS
};

/* What every query about the object answers must be the same after the pause. */
void watch(enum kind kind, void *object, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* All of that, a line each; malloc'ed. */
char *watched(void);

cl_uint count_of(cl_mem m, cl_mem_info what);
cl_int status_of(cl_event e);
bool ends_soon(cl_event e, cl_int *ret_status); /* within ten seconds */
bool device_has(const char *extension);

/* ---- work -------------------------------------------------------------------------- */

#define WORDS ((size_t)1024)
#define BYTES (WORDS * 4)

void pattern(uint32_t *p, size_t n, uint32_t seed);
void scramble_host(uint32_t *p, size_t n, uint32_t seed);
void same(const void *got, const void *want, size_t bytes, const char *what);

cl_command_queue queue_new(cl_command_queue_properties properties);
cl_mem buffer_new(cl_mem_flags flags, size_t bytes, void *host);
cl_mem words_new(uint32_t *ret_host,
                 uint32_t seed); /* WORDS of a pattern, and the same */
cl_program build(const char *source, const char *options);
cl_kernel kernel_of(cl_program program, const char *name);
cl_event gate_new(void); /* a user event */
void gate_open(cl_event gate);

/* The scramble kernel. */
cl_event launch(cl_command_queue q, cl_mem m, size_t words, uint32_t seed, cl_event wait);
void compare(cl_mem m, size_t offset, const void *want, size_t bytes, const char *what);
/* Scrambles both, and compares. */
void scramble_both(cl_mem m, uint32_t *host, size_t words, uint32_t seed);

void sleep_ms(unsigned ms);

#endif
