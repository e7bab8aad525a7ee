/* SPDX-License-Identifier: MIT */
/* cl_khr_command_buffer 0.9.0: functions found by name, where the device has the extension. */
#include "api_use.h"
#include "command_buffer.h"

#define MEMBER(name) __typeof__(name) *(name);
static struct {
    COMMAND_BUFFER_FUNCTIONS(MEMBER)
} f;

/* What the recorders work on: two images of SIDE × SIDE, four bytes an element. */
#define SIDE 16
static cl_mem image, other_image;
static cl_kernel place;

static const size_t zero[3] = {0}, line[3] = {4, 1, 1}, far[3] = {SIDE + 1, 1, 1};
static const cl_uint nines[4] = {9, 9, 9, 9}, sevens[4] = {7, 7, 7, 7};

static cl_command_buffer_khr
new_buffer(struct use *u)
{
    cl_command_buffer_khr b = f.clCreateCommandBufferKHR(1, &u->queue, NULL, &u->rc);

    MUST(u->rc);
    return b;
}

static uint64_t
number(cl_command_buffer_khr b, cl_command_buffer_info_khr param)
{
    return NUMBER(f.clGetCommandBufferInfoKHR, b, param);
}

/* ---- creation, counts, queries ----------------------------------------------------- */

static cl_int
create(struct use *u, cl_uint n, const cl_command_queue *queues,
       const cl_command_buffer_properties_khr *properties)
{
    return NEW(u, f.clCreateCommandBufferKHR(n, queues, properties, &u->rc));
}

static bool
begins_recording(struct use *u)
{
    const cl_command_buffer_properties_khr none[] = {CL_COMMAND_BUFFER_FLAGS_KHR, 0, 0};
    cl_command_buffer_khr b = f.clCreateCommandBufferKHR(1, &u->queue, none, &u->rc);
    bool good = b && u->rc == CL_SUCCESS &&
                number(b, CL_COMMAND_BUFFER_NUM_QUEUES_KHR) == 1 &&
                (cl_uint)number(b, CL_COMMAND_BUFFER_STATE_KHR) ==
                    CL_COMMAND_BUFFER_STATE_RECORDING_KHR;

    return b && f.clReleaseCommandBufferKHR(b) == CL_SUCCESS && good;
}

static void
creation(struct use *u)
{
    const cl_command_buffer_properties_khr unknown[] = {0x7ffffff0, 1, 0};
    const cl_command_buffer_properties_khr flags[] = {CL_COMMAND_BUFFER_FLAGS_KHR,
                                                      1u << 20, 0};
    const cl_command_buffer_properties_khr twice[] = {CL_COMMAND_BUFFER_FLAGS_KHR, 0,
                                                      CL_COMMAND_BUFFER_FLAGS_KHR, 0, 0};
    const char *const call = "clCreateCommandBufferKHR";
    cl_command_queue none = NULL, buffer = (cl_command_queue)u->buffer;

    RIGHT(call, "it begins in the recording state", begins_recording(u));
    WRONG(call, "no queues", CL_INVALID_VALUE, create(u, 0, &u->queue, NULL));
    WRONG(call, "no list of queues", CL_INVALID_VALUE, create(u, 1, NULL, NULL));
    WRONG_CRASHES("command-buffer-queue", call, "a queue that is none",
                  CL_INVALID_COMMAND_QUEUE, create(u, 1, &none, NULL));
    WRONG_KIND(call, "a queue that is a buffer", CL_INVALID_COMMAND_QUEUE,
               create(u, 1, &buffer, NULL));
    WRONG(call, "a property that there is not", CL_INVALID_VALUE,
          create(u, 1, &u->queue, unknown));
    WRONG(call, "a flag that there is not", CL_INVALID_VALUE,
          create(u, 1, &u->queue, flags));
    WRONG_DIFFERS("command-buffer-property-twice", CL_SUCCESS, call, "a property twice",
                  CL_INVALID_VALUE, create(u, 1, &u->queue, twice));
}

static void
counts_and_queries(struct use *u)
{
    const char *const call = "clGetCommandBufferInfoKHR";
    cl_command_buffer_khr b = new_buffer(u);
    const cl_uint param = CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR;
    const struct counted counts = {"clRetainCommandBufferKHR",
                                   "clReleaseCommandBufferKHR",
                                   (count_fn)f.clRetainCommandBufferKHR,
                                   (count_fn)f.clReleaseCommandBufferKHR,
                                   {call, (query_fn)f.clGetCommandBufferInfoKHR, b,
                                    u->buffer, CL_INVALID_COMMAND_BUFFER_KHR, param,
                                    sizeof(cl_uint)}};
    cl_uint v = 0;
    size_t size = 0;

    use_counts(&counts);
    RIGHT(call, "value and size",
          f.clGetCommandBufferInfoKHR(b, param, sizeof v, &v, &size) == CL_SUCCESS &&
              v == 1 && size == sizeof v);
    WRONG(call, "no object", CL_INVALID_COMMAND_BUFFER_KHR,
          f.clGetCommandBufferInfoKHR(NULL, param, 0, NULL, &size));
    WRONG_KIND(call, "an object of another kind", CL_INVALID_COMMAND_BUFFER_KHR,
               f.clGetCommandBufferInfoKHR((cl_command_buffer_khr)u->buffer, param, 0,
                                           NULL, &size));
    WRONG(call, "a parameter that there is not", CL_INVALID_VALUE,
          f.clGetCommandBufferInfoKHR(b, 0x7ffffff0, sizeof v, &v, NULL));
    WRONG_DIFFERS("command-buffer-info-size", CL_SUCCESS, call, "room one byte too small",
                  CL_INVALID_VALUE,
                  f.clGetCommandBufferInfoKHR(b, param, sizeof v - 1, &v, NULL));
    MUST(f.clReleaseCommandBufferKHR(b));
}

/* ---- recorders: one right command each --------------------------------------------- */

typedef cl_int (*record_fn)(struct use *u, cl_command_buffer_khr b, cl_command_queue q,
                            cl_uint n, const cl_sync_point_khr *waits,
                            cl_sync_point_khr *point, cl_mutable_command_khr *handle);
#define RECORDER(name)                                                                   \
    static cl_int name(struct use *u, cl_command_buffer_khr b, cl_command_queue q,       \
                       cl_uint n, const cl_sync_point_khr *waits,                        \
                       cl_sync_point_khr *point, cl_mutable_command_khr *handle)

RECORDER(barrier)
{
    (void)u;
    return f.clCommandBarrierWithWaitListKHR(b, q, n, waits, point, handle);
}

RECORDER(copy_buffer)
{
    return f.clCommandCopyBufferKHR(b, q, u->buffer, u->buffer, 0, 64, 16, n, waits,
                                    point, handle);
}

RECORDER(copy_rect)
{
    const size_t to[3] = {0, 4, 0}, region[3] = {4, 2, 1};

    return f.clCommandCopyBufferRectKHR(b, q, u->buffer, u->buffer, zero, to, region, 16,
                                        0, 16, 0, n, waits, point, handle);
}

RECORDER(to_image)
{
    return f.clCommandCopyBufferToImageKHR(b, q, u->buffer, other_image, 0, zero, line, n,
                                           waits, point, handle);
}

RECORDER(copy_image)
{
    (void)u;
    return f.clCommandCopyImageKHR(b, q, image, other_image, zero, zero, line, n, waits,
                                   point, handle);
}

RECORDER(from_image)
{
    return f.clCommandCopyImageToBufferKHR(b, q, image, u->buffer, zero, line, 64, n,
                                           waits, point, handle);
}

RECORDER(fill_buffer)
{
    return f.clCommandFillBufferKHR(b, q, u->buffer, sevens, 4, 64, 16, n, waits, point,
                                    handle);
}

RECORDER(fill_image)
{
    (void)u;
    return f.clCommandFillImageKHR(b, q, other_image, sevens, zero, line, n, waits, point,
                                   handle);
}

RECORDER(launch)
{
    const size_t global = 4;

    (void)u;
    return f.clCommandNDRangeKernelKHR(b, q, NULL, place, 1, NULL, &global, NULL, n,
                                       waits, point, handle);
}

/* What is in the first element of other_image, or at 64 in u->buffer, after it. */
struct recorder {
    const char *entry;
    record_fn record;
    bool in_image;
    size_t at, n;
    uint8_t want[8];
    const char *crash; /* a driver follows a wait list unchecked: the difference's id */
};

#define WRONG_LIST(r, what, call)                                                        \
    CASE_(UNPACK_((r)->entry, "wrong", what, CL_INVALID_SYNC_POINT_WAIT_LIST_KHR,        \
                  NO_STATUS, (r)->crash, NO_STATUS),                                     \
          call)

static const struct recorder recorders[] = {
    {"clCommandBarrierWithWaitListKHR", barrier, false, 64, 4, {64, 65, 66, 67}, NULL},
    {"clCommandCopyBufferKHR", copy_buffer, false, 64, 4, {0, 1, 2, 3}, NULL},
    {"clCommandCopyBufferRectKHR", copy_rect, false, 80, 5, {16, 17, 18, 19, 84}, NULL},
    {"clCommandCopyBufferToImageKHR", to_image, true, 0, 4, {0, 1, 2, 3}, NULL},
    {"clCommandCopyImageKHR", copy_image, true, 0, 4, {9, 9, 9, 9}, NULL},
    {"clCommandCopyImageToBufferKHR", from_image, false, 64, 4, {9, 9, 9, 9}, NULL},
    {"clCommandFillBufferKHR", fill_buffer, false, 64, 5, {7, 0, 0, 0, 7}, NULL},
    {"clCommandFillImageKHR", fill_image, true, 0, 4, {7, 7, 7, 7}, NULL},
    {"clCommandNDRangeKernelKHR",
     launch,
     false,
     0,
     5,
     {100, 0, 0, 0, 101},
     "command-buffer-launch"},
};

static bool
has_effect(struct use *u, const struct recorder *r)
{
    const size_t one[3] = {1, 1, 1};
    uint8_t got[4];

    if (!r->in_image)
        return buffer_is(u, r->at, r->want, r->n);
    return clEnqueueReadImage(u->queue, other_image, CL_TRUE, zero, one, 0, 0, got, 0,
                              NULL, NULL) == CL_SUCCESS &&
           memcmp(got, r->want, r->n) == 0;
}

/* Behind a barrier's sync point; nothing happens before the command buffer is enqueued. */
static bool
replays(struct use *u, const struct recorder *r)
{
    cl_command_buffer_khr b = new_buffer(u);
    cl_sync_point_khr first, point = 0;
    bool good;

    buffer_fill(u, 0);
    MUST(f.clCommandBarrierWithWaitListKHR(b, NULL, 0, NULL, &first, NULL));
    good = r->record(u, b, NULL, 1, &first, &point, NULL) == CL_SUCCESS && point != 0 &&
           point != first && f.clFinalizeCommandBufferKHR(b) == CL_SUCCESS &&
           f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL) == CL_SUCCESS &&
           clFinish(u->queue) == CL_SUCCESS && has_effect(u, r);
    return f.clReleaseCommandBufferKHR(b) == CL_SUCCESS && good;
}

static void
wrong_recording(struct use *u, const struct recorder *r, cl_command_buffer_khr b)
{
    const cl_command_buffer_khr buffer = (cl_command_buffer_khr)u->buffer;
    const cl_sync_point_khr none = 1000;
    cl_mutable_command_khr handle;
    cl_sync_point_khr point;

    WRONG(r->entry, "no command buffer", CL_INVALID_COMMAND_BUFFER_KHR,
          r->record(u, NULL, NULL, 0, NULL, &point, NULL));
    WRONG_KIND(r->entry, "a command buffer that is a buffer",
               CL_INVALID_COMMAND_BUFFER_KHR,
               r->record(u, buffer, NULL, 0, NULL, &point, NULL));
    WRONG(r->entry, "a queue", CL_INVALID_COMMAND_QUEUE,
          r->record(u, b, u->queue, 0, NULL, &point, NULL));
    WRONG(r->entry, "a mutable handle", CL_INVALID_VALUE,
          r->record(u, b, NULL, 0, NULL, &point, &handle));
    WRONG_LIST(r, "a count but no sync points",
               r->record(u, b, NULL, 1, NULL, &point, NULL));
    WRONG_LIST(r, "sync points but no count",
               r->record(u, b, NULL, 0, &none, &point, NULL));
    WRONG_LIST(r, "a sync point that there is not",
               r->record(u, b, NULL, 1, &none, &point, NULL));
}

static void
recording(struct use *u)
{
    const size_t n = sizeof recorders / sizeof *recorders;
    cl_command_buffer_khr b = new_buffer(u), over = new_buffer(u);

    MUST(f.clCommandBarrierWithWaitListKHR(over, NULL, 0, NULL, NULL, NULL));
    MUST(f.clFinalizeCommandBufferKHR(over));
    for (size_t i = 0; i < n; i++) {
        RIGHT(recorders[i].entry, "what is recorded happens at the replay",
              replays(u, &recorders[i]));
        wrong_recording(u, &recorders[i], b);
        WRONG(recorders[i].entry, "a command buffer that is finalized",
              CL_INVALID_OPERATION,
              recorders[i].record(u, over, NULL, 0, NULL, NULL, NULL));
    }
    MUST(f.clReleaseCommandBufferKHR(over));
    MUST(f.clReleaseCommandBufferKHR(b));
}

/* ---- recorders: their own arguments, checked as those of the enqueue functions ------ */

#define TAIL 0, NULL, NULL, NULL

static void
wrong_buffers(struct use *u)
{
    cl_command_buffer_khr b = new_buffer(u);
    const size_t region[3] = {4, 2, 1}, below[3] = {0, USE_BYTES / 16, 0};
    cl_mem m = u->buffer;

    WRONG("clCommandCopyBufferKHR", "no buffer", CL_INVALID_MEM_OBJECT,
          f.clCommandCopyBufferKHR(b, NULL, m, NULL, 0, 0, 16, TAIL));
    WRONG("clCommandCopyBufferKHR", "past the end", CL_INVALID_VALUE,
          f.clCommandCopyBufferKHR(b, NULL, m, m, 0, USE_BYTES - 8, 16, TAIL));
    WRONG("clCommandCopyBufferKHR", "both ranges overlap", CL_MEM_COPY_OVERLAP,
          f.clCommandCopyBufferKHR(b, NULL, m, m, 0, 8, 16, TAIL));
    WRONG("clCommandCopyBufferKHR", "a buffer of another context", CL_INVALID_CONTEXT,
          f.clCommandCopyBufferKHR(b, NULL, m, u->other_buffer, 0, 8, 16, TAIL));
    WRONG("clCommandCopyBufferRectKHR", "past the end", CL_INVALID_VALUE,
          f.clCommandCopyBufferRectKHR(b, NULL, m, m, zero, below, region, 16, 0, 16, 0,
                                       TAIL));
    WRONG("clCommandCopyBufferRectKHR", "both rectangles overlap", CL_MEM_COPY_OVERLAP,
          f.clCommandCopyBufferRectKHR(b, NULL, m, m, zero, zero, region, 16, 0, 16, 0,
                                       TAIL));
    WRONG("clCommandFillBufferKHR", "past the end", CL_INVALID_VALUE,
          f.clCommandFillBufferKHR(b, NULL, m, sevens, 4, USE_BYTES, 4, TAIL));
    WRONG("clCommandFillBufferKHR", "a pattern of three bytes", CL_INVALID_VALUE,
          f.clCommandFillBufferKHR(b, NULL, m, sevens, 3, 0, 12, TAIL));
    WRONG("clCommandFillBufferKHR", "no pattern", CL_INVALID_VALUE,
          f.clCommandFillBufferKHR(b, NULL, m, NULL, 4, 0, 4, TAIL));
    MUST(f.clReleaseCommandBufferKHR(b));
}

static void
wrong_images(struct use *u)
{
    cl_command_buffer_khr b = new_buffer(u);
    cl_mem m = u->buffer;

    WRONG("clCommandCopyImageKHR", "past the edge", CL_INVALID_VALUE,
          f.clCommandCopyImageKHR(b, NULL, image, other_image, zero, zero, far, TAIL));
    WRONG("clCommandCopyImageKHR", "both regions overlap", CL_MEM_COPY_OVERLAP,
          f.clCommandCopyImageKHR(b, NULL, image, image, zero, zero, line, TAIL));
    WRONG("clCommandCopyImageToBufferKHR", "past the edge", CL_INVALID_VALUE,
          f.clCommandCopyImageToBufferKHR(b, NULL, image, m, zero, far, 0, TAIL));
    WRONG(
        "clCommandCopyImageToBufferKHR", "past the buffer's end", CL_INVALID_VALUE,
        f.clCommandCopyImageToBufferKHR(b, NULL, image, m, zero, line, USE_BYTES, TAIL));
    WRONG("clCommandCopyBufferToImageKHR", "past the edge", CL_INVALID_VALUE,
          f.clCommandCopyBufferToImageKHR(b, NULL, m, image, 0, zero, far, TAIL));
    WRONG(
        "clCommandCopyBufferToImageKHR", "past the buffer's end", CL_INVALID_VALUE,
        f.clCommandCopyBufferToImageKHR(b, NULL, m, image, USE_BYTES, zero, line, TAIL));
    WRONG("clCommandFillImageKHR", "past the edge", CL_INVALID_VALUE,
          f.clCommandFillImageKHR(b, NULL, image, nines, zero, far, TAIL));
    WRONG("clCommandFillImageKHR", "no color", CL_INVALID_VALUE,
          f.clCommandFillImageKHR(b, NULL, image, NULL, zero, line, TAIL));
    MUST(f.clReleaseCommandBufferKHR(b));
}

static void
wrong_launches(struct use *u)
{
    const cl_ndrange_kernel_command_properties_khr unknown[] = {0x7ffffff0, 1, 0};
    const char *const call = "clCommandNDRangeKernelKHR";
    cl_kernel bare = clCreateKernel(u->program, "place", &u->rc);
    cl_command_buffer_khr b = new_buffer(u);
    const size_t four = 4, three = 3;

    MUST(u->rc);
    WRONG_CRASHES(
        "launch-without-kernel", call, "no kernel", CL_INVALID_KERNEL,
        f.clCommandNDRangeKernelKHR(b, NULL, NULL, NULL, 1, NULL, &four, NULL, TAIL));
    WRONG_CRASHES(
        "command-buffer-launch", call, "no dimensions", CL_INVALID_WORK_DIMENSION,
        f.clCommandNDRangeKernelKHR(b, NULL, NULL, place, 0, NULL, &four, NULL, TAIL));
    WRONG_CRASHES(
        "command-buffer-launch", call, "an argument that was not set",
        CL_INVALID_KERNEL_ARGS,
        f.clCommandNDRangeKernelKHR(b, NULL, NULL, bare, 1, NULL, &four, NULL, TAIL));
    WRONG_CRASHES(
        "command-buffer-launch", call, "a local size that does not divide",
        CL_INVALID_WORK_GROUP_SIZE,
        f.clCommandNDRangeKernelKHR(b, NULL, NULL, place, 1, NULL, &four, &three, TAIL));
    WRONG_CRASHES(
        "command-buffer-launch", call, "a property that there is not", CL_INVALID_VALUE,
        f.clCommandNDRangeKernelKHR(b, NULL, unknown, place, 1, NULL, &four, NULL, TAIL));
    MUST(f.clReleaseCommandBufferKHR(b));
    MUST(clReleaseKernel(bare));
}

/* ---- finalizing and replays -------------------------------------------------------- */

static cl_command_buffer_khr
finalized(struct use *u)
{
    cl_command_buffer_khr b = new_buffer(u);

    MUST(copy_buffer(u, b, NULL, 0, NULL, NULL, NULL));
    MUST(f.clFinalizeCommandBufferKHR(b));
    return b;
}

static bool
becomes_executable(struct use *u)
{
    cl_command_buffer_khr b = finalized(u);
    bool good = (cl_uint)number(b, CL_COMMAND_BUFFER_STATE_KHR) ==
                CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR;

    return f.clReleaseCommandBufferKHR(b) == CL_SUCCESS && good;
}

static bool
event_tells(struct use *u)
{
    cl_command_buffer_khr b = finalized(u);
    cl_event e = NULL;
    bool good =
        f.clEnqueueCommandBufferKHR(1, &u->queue, b, 1, &u->user_event, &e) ==
            CL_SUCCESS &&
        e && clWaitForEvents(1, &e) == CL_SUCCESS &&
        NUMBER(clGetEventInfo, e, CL_EVENT_COMMAND_TYPE) == CL_COMMAND_COMMAND_BUFFER_KHR;

    if (e)
        MUST(clReleaseEvent(e));
    MUST(clFinish(u->queue));
    return f.clReleaseCommandBufferKHR(b) == CL_SUCCESS && good;
}

static cl_int
second_replay(struct use *u)
{
    cl_event gate = clCreateUserEvent(u->context, &u->rc);
    cl_command_buffer_khr b = finalized(u);
    cl_int rc;

    MUST(u->rc);
    MUST(f.clEnqueueCommandBufferKHR(0, NULL, b, 1, &gate, NULL));
    rc = f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL);
    MUST(clSetUserEventStatus(gate, CL_COMPLETE));
    MUST(clFinish(u->queue));
    MUST(clReleaseEvent(gate));
    MUST(f.clReleaseCommandBufferKHR(b));
    return rc;
}

static void
replaying(struct use *u)
{
    const char *const call = "clEnqueueCommandBufferKHR";
    cl_command_buffer_khr b = new_buffer(u), done = finalized(u);
    cl_command_queue two[2] = {u->queue, u->queue};

    RIGHT("clFinalizeCommandBufferKHR", "it becomes executable", becomes_executable(u));
    WRONG("clFinalizeCommandBufferKHR", "no command buffer",
          CL_INVALID_COMMAND_BUFFER_KHR, f.clFinalizeCommandBufferKHR(NULL));
    WRONG_KIND("clFinalizeCommandBufferKHR", "a buffer", CL_INVALID_COMMAND_BUFFER_KHR,
               f.clFinalizeCommandBufferKHR((cl_command_buffer_khr)u->buffer));
    RIGHT(call, "its event tells the type, and completes", event_tells(u));
    WRONG(call, "no command buffer", CL_INVALID_COMMAND_BUFFER_KHR,
          f.clEnqueueCommandBufferKHR(0, NULL, NULL, 0, NULL, NULL));
    WRONG(call, "not finalized", CL_INVALID_OPERATION,
          f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
    WRONG(call, "while it is pending", CL_INVALID_OPERATION, second_replay(u));
    WRONG(call, "more queues than it has", CL_INVALID_VALUE,
          f.clEnqueueCommandBufferKHR(2, two, done, 0, NULL, NULL));
    WRONG(call, "queues but no count", CL_INVALID_VALUE,
          f.clEnqueueCommandBufferKHR(0, two, done, 0, NULL, NULL));
    WRONG(call, "a count but no queues", CL_INVALID_VALUE,
          f.clEnqueueCommandBufferKHR(1, NULL, done, 0, NULL, NULL));
    WRONG_OR(call, "a queue of another context", CL_INVALID_CONTEXT,
             CL_INCOMPATIBLE_COMMAND_QUEUE_KHR,
             f.clEnqueueCommandBufferKHR(1, &u->other_queue, done, 0, NULL, NULL));
    WRONG(call, "a count but no wait list", CL_INVALID_EVENT_WAIT_LIST,
          f.clEnqueueCommandBufferKHR(0, NULL, done, 1, NULL, NULL));
    WRONG(call, "an event of another context", CL_INVALID_CONTEXT,
          f.clEnqueueCommandBufferKHR(0, NULL, done, 1, &u->other_event, NULL));
    MUST(f.clReleaseCommandBufferKHR(done));
    MUST(f.clReleaseCommandBufferKHR(b));
}

/* ---- the chapter ------------------------------------------------------------------- */

static cl_mem
image_of(struct use *u)
{
    const cl_image_format format = {CL_RGBA, CL_UNSIGNED_INT8};
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = SIDE, .image_height = SIDE};
    cl_mem m = clCreateImage(u->context, 0, &format, &desc, NULL, &u->rc);

    MUST(u->rc);
    return m;
}

/* Prints which functions are left alone, and why; false if so. */
static bool
is_there(struct use *u)
{
    if (device_text_has(u, CL_DEVICE_EXTENSIONS, "cl_khr_command_buffer") &&
        device_number(u, CL_DEVICE_IMAGE_SUPPORT)) {
#define FIND(name)                                                                       \
    f.name = (__typeof__(name) *)clGetExtensionFunctionAddressForPlatform(u->platform,   \
                                                                          #name);        \
    RIGHT(#name, "it is found by its name", f.name != NULL);
        COMMAND_BUFFER_FUNCTIONS(FIND)
        return true;
    }
#define SKIP(name) use_skips(#name, "cl_khr_command_buffer, or no images");
    COMMAND_BUFFER_FUNCTIONS(SKIP)
    return false;
}

static cl_uint
context_device_count(cl_context context)
{
    cl_uint n = 0;

    MUST(clGetContextInfo(context, CL_CONTEXT_NUM_DEVICES, sizeof n, &n, NULL));
    return n;
}

/* Queues of a context over several vGPUs take none (docs/architecture.md). */
static bool
are_taken(struct use *u)
{
    cl_command_buffer_khr b = f.clCreateCommandBufferKHR(1, &u->queue, NULL, &u->rc);

    if (b)
        MUST(f.clReleaseCommandBufferKHR(b));
    return b || context_device_count(u->context) == 1;
}

void
api_command_buffer(struct use *u)
{
    const size_t whole[3] = {SIDE, SIDE, 1};

    if (!is_there(u))
        return;
    if (!are_taken(u)) {
        RIGHT("clCreateCommandBufferKHR", "refused for a queue among several devices",
              u->rc == CL_INCOMPATIBLE_COMMAND_QUEUE_KHR);
        return;
    }
    image = image_of(u);
    other_image = image_of(u);
    place = clCreateKernel(u->program, "place", &u->rc);
    MUST(u->rc);
    MUST(clSetKernelArg(place, 0, sizeof(cl_mem), &u->buffer));
    MUST(clEnqueueFillImage(u->queue, image, nines, zero, whole, 0, NULL, NULL));
    creation(u);
    counts_and_queries(u);
    recording(u);
    wrong_buffers(u);
    wrong_images(u);
    wrong_launches(u);
    replaying(u);
    MUST(clReleaseKernel(place));
    MUST(clReleaseMemObject(other_image));
    MUST(clReleaseMemObject(image));
}
