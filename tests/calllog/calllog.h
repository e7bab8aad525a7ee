/* SPDX-License-Identifier: MIT */
/*
 * An OpenCL driver (ICD) that writes one line per call and hands it to another driver.
 *
 * Every object is the other driver's; only its first word, the dispatch table (cl_khr_icd), is
 * replaced by ours when it is handed out. Drivers call themselves without that table, so it sees
 * what the program calls and nothing else.
 *
 * Environment:
 *   TESSERA_CALLLOG_DRIVER  the other driver's library
 *   TESSERA_CALLLOG         folder of the logs, PROGRAM.PID.jsonl; unset: nothing is written
 *   TESSERA_CALLLOG_ONCE    only the first call of each outcome (success, error, no resources) of
 *                           each function, and without arguments: what a program uses, at no cost
 *   TESSERA_CALLLOG_ARG_INFO  builds are handed on with the option that the worker adds, so that a
 *                           driver compiles once for both sides; the log has the program's own.
 *                           Not for programs that ask for their options
 */
#ifndef TESSERA_TESTS_CALLLOG_H
#define TESSERA_TESTS_CALLLOG_H

#include <CL/cl_ext.h>
#include <CL/cl_icd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind {
    OBJECT_platform,
    OBJECT_device,
    OBJECT_context,
    OBJECT_queue,
    OBJECT_mem,
    OBJECT_sampler,
    OBJECT_program,
    OBJECT_kernel,
    OBJECT_event,
    OBJECT_command_buffer,
};

/* A function that answers NULL and no error code. */
#define LINE_NULL 1

/* One call on its way into the log; on the stack of its wrapper. */
struct line {
    unsigned call;
    uint64_t sequence; /* order of entry: lines are written when calls return */
    bool quiet;        /* no arguments wanted */
    bool failed;
    size_t len, cap;
    char *text;
    char first[1024]; /* text points here until it does not fit */
};

struct calllog_function {
    const char *name;
    void *address;
    void **real; /* where the driver's own goes; NULL: it is in the table */
};

/* Generated. */
extern const struct _cl_icd_dispatch calllog_table;
extern const struct calllog_function calllog_functions[]; /* ends with NULL */
extern const char *const calllog_names[];

/* The table that stands for this one of the driver's: itself, or one that builds otherwise. */
const struct _cl_icd_dispatch *calllog_with_options(const struct _cl_icd_dispatch *real);

extern const struct _cl_icd_dispatch *calllog_real; /* the platform's */

/* The driver's table for calls that the loader brings by this handle. */
const struct _cl_icd_dispatch *calllog_table_of(const void *handle);

/* Our wrapper of the driver's extension function; the driver's own where there is none. */
void *calllog_function(const char *name, void *real);

void line_begin(struct line *l, unsigned call);
/* Writes the line: status is 0, an OpenCL error, or LINE_NULL. */
void line_end(struct line *l, int status);

void line_number(struct line *l, const char *arg, int64_t v);
void line_pointer(struct line *l, const char *arg, const void *p);
void line_string(struct line *l, const char *arg, const char *s);
void line_strings(struct line *l, const char *arg, cl_uint n, const char *const *s);
void line_sizes(struct line *l, const char *arg, cl_uint n, const size_t *sizes);
void line_properties(struct line *l, const char *arg, const intptr_t *list);
void line_object(struct line *l, const char *arg, const void *handle);
void line_objects(struct line *l, const char *arg, cl_uint n, void *const *handles);

/* Bytes are told by their number and a hash for each 4 MiB of them. */
void line_bytes(struct line *l, const char *arg, const void *p, size_t n);
/* A kernel argument: NULL, an object, or bytes. */
void line_arg(struct line *l, const char *arg, size_t size, const void *value);
void line_answer(struct line *l, uint64_t param, const void *value, size_t size);
void line_initial(struct line *l, cl_mem_flags flags, const void *host_ptr, size_t size);
void line_source(struct line *l, const char *arg, cl_uint n, const char **strings,
                 const size_t *lengths);
void line_binaries(struct line *l, const char *arg, cl_uint n,
                   const unsigned char *const *binaries, const size_t *lengths);
void line_sync_points(struct line *l, const char *arg, cl_uint n,
                      const cl_sync_point_khr *points);
void line_image_format(struct line *l, const cl_image_format *f);
void line_image_desc(struct line *l, const cl_image_desc *d);

/* Objects that the driver has just made: take our table, and a number of their own. */
void line_new(struct line *l, const char *arg, enum object_kind kind, void *handle);
void line_news(struct line *l, const char *arg, enum object_kind kind, cl_uint n,
               void **handles);
/* Objects that may have been seen before: platforms and devices. */
void line_known(struct line *l, const char *arg, enum object_kind kind, cl_uint n,
                void **handles);

static inline cl_uint
min_u32(cl_uint a, cl_uint b)
{
    return a < b ? a : b;
}

#endif
