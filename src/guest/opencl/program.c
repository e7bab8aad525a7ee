/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.8: program objects. */
#include "guest/opencl/program.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "base/io.h"

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

    metadata_unhold(p->metadata);
    object_release(&p->context->o);
    pthread_mutex_destroy(&p->lock);
    for (cl_uint i = 0; i < p->n_devices; i++)
        free(p->devices[i].options);
    free(p->devices);
    free(p->source);
    free(p);
}

static void
program_released(struct object *o)
{
    destructors_run_later(o, &((struct _cl_program *)o)->destructors);
}

static bool
program_take_devices(struct _cl_program *p, cl_uint n, const cl_device_id *devices)
{
    p->devices = calloc(n, sizeof *p->devices);
    if (!p->devices)
        return false;
    for (cl_uint i = 0; i < n; i++) {
        if (!program_on(p, devices[i]))
            p->devices[p->n_devices++] =
                (struct program_device){.device = devices[i], .status = CL_BUILD_NONE};
    }
    return true;
}

struct _cl_program *
program_new(cl_context context, enum program_origin origin, cl_uint n,
            const cl_device_id *devices)
{
    struct _cl_program *p = calloc(1, sizeof *p);
    bool ok;

    if (!p)
        return NULL;
    object_init(&p->o, KIND_program, context->o.session, program_destroy);
    p->o.released = program_released;
    object_retain(&context->o);
    p->context = context;
    p->origin = origin;
    pthread_mutex_init(&p->lock, NULL);
    ok = program_take_devices(p, n ? n : context->n_devices,
                              n ? devices : context->devices);
    if (ok)
        p->o.id = session_new_id(context->o.session);
    if (p->o.id.v == 0) {
        object_unhold(&p->o);
        return NULL;
    }
    return p;
}

void
program_discard(struct _cl_program *p)
{
    session_drop_id(p->o.session, p->o.id);
    p->o.id.v = 0;
    object_unhold(&p->o);
}

struct program_device *
program_on(struct _cl_program *p, cl_device_id device)
{
    for (cl_uint i = 0; i < p->n_devices; i++) {
        if (p->devices[i].device == device)
            return &p->devices[i];
    }
    return NULL;
}

struct metadata *
program_metadata(struct _cl_program *p)
{
    struct metadata *m = NULL;

    pthread_mutex_lock(&p->lock);
    for (cl_uint i = 0; i < p->n_devices && !m; i++) {
        if (p->devices[i].status == CL_BUILD_SUCCESS)
            m = p->metadata;
    }
    if (m)
        metadata_hold(m);
    pthread_mutex_unlock(&p->lock);
    return m;
}

bool
program_runs_on(struct _cl_program *p, cl_device_id device)
{
    const struct program_device *d = program_on(p, device);
    bool runs;

    pthread_mutex_lock(&p->lock);
    runs = d && d->status == CL_BUILD_SUCCESS &&
           d->type == CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    pthread_mutex_unlock(&p->lock);
    return runs;
}

static cl_int
metadata_send(void *arg, struct pending *p, struct extent out)
{
    struct _cl_program *program = arg;

    return send_clGetProgramBuildInfo(program->o.session, p, program->o.id,
                                      program->devices[0].device->o.id, 0, out);
}

struct metadata *
program_take_metadata(struct _cl_program *p, struct pending *pending)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t len = 0;

    if (pending->place == REPLY_INLINE && pending->answer)
        return metadata_parse(pending->answer, pending->answer_len);
    if (ask_bytes(p->o.session, metadata_send, p, &bytes, &len) != CL_SUCCESS || !bytes)
        return NULL;
    return metadata_parse(bytes, len);
}

/* ---- making ------------------------------------------------------------------------ */

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

/* Section 5.8.1. */
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
    p = program_new(context, PROGRAM_SOURCE, 0, NULL);
    if (!p)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    p->source = join_strings(count, strings, lengths, &p->source_len);
    rc = p->source ? blob_init(p->o.session, &source, p->source, p->source_len)
                   : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = extent_sent(p->o.session, source.off,
                         send_clCreateProgramWithSource(p->o.session, NULL, p->o.id,
                                                        context->o.id, source));
    if (rc != CL_SUCCESS) {
        program_discard(p);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    RETURN_WITH(errcode_ret, CL_SUCCESS, p);
}

/* ---- binaries ---------------------------------------------------------------------- */

/* The binaries as one run of byte strings. */
static uint8_t *
binaries_join(cl_uint n, const size_t *lengths, const unsigned char **binaries,
              size_t *ret_len)
{
    uint8_t *all;
    struct enc e;

    *ret_len = 0;
    for (cl_uint i = 0; i < n; i++)
        *ret_len += enc_bytes_size(lengths[i]);
    all = malloc(*ret_len);
    if (!all)
        return NULL;
    e.p = all;
    for (cl_uint i = 0; i < n; i++)
        enc_bytes(&e, binaries[i], lengths[i]);
    return all;
}

static void
binary_take_statuses(const struct pending *p, cl_uint n, cl_int *ret)
{
    for (cl_uint i = 0; ret && i < n; i++) {
        int64_t status = p->status;

        if (p->answer && p->answer_len == 8ull * n)
            memcpy(&status, p->answer + 8ull * i, sizeof status);
        ret[i] = (cl_int)status;
    }
}

static cl_int
binary_send(struct _cl_program *p, cl_uint n, const cl_device_id *devices,
            const struct blob *binaries, cl_int *ret_statuses)
{
    struct session *s = p->o.session;
    struct pending pending = {0};
    cl_int rc = send_clCreateProgramWithBinary(s, &pending, p->o.id, p->context->o.id, n,
                                               devices, *binaries);

    rc = extent_sent(s, binaries->off, rc);
    if (rc != CL_SUCCESS)
        return rc;
    rc = session_wait(s, &pending);
    if (rc == CL_SUCCESS) {
        binary_take_statuses(&pending, n, ret_statuses);
        rc = (cl_int)pending.status;
    }
    free(pending.answer);
    return rc;
}

static cl_int
check_binaries(cl_context context, cl_uint n, const cl_device_id *devices,
               const size_t *lengths, const unsigned char **binaries, cl_int *statuses)
{
    cl_int rc = CL_SUCCESS;

    if (n == 0 || !devices || !lengths || !binaries)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < n; i++) {
        if (!context_has_device(context, devices[i]))
            return CL_INVALID_DEVICE;
    }
    for (cl_uint i = 0; i < n; i++) {
        bool none = lengths[i] == 0 || !binaries[i];

        if (statuses)
            statuses[i] = none ? CL_INVALID_VALUE : CL_SUCCESS;
        if (none)
            rc = CL_INVALID_VALUE;
    }
    return rc;
}

/* Section 5.8.1. */
CL_API_ENTRY cl_program CL_API_CALL
tsr_clCreateProgramWithBinary(cl_context context, cl_uint num_devices,
                              const cl_device_id *device_list, const size_t *lengths,
                              const unsigned char **binaries, cl_int *binary_status,
                              cl_int *errcode_ret)
{
    _cleanup_free_ uint8_t *all = NULL;
    struct _cl_program *p;
    struct blob blob;
    size_t len;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    rc = check_binaries(context, num_devices, device_list, lengths, binaries,
                        binary_status);
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    p = program_new(context, PROGRAM_BINARY, num_devices, device_list);
    all = binaries_join(num_devices, lengths, binaries, &len);
    rc = p && all ? blob_init(p->o.session, &blob, all, len) : CL_OUT_OF_HOST_MEMORY;
    if (rc != CL_SUCCESS) {
        if (p)
            program_discard(p);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    rc = binary_send(p, num_devices, device_list, &blob, binary_status);
    if (rc != CL_SUCCESS) {
        /* The worker keeps a failed object under the id, so it must be told. */
        object_release(&p->o);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    for (cl_uint i = 0; i < p->n_devices; i++)
        p->devices[i].type_unknown = true;
    RETURN_WITH(errcode_ret, CL_SUCCESS, p);
}

/* ---- other origins ----------------------------------------------------------------- */

static bool
context_takes_il(const struct _cl_context *c)
{
    size_t len = 0;
    const char *il = device_bytes(c->device, CL_DEVICE_IL_VERSION, &len);

    return il && len > 1 && il[0];
}

/* Section 5.8.1. Also clCreateProgramWithILKHR (cl_khr_il_program). */
CL_API_ENTRY cl_program CL_API_CALL
tsr_clCreateProgramWithIL(cl_context context, const void *il, size_t length,
                          cl_int *errcode_ret)
{
    struct pending pending = {0};
    struct _cl_program *p;
    struct blob blob;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (!context_takes_il(context))
        RETURN_WITH(errcode_ret, CL_INVALID_OPERATION, NULL);
    if (!il || length == 0)
        RETURN_WITH(errcode_ret, CL_INVALID_VALUE, NULL);
    p = program_new(context, PROGRAM_IL, 0, NULL);
    if (!p)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    p->source = malloc(length);
    p->source_len = length;
    rc = p->source ? blob_init(p->o.session, &blob, il, length) : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = extent_sent(p->o.session, blob.off,
                         send_clCreateProgramWithIL(p->o.session, &pending, p->o.id,
                                                    context->o.id, blob));
    if (rc != CL_SUCCESS) {
        program_discard(p);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    memcpy(p->source, il, length);
    rc = session_wait(p->o.session, &pending);
    if (rc == CL_SUCCESS)
        rc = (cl_int)pending.status;
    if (rc == CL_SUCCESS)
        RETURN_WITH(errcode_ret, CL_SUCCESS, p);
    object_release(&p->o);
    RETURN_WITH(errcode_ret, rc, NULL);
}

/* Section 5.8.3. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clSetProgramSpecializationConstant(cl_program program, cl_uint spec_id,
                                       size_t spec_size, const void *spec_value)
{
    struct pending p = {0};
    cl_int rc;

    if (!object_is(program, KIND_program) || program->origin != PROGRAM_IL)
        return CL_INVALID_PROGRAM;
    if (!spec_value || spec_size == 0)
        return CL_INVALID_VALUE;
    rc = send_clSetProgramSpecializationConstant(program->o.session, &p, program->o.id,
                                                 spec_id, spec_value, spec_size);
    if (rc == CL_SUCCESS)
        rc = session_wait(program->o.session, &p);
    return rc == CL_SUCCESS ? (cl_int)p.status : rc;
}

/* Names between ';', each of them one of the device's. */
static bool
device_has_kernels(cl_device_id device, const char *names)
{
    size_t len = 0;
    const char *known = device_bytes(device->d, CL_DEVICE_BUILT_IN_KERNELS, &len);
    _cleanup_free_ char *all = known ? str_printf(";%.*s;", (int)len, known) : NULL;

    while (all && *names) {
        size_t n = (size_t)(strchrnul(names, ';') - names);
        _cleanup_free_ char *one = str_printf(";%.*s;", (int)n, names);

        if (n > 0 && (!one || !strstr(all, one)))
            return false;
        names += n + (names[n] == ';');
    }
    return all != NULL;
}

/* Section 5.8.1. */
CL_API_ENTRY cl_program CL_API_CALL
tsr_clCreateProgramWithBuiltInKernels(cl_context context, cl_uint num_devices,
                                      const cl_device_id *device_list,
                                      const char *kernel_names, cl_int *errcode_ret)
{
    const struct extent none = {EXTENT_NONE, 0};
    struct pending pending = {0};
    struct _cl_program *p;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (num_devices == 0 || !device_list || !kernel_names || !kernel_names[0])
        RETURN_WITH(errcode_ret, CL_INVALID_VALUE, NULL);
    rc = context_check_devices(context, num_devices, device_list);
    for (cl_uint i = 0; rc == CL_SUCCESS && i < num_devices; i++) {
        if (!device_has_kernels(device_list[i], kernel_names))
            rc = CL_INVALID_VALUE;
    }
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    p = program_new(context, PROGRAM_BUILT_IN, num_devices, device_list);
    if (!p)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    rc = send_clCreateProgramWithBuiltInKernels(p->o.session, &pending, p->o.id,
                                                context->o.id, num_devices, device_list,
                                                kernel_names, none);
    if (rc != CL_SUCCESS) {
        program_discard(p);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    rc = session_wait(p->o.session, &pending);
    if (rc == CL_SUCCESS)
        rc = (cl_int)pending.status;
    if (rc == CL_SUCCESS)
        p->metadata = program_take_metadata(p, &pending);
    free(pending.answer);
    if (rc != CL_SUCCESS) {
        object_release(&p->o);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    /* A driver that has them built tells their names. */
    for (cl_uint i = 0; p->metadata && p->metadata->n_kernels && i < p->n_devices; i++) {
        p->devices[i].status = CL_BUILD_SUCCESS;
        p->devices[i].type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    }
    RETURN_WITH(errcode_ret, CL_SUCCESS, p);
}

/* Section 5.8.2. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainProgram(cl_program program)
{
    return object_retain_call(program, KIND_program, CL_INVALID_PROGRAM);
}

/* Section 5.8.2. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseProgram(cl_program program)
{
    return object_release_call(program, KIND_program, CL_INVALID_PROGRAM);
}

/* Section 5.8.8. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clUnloadCompiler(void)
{
    return CL_SUCCESS;
}

/* Section 5.8.8. */
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

/* Deprecated with 2.2; only a program with global destructors may have one (section 5.8.2). */
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
