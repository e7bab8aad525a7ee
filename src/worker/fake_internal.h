/* SPDX-License-Identifier: MIT */
/*
 * What the fake driver's files share. Two counts per object: `users`, which the program
 * retains and releases, and `refs`, which keeps the memory: one for all users together,
 * one for each object or command that points here.
 *
 *     event ──▶ queue ──▶ context ◀── mem, program ◀── kernel
 *       ▲                              ▲
 *       └── command (in its queue) ────┘  until it is complete
 *
 * fake_lock guards what changes and is not atomic: statuses, lists, arguments, builds.
 * No callback and no fake_unref() under it.
 */
#ifndef TESSERA_WORKER_FAKE_INTERNAL_H
#define TESSERA_WORKER_FAKE_INTERNAL_H

#include "base/list.h"

#include <CL/cl_icd.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_MAX_ARGS 4
#define FAKE_MAX_PATTERN 128 /* sizeof(cl_long16), the widest pattern of a fill */
#define FAKE_MEMORY_BYTES (2ULL << 30)
#define FAKE_ALIGN_BYTES 128 /* as sizeof(cl_long16) wants it */
#define FAKE_MAX_GROUP_SIZE 1024

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum fake_kind {
    FAKE_DEAD,
    FAKE_PLATFORM,
    FAKE_DEVICE,
    FAKE_CONTEXT,
    FAKE_QUEUE,
    FAKE_MEM,
    FAKE_PROGRAM,
    FAKE_KERNEL,
    FAKE_EVENT,
    FAKE_COMMAND_BUFFER,
    FAKE_SAMPLER,
};

struct fake_object {
    const struct _cl_icd_dispatch *dispatch; /* first, as the loader wants it */
    enum fake_kind kind;
    _Atomic cl_uint users, refs;
    void (*destroy)(void *self); /* frees the object too */
};

struct fake_callback {
    struct list node;
    union {
        void(CL_CALLBACK *event)(cl_event event, cl_int status, void *data);
        void(CL_CALLBACK *mem)(cl_mem mem, void *data);
        void(CL_CALLBACK *context)(cl_context context, void *data);
    } call;
    void *data;
    cl_int status; /* of events: the one waited for */
};

struct _cl_platform_id {
    struct fake_object base;
};

struct _cl_device_id {
    struct fake_object base;
};

struct _cl_context {
    struct fake_object base;
    cl_context_properties *properties; /* owned; with the 0 that ends them, or NULL */
    size_t properties_bytes;
    struct list destructors; /* struct fake_callback */
};

struct _cl_command_queue {
    struct fake_object base;
    cl_context context;
    cl_command_queue_properties flags;
    cl_queue_properties *properties; /* owned; as given at creation, or NULL */
    size_t properties_bytes;
    struct list commands; /* struct fake_command in order of arrival, running included */
    uint64_t seq;         /* of the command that came last */
    pthread_cond_t work;  /* something may be ready, or stopping was set */
    struct list given;    /* while it waits for a thread */
    bool started, stopping;
};

/* Of an image; its bytes are the memory object's. */
struct fake_shape {
    cl_image_format format;
    cl_mem_object_type type;
    size_t element; /* bytes; 0: no image, a buffer */
    size_t extent[3], row, slice;
};

struct _cl_mem {
    struct fake_object base;
    cl_context context;
    cl_mem parent; /* of a sub-buffer, or of an image in another object */
    struct fake_shape shape;
    cl_mem_flags flags;
    size_t size, origin;
    void *host_ptr; /* CL_MEM_USE_HOST_PTR */
    void *storage;  /* owned, or NULL */
    uint8_t *bytes;
    bool has_properties;
    struct list mappings; /* struct fake_mapping */
    struct list destructors;
};

struct fake_mapping {
    struct list node;
    void *ptr;
};

struct _cl_program {
    struct fake_object base;
    cl_context context;
    char *source; /* owned; never changes */
    bool from_binary;
    cl_build_status status;
    char *options, *log, *names; /* owned, of the last build; names are "a;b;c" */
    cl_uint num_names;
    cl_uint num_kernels; /* kernel objects alive */
};

struct fake_arg {
    bool set;
    size_t size;
    cl_mem mem;
    uint8_t value[sizeof(cl_ulong)];
};

struct fake_param {
    const char *name, *type;
    cl_kernel_arg_address_qualifier address;
    cl_kernel_arg_type_qualifier qualifier;
    size_t value_bytes;
};

struct fake_launch {
    const struct fake_builtin *code;
    struct fake_arg args[FAKE_MAX_ARGS];
    size_t offset[3], global[3], local[3];
};

struct fake_builtin {
    const char *name;
    void (*run)(const struct fake_launch *l);
    cl_uint num_params;
    struct fake_param params[FAKE_MAX_ARGS];
};

struct _cl_kernel {
    struct fake_object base;
    cl_program program;
    char *name;
    bool has_arg_info;
    const struct fake_builtin *code;
    struct fake_arg args[FAKE_MAX_ARGS];
};

struct _cl_event {
    struct fake_object base;
    cl_context context;
    cl_command_queue queue; /* NULL: a user event */
    cl_command_type type;
    cl_int status;
    cl_ulong times_ns[4];  /* queued, submit, start, end */
    struct list callbacks; /* struct fake_callback not called yet */
    struct list waiters;   /* struct fake_wait */
};

/* One entry of a command's wait list. */
struct fake_wait {
    struct list node; /* in event->waiters while the event is not complete */
    cl_event event;   /* a reference */
    struct fake_command *command;
};

struct fake_copy {
    const uint8_t *src;
    uint8_t *dst;
    size_t src_row, src_slice, dst_row, dst_slice; /* pitches in bytes */
    size_t region[3];
};

struct fake_fill {
    uint8_t pattern[FAKE_MAX_PATTERN];
    size_t pattern_bytes, size;
    uint8_t *dst;
};

struct fake_image_fill {
    uint8_t pattern[16];
    uint8_t *dst;
    size_t element, row, slice, region[3];
};

struct fake_command {
    struct list node;
    uint64_t seq;
    cl_event event; /* a reference; it holds the queue */
    struct fake_wait *waits;
    cl_uint num_waits, deps;    /* deps: waits not complete */
    cl_int failed;              /* an event waited for failed */
    bool after_all;             /* not before everything earlier is complete */
    bool barrier;               /* nothing later before this */
    cl_mem mems[FAKE_MAX_ARGS]; /* references */
    unsigned num_mems;
    void (*run)(struct fake_command *c); /* NULL: nothing to do */
    union {
        struct fake_copy copy;
        struct fake_fill fill;
        struct fake_image_fill image_fill;
        struct fake_launch launch;
    } u;
};

/* The end of every enqueue's parameter list. */
struct fake_sync {
    cl_uint num_waits;
    const cl_event *waits;
    cl_event *ret_event;
    cl_bool blocking;
};

/* Where the answer to a query goes. */
struct fake_out {
    size_t cap;
    void *value;
    size_t *ret_len;
};

struct fake_info {
    cl_uint param;
    const void *value;
    size_t len;
};

#define FAKE_INFO(param, lvalue)                                                         \
    {                                                                                    \
        param, &(lvalue), sizeof(__typeof__(lvalue))                                     \
    }

extern pthread_mutex_t fake_lock;
extern pthread_cond_t fake_changed; /* an event is complete */
extern const struct _cl_icd_dispatch fake_dispatch;
extern struct _cl_platform_id fake_platform;
extern struct _cl_device_id fake_device;

/* fake.c: true once, at the fault's turn. */
bool fake_fault_alloc(void);
bool fake_fault_enqueue(void);
bool fake_fault_build(void);
void fake_fault_slow(void);
bool fake_fault_is_late(void);
void fake_fault_late(void);

/* fake_object.c */
void fake_object_init(void *self, enum fake_kind kind, void (*destroy)(void *self));
bool fake_is(const void *self, enum fake_kind kind);
void *fake_ref(void *self);
void fake_unref(void *self);   /* accepts NULL; may destroy */
void fake_publish(void *self); /* gives an object without users its first */
void *fake_ret(cl_int *errcode_ret, cl_int err, void *self);
cl_int fake_answer(struct fake_out out, const void *value, size_t len);
cl_int fake_answer_string(struct fake_out out, const char *s);
cl_int fake_answer_from(const struct fake_info *table, size_t num, cl_uint param,
                        struct fake_out out);
struct fake_callback *fake_callback_new(struct list *to, void *data);
void fake_callbacks_free(struct list *l);

/* fake_device.c */
cl_int fake_check_device(cl_uint num, const cl_device_id *devices);

/* fake_event.c */
cl_event fake_event_new(cl_context context, cl_command_queue queue, cl_command_type type);
uint64_t fake_now_ns(void);
cl_int fake_event_wait(cl_event e); /* its status: CL_COMPLETE or an error */
/* Under fake_lock: sets the status and moves the callbacks that are due to *fired. */
void fake_event_advance(cl_event e, cl_int status, struct list *fired);
void fake_event_fire(cl_event e, struct list *fired);

/* fake_queue.c, under fake_lock */
cl_int fake_queue_start(cl_command_queue q);
void fake_queue_add(cl_command_queue q, struct fake_command *c);

/* fake_command.c */
cl_int fake_command_new(cl_command_queue q, cl_command_type type,
                        const struct fake_sync *sync, struct fake_command **ret_command);
void fake_command_uses(struct fake_command *c, cl_mem mem);
void fake_command_drop_mems(struct fake_command *c);
cl_int fake_command_submit(struct fake_command *c, const struct fake_sync *sync);
void fake_command_free(struct fake_command *c);

/* fake_launch.c: checks and copies range and arguments; sizes: offset, global, local. */
cl_int fake_launch_read(struct fake_launch *l, cl_command_queue q, cl_kernel k,
                        cl_uint dim, const size_t *sizes[3]);
cl_int fake_launch_submit(cl_command_queue q, const struct fake_launch *l,
                          const struct fake_sync *s);

/* fake_mem.c: are the queue and the buffer good, and the range inside? */
cl_int fake_mem_check(cl_command_queue q, cl_mem mem, size_t offset, size_t size);
/* Another view of the first bytes of whole. */
cl_mem fake_mem_within(cl_mem whole, cl_mem_flags flags, size_t size, cl_int *ret_err);

/* fake_copy.c: c->u.copy is filled in; a and b are used, or NULL. */
cl_int fake_copy_submit(struct fake_command *c, cl_mem a, cl_mem b,
                        const struct fake_sync *s);

/* fake_map.c: maps what has passed its own checks, from offset on. */
void *fake_map(cl_command_queue q, cl_command_type type, cl_mem mem, cl_map_flags flags,
               size_t offset, const struct fake_sync *s, cl_int *ret_err);

/* fake_parse.c: names of a source's kernels as "a;b;c", owned by the caller. */
char *fake_parse_names(const char *source, cl_uint *ret_num);
char *fake_parse_error(const char *source); /* the log if it cannot build, else NULL */

/* fake_builtin.c: never NULL; an unknown name gets a kernel that does nothing. */
const struct fake_builtin *fake_builtin_find(const char *name);

/* Every call of the driver; each is fake_NAME() in one of its files. */
#define FAKE_CALLS(X)                                                                    \
    X(clGetPlatformIDs)                                                                  \
    X(clGetPlatformInfo)                                                                 \
    X(clGetExtensionFunctionAddress)                                                     \
    X(clGetExtensionFunctionAddressForPlatform)                                          \
    X(clUnloadCompiler)                                                                  \
    X(clUnloadPlatformCompiler)                                                          \
    X(clGetDeviceIDs)                                                                    \
    X(clGetDeviceInfo)                                                                   \
    X(clRetainDevice)                                                                    \
    X(clReleaseDevice)                                                                   \
    X(clGetDeviceAndHostTimer)                                                           \
    X(clGetHostTimer)                                                                    \
    X(clCreateContext)                                                                   \
    X(clCreateContextFromType)                                                           \
    X(clRetainContext)                                                                   \
    X(clReleaseContext)                                                                  \
    X(clGetContextInfo)                                                                  \
    X(clSetContextDestructorCallback)                                                    \
    X(clCreateCommandQueue)                                                              \
    X(clCreateCommandQueueWithProperties)                                                \
    X(clRetainCommandQueue)                                                              \
    X(clReleaseCommandQueue)                                                             \
    X(clGetCommandQueueInfo)                                                             \
    X(clFlush)                                                                           \
    X(clFinish)                                                                          \
    X(clCreateBuffer)                                                                    \
    X(clCreateBufferWithProperties)                                                      \
    X(clCreateSubBuffer)                                                                 \
    X(clRetainMemObject)                                                                 \
    X(clReleaseMemObject)                                                                \
    X(clGetMemObjectInfo)                                                                \
    X(clSetMemObjectDestructorCallback)                                                  \
    X(clCreateImage)                                                                     \
    X(clGetSupportedImageFormats)                                                        \
    X(clCreateSampler)                                                                   \
    X(clRetainSampler)                                                                   \
    X(clReleaseSampler)                                                                  \
    X(clCreateProgramWithSource)                                                         \
    X(clCreateProgramWithBinary)                                                         \
    X(clRetainProgram)                                                                   \
    X(clReleaseProgram)                                                                  \
    X(clBuildProgram)                                                                    \
    X(clGetProgramInfo)                                                                  \
    X(clGetProgramBuildInfo)                                                             \
    X(clCreateKernel)                                                                    \
    X(clCreateKernelsInProgram)                                                          \
    X(clRetainKernel)                                                                    \
    X(clReleaseKernel)                                                                   \
    X(clSetKernelArg)                                                                    \
    X(clGetKernelInfo)                                                                   \
    X(clGetKernelArgInfo)                                                                \
    X(clGetKernelWorkGroupInfo)                                                          \
    X(clCreateUserEvent)                                                                 \
    X(clSetUserEventStatus)                                                              \
    X(clRetainEvent)                                                                     \
    X(clReleaseEvent)                                                                    \
    X(clWaitForEvents)                                                                   \
    X(clGetEventInfo)                                                                    \
    X(clGetEventProfilingInfo)                                                           \
    X(clSetEventCallback)                                                                \
    X(clEnqueueReadBuffer)                                                               \
    X(clEnqueueWriteBuffer)                                                              \
    X(clEnqueueCopyBuffer)                                                               \
    X(clEnqueueFillBuffer)                                                               \
    X(clEnqueueReadBufferRect)                                                           \
    X(clEnqueueWriteBufferRect)                                                          \
    X(clEnqueueCopyBufferRect)                                                           \
    X(clEnqueueMapBuffer)                                                                \
    X(clEnqueueUnmapMemObject)                                                           \
    X(clEnqueueReadImage)                                                                \
    X(clEnqueueWriteImage)                                                               \
    X(clEnqueueCopyImage)                                                                \
    X(clEnqueueCopyImageToBuffer)                                                        \
    X(clEnqueueCopyBufferToImage)                                                        \
    X(clEnqueueFillImage)                                                                \
    X(clEnqueueMapImage)                                                                 \
    X(clEnqueueMigrateMemObjects)                                                        \
    X(clEnqueueNDRangeKernel)                                                            \
    X(clEnqueueTask)                                                                     \
    X(clEnqueueMarker)                                                                   \
    X(clEnqueueMarkerWithWaitList)                                                       \
    X(clEnqueueBarrier)                                                                  \
    X(clEnqueueBarrierWithWaitList)                                                      \
    X(clEnqueueWaitForEvents)

/* Those of extensions, found by their names. */
#define FAKE_EXTENSION_CALLS(X)                                                          \
    X(clCreateCommandQueueWithPropertiesKHR)                                             \
    X(clCreateCommandBufferKHR)                                                          \
    X(clRetainCommandBufferKHR)                                                          \
    X(clReleaseCommandBufferKHR)                                                         \
    X(clFinalizeCommandBufferKHR)                                                        \
    X(clEnqueueCommandBufferKHR)                                                         \
    X(clCommandBarrierWithWaitListKHR)                                                   \
    X(clCommandCopyBufferKHR)                                                            \
    X(clCommandCopyBufferRectKHR)                                                        \
    X(clCommandCopyBufferToImageKHR)                                                     \
    X(clCommandCopyImageKHR)                                                             \
    X(clCommandCopyImageToBufferKHR)                                                     \
    X(clCommandFillBufferKHR)                                                            \
    X(clCommandFillImageKHR)                                                             \
    X(clCommandNDRangeKernelKHR)                                                         \
    X(clGetCommandBufferInfoKHR)                                                         \
    X(clGetKernelSuggestedLocalWorkSizeKHR)

#define FAKE_DECLARE(name) __typeof__(name) fake_##name;
FAKE_CALLS(FAKE_DECLARE)
FAKE_EXTENSION_CALLS(FAKE_DECLARE)

#endif
