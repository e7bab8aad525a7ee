/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.2 and 5.5: buffers of a context over several vGPUs. */
#include "guest/opencl/multi/mem.h"

#include "guest/opencl/mem.h"
#include "guest/opencl/multi/countdown.h"

#include <stdlib.h>
#include <string.h>

/* ---- stamps ------------------------------------------------------------------------ */

struct stamp *
stamp_new(bool moved, cl_event event, cl_uint n_more, const cl_event *more)
{
    struct stamp *s = malloc(sizeof *s + (n_more + 1u) * sizeof *s->event);

    if (!s)
        return NULL;
    atomic_init(&s->holds, 1);
    s->moved = moved;
    s->n_events = n_more + 1;
    s->event[0] = event;
    for (cl_uint i = 0; i < n_more; i++)
        s->event[i + 1] = more[i];
    for (cl_uint i = 0; i < s->n_events; i++)
        ordinary->clRetainEvent(s->event[i]);
    return s;
}

static void
stamp_hold(void *stamp)
{
    struct stamp *s = stamp;

    atomic_fetch_add_explicit(&s->holds, 1, memory_order_relaxed);
}

void
stamp_drop(void *stamp)
{
    struct stamp *s = stamp;

    if (!s || atomic_fetch_sub_explicit(&s->holds, 1, memory_order_acq_rel) != 1)
        return;
    for (cl_uint i = 0; i < s->n_events; i++)
        ordinary->clReleaseEvent(s->event[i]);
    free(s);
}

const struct stamp_ops stamp_ops = {stamp_hold, stamp_drop};

void
mem_ref_drop(struct mem_ref *r)
{
    if (r && atomic_fetch_sub_explicit(&r->holds, 1, memory_order_acq_rel) == 1)
        free(r);
}

/* ---- objects ----------------------------------------------------------------------- */

static void
replicas_release(struct multi_mem *m)
{
    for (unsigned v = 0; m->replica && v < m->context->n_vgpus; v++) {
        if (m->replica[v])
            ordinary->clReleaseMemObject(m->replica[v]);
        m->replica[v] = NULL;
    }
}

static void
mem_destroy(struct object *o)
{
    struct multi_mem *m = (struct multi_mem *)o;

    mem_set_remove(m);
    replicas_release(m);
    destructors_run(&m->destructors, m);
    while (m->maps) {
        struct multi_map *map = m->maps;

        m->maps = map->next;
        free(map);
    }
    if (m->ranges.n)
        ranges_fini(&m->ranges);
    if (m->parent)
        object_release(&m->parent->o);
    object_release(&m->context->o);
    mem_ref_drop(m->ref);
    free(m->replica);
    free(m->properties);
    free(m->initial_copy);
    free(m);
}

static void CL_CALLBACK
replica_gone(cl_mem replica, void *count)
{
    (void)replica;
    countdown_step(count);
}

/*
 * Kernels that have it as an argument cannot be enqueued from now on. Its destructors are called
 * when every device has let go of it: commands may still use the program's memory.
 */
static void
mem_released(struct object *o)
{
    struct multi_mem *m = (struct multi_mem *)o;
    struct countdown *count;

    if (multi_lock(m->context) != CL_SUCCESS)
        return;
    m->ref->mem = NULL;
    multi_unlock(m->context);
    count = farewell_begin(o, &m->destructors);
    if (!count)
        return;
    for (unsigned v = 0; v < m->context->n_vgpus; v++) {
        if (!m->replica[v])
            continue;
        countdown_more(count);
        if (ordinary->clSetMemObjectDestructorCallback(m->replica[v], replica_gone,
                                                       count) != CL_SUCCESS)
            countdown_step(count);
    }
    countdown_begun(count, m->context);
    replicas_release(m);
}

struct multi_mem *
multi_mem_new(struct multi_context *c, struct multi_mem *parent, cl_mem_flags flags,
              void *host_ptr)
{
    struct multi_mem *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    multi_init(&m->o, KIND_multi_mem, mem_destroy);
    object_retain(&c->o);
    if (parent)
        object_retain(&parent->o);
    m->context = c;
    m->parent = parent;
    m->flags = flags;
    m->host_ptr = flags & CL_MEM_USE_HOST_PTR ? host_ptr : NULL;
    m->replica = calloc(c->n_vgpus, sizeof(cl_mem));
    m->ref = calloc(1, sizeof *m->ref);
    if (!m->replica || !m->ref) {
        object_unhold(&m->o);
        return NULL;
    }
    m->o.released = mem_released;
    atomic_init(&m->ref->holds, 1);
    m->ref->mem = m;
    mem_set_add(m);
    return m;
}

/* Invalid only if no device of the context could hold it (section 5.2.1). */
static cl_int
check_size(const struct multi_context *c, size_t size)
{
    for (unsigned v = 0; size > 0 && v < c->n_vgpus; v++) {
        if (size <=
            device_number(c->vgpus[v].device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, UINT64_MAX))
            return CL_SUCCESS;
    }
    return CL_INVALID_BUFFER_SIZE;
}

static cl_int
check_host_ptr(cl_mem_flags flags, const void *host_ptr)
{
    bool wants = flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);

    return wants == (host_ptr != NULL) ? CL_SUCCESS : CL_INVALID_HOST_PTR;
}

/* Keeps the program's bytes until a vGPU has them. */
static cl_int
buffer_take_initial(struct multi_mem *m, const void *host_ptr)
{
    m->initial = host_ptr;
    if (!host_ptr || (m->flags & CL_MEM_USE_HOST_PTR))
        return CL_SUCCESS;
    m->initial_copy = malloc(m->size);
    if (!m->initial_copy)
        return CL_OUT_OF_HOST_MEMORY;
    memcpy(m->initial_copy, host_ptr, m->size);
    m->initial = m->initial_copy;
    return CL_SUCCESS;
}

static cl_int
buffer_new(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
           struct multi_mem **ret)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_mem *m;
    cl_int rc;

    if (!c)
        return CL_INVALID_CONTEXT;
    rc = mem_check_flags(flags);
    if (rc == CL_SUCCESS)
        rc = check_size(c, size);
    if (rc == CL_SUCCESS)
        rc = check_host_ptr(flags, host_ptr);
    if (rc == CL_SUCCESS && multi_is_inherited(c))
        rc = CL_OUT_OF_RESOURCES;
    if (rc != CL_SUCCESS)
        return rc;
    if (flags == 0)
        flags = CL_MEM_READ_WRITE; /* the default (5.2.1); others are told as given */
    m = multi_mem_new(c, NULL, flags, host_ptr);
    if (!m)
        return CL_OUT_OF_HOST_MEMORY;
    m->size = m->bytes = size;
    rc = buffer_take_initial(m, host_ptr);
    if (rc == CL_SUCCESS && !ranges_init(&m->ranges, size, c->n_vgpus, &stamp_ops))
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc != CL_SUCCESS) {
        object_unhold(&m->o);
        return rc;
    }
    *ret = m;
    return CL_SUCCESS;
}

/* Section 5.2.1. */
CL_API_ENTRY cl_mem CL_API_CALL
multi_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
                     cl_int *errcode_ret)
{
    struct multi_mem *m = NULL;
    cl_int rc = buffer_new(context, flags, size, host_ptr, &m);

    RETURN_WITH(errcode_ret, rc, (cl_mem)m);
}

/* Section 5.2.1. */
CL_API_ENTRY cl_mem CL_API_CALL
multi_clCreateBufferWithProperties(cl_context context,
                                   const cl_mem_properties *properties,
                                   cl_mem_flags flags, size_t size, void *host_ptr,
                                   cl_int *errcode_ret)
{
    struct multi_mem *m = NULL;
    cl_int rc;

    if (!multi_context_of(context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (properties && properties[0] != 0) /* none are defined for buffers */
        RETURN_WITH(errcode_ret, CL_INVALID_PROPERTY, NULL);
    rc = buffer_new(context, flags, size, host_ptr, &m);
    if (rc == CL_SUCCESS && properties) {
        m->properties = calloc(1, sizeof *m->properties);
        m->n_properties = m->properties ? 1 : 0;
    }
    RETURN_WITH(errcode_ret, rc, (cl_mem)m);
}

/* Misaligned only if no device of the context would take it (section 5.2.1). */
static cl_int
check_region(const struct multi_mem *m, cl_buffer_create_type type,
             const cl_buffer_region *r)
{
    if (type != CL_BUFFER_CREATE_TYPE_REGION || !r)
        return CL_INVALID_VALUE;
    if (r->size == 0)
        return CL_INVALID_BUFFER_SIZE;
    if (r->origin > m->size || r->size > m->size - r->origin)
        return CL_INVALID_VALUE;
    for (unsigned v = 0; v < m->context->n_vgpus; v++) {
        uint64_t bits = device_number(m->context->vgpus[v].device,
                                      CL_DEVICE_MEM_BASE_ADDR_ALIGN, 1024);

        if (bits < 8 || r->origin % (bits / 8) == 0)
            return CL_SUCCESS;
    }
    return CL_MISALIGNED_SUB_BUFFER_OFFSET;
}

/* Section 5.2.1. */
CL_API_ENTRY cl_mem CL_API_CALL
multi_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type,
                        const void *info, cl_int *errcode_ret)
{
    struct multi_mem *parent = multi_mem_of(buffer), *m;
    const cl_buffer_region *r = info;
    cl_int rc;

    if (!parent || parent->parent || parent->image)
        RETURN_WITH(errcode_ret, CL_INVALID_MEM_OBJECT, NULL);
    rc = mem_inherit_flags(&(struct _cl_mem){.flags = parent->flags}, &flags);
    if (rc == CL_SUCCESS)
        rc = check_region(parent, type, r);
    if (rc == CL_SUCCESS && multi_is_inherited(parent->context))
        rc = CL_OUT_OF_RESOURCES;
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    m = multi_mem_new(parent->context, parent, flags, NULL);
    if (!m)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    m->origin = r->origin;
    m->size = m->bytes = r->size;
    if (parent->host_ptr)
        m->host_ptr = (uint8_t *)parent->host_ptr + r->origin;
    RETURN_WITH(errcode_ret, CL_SUCCESS, (cl_mem)m);
}

/* ---- replicas ---------------------------------------------------------------------- */

static cl_mem
sub_replica_new(struct multi_mem *m, cl_mem parent, cl_int *ret_rc)
{
    const cl_mem_flags inherited =
        CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR;
    const cl_buffer_region r = {m->origin, m->size};

    return ordinary->clCreateSubBuffer(parent, m->flags & ~inherited,
                                       CL_BUFFER_CREATE_TYPE_REGION, &r, ret_rc);
}

/* A root's: with the program's bytes if nobody has them yet. */
static cl_mem
root_replica_new(struct multi_mem *m, unsigned vgpu, cl_int *ret_rc)
{
    cl_context inner = m->context->vgpus[vgpu].context;
    cl_mem_flags flags = m->flags & ~(cl_mem_flags)HOST_ACCESS_FLAGS;
    const void *bytes = m->host_ptr ? m->host_ptr : m->initial;
    cl_mem made;

    if (m->placed)
        flags &= ~(cl_mem_flags)CL_MEM_COPY_HOST_PTR;
    made = m->image
               ? image_replica_new(m, inner, NULL, flags, bytes, ret_rc)
               : ordinary->clCreateBuffer(inner, flags, m->size, (void *)bytes, ret_rc);
    if (!made || !m->initial)
        return made;
    ranges_written(&m->ranges, 0, m->size, vgpu, NULL);
    m->initial = NULL;
    free(m->initial_copy);
    m->initial_copy = NULL;
    return made;
}

cl_int
mem_replica(struct multi_mem *m, unsigned vgpu, cl_mem *ret)
{
    cl_int rc = CL_SUCCESS;
    cl_mem parent = NULL;

    if (m->replica[vgpu]) {
        *ret = m->replica[vgpu];
        return CL_SUCCESS;
    }
    if (m->parent) {
        rc = mem_replica(m->parent, vgpu, &parent);
        if (rc != CL_SUCCESS)
            return rc;
    }
    if (!m->parent)
        m->replica[vgpu] = root_replica_new(m, vgpu, &rc);
    else if (m->image)
        m->replica[vgpu] = image_replica_new(m, m->context->vgpus[vgpu].context, parent,
                                             m->flags, NULL, &rc);
    else
        m->replica[vgpu] = sub_replica_new(m, parent, &rc);
    *ret = m->replica[vgpu];
    m->placed |= m->replica[vgpu] != NULL;
    return rc;
}

cl_int
mem_host_access(cl_mem memobj, bool reads, bool writes)
{
    const struct multi_mem *m = multi_mem_of(memobj);
    cl_mem_flags against = CL_MEM_HOST_NO_ACCESS;

    if (reads)
        against |= CL_MEM_HOST_WRITE_ONLY;
    if (writes)
        against |= CL_MEM_HOST_READ_ONLY;
    return m && (reads || writes) && (m->flags & against) ? CL_INVALID_OPERATION
                                                          : CL_SUCCESS;
}

/* ---- the rest ---------------------------------------------------------------------- */

/* Section 5.5.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clRetainMemObject(cl_mem memobj)
{
    return object_retain_call(memobj, KIND_multi_mem, CL_INVALID_MEM_OBJECT);
}

/* Section 5.5.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clReleaseMemObject(cl_mem memobj)
{
    return object_release_call(memobj, KIND_multi_mem, CL_INVALID_MEM_OBJECT);
}

static cl_mem_object_type
mem_type(const struct multi_mem *m)
{
    return m->image ? m->desc.image_type : CL_MEM_OBJECT_BUFFER;
}

/* What only a replica of an image can tell; one is made for it if there is none. */
static cl_int
image_mem_info(struct multi_mem *m, cl_mem_info name, size_t cap, void *value,
               size_t *ret_len)
{
    unsigned vgpu = 0;
    cl_mem replica;
    cl_int rc = multi_lock(m->context);

    if (rc != CL_SUCCESS)
        return rc;
    while (vgpu + 1 < m->context->n_vgpus && !m->replica[vgpu])
        vgpu++;
    rc = mem_replica(m, m->replica[vgpu] ? vgpu : 0, &replica);
    multi_unlock(m->context);
    return rc == CL_SUCCESS
               ? ordinary->clGetMemObjectInfo(replica, name, cap, value, ret_len)
               : rc;
}

/* Section 5.5.5. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetMemObjectInfo(cl_mem memobj, cl_mem_info param_name, size_t param_value_size,
                         void *param_value, size_t *param_value_size_ret)
{
    struct multi_mem *m = multi_mem_of(memobj);

    if (!m)
        return CL_INVALID_MEM_OBJECT;
    switch (param_name) {
    case CL_MEM_TYPE:
        return INFO_VALUE(cl_mem_object_type, mem_type(m));
    case CL_MEM_FLAGS:
        return INFO_VALUE(cl_mem_flags, m->flags);
    case CL_MEM_SIZE:
        if (m->image)
            return image_mem_info(m, param_name, param_value_size, param_value,
                                  param_value_size_ret);
        return INFO_VALUE(size_t, m->bytes);
    case CL_MEM_HOST_PTR:
        return INFO_VALUE(void *, m->host_ptr);
    case CL_MEM_MAP_COUNT:
        return INFO_VALUE(cl_uint, m->map_count);
    case CL_MEM_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&m->o.refs));
    case CL_MEM_CONTEXT:
        return INFO_VALUE(cl_context, (cl_context)m->context);
    case CL_MEM_ASSOCIATED_MEMOBJECT:
        return INFO_VALUE(cl_mem, (cl_mem)m->parent);
    case CL_MEM_OFFSET:
        return INFO_VALUE(size_t, m->origin);
    case CL_MEM_USES_SVM_POINTER:
        return INFO_VALUE(cl_bool, CL_FALSE);
    case CL_MEM_PROPERTIES:
        return info_put(m->properties, m->n_properties * sizeof *m->properties,
                        param_value_size, param_value, param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}

typedef void(CL_CALLBACK *mem_destructor_fn)(cl_mem, void *);

static void
call_mem_destructor(struct destructor *d, void *handle)
{
    ((mem_destructor_fn)d->function)(handle, d->user_data);
}

/* Section 5.5.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clSetMemObjectDestructorCallback(cl_mem memobj, mem_destructor_fn pfn_notify,
                                       void *user_data)
{
    struct multi_mem *m = multi_mem_of(memobj);

    if (!m)
        return CL_INVALID_MEM_OBJECT;
    if (!pfn_notify)
        return CL_INVALID_VALUE;
    return destructor_push(&m->destructors, call_mem_destructor, (void *)pfn_notify,
                           user_data);
}
