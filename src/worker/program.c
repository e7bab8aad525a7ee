/* SPDX-License-Identifier: MIT */
#include "worker/program.h"

#include "api/opencl_request.h"
#include "base/io.h"
#include "worker/metadata.h"
#include "worker/print.h"
#include "worker/scope.h"

#include <errno.h>
#include <stdlib.h>

#define NO_EXTENT ((struct extent){EXTENT_NONE, 0})

static struct program *
program_of(struct object *o)
{
    return container_of(o, struct program, o);
}

static struct program *
program_new(struct session *s, struct guest_id id)
{
    struct program *p = object_new(s, id, KIND_program);

    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->driver_lock, NULL);
    print_expect(s, &p->o.recipe);
    return p;
}

void
program_fini(struct session *s, struct object *o)
{
    struct program *p = program_of(o);

    recipe_fini(&p->build);
    free(p->options);
    free(p->metadata);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->driver_lock);
    if (o->h.program)
        s->cl->clReleaseProgram(o->h.program);
}

int
op_clCreateProgramWithSource(struct session *s,
                             const struct req_clCreateProgramWithSource *r)
{
    struct program *p = program_new(s, r->program);
    const char *source = (const char *)r->source;
    size_t len = r->source_len;
    cl_int rc = s->request.error;

    if (!p)
        return -ENOMEM;
    if (rc == CL_SUCCESS && len == 0)
        rc = CL_INVALID_VALUE; /* to drivers a length of 0 means "ends with NUL" */
    if (rc == CL_SUCCESS)
        p->o.h.program = s->cl->clCreateProgramWithSource(r->context->h.context, 1,
                                                          &source, &len, &rc);
    return object_made(s, &p->o, rc, r->tag);
}

int
op_clCreateProgramWithBinary(struct session *s,
                             const struct req_clCreateProgramWithBinary *r)
{
    struct program *p = program_new(s, r->program);
    cl_int rc = s->request.error, binary_status = CL_SUCCESS;
    const unsigned char *binary = r->binary;
    size_t len = r->binary_len;
    uint64_t answer;

    if (!p)
        return -ENOMEM;
    if (rc == CL_SUCCESS)
        p->o.h.program = s->cl->clCreateProgramWithBinary(
            r->context->h.context, 1, &s->device.id, &len, &binary, &binary_status, &rc);
    answer = (uint64_t)(int64_t)binary_status;
    object_made(s, &p->o, rc, 0);
    reply_bytes(s, r->tag, rc, &answer, sizeof answer, NO_EXTENT);
    return 0;
}

/* ---- jobs on programs -------------------------------------------------------------- */

/* One call that may take long: a build, or a question that waits for one. */
struct program_job {
    struct job job;
    struct session *s;
    struct program *program; /* counted */
    uint64_t tag, param_name;
    struct extent out;
    char *options; /* owned */
};

static void
program_job_free(struct program_job *j)
{
    object_unref(j->s, &j->program->o);
    free(j->options);
    free(j);
}

/* Starts it; whatever goes wrong is answered. Takes the options. */
static int
program_start(struct session *s, struct program_job from, void (*run)(struct job *))
{
    struct program_job *j = malloc(sizeof *j);

    if (!j) {
        free(from.options);
        reply_status(s, from.tag, CL_OUT_OF_HOST_MEMORY);
        return 0;
    }
    *j = from;
    j->s = s;
    j->job.run = run;
    object_ref(&j->program->o);
    if (jobs_start(&s->builds, &j->job) < 0) {
        reply_status(s, from.tag, CL_OUT_OF_RESOURCES);
        program_job_free(j);
    }
    return 0;
}

/* Reads what the program's kernels are and keeps it. */
static void
program_learn(struct session *s, struct program *p)
{
    _cleanup_bytes_ struct bytes b = {0};
    _cleanup_unlock_ pthread_mutex_t *held = NULL;

    metadata_describe(s, p->o.h.program, &b);
    held = scope_lock(&p->lock);
    free(p->metadata);
    p->metadata_len = b.failed ? 0 : b.len;
    p->metadata = b.failed ? NULL : take_ptr(b.data);
}

static void
program_reply_metadata(struct program_job *j, cl_int status)
{
    static const uint64_t no_kernels;
    struct program *p = j->program;
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&p->lock);

    if (p->metadata)
        reply_bytes(j->s, j->tag, status, p->metadata, p->metadata_len, j->out);
    else
        reply_bytes(j->s, j->tag, status, &no_kernels, sizeof no_kernels, j->out);
}

static void
build_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    struct session *s = j->s;
    cl_int rc;

    pthread_mutex_lock(&j->program->driver_lock);
    rc = s->cl->clBuildProgram(j->program->o.h.program, 1, &s->device.id, j->options,
                               NULL, NULL);
    if (rc == CL_SUCCESS)
        program_learn(s, j->program);
    pthread_mutex_unlock(&j->program->driver_lock);
    program_reply_metadata(j, rc);
    program_job_free(j);
}

int
op_clBuildProgram(struct session *s, const struct req_clBuildProgram *r)
{
    struct program *p = program_of(r->program);
    struct program_job j = {.program = p, .tag = r->tag, .out = r->result};

    if (s->request.error != CL_SUCCESS) {
        reply_status(s, r->tag, s->request.error);
        return 0;
    }
    if (!recipe_set(&p->build, s->request.frame, s->request.len))
        return session_fail(s, "the worker has no memory left");
    free(p->options);
    p->options = strdup(r->options);
    /* So that the guest can be told the arguments' types; it never sees the option. */
    j.options = str_printf("%s -cl-kernel-arg-info", r->options);
    if (!p->options || !j.options) {
        free(j.options);
        reply_status(s, r->tag, CL_OUT_OF_HOST_MEMORY);
        return 0;
    }
    return program_start(s, j, build_run);
}

static void
metadata_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);

    program_reply_metadata(j, CL_SUCCESS);
    program_job_free(j);
}

static void
build_info_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    const struct _cl_icd_dispatch *cl = j->s->cl;
    cl_program program = j->program->o.h.program;
    cl_device_id device = j->s->device.id;
    cl_program_build_info param = (cl_program_build_info)j->param_name;
    _cleanup_free_ void *data = NULL;
    size_t len = 0;
    cl_int rc = cl->clGetProgramBuildInfo(program, device, param, 0, NULL, &len);

    if (rc == CL_SUCCESS)
        data = calloc(1, len + 1);
    if (rc == CL_SUCCESS && data)
        rc = cl->clGetProgramBuildInfo(program, device, param, len, data, NULL);
    if (rc == CL_SUCCESS && data)
        reply_bytes(j->s, j->tag, rc, data, len, j->out);
    else
        reply_status(j->s, j->tag, rc != CL_SUCCESS ? rc : CL_OUT_OF_HOST_MEMORY);
    program_job_free(j);
}

int
op_clGetProgramBuildInfo(struct session *s, const struct req_clGetProgramBuildInfo *r)
{
    struct program *p = program_of(r->program);
    struct program_job j = {
        .program = p, .tag = r->tag, .param_name = r->param_name, .out = r->result};

    if (s->request.error != CL_SUCCESS) {
        reply_status(s, r->tag, s->request.error);
        return 0;
    }
    if (r->param_name == CL_PROGRAM_BUILD_OPTIONS) {
        const char *options = p->options ? p->options : "";

        reply_bytes(s, r->tag, CL_SUCCESS, options, strlen(options) + 1, r->result);
        return 0;
    }
    if (r->param_name > UINT32_MAX) {
        reply_status(s, r->tag, CL_INVALID_VALUE);
        return 0;
    }
    return program_start(s, j, r->param_name == 0 ? metadata_run : build_info_run);
}

static void
binary_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    const struct _cl_icd_dispatch *cl = j->s->cl;
    cl_program program = j->program->o.h.program;
    _cleanup_free_ unsigned char *data = NULL;
    size_t len = 0;
    cl_int rc;

    pthread_mutex_lock(&j->program->driver_lock);
    rc = cl->clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof len, &len, NULL);
    if (rc == CL_SUCCESS)
        data = calloc(1, len + 1);
    if (rc == CL_SUCCESS && data)
        rc = cl->clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof data, &data, NULL);
    pthread_mutex_unlock(&j->program->driver_lock);
    if (rc == CL_SUCCESS && data)
        reply_bytes(j->s, j->tag, rc, data, len, j->out);
    else
        reply_status(j->s, j->tag, rc != CL_SUCCESS ? rc : CL_OUT_OF_HOST_MEMORY);
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
    return program_start(s, j, binary_run);
}
