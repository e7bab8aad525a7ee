/* SPDX-License-Identifier: MIT */
/*
 * Building, compiling, linking: in jobs, since any of them may take seconds. The guest's include
 * files are there while the driver's call runs and no longer.
 */
#include "worker/program.h"

#include "api/opencl_request.h"
#include "base/io.h"
#include "base/log.h"
#include "base/source_text.h"
#include "worker/build_lock.h"
#include "worker/print.h"
#include "worker/scope.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static cl_int
tree_error(int rc)
{
    if (rc == -EINVAL)
        return CL_INVALID_BUILD_OPTIONS;
    return rc == -ENOMEM ? CL_OUT_OF_HOST_MEMORY : CL_OUT_OF_RESOURCES;
}

static cl_int
build_call(struct program_job *j, const char *options)
{
    return j->s->cl->clBuildProgram(program_handle(j->program), j->n_devices, j->devices,
                                    options, NULL, NULL);
}

static cl_int
compile_call(struct program_job *j, const char *options)
{
    _cleanup_free_ cl_program *headers = calloc(j->n_others + 1u, sizeof(cl_program));
    _cleanup_free_ const char **names = calloc(j->n_others + 1u, sizeof *names);
    const char *name = j->names;

    if (!headers || !names)
        return CL_OUT_OF_HOST_MEMORY;
    if (!j->s->cl->clCompileProgram)
        return CL_COMPILER_NOT_AVAILABLE;
    for (cl_uint i = 0; i < j->n_others; i++, name += strlen(name) + 1) {
        headers[i] = program_handle(j->others[i]);
        names[i] = name;
        if (!headers[i])
            return CL_INVALID_PROGRAM;
    }
    return j->s->cl->clCompileProgram(
        program_handle(j->program), j->n_devices, j->devices, options, j->n_others,
        j->n_others ? headers : NULL, j->n_others ? names : NULL, NULL, NULL);
}

static uint64_t
key_with_input(uint64_t key, const struct build_input *in)
{
    if (in->options)
        key = build_key_add(key, in->options, strlen(in->options));
    return build_key_add(key, in->files, in->files_len);
}

/* The program, and all that goes into it. */
static uint64_t
build_key(const struct program_job *j)
{
    uint64_t key = key_with_input(j->program->key, &j->input);

    for (cl_uint i = 0; i < j->n_others; i++)
        key = build_key_add(key, &j->others[i]->key, sizeof j->others[i]->key);
    return key;
}

/* While nobody else compiles the same into the same cache. */
static int
build_turn(const struct program_job *j)
{
    return build_lock(j->s->options->jail.cache, build_key(j));
}

static bool
log_has_error(const struct program_job *j, cl_device_id device)
{
    const struct _cl_icd_dispatch *cl = j->s->cl;
    cl_program program = program_handle(j->program);
    _cleanup_free_ char *log = NULL;
    size_t len = 0;

    if (cl->clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &len) !=
        CL_SUCCESS)
        return false;
    log = calloc(1, len + 1);
    return !log || (cl->clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, len,
                                              log, NULL) == CL_SUCCESS &&
                    strcasestr(log, "error"));
}

/*
 * A failure that no log tells the reason of is none of the program's: another program that comes
 * to the same text took the turn of its own (build_lock.h), or memory was short.
 */
static bool
failed_without_reason(const struct program_job *j, cl_int rc)
{
    if (rc != CL_BUILD_PROGRAM_FAILURE && rc != CL_COMPILE_PROGRAM_FAILURE)
        return false;
    for (cl_uint i = 0; i < j->n_devices; i++) {
        if (log_has_error(j, j->devices[i]))
            return false;
    }
    return true;
}

/* Once more, if need be: what fails again fails. */
static cl_int
call_in_turn(struct program_job *j, cl_int (*call)(struct program_job *, const char *),
             const char *options)
{
    _cleanup_close_ int turn = build_turn(j);
    cl_int rc = call(j, options);

    (void)turn; /* until we return */
    if (failed_without_reason(j, rc)) {
        log_debug("a build failed without a reason: once more");
        rc = call(j, options);
    }
    return rc;
}

/* The driver's call with the guest's files there, and what it needs afterwards. */
static cl_int
run_with_files(struct program_job *j, cl_int (*call)(struct program_job *, const char *))
{
    struct program *p = j->program;
    _cleanup_free_ char *options = NULL, *all = NULL;
    _cleanup_unlock_ pthread_mutex_t *held = NULL;
    struct include_tree tree;
    cl_int rc;
    int made = include_tree_make(&tree, j->input.files, j->input.files_len,
                                 j->input.options, &options);

    /* So that the guest can be told the arguments' types; it never sees the option. */
    if (made == 0)
        all = str_printf("%s -cl-kernel-arg-info", options);
    if (made < 0)
        rc = tree_error(made);
    else
        rc = all ? call_in_turn(j, call, all) : CL_OUT_OF_HOST_MEMORY;
    held = scope_lock(&p->lock);
    include_words_fini(&p->words);
    p->words = tree.words;
    tree.words = (struct include_words){0};
    include_tree_remove(&tree);
    free(p->built.options);
    free(p->built.files);
    p->built = j->input;
    j->input = (struct build_input){0};
    p->sizes.known = false;
    return rc;
}

static void
build_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    cl_int rc;

    pthread_mutex_lock(&j->program->driver_lock);
    rc = run_with_files(j, build_call);
    program_built(j, rc);
    if (rc == CL_SUCCESS)
        program_learn(j->s, j->program);
    pthread_mutex_unlock(&j->program->driver_lock);
    program_reply_metadata(j, rc);
    program_job_free(j);
}

static void
compile_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    cl_int rc;

    pthread_mutex_lock(&j->program->driver_lock);
    rc = run_with_files(j, compile_call);
    program_built(j, rc);
    pthread_mutex_unlock(&j->program->driver_lock);
    reply_status(j->s, j->tag, rc);
    program_job_free(j);
}

/* ---- linking ----------------------------------------------------------------------- */

/*
 * Section 5.8.7.2 allows these options to any link. They are permissions: a driver that does not
 * know them may go without.
 */
static char *
without_permissions(const char *options)
{
    static const char *const permissions[] = {
        "-cl-denorms-are-zero", "-cl-no-signed-zeroes",  "-cl-unsafe-math-optimizations",
        "-cl-finite-math-only", "-cl-fast-relaxed-math", "-cl-no-subgroup-ifp",
    };
    struct build_option o;
    size_t at = 0, len;
    char *ret = NULL;
    FILE *f = open_memstream(&ret, &len);

    while (f && build_option_next(options, &at, &o)) {
        bool known = false;

        for (size_t i = 0; i < sizeof permissions / sizeof *permissions; i++)
            known = known || build_option_is(options, &o, permissions[i]);
        if (!known)
            fprintf(f, "%.*s ", (int)o.len, options + o.off);
    }
    if (!f || fclose(f) != 0) {
        free(ret);
        return NULL;
    }
    return ret;
}

static cl_int
link_call(struct program_job *j, cl_program *ret)
{
    _cleanup_free_ cl_program *inputs = calloc(j->n_others + 1u, sizeof(cl_program));
    _cleanup_free_ char *fewer = without_permissions(j->input.options);
    cl_int rc;

    if (!inputs || !fewer)
        return CL_OUT_OF_HOST_MEMORY;
    if (!j->s->cl->clLinkProgram)
        return CL_LINKER_NOT_AVAILABLE;
    for (cl_uint i = 0; i < j->n_others; i++) {
        inputs[i] = program_handle(j->others[i]);
        if (!inputs[i])
            return CL_INVALID_PROGRAM;
    }
    *ret = j->s->cl->clLinkProgram(j->context, j->n_devices, j->devices, j->input.options,
                                   j->n_others, inputs, NULL, NULL, &rc);
    if (rc != CL_INVALID_LINKER_OPTIONS || *ret)
        return rc;
    *ret = j->s->cl->clLinkProgram(j->context, j->n_devices, j->devices, fewer,
                                   j->n_others, inputs, NULL, NULL, &rc);
    return rc;
}

static void
link_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    struct program *p = j->program;
    cl_program made = NULL;
    int turn = build_turn(j);
    cl_int rc = link_call(j, &made);

    if (turn >= 0)
        close(turn);
    pthread_mutex_lock(&p->lock);
    p->o.h.program = made;
    p->status = rc;
    pthread_mutex_unlock(&p->lock);
    if (rc == CL_SUCCESS)
        program_learn(j->s, p);
    program_reply_metadata(j, rc);
    program_job_free(j);
}

/* What the job keeps until it is over. The message counts with the program, as each creation's. */
static cl_int
link_admit(struct session *s, struct program_job *j, const struct req_clLinkProgram *r)
{
    const uint64_t bytes =
        strlen(r->options) + r->n_input_programs * sizeof(struct program *);

    if (!inflight_take(s, bytes))
        return CL_OUT_OF_HOST_MEMORY;
    j->inflight_bytes = bytes;
    return CL_SUCCESS;
}

int
op_clLinkProgram(struct session *s, const struct req_clLinkProgram *r)
{
    struct program *p = program_new(s, r->program);
    struct program_job j = {
        .program = p, .tag = r->tag, .out = r->result, .context = r->context->h.context};
    cl_int rc = s->request.error;

    if (!p)
        return -ENOMEM;
    if (rc == CL_SUCCESS)
        rc = link_admit(s, &j, r);
    object_made(s, &p->o, rc, 0);
    if (rc != CL_SUCCESS) {
        reply_status(s, r->tag, rc);
        return 0;
    }
    j.input.options = strdup(r->options);
    if (!program_job_devices(&j, r->n_device_list, r->device_list) ||
        !program_job_others(&j, r->n_input_programs, r->input_programs) ||
        !program_keep_others(p, &p->linked, r->n_input_programs, r->input_programs) ||
        !j.input.options)
        return session_fail(s, "the worker has no memory left");
    return program_start(s, &j, link_run);
}

/* ---- requests ---------------------------------------------------------------------- */

/* What the job keeps until it is over, and the program for as long as the build. */
static cl_int
build_admit(struct session *s, struct program_job *j, const char *options, size_t len)
{
    const uint64_t bytes = strlen(options) + len, kept = 2 * bytes + s->request.len;
    struct program_build *b;

    if (s->request.error != CL_SUCCESS)
        return s->request.error;
    if (!inflight_take(s, bytes))
        return CL_OUT_OF_HOST_MEMORY;
    if (!allowance_take(s, LIMIT_PROGRAM_BYTES, kept)) {
        inflight_give(s, bytes);
        return CL_OUT_OF_HOST_MEMORY;
    }
    b = program_new_build(s, j->program, kept);
    if (!b) {
        inflight_give(s, bytes);
        allowance_give(s, LIMIT_PROGRAM_BYTES, kept);
        return CL_OUT_OF_HOST_MEMORY;
    }
    j->inflight_bytes = bytes;
    j->moment = b->moment;
    return CL_SUCCESS;
}

static struct program_build *
last_build(const struct program_job *j)
{
    return &j->program->builds[j->program->n_builds - 1];
}

/* The message stays with the program; its bytes go to the job. */
static int
build_start(struct session *s, struct program_job *j, const char *options,
            const uint8_t *files, size_t len)
{
    struct recipe *message = &last_build(j)->message;

    if (!recipe_set(message, s->request.frame, s->request.len))
        return session_fail(s, "the worker has no memory left");
    j->input.options = strdup(options);
    j->input.files = malloc(len + 1);
    j->input.files_len = len;
    if (!j->input.options || !j->input.files)
        return session_fail(s, "the worker has no memory left");
    memcpy(j->input.files, files, len);
    print_expect_in(s, files, len);
    print_expect_in(s, options, strlen(options));
    message->blob = take_ptr(s->request.blob);
    message->blob_len = message->blob ? s->request.blob_len : 0;
    return 0;
}

int
op_clBuildProgram(struct session *s, const struct req_clBuildProgram *r)
{
    struct program_job j = {
        .program = program_of(r->program), .tag = r->tag, .out = r->result};
    const char *bad = include_files_check(r->files, r->files_len);
    cl_int rc;

    if (bad)
        return request_bad_field(s, "files", bad);
    rc = build_admit(s, &j, r->options, r->files_len);
    if (rc != CL_SUCCESS) {
        reply_status(s, r->tag, rc);
        return 0;
    }
    if (!program_job_devices(&j, r->n_device_list, r->device_list))
        return session_fail(s, "the worker has no memory left");
    if (build_start(s, &j, r->options, r->files, r->files_len) < 0)
        return -ENOMEM;
    return program_start(s, &j, build_run);
}

/* n strings, each with its NUL, and nothing else. */
static bool
names_are(const uint8_t *names, size_t len, uint64_t n)
{
    uint64_t found = 0;

    for (size_t i = 0; i < len; i++)
        found += names[i] == '\0';
    return found == n && (len == 0 || names[len - 1] == '\0');
}

/* A header's name that leads out of the folder that the driver puts it into. */
static bool
names_escape(const char *names, size_t len)
{
    for (const char *n = names; n < names + len; n += strlen(n) + 1) {
        if (n[0] == '/' || strstr(n, ".."))
            return true;
    }
    return false;
}

int
op_clCompileProgram(struct session *s, const struct req_clCompileProgram *r)
{
    struct program_job j = {.program = program_of(r->program), .tag = r->tag};
    const char *bad = include_files_check(r->files, r->files_len);
    cl_int rc = s->request.error;

    if (bad)
        return request_bad_field(s, "files", bad);
    if (!names_are(r->header_include_names, r->header_include_names_len,
                   r->n_input_headers))
        return request_bad_field(s, "header_include_names", "not one for each header");
    if (rc == CL_SUCCESS &&
        names_escape((const char *)r->header_include_names, r->header_include_names_len))
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = build_admit(s, &j, r->options, r->files_len);
    if (rc != CL_SUCCESS) {
        reply_status(s, r->tag, rc);
        return 0;
    }
    j.names = malloc(r->header_include_names_len + 1);
    if (!j.names || !program_job_devices(&j, r->n_device_list, r->device_list) ||
        !program_job_others(&j, r->n_input_headers, r->input_headers) ||
        !program_keep_others(j.program, &last_build(&j)->headers, r->n_input_headers,
                             r->input_headers))
        return session_fail(s, "the worker has no memory left");
    memcpy(j.names, r->header_include_names, r->header_include_names_len);
    if (build_start(s, &j, r->options, r->files, r->files_len) < 0)
        return -ENOMEM;
    return program_start(s, &j, compile_run);
}
