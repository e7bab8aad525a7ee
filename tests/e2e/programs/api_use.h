/* SPDX-License-Identifier: MIT */
/*
 * Right and wrong use of every entry of the OpenCL 3.0 dispatch table, and of every extension
 * function that we know of, where the device has the extension. A case is one call with
 * exactly one thing wrong (the specification orders no errors), or one right use whose outcome
 * is looked at. What is expected is the specification's answer.
 *
 * Where a driver is known to answer otherwise, its case names the difference (an id of
 * docs/opencl-differences.md) and the driver's own answer, which `--driver` accepts. A case
 * that ends the driver's process is left out under `--driver`.
 */
#ifndef TESSERA_TESTS_API_USE_H
#define TESSERA_TESTS_API_USE_H

#include <CL/cl_icd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What the cases share; made once, and valid at the end of each chapter again. */
struct use {
    cl_platform_id platform;
    cl_device_id device;
    cl_uint n_devices, at; /* of the contexts; devices[at] is `device` */
    cl_device_id devices[16];
    cl_context context, other; /* two contexts of one device */
    cl_command_queue queue;    /* in order, with profiling */
    cl_command_queue other_queue;
    cl_mem buffer, other_buffer; /* USE_BYTES each */
    cl_event user_event;         /* of context, complete */
    cl_event other_event;        /* of the other context, complete */
    cl_program program;          /* use_source, built with -cl-kernel-arg-info */
    cl_int rc;                   /* where creating calls put their status */
};

#define USE_BYTES 4096

/* Kernels: add(global uint *p, uint n, local uint *l), four(...) of required size 4, pair. */
extern const char use_source[];

/* ---- cases ------------------------------------------------------------------------- */

#define NO_STATUS 1 /* no OpenCL status is positive */

struct use_case {
    const char *entry, *kind, *what;
    cl_int want, also;      /* also: where the specification allows two; or NO_STATUS */
    const char *difference; /* NULL: none known */
    cl_int driver;          /* the driver's answer; NO_STATUS: it must not be asked */
};

/* False: not chosen, or not for this driver (says so). */
bool use_begins(const struct use_case *c);
void use_ends(const struct use_case *c, cl_int got);
/* The device has not the extension of that function. */
void use_skips(const char *function, const char *extension);
void use_ends_truth(const struct use_case *c, bool truth);

#define CASE_(c, call)                                                                   \
    do {                                                                                 \
        const struct use_case case_ = c;                                                 \
        if (use_begins(&case_))                                                          \
            use_ends(&case_, (call));                                                    \
    } while (0)
#define UNPACK_(...) ((struct use_case){__VA_ARGS__})

#define WRONG(entry, what, want, call)                                                   \
    CASE_(UNPACK_(entry, "wrong", what, want, NO_STATUS, NULL, 0), call)
/* Two errors of the specification describe it. */
#define WRONG_OR(entry, what, want, also, call)                                          \
    CASE_(UNPACK_(entry, "wrong", what, want, also, NULL, 0), call)
#define WRONG_DIFFERS(id, driver, entry, what, want, call)                               \
    CASE_(UNPACK_(entry, "wrong", what, want, NO_STATUS, id, driver), call)
#define WRONG_OR_DIFFERS(id, driver, entry, what, want, also, call)                      \
    CASE_(UNPACK_(entry, "wrong", what, want, also, id, driver), call)
#define WRONG_CRASHES(id, entry, what, want, call)                                       \
    CASE_(UNPACK_(entry, "wrong", what, want, NO_STATUS, id, NO_STATUS), call)
/* A handle of another kind: a driver may follow it blindly (difference wrong-kind). */
#define WRONG_KIND(entry, what, want, call)                                              \
    WRONG_CRASHES("wrong-kind", entry, what, want, call)
#define WRONG_KIND_OR(entry, what, want, also, call)                                     \
    CASE_(UNPACK_(entry, "wrong", what, want, also, "wrong-kind", NO_STATUS), call)
/* A feature that the device does not report. */
#define REFUSED(entry, what, want, call)                                                 \
    CASE_(UNPACK_(entry, "refused", what, want, NO_STATUS, NULL, 0), call)
#define REFUSED_OR(entry, what, want, also, call)                                        \
    CASE_(UNPACK_(entry, "refused", what, want, also, NULL, 0), call)
#define REFUSED_DIFFERS(id, driver, entry, what, want, call)                             \
    CASE_(UNPACK_(entry, "refused", what, want, NO_STATUS, id, driver), call)
#define REFUSED_CRASHES(id, entry, what, want, call)                                     \
    CASE_(UNPACK_(entry, "refused", what, want, NO_STATUS, id, NO_STATUS), call)

#define RIGHT_(c, truth)                                                                 \
    do {                                                                                 \
        const struct use_case case_ = c;                                                 \
        if (use_begins(&case_))                                                          \
            use_ends_truth(&case_, (truth));                                             \
    } while (0)
#define RIGHT(entry, what, truth)                                                        \
    RIGHT_(UNPACK_(entry, "right", what, 0, 0, NULL, 0), truth)
#define RIGHT_DIFFERS(id, entry, what, truth)                                            \
    RIGHT_(UNPACK_(entry, "right", what, 0, 0, id, 0), truth)
#define RIGHT_CRASHES(id, entry, what, truth)                                            \
    RIGHT_(UNPACK_(entry, "right", what, 0, 0, id, NO_STATUS), truth)

/*
 * The status of a creating call that put it into u->rc. A handle beside an error, or none
 * beside success, is a status that nobody asked for.
 */
#define NO_ANSWER 2 /* no status beside NULL, or one that does not fit the handle */
#define NEW(u, call) ((u)->rc = NO_ANSWER, use_new(u, (call)))
cl_int use_new(const struct use *u, const void *object);

/* For what every later case needs: ends the program. */
#define MUST(call) use_must((call), #call)
void use_must(cl_int status, const char *what);

/* ---- families of cases ------------------------------------------------------------- */

typedef cl_int(CL_API_CALL *query_fn)(void *object, cl_uint param, size_t size,
                                      void *value, size_t *ret);
typedef cl_int(CL_API_CALL *count_fn)(void *object);

/* clGet…Info: the handle, the parameter, room too small; the size alone, room to spare. */
struct query {
    const char *entry;
    query_fn get;
    void *object, *wrong; /* wrong: an object of another kind */
    cl_int invalid;
    cl_uint param; /* one that the object answers, */
    size_t size;   /* and its size */
};
void use_query(const struct query *q);

/* clRetain…, clRelease…: by the count that `query` tells (its param is the count's). */
struct counted {
    const char *retain, *release;
    count_fn up, down;
    struct query query;
};
void use_counts(const struct counted *c);

/* One right command on that queue. */
typedef cl_int (*enqueue_fn)(struct use *u, cl_command_queue q, cl_uint n,
                             const cl_event *waits, cl_event *event);
struct enqueued {
    const char *entry;
    enqueue_fn enqueue;
    cl_command_type type;
    bool has_objects;  /* so that a queue of another context is wrong */
    bool blocks;       /* so that a failed wait list is told at once */
    const char *crash; /* a driver follows a wait list unchecked: the difference's id */
    const char *other_type; /* a driver's event tells another type: the difference's id */
};
void use_enqueue(struct use *u, const struct enqueued *e);

/* ---- helpers ----------------------------------------------------------------------- */

uint64_t device_number(const struct use *u, cl_device_info param);
bool device_text_has(const struct use *u, cl_device_info param, const char *word);
/* The value of a query of a number; a value that nothing has where it fails. */
uint64_t number_of(query_fn get, void *object, cl_uint param);
#define NUMBER(get, object, param) number_of((query_fn)(get), (object), (param))
bool text_is(query_fn get, void *object, cl_uint param, const char *want);
#define TEXT_IS(get, object, param, want)                                                \
    text_is((query_fn)(get), (object), (param), want)
/* Polls for at most ten seconds. */
bool comes_true(const volatile int *flag);
bool event_comes_to(cl_event e, cl_int status);
void buffer_fill(struct use *u, uint8_t first); /* u->buffer: first, first + 1, … */
bool buffer_is(struct use *u, size_t at, const void *bytes, size_t n);
cl_event failed_event(struct use *u);
cl_program program_of(struct use *u, const char *source, const char *options);

void api_platform(struct use *u);
void api_context(struct use *u);
void api_queue(struct use *u);
void api_buffer(struct use *u);
/* Parts of api_buffer. */
void api_transfer(struct use *u);
void api_rectangle(struct use *u);
void api_map(struct use *u);
void api_image(struct use *u);
void api_pixels(struct use *u); /* a part of it */
void api_sampler(struct use *u);
void api_image_args(struct use *u); /* a part of it */
void api_program(struct use *u);
void api_build(struct use *u); /* a part of it */
void api_kernel(struct use *u);
void api_enqueue(struct use *u);
void api_launch(struct use *u); /* a part of it */
void api_event(struct use *u);
void api_refused(struct use *u);
void api_graphics(struct use *u); /* a part of it */
void api_command_buffer(struct use *u);
void api_extension(struct use *u);

#endif
