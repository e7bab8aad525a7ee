/* SPDX-License-Identifier: MIT */
/*
 * `sequences`: random but valid sequences of OpenCL calls. It is an ordinary program that
 * prints what it asked and what it was told, and only what the specification makes certain:
 * the same seed gives the same transcript on any right implementation.
 *
 *   world   the objects of one sequence      order   what may run at the same time
 *   say     the transcript                   NAME_ops   the steps of one subject, a table
 */
#ifndef TESSERA_TESTS_DIFFERENTIAL_WORLD_H
#define TESSERA_TESTS_DIFFERENTIAL_WORLD_H

#include <CL/cl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DEVICES = 2,
    QUEUES = 3,
    MEMORIES = 12,
    EVENTS = 24,
    COMMANDS = 60, /* not known to be complete: one bit of a mask each */
    WAITS = 6,
    ACCESSES = 4,
    MAPPINGS = 8,
    PROGRAMS = 3,
    KERNELS = 6,
    SAMPLERS = 3,
    CALLBACKS = 24,
    ALLOCATIONS = 512,
};

enum group {
    MEMORY = 1 << 0,
    EVENT = 1 << 1,
    PROGRAM = 1 << 2,
    IMAGE = 1 << 3,
    QUERY = 1 << 4,
    WRONG = 1 << 5,
    LINK = 1 << 6, /* clCompileProgram, clLinkProgram */
    CLONE = 1 << 7,
    SAMPLER = 1 << 8,
    EVERYTHING = (1 << 9) - 1,
};

/* Bytes lo..hi-1 of the memory numbered root, that a command or a mapping uses. */
struct access {
    unsigned root;
    size_t lo, hi;
    bool write;
};

/* A command that is not known to be complete, or a user event. */
struct command {
    cl_event event;  /* NULL: none was asked for, or it has been released */
    uint64_t before; /* commands that must be complete before it starts, transitively */
    unsigned queue;
    struct access access[ACCESSES];
    unsigned accesses;
    bool user;   /* a user event that is not set */
    bool pixels; /* uses an image made of a buffer */
    unsigned event_id;
    /* What is to be printed once it is complete. */
    const void *result;
    size_t result_bytes;
    unsigned result_step;
};

/* A handle that the program holds; command is -1 once it is known to be complete. */
struct event {
    cl_event event; /* NULL: a free slot */
    unsigned id;
    int command;
    unsigned queue;
    bool user, profiled;
    bool pixels; /* its command was on an image made of a buffer */
    cl_command_type type;
};

struct format {
    cl_image_format format;
    size_t bytes; /* of a pixel */
    const char *name;
};

struct memory {
    cl_mem mem; /* NULL: a free slot */
    unsigned id;
    unsigned root; /* the same for a buffer and its sub-buffers */
    size_t lo, bytes;
    bool sub, shared; /* a sub-buffer; has sub-buffers or images on it */
    cl_mem_flags flags;
    uint8_t *host;               /* what was given with CL_MEM_USE_HOST_PTR */
    const struct format *format; /* NULL: a buffer */
    cl_image_desc desc;
    size_t extent[3]; /* of an image, as a region */
};

struct mapping {
    void *pointer; /* NULL: a free slot */
    unsigned memory;
    struct access access;
    bool image, invalidate;
    size_t region[3], row, slice;
    int command;
};

struct queue {
    cl_command_queue queue; /* NULL: a free slot */
    unsigned device;
    bool in_order, profiled;
    uint64_t all;   /* its commands and what is before them */
    uint64_t fence; /* barriers of an out-of-order queue and what is before them */
};

struct program {
    cl_program program; /* NULL: a free slot */
    unsigned id, source, kernels;
    bool linked; /* not from clBuildProgram */
    bool binary; /* from another one's binaries */
};

struct kernel {
    cl_kernel kernel; /* NULL: a free slot */
    unsigned id, kind;
    bool set;    /* has all of its arguments */
    bool binary; /* its program's */
};

struct sampler {
    cl_sampler sampler; /* NULL: a free slot */
    unsigned id;
};

struct callback {
    atomic_uint calls;
    atomic_int status;
    unsigned id;
    int expected; /* the status that it must be told */
};

struct options {
    uint64_t seed;
    unsigned count, devices, ops;
    unsigned groups;
    bool verbose;
    const char *skip; /* steps that are left out: ",3,17," */
};

struct world {
    const struct options *options;
    cl_platform_id platform;
    cl_device_id device[DEVICES];
    size_t align; /* of the start of a sub-buffer */
    cl_context context;
    uint64_t random;
    unsigned groups; /* of steps that this sequence makes */
    unsigned step, ids, roots;
    bool acted; /* the step made a call */

    struct queue queue[QUEUES];
    struct memory memory[MEMORIES];
    struct mapping mapping[MAPPINGS];
    struct event event[EVENTS];
    struct program program[PROGRAMS];
    struct kernel kernel[KERNELS];
    struct sampler sampler[SAMPLERS];
    struct command command[COMMANDS];
    unsigned commands;
    uint64_t done; /* commands that are known to be complete */

    struct callback callback[CALLBACKS];
    unsigned callbacks;
    void *allocation[ALLOCATIONS];
    unsigned allocations;
};

struct op {
    const char *name;
    unsigned groups, weight;
    void (*run)(struct world *w);
};

/* Each ends with an empty entry. */
extern const struct op memory_ops[], map_ops[], event_ops[], program_ops[], image_ops[],
    query_ops[], wrong_ops[], wrong_event_ops[], wrong_program_ops[], wrong_image_ops[];

/* world.c */
void devices_open(struct world *w);
void sequence_run(struct world *w, uint64_t seed);
/* Memory that lives as long as the sequence; filled with bytes of its own. */
void *host_memory(struct world *w, size_t bytes);
uint64_t next_random(struct world *w);
size_t below(struct world *w, size_t n);
bool chance(struct world *w, unsigned percent);
/* Waits until callbacks were called as often as they must be, and prints it. */
void callbacks_settle(struct world *w);
struct callback *callback_new(struct world *w, int expected);
_Noreturn void give_up(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* map_ops.c: changes what is mapped to write, and unmaps it. */
void mapping_end(struct world *w, struct mapping *m);

/* pick.c: any object of a kind; NULL where there is none. */
struct memory *any_buffer(struct world *w);
struct memory *any_image(struct world *w);
struct memory *free_memory(struct world *w);
struct event *any_event(struct world *w);
struct event *any_command_event(struct world *w);
struct event *any_user_event(struct world *w);
struct event *free_event(struct world *w);
struct queue *any_queue(struct world *w);
struct program *any_program(struct world *w);
struct kernel *any_kernel(struct world *w);
struct sampler *any_sampler(struct world *w);
bool mapped(const struct world *w, const struct memory *m);

#endif
