/* SPDX-License-Identifier: MIT */
/*
 * What every OpenCL handle of this library points to. The first word is the ICD dispatch
 * table (cl_khr_icd); then a magic number by kind, so that a wrong or stale handle is
 * refused with the call's error code instead of followed.
 *
 * Two counts: `refs` is OpenCL's (clRetain…, clRelease…, and the objects made of it, such as a
 * context's); at 0 the object's id is released, and the handle is refused. `holds` keeps the
 * shadow itself alive: one for refs > 0, one per command that still points here.
 */
#ifndef TESSERA_GUEST_OPENCL_OBJECT_H
#define TESSERA_GUEST_OPENCL_OBJECT_H

#include "api/opencl_wire.h"
#include "base/list.h"
#include "wire/frame.h"

#include <CL/cl_icd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct pending;
struct session;

/* The kind that never travels, beside those of the wire. */
#define KIND_platform 100

/* Objects of a context over several vGPUs (multi/): foreign to every other context. */
enum multi_kind {
    KIND_multi_context = 110,
    KIND_multi_queue,
    KIND_multi_mem,
    KIND_multi_sampler,
    KIND_multi_program,
    KIND_multi_kernel,
    KIND_multi_event,
};

struct object {
    const struct _cl_icd_dispatch *dispatch;
    uint32_t magic; /* OBJECT_MAGIC + kind while alive */
    uint32_t kind;
    _Atomic uint32_t refs;
    _Atomic uint32_t holds;
    struct guest_id id;
    struct session *session; /* NULL for platform and device */
    struct list held;        /* in session.held, while */
    _Atomic bool is_held;    /* the message that makes it is held back (hold.h) */
    bool never_sent;         /* in released(): the worker never knew it */
    /* Sends the message that makes it; of those that may be held back. */
    cl_int (*make)(struct object *o, struct pending *p);
    void (*destroy)(struct object *o); /* frees the shadow; called at holds == 0 */
    /* At refs == 0, before the worker is told; may be NULL. */
    void (*released)(struct object *o);
};

#define OBJECT_MAGIC 0x7e55e000u

extern const struct _cl_icd_dispatch opencl_dispatch;
extern const struct _cl_icd_dispatch multi_dispatch; /* of the KIND_multi_ objects */

struct opencl_function {
    const char *name;
    void *address;
    const char *extension; /* NULL: the core's */
};
extern const struct opencl_function opencl_functions[]; /* by name; ends with NULL */

/* refs = holds = 1; the id is the caller's business. */
void object_init(struct object *o, uint32_t kind, struct session *s,
                 void (*destroy)(struct object *o));

static inline bool
object_is(const void *handle, uint32_t kind)
{
    const struct object *o = handle;

    return o && o->magic == OBJECT_MAGIC + kind && o->kind == kind &&
           atomic_load_explicit(&o->refs, memory_order_relaxed) > 0;
}

/* The table that serves this handle; the ordinary one refuses what is no object. */
static inline const struct _cl_icd_dispatch *
object_table(const void *handle)
{
    const struct object *o = handle;

    return o && o->dispatch == &multi_dispatch ? &multi_dispatch : &opencl_dispatch;
}

static inline struct guest_id
object_id(const void *handle)
{
    const struct object *o = handle;

    return o ? o->id : (struct guest_id){0};
}

void object_retain(struct object *o);

/* Drops an OpenCL reference; at the last one tells the worker and lets the shadow go. */
void object_release(struct object *o);

void object_hold(struct object *o);
void object_unhold(struct object *o);

/* What clRetainX and clReleaseX do: `error` when the handle is none of that kind. */
cl_int object_retain_call(void *handle, uint32_t kind, cl_int error);
cl_int object_release_call(void *handle, uint32_t kind, cl_int error);

/*
 * Answers a clGet…Info query, as OpenCL 3.0 says at each of them (first in section 4.1): copies
 * len bytes when value is given, CL_INVALID_VALUE when cap is too small; tells the length.
 */
cl_int info_put(const void *data, size_t len, size_t cap, void *value, size_t *ret_len);
cl_int info_string(const char *s, size_t cap, void *value, size_t *ret_len);

#define INFO_VALUE(type, v)                                                              \
    ({                                                                                   \
        const type info_v_ = (v);                                                        \
        info_put(&info_v_, sizeof info_v_, param_value_size, param_value,                \
                 param_value_size_ret);                                                  \
    })

/* Sets *errcode_ret when there is one, and returns the value: the end of a creating call.
 */
#define RETURN_WITH(errcode_ret, rc, value)                                              \
    do {                                                                                 \
        if (errcode_ret)                                                                 \
            *(errcode_ret) = (rc);                                                       \
        return (value);                                                                  \
    } while (0)

#endif
