/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, sections 5.8.4 and 5.8.5: building, compiling and linking. With a callback the call
 * only sends; the service thread takes the answer, notes how it ended, and calls back.
 */
#include "guest/opencl/program.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "base/source_text.h"
#include "guest/opencl/include_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef void(CL_CALLBACK *program_notify_fn)(cl_program, void *);

/* One build under way. */
struct build {
    struct callback callback;
    struct pending pending;
    struct _cl_program *program; /* held */
    cl_program_binary_type type; /* what comes out of it */
    bool hides_args;             /* of a build without -cl-kernel-arg-info */
    cl_uint n_devices;
    cl_device_id *devices; /* owned */
    program_notify_fn notify;
    void *user_data;
};

static void
build_free(struct build *b)
{
    free(b->pending.answer);
    object_unhold(&b->program->o);
    free(b->devices);
    free(b);
}

static struct build *
build_new(struct _cl_program *p, cl_uint n, const cl_device_id *devices,
          cl_program_binary_type type)
{
    struct build *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    object_hold(&p->o);
    b->program = p;
    b->type = type;
    b->n_devices = n ? n : p->n_devices;
    b->devices = calloc(b->n_devices, sizeof(cl_device_id));
    if (!b->devices) {
        build_free(b);
        return NULL;
    }
    for (cl_uint i = 0; i < b->n_devices; i++)
        b->devices[i] = n ? devices[i] : p->devices[i].device;
    return b;
}

/* Sections 5.8.4 f.: CL_INVALID_OPERATION while another build runs or kernels are attached. */
static cl_int
build_begin(struct build *b, const char *options)
{
    struct _cl_program *p = b->program;
    cl_int rc = CL_SUCCESS;

    pthread_mutex_lock(&p->lock);
    for (cl_uint i = 0; i < p->n_devices; i++) {
        if (p->devices[i].status == CL_BUILD_IN_PROGRESS)
            rc = CL_INVALID_OPERATION;
    }
    if (atomic_load(&p->kernels) > 0)
        rc = CL_INVALID_OPERATION;
    for (cl_uint i = 0; rc == CL_SUCCESS && i < b->n_devices; i++) {
        struct program_device *d = program_on(p, b->devices[i]);

        free(d->options);
        d->options = strdup(options);
        if (!d->options)
            rc = CL_OUT_OF_HOST_MEMORY;
    }
    for (cl_uint i = 0; rc == CL_SUCCESS && i < b->n_devices; i++) {
        struct program_device *d = program_on(p, b->devices[i]);

        d->status = CL_BUILD_IN_PROGRESS;
        d->type = CL_PROGRAM_BINARY_TYPE_NONE;
        d->type_unknown = false;
    }
    if (rc == CL_SUCCESS)
        p->log = NULL;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* Takes the metadata: NULL leaves what builds for other devices told. */
static void
build_ended(struct build *b, cl_int rc, struct metadata *m)
{
    struct _cl_program *p = b->program;

    pthread_mutex_lock(&p->lock);
    for (cl_uint i = 0; i < b->n_devices; i++) {
        struct program_device *d = program_on(p, b->devices[i]);

        d->status = rc == CL_SUCCESS ? CL_BUILD_SUCCESS : CL_BUILD_ERROR;
        d->type = rc == CL_SUCCESS ? b->type : CL_PROGRAM_BINARY_TYPE_NONE;
    }
    if (m) {
        metadata_unhold(p->metadata);
        p->metadata = m;
    }
    pthread_mutex_unlock(&p->lock);
}

/* The answer is there. */
static cl_int
build_finish(struct build *b)
{
    struct session *s = b->program->o.session;
    struct metadata *m = NULL;
    cl_int rc = (cl_int)b->pending.status;

    if (rc == CL_SUCCESS && b->type == CL_PROGRAM_BINARY_TYPE_EXECUTABLE) {
        m = program_take_metadata(b->program, &b->pending);
        if (!m)
            rc = session_is_dead(s) ? CL_OUT_OF_RESOURCES : CL_OUT_OF_HOST_MEMORY;
        else
            m->args_hidden = b->hides_args;
    }
    build_ended(b, rc, m);
    return rc;
}

static void
build_callback_run(struct callback *c)
{
    struct build *b = container_of(c, struct build, callback);

    build_finish(b);
    b->notify(b->program, b->user_data);
    build_free(b);
}

static void
build_answered(struct pending *p)
{
    struct build *b = container_of(p, struct build, pending);

    session_post_callback(b->program->o.session, &b->callback);
}

static cl_int
build_prepare(struct build *b, program_notify_fn notify, void *user_data)
{
    if (!notify)
        return CL_SUCCESS;
    b->notify = notify;
    b->user_data = user_data;
    b->callback.run = build_callback_run;
    b->pending.done = build_answered;
    return session_need_service(b->program->o.session);
}

/*
 * After the message went, or did not (rc). Without a callback waits for the end. Frees: with one
 * the service thread may have done so already, so b is not looked at.
 */
static cl_int
build_sent(struct build *b, cl_int rc, bool notifies)
{
    if (rc == CL_SUCCESS && notifies)
        return CL_SUCCESS;
    if (rc == CL_SUCCESS)
        rc = session_wait(b->program->o.session, &b->pending);
    if (rc == CL_SUCCESS)
        rc = build_finish(b);
    else
        build_ended(b, rc, NULL);
    build_free(b);
    return rc;
}

/* ---- what is asked of the arguments ------------------------------------------------ */

static cl_int
check_devices(struct _cl_program *p, cl_uint n, const cl_device_id *devices)
{
    if ((n == 0) != (devices == NULL))
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < n; i++) {
        if (!program_on(p, devices[i]))
            return CL_INVALID_DEVICE;
    }
    return CL_SUCCESS;
}

/* An -I that names nothing. */
static bool
options_are_complete(const char *options)
{
    struct build_option o;
    size_t at = 0;

    while (build_option_next(options, &at, &o)) {
        if (o.is_include && o.dir_len == 0)
            return false;
    }
    return true;
}

static bool
options_have(const char *options, const char *word)
{
    struct build_option o;
    size_t at = 0;

    while (build_option_next(options, &at, &o)) {
        if (build_option_is(options, &o, word))
            return true;
    }
    return false;
}

static bool
compiler_is_there(const struct _cl_program *p)
{
    return p->origin == PROGRAM_BINARY ||
           device_number(p->context->device, CL_DEVICE_COMPILER_AVAILABLE, CL_TRUE);
}

/* ---- include files ----------------------------------------------------------------- */

/* What clCompileProgram was given beside the program. */
struct headers {
    cl_uint n;
    const cl_program *programs;
    const char **names;
};

static cl_int
collect_files(struct _cl_program *p, const char *options, const struct headers *h,
              uint8_t **ret, size_t *ret_len)
{
    _cleanup_free_ struct include_source *sources = calloc(h->n + 1u, sizeof *sources);
    struct include_query q = {.options = options,
                              .sources = sources,
                              .n_sources = h->n + 1u,
                              .embedded = h->names,
                              .n_embedded = h->n};
    int rc;

    *ret = NULL;
    *ret_len = 0;
    if (!sources)
        return CL_OUT_OF_HOST_MEMORY;
    if (p->origin != PROGRAM_SOURCE)
        return CL_SUCCESS;
    sources[0] = (struct include_source){p->source, p->source_len};
    for (cl_uint i = 0; i < h->n; i++)
        sources[i + 1] =
            (struct include_source){h->programs[i]->source, h->programs[i]->source_len};
    rc = include_files_collect(&q, ret, ret_len);
    if (rc == 0)
        return CL_SUCCESS;
    if (rc == -E2BIG) {
        pthread_mutex_lock(&p->lock);
        p->log = "error: the source includes more than 4096 files or 16 MiB\n";
        pthread_mutex_unlock(&p->lock);
        return CL_BUILD_PROGRAM_FAILURE;
    }
    return CL_OUT_OF_HOST_MEMORY;
}

static cl_int
files_blob(struct build *b, const char *options, const struct headers *h,
           uint8_t **ret_bytes, struct blob *ret)
{
    size_t len;
    cl_int rc = collect_files(b->program, options, h, ret_bytes, &len);

    return rc == CL_SUCCESS ? blob_init(b->program->o.session, ret, *ret_bytes, len) : rc;
}

/* ---- clBuildProgram ---------------------------------------------------------------- */

static cl_int
build_send(struct build *b, const char *options)
{
    const struct extent none = {EXTENT_NONE, 0};
    const struct headers no_headers = {0};
    struct session *s = b->program->o.session;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct blob files;
    cl_int rc = files_blob(b, options, &no_headers, &bytes, &files);

    if (rc != CL_SUCCESS)
        return rc;
    rc = send_clBuildProgram(s, &b->pending, b->program->o.id, b->n_devices, b->devices,
                             options, files, none);
    return extent_sent(s, files.off, rc);
}

/* Section 5.8.4. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clBuildProgram(cl_program program, cl_uint num_devices,
                   const cl_device_id *device_list, const char *options,
                   program_notify_fn pfn_notify, void *user_data)
{
    cl_program_binary_type type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    struct build *b;
    cl_int rc;

    if (!object_is(program, KIND_program))
        return CL_INVALID_PROGRAM;
    if (!pfn_notify && user_data)
        return CL_INVALID_VALUE;
    rc = check_devices(program, num_devices, device_list);
    if (rc != CL_SUCCESS)
        return rc;
    if (program->origin == PROGRAM_LINKED)
        return CL_INVALID_OPERATION;
    if (!options)
        options = "";
    if (!options_are_complete(options))
        return CL_INVALID_BUILD_OPTIONS;
    if (!compiler_is_there(program))
        return CL_COMPILER_NOT_AVAILABLE;
    if (options_have(options, "-create-library"))
        type = CL_PROGRAM_BINARY_TYPE_LIBRARY;
    b = build_new(program, num_devices, device_list, type);
    rc = b ? build_prepare(b, pfn_notify, user_data) : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = build_begin(b, options);
    if (rc != CL_SUCCESS) {
        if (b)
            build_free(b);
        return rc;
    }
    b->hides_args = !options_have(options, "-cl-kernel-arg-info");
    return build_sent(b, build_send(b, options), pfn_notify != NULL);
}

/* ---- clCompileProgram -------------------------------------------------------------- */

static cl_int
check_headers(const struct _cl_program *p, const struct headers *h)
{
    if ((h->n == 0) != (h->programs == NULL) || (h->n == 0) != (h->names == NULL))
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < h->n; i++) {
        if (!object_is(h->programs[i], KIND_program) ||
            h->programs[i]->context != p->context ||
            h->programs[i]->origin != PROGRAM_SOURCE)
            return CL_INVALID_PROGRAM;
        if (!h->names[i] || !h->names[i][0])
            return CL_INVALID_VALUE;
    }
    return CL_SUCCESS;
}

static char *
names_join(const struct headers *h, size_t *ret_len)
{
    char *all, *end;

    *ret_len = 0;
    for (cl_uint i = 0; i < h->n; i++)
        *ret_len += strlen(h->names[i]) + 1;
    end = all = malloc(*ret_len + 1);
    for (cl_uint i = 0; all && i < h->n; i++)
        end = stpcpy(end, h->names[i]) + 1;
    return all;
}

static cl_int
compile_send(struct build *b, const char *options, const struct headers *h)
{
    struct session *s = b->program->o.session;
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_free_ char *names = NULL;
    struct blob files;
    size_t len;
    cl_int rc;

    names = names_join(h, &len);
    rc = names ? files_blob(b, options, h, &bytes, &files) : CL_OUT_OF_HOST_MEMORY;
    if (rc != CL_SUCCESS)
        return rc == CL_BUILD_PROGRAM_FAILURE ? CL_COMPILE_PROGRAM_FAILURE : rc;
    rc = send_clCompileProgram(s, &b->pending, b->program->o.id, b->n_devices, b->devices,
                               options, h->n, h->programs, names, len, files);
    return extent_sent(s, files.off, rc);
}

/* Section 5.8.5. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clCompileProgram(cl_program program, cl_uint num_devices,
                     const cl_device_id *device_list, const char *options,
                     cl_uint num_input_headers, const cl_program *input_headers,
                     const char **header_include_names, program_notify_fn pfn_notify,
                     void *user_data)
{
    const struct headers headers = {num_input_headers, input_headers,
                                    header_include_names};
    struct build *b;
    cl_int rc;

    if (!object_is(program, KIND_program))
        return CL_INVALID_PROGRAM;
    if (!pfn_notify && user_data)
        return CL_INVALID_VALUE;
    rc = check_devices(program, num_devices, device_list);
    if (rc == CL_SUCCESS)
        rc = check_headers(program, &headers);
    if (rc != CL_SUCCESS)
        return rc;
    if (program->origin != PROGRAM_SOURCE && program->origin != PROGRAM_IL)
        return CL_INVALID_OPERATION;
    if (!options)
        options = "";
    if (!options_are_complete(options))
        return CL_INVALID_COMPILER_OPTIONS;
    if (!compiler_is_there(program))
        return CL_COMPILER_NOT_AVAILABLE;
    b = build_new(program, num_devices, device_list,
                  CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT);
    rc = b ? build_prepare(b, pfn_notify, user_data) : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = build_begin(b, options);
    if (rc != CL_SUCCESS) {
        if (b)
            build_free(b);
        return rc;
    }
    return build_sent(b, compile_send(b, options, &headers), pfn_notify != NULL);
}

/* ---- clLinkProgram ----------------------------------------------------------------- */

/* What may be linked for a device. */
static cl_int
check_input(struct _cl_program *p, cl_device_id device, bool *ret_linkable)
{
    cl_program_binary_type type = CL_PROGRAM_BINARY_TYPE_NONE;
    struct program_device *d = program_on(p, device);
    bool busy;
    cl_int rc;

    *ret_linkable = false;
    if (!d)
        return CL_SUCCESS;
    pthread_mutex_lock(&p->lock);
    busy = d->status == CL_BUILD_IN_PROGRESS;
    pthread_mutex_unlock(&p->lock);
    if (busy)
        return CL_INVALID_OPERATION;
    rc = program_binary_type(p, device, &type);
    *ret_linkable = type == CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT ||
                    type == CL_PROGRAM_BINARY_TYPE_LIBRARY;
    return rc;
}

/*
 * Section 5.8.5: on a device all inputs are compiled objects or libraries, or none is and nothing
 * is linked for it. *devices loses those.
 */
static cl_int
check_inputs(cl_uint n, const cl_program *inputs, cl_uint *n_devices,
             cl_device_id *devices)
{
    cl_uint kept = 0;

    for (cl_uint d = 0; d < *n_devices; d++) {
        cl_uint linkable = 0;

        for (cl_uint i = 0; i < n; i++) {
            bool one;
            cl_int rc = check_input(inputs[i], devices[d], &one);

            if (rc != CL_SUCCESS)
                return rc;
            linkable += one;
        }
        if (linkable != 0 && linkable != n)
            return CL_INVALID_OPERATION;
        if (linkable == n)
            devices[kept++] = devices[d];
    }
    *n_devices = kept;
    return kept > 0 ? CL_SUCCESS : CL_INVALID_OPERATION;
}

static cl_int
check_link(cl_context context, cl_uint n, const cl_program *inputs, const char *options)
{
    if (n == 0 || !inputs)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < n; i++) {
        if (!object_is(inputs[i], KIND_program) || inputs[i]->context != context)
            return CL_INVALID_PROGRAM;
    }
    if (options_have(options, "-enable-link-options") &&
        !options_have(options, "-create-library"))
        return CL_INVALID_LINKER_OPTIONS;
    if (!device_number(context->device, CL_DEVICE_LINKER_AVAILABLE, CL_TRUE))
        return CL_LINKER_NOT_AVAILABLE;
    return CL_SUCCESS;
}

/* Makes the program and sends; *ret is to be released when this fails. */
static cl_int
link_send(cl_context context, struct build *b, const char *options, cl_uint n,
          const cl_program *inputs)
{
    const struct extent none = {EXTENT_NONE, 0};

    return send_clLinkProgram(context->o.session, &b->pending, b->program->o.id,
                              context->o.id, b->n_devices, b->devices, options, n, inputs,
                              none);
}

/* Section 5.8.5. */
CL_API_ENTRY cl_program CL_API_CALL
tsr_clLinkProgram(cl_context context, cl_uint num_devices,
                  const cl_device_id *device_list, const char *options,
                  cl_uint num_input_programs, const cl_program *input_programs,
                  program_notify_fn pfn_notify, void *user_data, cl_int *errcode_ret)
{
    cl_program_binary_type type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    struct _cl_program *p = NULL;
    struct build *b = NULL;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    rc = context_check_devices(context, num_devices, device_list);
    if (rc == CL_SUCCESS && !pfn_notify && user_data)
        rc = CL_INVALID_VALUE;
    if (!options)
        options = "";
    if (rc == CL_SUCCESS)
        rc = check_link(context, num_input_programs, input_programs, options);
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    if (options_have(options, "-create-library"))
        type = CL_PROGRAM_BINARY_TYPE_LIBRARY;
    p = program_new(context, PROGRAM_LINKED, num_devices, device_list);
    if (!p)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    b = build_new(p, num_devices, device_list, type);
    rc = b ? check_inputs(num_input_programs, input_programs, &b->n_devices, b->devices)
           : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = build_prepare(b, pfn_notify, user_data);
    if (rc == CL_SUCCESS)
        rc = build_begin(b, options);
    if (rc == CL_SUCCESS)
        rc = link_send(context, b, options, num_input_programs, input_programs);
    if (rc != CL_SUCCESS) {
        if (b)
            build_free(b);
        program_discard(p);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    rc = build_sent(b, rc, pfn_notify != NULL);
    /* A link that began and failed leaves a program that can tell why. */
    if (rc != CL_SUCCESS && rc != CL_LINK_PROGRAM_FAILURE) {
        object_release(&p->o);
        p = NULL;
    }
    RETURN_WITH(errcode_ret, rc, p);
}
