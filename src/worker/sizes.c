/* SPDX-License-Identifier: MIT */
/*
 * How long an argument of a type of the program's own is, for drivers that take any length: the
 * program is built once more with one kernel per type,
 *
 *     __kernel __attribute__((reqd_work_group_size(sizeof(T), 1, 1))) void …(void) {}
 *
 * and CL_KERNEL_COMPILE_WORK_GROUP_SIZE tells sizeof(T). Nothing runs.
 */
#include "worker/program.h"

#include "api/opencl_request.h"
#include "base/io.h"
#include "wire/arg_type.h"
#include "worker/build_lock.h"
#include "worker/kernel.h"
#include "worker/scope.h"

#include <stdlib.h>

#define TYPES_MAX 1024

/* What clGetKernelArgInfo and clGetProgramInfo answer as a string; malloc'ed, NULL if nothing. */
#define ASK_STRING(query, ...)                                                           \
    ({                                                                                   \
        size_t len_ = 0;                                                                 \
        char *text_ = NULL;                                                              \
                                                                                         \
        if (query(__VA_ARGS__, 0, NULL, &len_) == CL_SUCCESS && len_ > 1)                \
            text_ = calloc(1, len_ + 1);                                                 \
        if (text_ && query(__VA_ARGS__, len_, text_, NULL) != CL_SUCCESS)                \
            text_[0] = '\0';                                                             \
        text_;                                                                           \
    })

static struct type_size *
sizes_find(struct type_sizes *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->all[i].name, name) == 0)
            return &t->all[i];
    }
    return NULL;
}

/* Takes the name. */
static void
sizes_add(struct type_sizes *t, char *name)
{
    if (t->n < TYPES_MAX && !sizes_find(t, name)) {
        struct type_size *bigger = reallocarray(t->all, t->n + 1, sizeof *bigger);

        if (bigger) {
            t->all = bigger;
            t->all[t->n++] = (struct type_size){.name = name};
            return;
        }
    }
    free(name);
}

static void
sizes_fini(struct type_sizes *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->all[i].name);
    free(t->all);
    *t = (struct type_sizes){0};
}

static void
sizes_add_argument(struct session *s, cl_kernel kernel, cl_uint index,
                   struct type_sizes *t)
{
    cl_kernel_arg_address_qualifier address = 0;
    char *name;

    if (s->cl->clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER,
                                  sizeof address, &address, NULL) != CL_SUCCESS ||
        address != CL_KERNEL_ARG_ADDRESS_PRIVATE)
        return;
    name = ASK_STRING(s->cl->clGetKernelArgInfo, kernel, index, CL_KERNEL_ARG_TYPE_NAME);
    if (name && (arg_type_size(name) > 0 || arg_type_is_opaque(name))) {
        free(name);
        name = NULL;
    }
    if (name)
        sizes_add(t, name);
}

/* The types that the program's kernels take by value. */
static void
sizes_collect(struct session *s, cl_program program, struct type_sizes *t)
{
    _cleanup_free_ cl_kernel *kernels = NULL;
    cl_uint n = 0, n_args;

    if (s->cl->clCreateKernelsInProgram(program, 0, NULL, &n) != CL_SUCCESS)
        return;
    kernels = calloc(n + 1u, sizeof(cl_kernel));
    if (!kernels ||
        s->cl->clCreateKernelsInProgram(program, n, kernels, NULL) != CL_SUCCESS)
        return;
    for (cl_uint i = 0; i < n; i++) {
        n_args = 0;
        s->cl->clGetKernelInfo(kernels[i], CL_KERNEL_NUM_ARGS, sizeof n_args, &n_args,
                               NULL);
        for (cl_uint a = 0; a < n_args; a++)
            sizes_add_argument(s, kernels[i], a, t);
        s->cl->clReleaseKernel(kernels[i]);
    }
}

static char *
measuring_source(const char *source, const struct type_sizes *t)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return NULL;
    fprintf(f, "%s\n", source);
    for (size_t i = 0; i < t->n; i++)
        fprintf(f,
                "__kernel __attribute__((reqd_work_group_size(sizeof(%s), 1, 1))) "
                "void tessera_sizeof_%zu(void) {}\n",
                t->all[i].name, i);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static uint64_t
kernel_measure(struct session *s, cl_program measuring, cl_device_id device, size_t i)
{
    size_t group[3] = {0};
    char name[48];
    cl_kernel kernel;
    cl_int rc;

    snprintf(name, sizeof name, "tessera_sizeof_%zu", i);
    kernel = s->cl->clCreateKernel(measuring, name, &rc);
    if (!kernel)
        return 0;
    s->cl->clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                    sizeof group, group, NULL);
    s->cl->clReleaseKernel(kernel);
    return group[0];
}

static cl_int
measuring_build(struct session *s, cl_program measuring, cl_device_id device,
                const char *text, const char *options)
{
    const uint64_t key = build_key_add(BUILD_KEY_NONE, text, strlen(text));
    _cleanup_close_ int turn = build_lock(s->options->jail.cache, key);

    return s->cl->clBuildProgram(measuring, 1, &device, options, NULL, NULL);
}

static void
sizes_measure(struct session *s, cl_program program, cl_device_id device,
              const struct build_input *input, struct type_sizes *t)
{
    _cleanup_free_ char *source =
        ASK_STRING(s->cl->clGetProgramInfo, program, CL_PROGRAM_SOURCE);
    _cleanup_free_ char *text = source ? measuring_source(source, t) : NULL;
    _cleanup_free_ char *options = NULL;
    struct include_tree tree;
    cl_context context = NULL;
    cl_program measuring;
    const char *part = text;
    cl_int rc;

    if (!text || s->cl->clGetProgramInfo(program, CL_PROGRAM_CONTEXT, sizeof context,
                                         &context, NULL) != CL_SUCCESS)
        return;
    measuring = s->cl->clCreateProgramWithSource(context, 1, &part, NULL, &rc);
    if (!measuring)
        return;
    if (include_tree_make(&tree, input->files, input->files_len, input->options,
                          &options) == 0 &&
        measuring_build(s, measuring, device, text, options) == CL_SUCCESS) {
        for (size_t i = 0; i < t->n; i++)
            t->all[i].size = kernel_measure(s, measuring, device, i);
    }
    include_tree_remove(&tree);
    s->cl->clReleaseProgram(measuring);
}

void
program_measure_types(struct session *s, struct program *p, cl_device_id device)
{
    cl_program program = program_handle(p);
    struct type_sizes sizes = {.known = true};

    if (!program || !p->built.options)
        return;
    sizes_collect(s, program, &sizes);
    if (sizes.n > 0)
        sizes_measure(s, program, device, &p->built, &sizes);
    pthread_mutex_lock(&p->lock);
    sizes_fini(&p->sizes);
    p->sizes = sizes;
    pthread_mutex_unlock(&p->lock);
}

/* Builds of the program, which change what it was built from, are kept out by driver_lock. */
static void
argument_size_run(struct job *job)
{
    struct program_job *j = container_of(job, struct program_job, job);
    struct program *p = j->program;
    _cleanup_free_ char *name =
        ASK_STRING(j->s->cl->clGetKernelArgInfo, j->kernel->h.kernel,
                   (cl_uint)j->param_name, CL_KERNEL_ARG_TYPE_NAME);
    const struct type_size *found;
    uint64_t size;

    pthread_mutex_lock(&p->driver_lock);
    if (!p->sizes.known)
        program_measure_types(j->s, p, j->s->device.id);
    found = name ? sizes_find(&p->sizes, name) : NULL;
    size = found ? found->size : 0;
    pthread_mutex_unlock(&p->driver_lock);
    program_job_reply(j, CL_SUCCESS, &size, sizeof size);
    program_job_free(j);
}

int
op_tessera_argument_size(struct session *s, const struct req_tessera_argument_size *r)
{
    const struct extent none = {EXTENT_NONE, 0};
    const uint64_t unknown = 0;
    struct kernel *k = kernel_of(r->kernel);
    struct program_job j = {.program = k->program,
                            .tag = r->tag,
                            .out = none,
                            .param_name = r->arg_index,
                            .kernel = r->kernel};

    if (s->request.error != CL_SUCCESS || r->arg_index >= k->n_args) {
        reply_status(s, r->tag,
                     s->request.error ? s->request.error : CL_INVALID_ARG_INDEX);
        return 0;
    }
    if (!s->device.takes_any_size) {
        reply_bytes(s, r->tag, CL_SUCCESS, &unknown, sizeof unknown, none);
        return 0;
    }
    return program_start(s, &j, argument_size_run);
}
