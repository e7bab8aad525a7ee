/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.8: program objects. */
#include "guest/opencl/program.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* ---- long answers ------------------------------------------------------------------ */

cl_int
pending_take_bytes(struct session *s, struct pending *p, struct extent out, uint8_t **ret,
                   size_t *ret_len)
{
    if (p->place == REPLY_TOO_LONG)
        return CL_OUT_OF_RESOURCES;
    if (p->place == REPLY_IN_EXTENT) {
        if (out.off == EXTENT_NONE || p->answer_len > out.len)
            return CL_OUT_OF_RESOURCES;
        *ret = malloc(p->answer_len + 1);
        if (!*ret)
            return CL_OUT_OF_HOST_MEMORY;
        memcpy(*ret, s->channel.heap + out.off, p->answer_len);
    } else {
        *ret = take_ptr(p->answer);
    }
    *ret_len = p->answer_len;
    return CL_SUCCESS;
}

static cl_int
ask_once(struct session *s,
         cl_int (*send)(void *arg, struct pending *p, struct extent out), void *arg,
         struct extent out, struct pending *p)
{
    cl_int rc = send(arg, p, out);

    if (rc == CL_SUCCESS)
        rc = session_wait(s, p);
    return rc == CL_SUCCESS ? (cl_int)p->status : rc;
}

cl_int
ask_bytes(struct session *s,
          cl_int (*send)(void *arg, struct pending *p, struct extent out), void *arg,
          uint8_t **ret, size_t *ret_len)
{
    struct extent out = {EXTENT_NONE, 0};
    struct pending p = {0};
    cl_int rc = ask_once(s, send, arg, out, &p);

    *ret = NULL;
    *ret_len = 0;
    if (rc == CL_SUCCESS && p.place == REPLY_TOO_LONG) {
        out = (struct extent){session_heap_alloc(s, p.answer_len), p.answer_len};
        if (out.off == EXTENT_NONE)
            return CL_OUT_OF_HOST_MEMORY;
        p = (struct pending){0};
        rc = ask_once(s, send, arg, out, &p);
    }
    if (rc == CL_SUCCESS)
        rc = pending_take_bytes(s, &p, out, ret, ret_len);
    free(p.answer);
    heap_free(&s->heap, out.off);
    return rc;
}

/* ---- objects ----------------------------------------------------------------------- */

static void
program_destroy(struct object *o)
{
    struct _cl_program *p = (struct _cl_program *)o;

    destructors_run(&p->destructors, p);
    metadata_unhold(p->metadata);
    object_unhold(&p->context->o);
    pthread_mutex_destroy(&p->lock);
    free(p->source);
    free(p->options);
    free(p);
}

static struct _cl_program *
program_new(cl_context context)
{
    struct _cl_program *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    object_init(&p->o, KIND_program, context->o.session, program_destroy);
    object_hold(&context->o);
    p->context = context;
    pthread_mutex_init(&p->lock, NULL);
    p->status = CL_BUILD_NONE;
    p->o.id = session_new_id(context->o.session);
    if (p->o.id.v == 0) {
        object_unhold(&p->o);
        return NULL;
    }
    return p;
}

static void
program_discard(struct _cl_program *p)
{
    session_drop_id(p->o.session, p->o.id);
    p->o.id.v = 0;
    object_unhold(&p->o);
}

struct metadata *
program_metadata(struct _cl_program *p)
{
    struct metadata *m;

    pthread_mutex_lock(&p->lock);
    m = p->status == CL_BUILD_SUCCESS ? p->metadata : NULL;
    if (m)
        metadata_hold(m);
    pthread_mutex_unlock(&p->lock);
    return m;
}

/* All strings as one (section 5.8.1: a length of 0 means NUL-terminated). */
static char *
join_strings(cl_uint count, const char **strings, const size_t *lengths, size_t *ret_len)
{
    size_t len = 0, at = 0;
    char *all;

    for (cl_uint i = 0; i < count; i++)
        len += lengths && lengths[i] ? lengths[i] : strlen(strings[i]);
    all = malloc(len + 1);
    if (!all)
        return NULL;
    for (cl_uint i = 0; i < count; i++) {
        size_t n = lengths && lengths[i] ? lengths[i] : strlen(strings[i]);

        memcpy(all + at, strings[i], n);
        at += n;
    }
    all[len] = '\0';
    *ret_len = len;
    return all;
}

CL_API_ENTRY cl_program CL_API_CALL
tsr_clCreateProgramWithSource(cl_context context, cl_uint count, const char **strings,
                              const size_t *lengths, cl_int *errcode_ret)
{
    struct _cl_program *p;
    struct blob source;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (count == 0 || !strings)
        RETURN_WITH(errcode_ret, CL_INVALID_VALUE, NULL);
    for (cl_uint i = 0; i < count; i++) {
        if (!strings[i])
            RETURN_WITH(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    p = program_new(context);
    if (!p)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    p->source = join_strings(count, strings, lengths, &p->source_len);
    rc = p->source ? blob_init(p->o.session, &source, p->source, p->source_len)
                   : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = send_clCreateProgramWithSource(p->o.session, NULL, p->o.id, context->o.id,
                                            source);
    if (rc != CL_SUCCESS) {
        program_discard(p);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    if (source.off != EXTENT_NONE)
        session_expect_reclaim(p->o.session);
    RETURN_WITH(errcode_ret, CL_SUCCESS, p);
}

static cl_int
binary_send(struct _cl_program *p, const unsigned char *bytes, size_t len,
            cl_int *ret_status)
{
    struct session *s = p->o.session;
    struct pending pending = {0};
    struct blob binary;
    cl_int rc = blob_init(s, &binary, bytes, len);

    if (rc != CL_SUCCESS)
        return rc;
    rc = send_clCreateProgramWithBinary(s, &pending, p->o.id, p->context->o.id, binary);
    if (rc != CL_SUCCESS)
        return rc;
    if (binary.off != EXTENT_NONE)
        session_expect_reclaim(s);
    rc = session_wait(s, &pending);
    if (rc != CL_SUCCESS)
        return rc;
    if (pending.answer && pending.answer_len == 8) {
        uint64_t status;

        memcpy(&status, pending.answer, sizeof status);
        *ret_status = (cl_int)(int64_t)status;
    }
    free(pending.answer);
    return (cl_int)pending.status;
}

CL_API_ENTRY cl_program CL_API_CALL
tsr_clCreateProgramWithBinary(cl_context context, cl_uint num_devices,
                              const cl_device_id *device_list, const size_t *lengths,
                              const unsigned char **binaries, cl_int *binary_status,
                              cl_int *errcode_ret)
{
    cl_int status = CL_INVALID_VALUE, rc;
    struct _cl_program *p;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (num_devices != 1 || !device_list || !lengths || !binaries || !lengths[0] ||
        !binaries[0]) {
        if (binary_status && num_devices == 1)
            *binary_status = CL_INVALID_VALUE;
        RETURN_WITH(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    if (!context_has_device(context, device_list[0]))
        RETURN_WITH(errcode_ret, CL_INVALID_DEVICE, NULL);
    p = program_new(context);
    if (!p)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    rc = binary_send(p, binaries[0], lengths[0], &status);
    if (binary_status)
        *binary_status = rc == CL_SUCCESS ? CL_SUCCESS : status;
    if (rc != CL_SUCCESS) {
        /* The worker keeps a failed object under the id, so it must be told. */
        object_release(&p->o);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    p->binary_type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    RETURN_WITH(errcode_ret, CL_SUCCESS, p);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainProgram(cl_program program)
{
    return object_retain_call(program, KIND_program, CL_INVALID_PROGRAM);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseProgram(cl_program program)
{
    return object_release_call(program, KIND_program, CL_INVALID_PROGRAM);
}

/* ---- building ---------------------------------------------------------------------- */

static cl_int
metadata_send(void *arg, struct pending *p, struct extent out)
{
    struct _cl_program *program = arg;

    return send_clGetProgramBuildInfo(program->o.session, p, program->o.id, 0, out);
}

/* The build's answer holds the metadata if it is short; else it is asked for. */
static struct metadata *
build_metadata(struct _cl_program *p, struct pending *pending)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t len = 0;

    if (pending->place == REPLY_INLINE && pending->answer)
        return metadata_parse(pending->answer, pending->answer_len);
    if (ask_bytes(p->o.session, metadata_send, p, &bytes, &len) != CL_SUCCESS || !bytes)
        return NULL;
    return metadata_parse(bytes, len);
}

static void
build_ended(struct _cl_program *p, cl_int rc, struct metadata *m)
{
    pthread_mutex_lock(&p->lock);
    p->status = rc == CL_SUCCESS ? CL_BUILD_SUCCESS : CL_BUILD_ERROR;
    p->binary_type = rc == CL_SUCCESS ? CL_PROGRAM_BINARY_TYPE_EXECUTABLE
                                      : CL_PROGRAM_BINARY_TYPE_NONE;
    metadata_unhold(p->metadata);
    p->metadata = m;
    pthread_mutex_unlock(&p->lock);
}

static cl_int
program_build(struct _cl_program *p, const char *options)
{
    struct extent none = {EXTENT_NONE, 0};
    struct metadata *m = NULL;
    struct pending pending = {0};
    cl_int rc;

    rc = send_clBuildProgram(p->o.session, &pending, p->o.id, options, none);
    if (rc == CL_SUCCESS)
        rc = session_wait(p->o.session, &pending);
    if (rc == CL_SUCCESS)
        rc = (cl_int)pending.status;
    if (rc == CL_SUCCESS) {
        m = build_metadata(p, &pending);
        if (!m)
            rc = session_is_dead(p->o.session) ? CL_OUT_OF_RESOURCES
                                               : CL_OUT_OF_HOST_MEMORY;
    }
    free(pending.answer);
    build_ended(p, rc, m);
    return rc;
}

typedef void(CL_CALLBACK *program_notify_fn)(cl_program, void *);

struct build_callback {
    struct callback callback;
    struct _cl_program *program; /* held */
    program_notify_fn function;
    void *user_data;
};

static void
build_callback_run(struct callback *c)
{
    struct build_callback *bc = container_of(c, struct build_callback, callback);

    bc->function(bc->program, bc->user_data);
    object_unhold(&bc->program->o);
    free(bc);
}

/* Calls back from the service thread, never from inside the call (the program may hold a lock). */
static void
build_notify(struct _cl_program *p, program_notify_fn fn, void *user_data)
{
    struct build_callback *bc = malloc(sizeof *bc);

    if (!bc || session_is_dead(p->o.session) ||
        session_need_service(p->o.session) != CL_SUCCESS) {
        free(bc);
        fn(p, user_data);
        return;
    }
    *bc = (struct build_callback){.callback.run = build_callback_run,
                                  .program = p,
                                  .function = fn,
                                  .user_data = user_data};
    object_hold(&p->o);
    session_post_callback(p->o.session, &bc->callback);
}

static cl_int
build_start(struct _cl_program *p, const char *options)
{
    char *copy = strdup(options);
    cl_int rc = copy ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;

    pthread_mutex_lock(&p->lock);
    if (rc == CL_SUCCESS &&
        (p->status == CL_BUILD_IN_PROGRESS || atomic_load(&p->kernels) > 0))
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS) {
        free(p->options);
        p->options = take_ptr(copy);
        p->status = CL_BUILD_IN_PROGRESS;
    }
    pthread_mutex_unlock(&p->lock);
    free(copy);
    return rc;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clBuildProgram(cl_program program, cl_uint num_devices,
                   const cl_device_id *device_list, const char *options,
                   program_notify_fn pfn_notify, void *user_data)
{
    cl_int rc;

    if (!object_is(program, KIND_program))
        return CL_INVALID_PROGRAM;
    if (!pfn_notify && user_data)
        return CL_INVALID_VALUE;
    rc = context_check_devices(program->context, num_devices, device_list);
    if (rc != CL_SUCCESS)
        return rc;
    if (!options)
        options = "";
    if (strlen(options) >= CHANNEL_INLINE_BYTES)
        return CL_INVALID_BUILD_OPTIONS;
    rc = build_start(program, options);
    if (rc != CL_SUCCESS)
        return rc;
    rc = program_build(program, options);
    if (pfn_notify) {
        build_notify(program, pfn_notify, user_data);
        /* With a callback the call has only started the build; how it ended is the status's. */
        return rc == CL_BUILD_PROGRAM_FAILURE ? CL_SUCCESS : rc;
    }
    return rc;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clUnloadCompiler(void)
{
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clUnloadPlatformCompiler(cl_platform_id platform)
{
    return object_is(platform, KIND_platform) ? CL_SUCCESS : CL_INVALID_PLATFORM;
}

typedef void(CL_CALLBACK *program_release_fn)(cl_program, void *);

static void
call_program_release(struct destructor *d, void *handle)
{
    ((program_release_fn)d->function)(handle, d->user_data);
}

/* Deprecated with 2.2; only a program with global destructors may have one (section 5.8.4). */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clSetProgramReleaseCallback(cl_program program, program_release_fn pfn_notify,
                                void *user_data)
{
    if (!object_is(program, KIND_program))
        return CL_INVALID_PROGRAM;
    if (!pfn_notify)
        return CL_INVALID_VALUE;
    return destructor_push(&program->destructors, call_program_release,
                           (void *)pfn_notify, user_data);
}
