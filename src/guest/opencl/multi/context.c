/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 4.4: contexts, here over the devices of several vGPUs. */
#include "guest/opencl/multi/countdown.h"

#include "guest/opencl/session.h"

#include <stdlib.h>
#include <string.h>

/* How many forks lie between the first composite and this process. */
static _Atomic unsigned forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void
fork_child(void)
{
    atomic_fetch_add(&forks, 1);
}

static void
forks_watch(void)
{
    pthread_atfork(NULL, NULL, fork_child);
}

bool
multi_is_inherited(const struct multi_context *c)
{
    return c->forks != atomic_load_explicit(&forks, memory_order_relaxed);
}

cl_int
multi_lock(struct multi_context *c)
{
    if (multi_is_inherited(c))
        return CL_OUT_OF_RESOURCES;
    pthread_mutex_lock(&c->lock);
    return CL_SUCCESS;
}

void
multi_unlock(struct multi_context *c)
{
    pthread_mutex_unlock(&c->lock);
}

void
multi_init(struct object *o, uint32_t kind, void (*destroy)(struct object *o))
{
    object_init(o, kind, NULL, destroy);
    o->dispatch = &multi_dispatch;
}

int
multi_vgpu_of(const struct multi_context *c, cl_device_id device)
{
    for (unsigned v = 0; v < c->n_vgpus; v++) {
        for (cl_uint i = 0; i < c->vgpus[v].n_devices; i++) {
            if (c->vgpus[v].devices[i] == device)
                return (int)v;
        }
    }
    return -1;
}

/* ---- the library's own queues ------------------------------------------------------ */

cl_command_queue
multi_queue_in(struct multi_context *c, unsigned vgpu)
{
    struct multi_vgpu *v = &c->vgpus[vgpu];

    if (!v->in)
        v->in = ordinary->clCreateCommandQueue(v->context, v->devices[0], 0, NULL);
    return v->in;
}

cl_command_queue
multi_queue_out(struct multi_context *c, unsigned vgpu)
{
    struct multi_vgpu *v = &c->vgpus[vgpu];

    if (!v->out)
        v->out = ordinary->clCreateCommandQueue(
            v->context, v->devices[0], CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, NULL);
    if (!v->out) /* a device that knows no other order */
        v->out = ordinary->clCreateCommandQueue(v->context, v->devices[0], 0, NULL);
    return v->out;
}

/* ---- objects ----------------------------------------------------------------------- */

static void
vgpus_release(struct multi_context *c)
{
    for (unsigned i = 0; i < c->n_vgpus; i++) {
        struct multi_vgpu *v = &c->vgpus[i];

        if (v->in)
            ordinary->clReleaseCommandQueue(v->in);
        if (v->out)
            ordinary->clReleaseCommandQueue(v->out);
        if (v->context)
            ordinary->clReleaseContext(v->context);
        v->in = v->out = NULL;
        v->context = NULL;
    }
}

static void CL_CALLBACK
inner_gone(cl_context inner, void *count)
{
    (void)inner;
    countdown_step(count);
}

/* Destructors are called when every device has let go of it (section 4.4). */
static void
context_released(struct object *o)
{
    struct multi_context *c = (struct multi_context *)o;
    struct countdown *count =
        multi_is_inherited(c) ? NULL : farewell_begin(o, &c->destructors);

    if (!count)
        return;
    for (unsigned i = 0; i < c->n_vgpus; i++) {
        countdown_more(count);
        if (ordinary->clSetContextDestructorCallback(c->vgpus[i].context, inner_gone,
                                                     count) != CL_SUCCESS)
            countdown_step(count);
    }
    countdown_begun(count, c);
    vgpus_release(c);
}

static void
context_destroy(struct object *o)
{
    struct multi_context *c = (struct multi_context *)o;

    vgpus_release(c);
    for (unsigned i = 0; i < c->n_vgpus; i++)
        free(c->vgpus[i].devices);
    destructors_run(&c->destructors, c);
    pthread_mutex_destroy(&c->lock);
    free(c->vgpus);
    free(c->devices);
    free(c->properties);
    free(c);
}

/* The devices, each once, and the vGPUs they belong to. */
static bool
context_take_devices(struct multi_context *c, cl_uint n, const cl_device_id *devices)
{
    c->devices = calloc(n, sizeof(cl_device_id));
    c->vgpus = calloc(n, sizeof *c->vgpus);
    if (!c->devices || !c->vgpus)
        return false;
    for (cl_uint i = 0; i < n; i++) {
        struct multi_vgpu *v = c->vgpus;

        if (multi_vgpu_of(c, devices[i]) >= 0)
            continue;
        while (v < c->vgpus + c->n_vgpus && v->device != devices[i]->d)
            v++;
        if (v == c->vgpus + c->n_vgpus) {
            v->devices = calloc(n, sizeof(cl_device_id));
            if (!v->devices)
                return false;
            v->device = devices[i]->d;
            c->n_vgpus++;
        }
        v->devices[v->n_devices++] = devices[i];
        c->devices[c->n_devices++] = devices[i];
    }
    return c->n_vgpus <= RANGES_HOLDERS_MAX;
}

static cl_int
context_fill(struct multi_context *c, const cl_context_properties *properties,
             size_t n_properties, cl_uint n, const cl_device_id *devices,
             const struct multi_notify *notify)
{
    cl_int rc = CL_SUCCESS;

    if (!context_take_devices(c, n, devices))
        return CL_OUT_OF_HOST_MEMORY;
    if (n_properties) {
        c->properties = malloc(n_properties * sizeof *properties);
        if (!c->properties)
            return CL_OUT_OF_HOST_MEMORY;
        memcpy(c->properties, properties, n_properties * sizeof *properties);
        c->n_properties = n_properties;
    }
    for (unsigned i = 0; rc == CL_SUCCESS && i < c->n_vgpus; i++)
        c->vgpus[i].context = ordinary->clCreateContext(
            properties, c->vgpus[i].n_devices, c->vgpus[i].devices, notify->function,
            notify->user_data, &rc);
    return rc;
}

cl_int
multi_context_new(const cl_context_properties *properties, size_t n_properties,
                  cl_uint n_devices, const cl_device_id *devices,
                  const struct multi_notify *notify, cl_context *ret)
{
    struct multi_context *c = calloc(1, sizeof *c);
    cl_int rc;

    if (!c)
        return CL_OUT_OF_HOST_MEMORY;
    pthread_once(&forks_once, forks_watch);
    multi_init(&c->o, KIND_multi_context, context_destroy);
    c->o.released = context_released;
    pthread_mutex_init(&c->lock, NULL);
    c->forks = atomic_load(&forks);
    rc = context_fill(c, properties, n_properties, n_devices, devices, notify);
    if (rc != CL_SUCCESS) {
        object_unhold(&c->o);
        return rc;
    }
    *ret = (cl_context)c;
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL
multi_clRetainContext(cl_context context)
{
    return object_retain_call(context, KIND_multi_context, CL_INVALID_CONTEXT);
}

CL_API_ENTRY cl_int CL_API_CALL
multi_clReleaseContext(cl_context context)
{
    return object_release_call(context, KIND_multi_context, CL_INVALID_CONTEXT);
}

CL_API_ENTRY cl_int CL_API_CALL
multi_clGetContextInfo(cl_context context, cl_context_info param_name,
                       size_t param_value_size, void *param_value,
                       size_t *param_value_size_ret)
{
    const struct multi_context *c = multi_context_of(context);

    if (!c)
        return CL_INVALID_CONTEXT;
    switch (param_name) {
    case CL_CONTEXT_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&c->o.refs));
    case CL_CONTEXT_NUM_DEVICES:
        return INFO_VALUE(cl_uint, c->n_devices);
    case CL_CONTEXT_DEVICES:
        return info_put(c->devices, c->n_devices * sizeof(cl_device_id), param_value_size,
                        param_value, param_value_size_ret);
    case CL_CONTEXT_PROPERTIES:
        return info_put(c->properties, c->n_properties * sizeof *c->properties,
                        param_value_size, param_value, param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}

typedef void(CL_CALLBACK *context_destructor_fn)(cl_context, void *);

static void
call_context_destructor(struct destructor *d, void *handle)
{
    ((context_destructor_fn)d->function)(handle, d->user_data);
}

CL_API_ENTRY cl_int CL_API_CALL
multi_clSetContextDestructorCallback(cl_context context, context_destructor_fn pfn_notify,
                                     void *user_data)
{
    struct multi_context *c = multi_context_of(context);

    if (!c)
        return CL_INVALID_CONTEXT;
    if (!pfn_notify)
        return CL_INVALID_VALUE;
    return destructor_push(&c->destructors, call_context_destructor, (void *)pfn_notify,
                           user_data);
}
