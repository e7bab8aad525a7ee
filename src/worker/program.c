/* SPDX-License-Identifier: MIT */
#include "worker/program.h"

#include "api/opencl_request.h"
#include "worker/build_lock.h"
#include "worker/metadata.h"
#include "worker/print.h"
#include "worker/scope.h"

#include <errno.h>
#include <stdlib.h>

#define NO_EXTENT ((struct extent){EXTENT_NONE, 0})

struct program *
program_of(struct object *o)
{
    return container_of(o, struct program, o);
}

struct program *
program_new(struct session *s, struct guest_id id)
{
    struct program *p = object_new(s, id, KIND_program);

    if (!p)
        return NULL;
    p->key = BUILD_KEY_NONE;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->driver_lock, NULL);
    print_expect(s, &p->o.recipe);
    return p;
}

static void
others_drop(struct session *s, const struct program *p, struct program_others *o)
{
    for (cl_uint i = 0; i < o->n; i++) {
        if (o->all[i] != p)
            object_unref(s, &o->all[i]->o);
    }
    free(o->all);
    *o = (struct program_others){0};
}

bool
program_keep_others(struct program *p, struct program_others *o, uint64_t n,
                    struct object *const *programs)
{
    o->all = n > 0 ? calloc(n, sizeof(struct program *)) : NULL;
    if (n > 0 && !o->all)
        return false;
    for (; o->n < n; o->n++) {
        o->all[o->n] = program_of(programs[o->n]);
        /* Of itself it would keep itself for ever. */
        if (o->all[o->n] != p)
            object_ref(programs[o->n]);
    }
    return true;
}

/* All but the first n. */
static void
builds_drop(struct session *s, struct program *p, size_t n)
{
    while (p->n_builds > n) {
        struct program_build *b = &p->builds[--p->n_builds];

        others_drop(s, p, &b->headers);
        recipe_fini(&b->message);
        allowance_give(s, LIMIT_PROGRAM_BYTES, b->kept_bytes);
    }
}

/* The driver has refused the last one, and left the program as it was. */
static bool
last_was_refused(struct program *p)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&p->lock);

    return p->n_builds > 0 && p->status == CL_INVALID_OPERATION &&
           p->status_moment == p->builds[p->n_builds - 1].moment;
}

struct program_build *
program_new_build(struct session *s, struct program *p, uint64_t kept_bytes)
{
    struct program_build *bigger;

    if (atomic_load(&p->o.refs) == 1)
        builds_drop(s, p, 0);
    else if (last_was_refused(p))
        builds_drop(s, p, p->n_builds - 1);
    bigger = realloc(p->builds, (p->n_builds + 1) * sizeof *bigger);
    if (!bigger)
        return NULL;
    p->builds = bigger;
    p->builds[p->n_builds] = (struct program_build){
        .program = p, .moment = session_moment(s), .kept_bytes = kept_bytes};
    return &p->builds[p->n_builds++];
}

static void
constants_drop(struct session *s, struct program *p)
{
    for (size_t i = 0; i < p->n_constants; i++) {
        allowance_give(s, LIMIT_PROGRAM_BYTES, p->constants[i].set.frame_len);
        recipe_fini(&p->constants[i].set);
    }
    free(p->constants);
}

/* The message is kept, to be repeated. */
static cl_int
constant_keep(struct session *s, struct program *p)
{
    struct program_constant *bigger, *c;

    if (!allowance_take(s, LIMIT_PROGRAM_BYTES, s->request.len))
        return CL_OUT_OF_HOST_MEMORY;
    bigger = realloc(p->constants, (p->n_constants + 1) * sizeof *bigger);
    if (!bigger) {
        allowance_give(s, LIMIT_PROGRAM_BYTES, s->request.len);
        return CL_OUT_OF_HOST_MEMORY;
    }
    p->constants = bigger;
    c = &bigger[p->n_constants++];
    *c = (struct program_constant){.moment = session_moment(s)};
    if (recipe_set(&c->set, s->request.frame, s->request.len))
        return CL_SUCCESS;
    allowance_give(s, LIMIT_PROGRAM_BYTES, s->request.len);
    p->n_constants--;
    return CL_OUT_OF_HOST_MEMORY;
}

void
program_fini(struct session *s, struct object *o)
{
    struct program *p = program_of(o);

    others_drop(s, p, &p->linked);
    builds_drop(s, p, 0);
    free(p->builds);
    constants_drop(s, p);
    for (size_t i = 0; i < p->sizes.n; i++)
        free(p->sizes.all[i].name);
    free(p->sizes.all);
    include_words_fini(&p->words);
    free(p->built.options);
    free(p->built.files);
    free(p->metadata);
    free(p->log);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->driver_lock);
    if (o->h.program)
        s->cl->clReleaseProgram(o->h.program);
}

cl_program
program_handle(struct program *p)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&p->lock);

    return p->o.h.program;
}

/* ---- making ------------------------------------------------------------------------ */

int
op_clCreateProgramWithSource(struct session *s,
                             const struct req_clCreateProgramWithSource *r)
{
    struct program *p = program_new(s, r->program);
    size_t len = 0;
    _cleanup_free_ char *source =
        include_rewrite((const char *)r->source, r->source_len, true, &len);
    const char *text = source;
    cl_int rc = s->request.error;

    if (!p)
        return -ENOMEM;
    p->key = build_key_add(p->key, r->source, r->source_len);
    if (rc == CL_SUCCESS && !source)
        rc = CL_OUT_OF_HOST_MEMORY;
    /* To drivers a length of 0 means "ends with NUL", which an empty text does. */
    if (rc == CL_SUCCESS)
        p->o.h.program =
            s->cl->clCreateProgramWithSource(r->context->h.context, 1, &text, &len, &rc);
    return object_made(s, &p->o, rc, r->tag);
}

/* The byte strings of n binaries, in place. false: they are not n. */
static bool
binaries_parse(const struct req_clCreateProgramWithBinary *r, const unsigned char **ret,
               size_t *ret_lengths)
{
    struct dec d;
    uint64_t len;

    dec_init(&d, r->binaries, r->binaries_len);
    for (uint64_t i = 0; i < r->n_device_list; i++) {
        ret[i] = dec_bytes(&d, "binary", &len);
        ret_lengths[i] = len;
    }
    dec_end(&d);
    return !d.bad && r->n_device_list > 0;
}

int
op_clCreateProgramWithBinary(struct session *s,
                             const struct req_clCreateProgramWithBinary *r)
{
    const cl_uint n = (cl_uint)r->n_device_list;
    _cleanup_free_ const unsigned char **binaries = calloc(n + 1u, sizeof *binaries);
    _cleanup_free_ size_t *lengths = calloc(n + 1u, sizeof *lengths);
    _cleanup_free_ cl_int *statuses = calloc(n + 1u, sizeof *statuses);
    _cleanup_free_ uint64_t *answer = calloc(n + 1u, sizeof *answer);
    struct program *p;
    cl_int rc;

    if (!binaries || !lengths || !statuses || !answer)
        return session_fail(s, "the worker has no memory left");
    if (s->request.error == CL_SUCCESS && !binaries_parse(r, binaries, lengths))
        return request_bad_field(s, "binaries", "not one for each device");
    p = program_new(s, r->program);
    if (!p)
        return -ENOMEM;
    p->key = build_key_add(p->key, r->binaries, r->binaries_len);
    rc = s->request.error;
    if (rc == CL_SUCCESS)
        p->o.h.program = s->cl->clCreateProgramWithBinary(
            r->context->h.context, n, handles_of_device(s, n, r->device_list), lengths,
            binaries, statuses, &rc);
    for (cl_uint i = 0; i < n; i++)
        answer[i] = (uint64_t)(int64_t)statuses[i];
    object_made(s, &p->o, rc, 0);
    reply_bytes(s, r->tag, rc, answer, n * sizeof *answer, NO_EXTENT);
    return 0;
}

int
op_clCreateProgramWithIL(struct session *s, const struct req_clCreateProgramWithIL *r)
{
    struct program *p = program_new(s, r->program);
    cl_int rc = s->request.error;

    if (!p)
        return -ENOMEM;
    p->key = build_key_add(p->key, r->il, r->il_len);
    if (rc == CL_SUCCESS && !s->cl->clCreateProgramWithIL)
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS)
        p->o.h.program =
            s->cl->clCreateProgramWithIL(r->context->h.context, r->il, r->il_len, &rc);
    return object_made(s, &p->o, rc, r->tag);
}

int
op_clCreateProgramWithBuiltInKernels(
    struct session *s, const struct req_clCreateProgramWithBuiltInKernels *r)
{
    struct program *p = program_new(s, r->program);
    struct program_job answer = {.s = s, .program = p, .tag = r->tag, .out = r->result};
    cl_int rc = s->request.error;

    if (!p)
        return -ENOMEM;
    if (rc == CL_SUCCESS && !s->cl->clCreateProgramWithBuiltInKernels)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        p->o.h.program = s->cl->clCreateProgramWithBuiltInKernels(
            r->context->h.context, (cl_uint)r->n_device_list,
            handles_of_device(s, r->n_device_list, r->device_list), r->kernel_names, &rc);
    object_made(s, &p->o, rc, 0);
    if (rc == CL_SUCCESS)
        program_learn(s, p);
    program_reply_metadata(&answer, rc);
    return 0;
}

int
op_clSetProgramSpecializationConstant(
    struct session *s, const struct req_clSetProgramSpecializationConstant *r)
{
    cl_program program = program_handle(program_of(r->program));
    cl_int rc = s->request.error;

    if (rc == CL_SUCCESS && (!program || !s->cl->clSetProgramSpecializationConstant))
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS && r->spec_id > UINT32_MAX)
        rc = CL_INVALID_SPEC_ID;
    if (rc == CL_SUCCESS)
        rc = s->cl->clSetProgramSpecializationConstant(program, (cl_uint)r->spec_id,
                                                       r->spec_value_len, r->spec_value);
    if (rc == CL_SUCCESS)
        rc = constant_keep(s, program_of(r->program));
    reply_status(s, r->tag, rc);
    return 0;
}

/* ---- jobs on programs -------------------------------------------------------------- */

void
program_job_free(struct program_job *j)
{
    for (cl_uint i = 0; i < j->n_devices; i++)
        j->s->cl->clReleaseDevice(j->devices[i]);
    for (cl_uint i = 0; i < j->n_others; i++)
        object_unref(j->s, &j->others[i]->o);
    if (j->context)
        j->s->cl->clReleaseContext(j->context);
    object_unref(j->s, j->kernel);
    object_unref(j->s, &j->program->o);
    free(j->devices);
    free(j->others);
    free(j->names);
    free(j->input.options);
    free(j->input.files);
    inflight_give(j->s, j->inflight_bytes);
    free(j);
}

bool
program_job_devices(struct program_job *j, uint64_t n, struct object *const *devices)
{
    j->devices = calloc(n + 1, sizeof(cl_device_id));
    if (!j->devices)
        return false;
    for (uint64_t i = 0; i < n; i++)
        j->devices[i] = devices[i]->h.device;
    j->n_devices = (cl_uint)n;
    return true;
}

bool
program_job_others(struct program_job *j, uint64_t n, struct object *const *programs)
{
    j->others = calloc(n + 1, sizeof(struct program *));
    if (!j->others)
        return false;
    for (uint64_t i = 0; i < n; i++)
        j->others[i] = program_of(programs[i]);
    j->n_others = (cl_uint)n;
    return true;
}

int
program_start(struct session *s, const struct program_job *from,
              void (*run)(struct job *))
{
    struct program_job *j = malloc(sizeof *j);

    if (!j)
        return session_fail(s, "the worker has no memory left");
    *j = *from;
    j->s = s;
    j->job.run = run;
    object_ref(&j->program->o);
    if (j->kernel)
        object_ref(j->kernel);
    if (j->context)
        s->cl->clRetainContext(j->context);
    for (cl_uint i = 0; i < j->n_devices; i++)
        s->cl->clRetainDevice(j->devices[i]);
    for (cl_uint i = 0; i < j->n_others; i++)
        object_ref(&j->others[i]->o);
    if (jobs_start(&s->builds, &j->job) < 0) {
        reply_status(s, j->tag, CL_OUT_OF_RESOURCES);
        program_job_free(j);
    }
    return 0;
}

void
program_job_reply(struct program_job *j, cl_int rc, const void *data, size_t len)
{
    if (rc == CL_SUCCESS && data)
        reply_bytes(j->s, j->tag, rc, data, len, j->out);
    else
        reply_status(j->s, j->tag, rc != CL_SUCCESS ? rc : CL_OUT_OF_HOST_MEMORY);
}

/* A log in the guest's words. */
static char *
log_translate(struct program *p, const char *log)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&p->lock);

    return include_words_apply(&p->words, log);
}

void
program_built(const struct program_job *j, cl_int status)
{
    struct program *p = j->program;
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&p->lock);

    p->status = status;
    p->status_moment = j->moment;
    free(take_ptr(p->log));
}

char *
program_log(struct session *s, struct program *p)
{
    cl_program program = program_handle(p);
    _cleanup_free_ char *log = NULL;
    cl_device_id device = NULL, *devices = NULL;
    size_t len = 0;

    pthread_mutex_lock(&p->lock);
    log = p->log ? strdup(p->log) : NULL;
    pthread_mutex_unlock(&p->lock);
    if (log || !program)
        return take_ptr(log);
    if (s->cl->clGetProgramInfo(program, CL_PROGRAM_DEVICES, 0, NULL, &len) ==
            CL_SUCCESS &&
        len >= sizeof device)
        devices = malloc(len);
    if (devices && s->cl->clGetProgramInfo(program, CL_PROGRAM_DEVICES, len, devices,
                                           NULL) == CL_SUCCESS)
        device = devices[0];
    free(devices);
    if (s->cl->clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL,
                                     &len) != CL_SUCCESS)
        return NULL;
    log = calloc(1, len + 1);
    if (!log || s->cl->clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, len,
                                             log, NULL) != CL_SUCCESS)
        return NULL;
    return log_translate(p, log);
}

void
program_keep_log(struct program *p, const char *log)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&p->lock);

    free(p->log);
    p->log = strdup(log);
}

void
program_learn(struct session *s, struct program *p)
{
    _cleanup_bytes_ struct bytes b = {0};
    _cleanup_unlock_ pthread_mutex_t *held = NULL;

    metadata_describe(s, program_handle(p), &b);
    held = scope_lock(&p->lock);
    free(p->metadata);
    p->metadata_len = b.failed ? 0 : b.len;
    p->metadata = b.failed ? NULL : take_ptr(b.data);
}

void
program_reply_metadata(struct program_job *j, cl_int status)
{
    static const uint64_t no_kernels;
    struct program *p = j->program;
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&p->lock);

    if (p->metadata && status == CL_SUCCESS)
        reply_bytes(j->s, j->tag, status, p->metadata, p->metadata_len, j->out);
    else
        reply_bytes(j->s, j->tag, status, &no_kernels, sizeof no_kernels, j->out);
}

/* ---- questions --------------------------------------------------------------------- */

static void
metadata_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);

    program_reply_metadata(j, CL_SUCCESS);
    program_job_free(j);
}

static bool
kept_log_reply(struct program_job *j)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&j->program->lock);
    const char *log = j->program->log;

    if (log)
        program_job_reply(j, CL_SUCCESS, log, strlen(log) + 1);
    return log;
}

static void
build_info_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    const struct _cl_icd_dispatch *cl = j->s->cl;
    cl_program program = program_handle(j->program);
    cl_program_build_info param = (cl_program_build_info)j->param_name;
    _cleanup_free_ char *data = NULL, *log = NULL;
    size_t len = 0;
    cl_int rc;

    /* A link that failed, by a driver that makes no program then. */
    if (!program && param == CL_PROGRAM_BUILD_LOG) {
        program_job_reply(j, CL_SUCCESS, "", 1);
        program_job_free(j);
        return;
    }
    if (param == CL_PROGRAM_BUILD_LOG && kept_log_reply(j)) {
        program_job_free(j);
        return;
    }
    rc = cl->clGetProgramBuildInfo(program, j->devices[0], param, 0, NULL, &len);
    if (rc == CL_SUCCESS)
        data = calloc(1, len + 1);
    if (rc == CL_SUCCESS && data && len > 0)
        rc = cl->clGetProgramBuildInfo(program, j->devices[0], param, len, data, NULL);
    if (rc == CL_SUCCESS && data && param == CL_PROGRAM_BUILD_LOG) {
        log = log_translate(j->program, data);
        len = log ? strlen(log) + 1 : 0;
    }
    program_job_reply(j, rc, param == CL_PROGRAM_BUILD_LOG ? log : data, len);
    program_job_free(j);
}

int
op_clGetProgramBuildInfo(struct session *s, const struct req_clGetProgramBuildInfo *r)
{
    struct program_job j = {.program = program_of(r->program),
                            .tag = r->tag,
                            .param_name = r->param_name,
                            .out = r->result};
    cl_int rc = s->request.error;

    if (rc == CL_SUCCESS && r->param_name > UINT32_MAX)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS && !program_job_devices(&j, 1, &r->device))
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc != CL_SUCCESS) {
        reply_status(s, r->tag, rc);
        return 0;
    }
    return program_start(s, &j, r->param_name == 0 ? metadata_run : build_info_run);
}

/* What the driver has, in its own order of devices. */
struct binaries {
    cl_uint n;
    cl_device_id *devices;
    size_t *sizes;
    unsigned char **bytes;
};

static void
binaries_fini(struct binaries *b)
{
    for (cl_uint i = 0; b->bytes && i < b->n; i++)
        free(b->bytes[i]);
    free(b->devices);
    free(b->sizes);
    free(b->bytes);
}

static cl_int
binaries_read(const struct _cl_icd_dispatch *cl, cl_program program, struct binaries *b)
{
    cl_int rc =
        cl->clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof b->n, &b->n, NULL);

    if (rc != CL_SUCCESS)
        return rc;
    b->devices = calloc(b->n + 1u, sizeof *b->devices);
    b->sizes = calloc(b->n + 1u, sizeof *b->sizes);
    b->bytes = calloc(b->n + 1u, sizeof *b->bytes);
    if (!b->devices || !b->sizes || !b->bytes)
        return CL_OUT_OF_HOST_MEMORY;
    rc = cl->clGetProgramInfo(program, CL_PROGRAM_DEVICES, b->n * sizeof *b->devices,
                              b->devices, NULL);
    if (rc == CL_SUCCESS)
        rc = cl->clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES,
                                  b->n * sizeof *b->sizes, b->sizes, NULL);
    for (cl_uint i = 0; rc == CL_SUCCESS && i < b->n; i++) {
        b->bytes[i] = calloc(1, b->sizes[i] + 1);
        if (!b->bytes[i])
            rc = CL_OUT_OF_HOST_MEMORY;
    }
    if (rc == CL_SUCCESS)
        rc = cl->clGetProgramInfo(program, CL_PROGRAM_BINARIES, b->n * sizeof *b->bytes,
                                  b->bytes, NULL);
    return rc;
}

/* In the guest's order; nothing for a device that has none. */
static void
binaries_write(const struct binaries *b, const struct program_job *j, struct bytes *to)
{
    for (cl_uint i = 0; i < j->n_devices; i++) {
        cl_uint at = 0;

        while (at < b->n && b->devices[at] != j->devices[i])
            at++;
        bytes_string(to, at < b->n ? b->bytes[at] : NULL, at < b->n ? b->sizes[at] : 0);
    }
}

static void
binary_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    _cleanup_bytes_ struct bytes answer = {0};
    struct binaries b = {0};
    cl_int rc;

    pthread_mutex_lock(&j->program->driver_lock);
    rc = binaries_read(j->s->cl, program_handle(j->program), &b);
    pthread_mutex_unlock(&j->program->driver_lock);
    if (rc == CL_SUCCESS)
        binaries_write(&b, j, &answer);
    program_job_reply(j, rc, answer.failed ? NULL : answer.data, answer.len);
    binaries_fini(&b);
    program_job_free(j);
}

int
op_tessera_program_binary(struct session *s, const struct req_tessera_program_binary *r)
{
    struct program_job j = {
        .program = program_of(r->program), .tag = r->tag, .out = r->result};

    if (s->request.error != CL_SUCCESS) {
        reply_status(s, r->tag, s->request.error);
        return 0;
    }
    if (!program_job_devices(&j, r->n_devices, r->devices)) {
        reply_status(s, r->tag, CL_OUT_OF_HOST_MEMORY);
        return 0;
    }
    return program_start(s, &j, binary_run);
}
