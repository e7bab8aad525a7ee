/* SPDX-License-Identifier: MIT */
#include "worker/kernel.h"

#include "api/opencl_request.h"

#include <errno.h>
#include <stdlib.h>

struct kernel *
kernel_of(const struct object *o)
{
    return container_of(o, struct kernel, o);
}

void
kernel_fini(struct session *s, struct object *o)
{
    struct kernel *k = kernel_of(o);

    for (cl_uint i = 0; i < k->n_args; i++)
        recipe_fini(&k->args[i].set);
    free(k->args);
    if (o->h.kernel)
        s->cl->clReleaseKernel(o->h.kernel);
    if (k->program)
        object_unref(s, &k->program->o);
}

/* The driver's kernel is there: what belongs to it here. */
static cl_int
kernel_take(struct session *s, struct kernel *k, struct program *program)
{
    cl_uint n = 0;
    cl_int rc =
        s->cl->clGetKernelInfo(k->o.h.kernel, CL_KERNEL_NUM_ARGS, sizeof n, &n, NULL);

    if (rc != CL_SUCCESS)
        return rc;
    k->args = calloc(n + 1, sizeof *k->args);
    if (!k->args)
        return CL_OUT_OF_HOST_MEMORY;
    k->n_args = n;
    k->program = program;
    object_ref(&program->o);
    return CL_SUCCESS;
}

cl_int
kernel_remake(struct session *s, struct kernel *k, struct program *p, const char *name)
{
    cl_program program = program_handle(p);
    cl_int rc = program ? CL_SUCCESS : CL_INVALID_PROGRAM_EXECUTABLE;

    if (rc == CL_SUCCESS)
        k->o.h.kernel = s->cl->clCreateKernel(program, name, &rc);
    if (rc == CL_SUCCESS)
        rc = kernel_take(s, k, p);
    if (rc != CL_SUCCESS && k->o.h.kernel)
        s->cl->clReleaseKernel(k->o.h.kernel);
    if (rc == CL_SUCCESS)
        k->key = cost_mix(cost_key_text(name), p->o.serial);
    return rc;
}

int
op_clCreateKernel(struct session *s, const struct req_clCreateKernel *r)
{
    struct kernel *k = object_new(s, r->kernel, KIND_kernel);
    cl_int rc = s->request.error;

    if (!k)
        return -ENOMEM;
    if (rc == CL_SUCCESS)
        rc = kernel_remake(s, k, program_of(r->program), r->kernel_name);
    return object_made(s, &k->o, rc, r->tag);
}

static bool
is_argument(const struct object *o)
{
    return o->kind == KIND_mem || o->kind == KIND_image || o->kind == KIND_sampler;
}

static int
arg_check(struct session *s, const struct req_clSetKernelArg *r)
{
    if (r->kind > ARG_LOCAL)
        return request_bad_field(s, "kind", "no such value");
    if (r->kind == ARG_VALUE && r->arg_value_len != r->arg_size)
        return request_bad_field(s, "arg_value", "not as long as arg_size");
    if (r->object && (r->kind != ARG_OBJECT || !is_argument(r->object)))
        return request_bad_field(s, "object", "no kind of object that an argument takes");
    return 0;
}

/* Sets it in the driver's kernel. */
static cl_int
arg_set(struct session *s, cl_kernel kernel, const struct req_clSetKernelArg *r)
{
    cl_uint index = (cl_uint)r->arg_index;

    if (r->kind == ARG_LOCAL)
        return s->cl->clSetKernelArg(kernel, index, r->arg_size, NULL);
    if (r->kind == ARG_OBJECT) {
        /* All are pointers, and a sampler is as long as a memory object. */
        void *handle = r->object ? r->object->h.any : NULL;

        return s->cl->clSetKernelArg(kernel, index, sizeof handle, &handle);
    }
    return s->cl->clSetKernelArg(kernel, index, r->arg_size, r->arg_value);
}

/* How long a launch takes may depend on values, as of loops; it seldom does on which buffers. */
static uint64_t
arg_key(const struct req_clSetKernelArg *r)
{
    uint64_t key = cost_mix(r->arg_index + 1, r->kind), word;

    if (r->kind == ARG_OBJECT)
        return 0;
    if (r->kind == ARG_LOCAL)
        return cost_mix(key, r->arg_size);
    for (uint64_t i = 0; i < r->arg_value_len; i += sizeof word) {
        const uint64_t left = r->arg_value_len - i;

        word = 0;
        memcpy(&word, r->arg_value + i, left < sizeof word ? left : sizeof word);
        key = cost_mix(key, word);
    }
    return key;
}

/* The arguments are others from now on. */
static void
kernel_changed(struct kernel *k)
{
    k->applied = k->applied == k->sets ? k->sets + 1 : KERNEL_MIXED;
    k->sets++;
    if (k->copy)
        take_ptr(k->copy)->kernel = NULL;
}

int
op_clSetKernelArg(struct session *s, const struct req_clSetKernelArg *r)
{
    struct kernel *k = kernel_of(r->kernel);
    cl_int rc = s->request.error;

    if (arg_check(s, r) < 0)
        return -EPROTO;
    if (rc == CL_SUCCESS && r->arg_index >= k->n_args)
        rc = CL_INVALID_ARG_INDEX;
    if (rc == CL_SUCCESS)
        rc = arg_set(s, k->o.h.kernel, r);
    if (r->arg_index < k->n_args) {
        struct kernel_arg *arg = &k->args[r->arg_index];

        /* A set that was answered and refused leaves what was set before. */
        if (rc == CL_SUCCESS || r->tag == 0)
            arg->error = rc;
        if (rc == CL_SUCCESS && !recipe_set(&arg->set, s->request.frame, s->request.len))
            return session_fail(s, "the worker has no memory left");
        if (rc == CL_SUCCESS) {
            arg->serial = r->object ? r->object->serial : 0;
            k->args_key ^= arg->key;
            arg->key = arg_key(r);
            k->args_key ^= arg->key;
            kernel_changed(k);
        }
    }
    if (r->tag != 0)
        reply_status(s, r->tag, rc);
    return 0;
}

int
op_clGetKernelWorkGroupInfo(struct session *s,
                            const struct req_clGetKernelWorkGroupInfo *r)
{
    cl_device_id device = r->device->h.device;
    cl_kernel kernel = r->kernel->h.kernel;
    cl_kernel_work_group_info param = (cl_kernel_work_group_info)r->param_name;
    _Alignas(8) uint8_t data[64]; /* the longest answer is 3 size_t */
    cl_int rc = s->request.error;
    size_t len = 0;

    if (rc == CL_SUCCESS && r->param_name > UINT32_MAX)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = s->cl->clGetKernelWorkGroupInfo(kernel, device, param, sizeof data, data,
                                             &len);
    if (rc == CL_SUCCESS)
        reply_bytes(s, r->tag, rc, data, len, r->result);
    else
        reply_status(s, r->tag, rc);
    return 0;
}

int
op_clGetKernelSubGroupInfo(struct session *s, const struct req_clGetKernelSubGroupInfo *r)
{
    _Alignas(8) uint8_t input[64] = {0}, data[64];
    cl_int rc = s->request.error;
    size_t len = 0;

    if (rc == CL_SUCCESS && !s->cl->clGetKernelSubGroupInfo)
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS &&
        (r->param_name > UINT32_MAX || r->input_value_len > sizeof input))
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS) {
        memcpy(input, r->input_value, r->input_value_len);
        rc = s->cl->clGetKernelSubGroupInfo(
            r->kernel->h.kernel, r->device->h.device,
            (cl_kernel_sub_group_info)r->param_name, r->input_value_len,
            r->input_value_len ? input : NULL, sizeof data, data, &len);
    }
    if (rc == CL_SUCCESS)
        reply_bytes(s, r->tag, rc, data, len, r->result);
    else
        reply_status(s, r->tag, rc);
    return 0;
}

static cl_int
kernel_clone(struct session *s, struct kernel *from, struct kernel *to)
{
    cl_int rc = kernel_make_current(s, from);

    if (rc != CL_SUCCESS)
        return rc;
    rc = CL_INVALID_OPERATION;
    if (s->cl->clCloneKernel && s->device.version >= CL_MAKE_VERSION(2, 1, 0))
        to->o.h.kernel = s->cl->clCloneKernel(from->o.h.kernel, &rc);
    if (rc == CL_SUCCESS)
        rc = kernel_take(s, to, from->program);
    to->key = from->key;
    to->args_key = from->args_key;
    for (cl_uint i = 0; rc == CL_SUCCESS && i < to->n_args; i++) {
        struct recipe *set = &from->args[i].set;

        to->args[i].error = from->args[i].error;
        to->args[i].serial = from->args[i].serial;
        to->args[i].key = from->args[i].key;
        if (set->frame && !recipe_set(&to->args[i].set, set->frame, set->frame_len))
            rc = CL_OUT_OF_HOST_MEMORY;
    }
    return rc;
}

int
op_clCloneKernel(struct session *s, const struct req_clCloneKernel *r)
{
    struct kernel *k = object_new(s, r->kernel, KIND_kernel);
    cl_int rc = s->request.error;

    if (!k)
        return -ENOMEM;
    if (rc == CL_SUCCESS)
        rc = kernel_clone(s, kernel_of(r->source_kernel), k);
    if (rc != CL_SUCCESS && k->o.h.kernel)
        s->cl->clReleaseKernel(k->o.h.kernel);
    return object_made(s, &k->o, rc, r->tag);
}

/* The object that a clSetKernelArg message names, if it lives: its fifth field (opencl.toml). */
static struct object *
arg_object(struct session *s, const struct kernel_arg *arg)
{
    const size_t at = sizeof(struct frame_header) + 4 * sizeof(uint64_t);
    struct object *o;
    struct guest_id id;

    if (arg->serial == 0)
        return NULL;
    memcpy(&id, (const uint8_t *)arg->set.frame + at, sizeof id);
    o = table_find(&s->table, id);
    return o && o->serial == arg->serial ? o : NULL;
}

cl_int
kernel_args_error(struct session *s, const struct object *kernel)
{
    const struct kernel *k = kernel_of(kernel);

    for (cl_uint i = 0; i < k->n_args; i++) {
        if (k->args[i].error != CL_SUCCESS)
            return k->args[i].error;
        if (k->args[i].serial != 0 && !arg_object(s, &k->args[i]))
            return CL_INVALID_KERNEL_ARGS;
    }
    return CL_SUCCESS;
}

struct object **
kernel_arg_objects(struct session *s, const struct object *kernel, unsigned *ret_n)
{
    const struct kernel *k = kernel_of(kernel);
    struct object **objects = malloc((k->n_args + 1) * sizeof(struct object *));

    *ret_n = 0;
    for (cl_uint i = 0; objects && i < k->n_args; i++) {
        struct object *o = arg_object(s, &k->args[i]);

        if (o)
            objects[(*ret_n)++] = o;
    }
    return objects;
}

/* cl_khr_suggested_local_work_size */
int
op_clGetKernelSuggestedLocalWorkSizeKHR(
    struct session *s, const struct req_clGetKernelSuggestedLocalWorkSizeKHR *r)
{
    size_t local[3] = {0};
    cl_int rc = s->request.error;

    if (rc == CL_SUCCESS && !s->device.ext.clGetKernelSuggestedLocalWorkSizeKHR)
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS && (r->work_dim < 1 || r->work_dim > 3))
        rc = CL_INVALID_WORK_DIMENSION;
    if (rc == CL_SUCCESS)
        rc = kernel_args_error(s, r->kernel);
    if (rc == CL_SUCCESS)
        rc = s->device.ext.clGetKernelSuggestedLocalWorkSizeKHR(
            r->command_queue->h.queue, r->kernel->h.kernel, (cl_uint)r->work_dim,
            r->given & GIVEN_OFFSET ? r->global_work_offset : NULL, r->global_work_size,
            local);
    reply_bytes(s, r->tag, rc, local, sizeof local, (struct extent){EXTENT_NONE, 0});
    return 0;
}

/* ---- arguments of held launches ---------------------------------------------------- */

void
kernel_args_unref(struct session *s, struct kernel_args *a)
{
    if (!a || --a->refs > 0)
        return;
    if (a->kernel)
        a->kernel->copy = NULL;
    for (cl_uint i = 0; i < a->n; i++) {
        free(a->arg[i].frame);
        object_unref(s, a->arg[i].object);
    }
    inflight_give(s, a->bytes);
    free(a);
}

static bool
arg_copy(struct session *s, const struct kernel_arg *from, struct kernel_arg_copy *to)
{
    if (from->set.frame_len == 0)
        return true;
    to->frame = malloc(from->set.frame_len);
    if (!to->frame)
        return false;
    memcpy(to->frame, from->set.frame, from->set.frame_len);
    to->frame_len = from->set.frame_len;
    to->object = arg_object(s, from);
    if (to->object)
        object_ref(to->object);
    return true;
}

/*
 * As the driver would say: one that was not set then may be set by now, in the driver's own kernel,
 * to an object that is gone when the launch is run.
 */
static cl_int
kernel_copy_error(struct session *s, const struct kernel *k)
{
    for (cl_uint i = 0; i < k->n_args; i++) {
        if (k->args[i].set.frame_len == 0 && k->args[i].error == CL_SUCCESS)
            return CL_INVALID_KERNEL_ARGS;
    }
    return kernel_args_error(s, &k->o);
}

static uint64_t
kernel_args_bytes(const struct kernel *k)
{
    uint64_t bytes =
        sizeof(struct kernel_args) + k->n_args * sizeof(struct kernel_arg_copy);

    for (cl_uint i = 0; i < k->n_args; i++)
        bytes += k->args[i].set.frame_len;
    return bytes;
}

struct kernel_args *
kernel_args_ref(struct session *s, struct kernel *k)
{
    struct kernel_args *a = k->copy;
    uint64_t bytes;

    if (a) {
        a->refs++;
        return a;
    }
    bytes = kernel_args_bytes(k);
    if (!inflight_take(s, bytes))
        return NULL;
    a = calloc(1, sizeof *a + k->n_args * sizeof *a->arg);
    if (!a) {
        inflight_give(s, bytes);
        return NULL;
    }
    *a = (struct kernel_args){.refs = 1,
                              .sets = k->sets,
                              .error = kernel_copy_error(s, k),
                              .bytes = bytes,
                              .n = k->n_args};
    for (cl_uint i = 0; i < k->n_args; i++) {
        if (!arg_copy(s, &k->args[i], &a->arg[i])) {
            kernel_args_unref(s, a);
            return NULL;
        }
    }
    a->kernel = k;
    k->copy = a;
    return a;
}

/* The fields of a message that set an argument (opencl.toml): it was decoded once before. */
static struct req_clSetKernelArg
arg_of_frame(const void *frame, size_t len, struct object *object)
{
    const size_t header = sizeof(struct frame_header);
    struct req_clSetKernelArg r = {.object = object};
    struct dec d;

    dec_init(&d, (const uint8_t *)frame + header, len - header);
    dec_u64(&d, "kernel");
    r.arg_index = dec_u64(&d, "arg_index");
    r.kind = dec_u64(&d, "kind");
    r.arg_size = dec_u64(&d, "arg_size");
    dec_u64(&d, "object");
    r.arg_value = dec_bytes(&d, "arg_value", &r.arg_value_len);
    return r;
}

static cl_int
kernel_apply(struct session *s, struct kernel *k, const struct kernel_args *a)
{
    cl_int rc = CL_SUCCESS;

    if (k->applied == a->sets)
        return CL_SUCCESS;
    for (cl_uint i = 0; i < a->n && rc == CL_SUCCESS; i++) {
        const struct kernel_arg_copy *c = &a->arg[i];
        struct req_clSetKernelArg r;

        if (!c->frame)
            continue;
        r = arg_of_frame(c->frame, c->frame_len, c->object);
        rc = arg_set(s, k->o.h.kernel, &r);
    }
    k->applied = rc == CL_SUCCESS ? a->sets : KERNEL_MIXED;
    return rc;
}

cl_int
kernel_make_current(struct session *s, struct kernel *k)
{
    struct kernel_args *a;
    cl_int rc;

    if (k->applied == k->sets)
        return CL_SUCCESS;
    a = kernel_args_ref(s, k);
    rc = a ? kernel_apply(s, k, a) : CL_OUT_OF_HOST_MEMORY;
    kernel_args_unref(s, a);
    return rc;
}

/* A message that sets an argument, from a snapshot. false: it is none. */
static bool
arg_parse(const struct kernel_set *set, struct req_clSetKernelArg *ret)
{
    struct frame_header h;
    struct dec d;

    if (set->frame_len < sizeof h)
        return false;
    memcpy(&h, set->frame, sizeof h);
    dec_init(&d, (const uint8_t *)set->frame + sizeof h, set->frame_len - sizeof h);
    *ret = (struct req_clSetKernelArg){.object = set->object};
    dec_u64(&d, "kernel");
    ret->arg_index = dec_u64(&d, "arg_index");
    ret->kind = dec_u64(&d, "kind");
    ret->arg_size = dec_u64(&d, "arg_size");
    dec_u64(&d, "object");
    ret->arg_value = dec_bytes(&d, "arg_value", &ret->arg_value_len);
    dec_end(&d);
    return !d.bad && h.op == OP_clSetKernelArg && ret->kind <= ARG_LOCAL &&
           (ret->kind != ARG_VALUE || ret->arg_value_len == ret->arg_size) &&
           (!ret->object || (ret->kind == ARG_OBJECT && is_argument(ret->object)));
}

int
kernel_set_again(struct session *s, struct kernel *k, const struct kernel_set *set,
                 cl_int *ret_rc)
{
    struct req_clSetKernelArg r;
    struct kernel_arg *arg;

    *ret_rc = CL_SUCCESS;
    if (!arg_parse(set, &r) || r.arg_index >= k->n_args)
        return -EPROTO;
    arg = &k->args[r.arg_index];
    if (!recipe_set(&arg->set, set->frame, set->frame_len))
        return -ENOMEM;
    arg->error = set->error;
    arg->serial = set->serial;
    k->args_key ^= arg->key;
    arg->key = arg_key(&r);
    k->args_key ^= arg->key;
    kernel_changed(k);
    /* What names an object that is gone makes each launch fail: it is never used. */
    if (set->serial == 0 || set->object)
        *ret_rc = arg_set(s, k->o.h.kernel, &r);
    return 0;
}

/* ---- launches ---------------------------------------------------------------------- */

/* Machine code is made for a local size (or whatever the driver makes of the global one). */
static uint64_t
launch_code_key(uint64_t key, const struct req_clEnqueueNDRangeKernel *r)
{
    const bool local = r->given & GIVEN_LOCAL;
    bool offset = false, large = false;

    for (unsigned i = 0; i < 3; i++) {
        offset |= (r->given & GIVEN_OFFSET) && r->global_work_offset[i] != 0;
        large |= r->global_work_size[i] > UINT16_MAX;
        key = cost_mix(key, local ? r->local_work_size[i] : r->global_work_size[i]);
    }
    return cost_mix(key, 2u * local + 4u * offset + 8u * large + 1) | 1;
}

void
cost_clEnqueueNDRangeKernel(struct session *s, const struct req_clEnqueueNDRangeKernel *r,
                            struct held_spec *spec)
{
    uint64_t key = kernel_of(r->kernel)->key;

    if (s->device.compiles_late)
        spec->keys.code = launch_code_key(key, r);
    for (unsigned i = 0; i < 3; i++) {
        key = cost_mix(key, r->global_work_size[i]);
        key = cost_mix(key, r->given & GIVEN_LOCAL ? r->local_work_size[i] : 0);
    }
    spec->keys.like = key | 1;
    spec->keys.cost = cost_mix(key, kernel_of(r->kernel)->args_key) | 1;
}

int
held_clEnqueueNDRangeKernel(struct session *s, struct held *h,
                            struct req_clEnqueueNDRangeKernel *r)
{
    /* At a limit it has none, and fails when it is run. */
    h->args = kernel_args_ref(s, kernel_of(r->kernel));
    return 0;
}

/* The arguments of the launch that is run: as they are, or were when it came. */
static cl_int
launch_arguments(struct session *s, struct kernel *k)
{
    cl_int rc;

    if (s->held.running) {
        const struct kernel_args *a = s->held.running->args;

        if (!a)
            return CL_OUT_OF_HOST_MEMORY;
        return a->error == CL_SUCCESS ? kernel_apply(s, k, a) : a->error;
    }
    rc = kernel_args_error(s, &k->o);
    return rc == CL_SUCCESS ? kernel_make_current(s, k) : rc;
}

int
op_clEnqueueNDRangeKernel(struct session *s, const struct req_clEnqueueNDRangeKernel *r)
{
    struct submission sub;
    cl_int rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                                 r->event_wait_list, r->event);

    if (rc == CL_SUCCESS && (r->work_dim < 1 || r->work_dim > 3))
        rc = CL_INVALID_WORK_DIMENSION;
    if (rc == CL_SUCCESS)
        rc = launch_arguments(s, kernel_of(r->kernel));
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueNDRangeKernel(
            r->command_queue->h.queue, r->kernel->h.kernel, (cl_uint)r->work_dim,
            r->given & GIVEN_OFFSET ? r->global_work_offset : NULL, r->global_work_size,
            r->given & GIVEN_LOCAL ? r->local_work_size : NULL, sub.n_waits, sub.waits,
            &sub.event);
    return submission_end(s, &sub, rc, r->tag);
}
