/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.2: buffer objects; 5.5: queries and destructor callbacks. */
#include "guest/opencl/image.h"
#include "guest/opencl/window.h"

#include "api/opencl_send.h"

#include <stdlib.h>
#include <string.h>

/* ---- framebuffer credit (docs/protocol.md, "Memory") ------------------------------- */

static bool
credit_take(struct session *s, uint64_t size)
{
    _Atomic uint64_t *credit = &s->channel.page->credit_bytes;
    uint64_t have = atomic_load_explicit(credit, memory_order_relaxed);

    while (have >= size) {
        if (atomic_compare_exchange_weak_explicit(
                credit, &have, have - size, memory_order_acq_rel, memory_order_relaxed))
            return true;
    }
    return false;
}

cl_int
mem_credit_get(struct session *s, uint64_t size)
{
    struct pending p = {0};
    cl_int rc;

    session_heap_trim(s);
    if (credit_take(s, size))
        return CL_SUCCESS;
    rc = send_tessera_credit(s, &p, size);
    if (rc == CL_SUCCESS)
        rc = session_wait(s, &p);
    return rc == CL_SUCCESS ? (cl_int)p.status : rc;
}

void
mem_credit_return(struct session *s, uint64_t size)
{
    if (!session_is_dead(s))
        atomic_fetch_add(&s->channel.page->credit_bytes, size);
}

/* A buffer up to this size is made when something is sent that may use it (hold.h). */
#define HOLD_MOST_BYTES (64u << 10)

/* ---- objects ----------------------------------------------------------------------- */

static void
mem_free_parts(struct _cl_mem *m)
{
    free(m->properties);
    free(m->shadow);
    free(m->image);
}

static void
mem_destroy(struct object *o)
{
    struct _cl_mem *m = (struct _cl_mem *)o;

    destructors_run(&m->destructors, m);
    while (m->mappings) {
        struct mapping *map = m->mappings;

        m->mappings = map->next;
        mapping_unclaim(m, map);
        mapping_free(map);
    }
    if (m->parent)
        object_release(&m->parent->o);
    object_release(&m->context->o);
    window_release(m->window);
    if (m->properties || m->shadow || m->image)
        mem_free_parts(m);
    pool_put(&o->session->mems, o);
}

/* The worker gives the storage back once the driver has let go of it. */
static void
mem_released(struct object *o)
{
    const struct _cl_mem *m = (struct _cl_mem *)o;
    const uint64_t storage = atomic_load_explicit(&m->storage, memory_order_acquire);
    const bool placed = storage != EXTENT_NONE && storage != STORAGE_LATER;

    if (o->never_sent) {
        if (placed)
            heap_free(&o->session->heap, storage);
        mem_credit_return(o->session, m->size);
    } else if (placed && !m->parent) {
        session_expect_reclaim(o->session);
    }
}

/* All but what links it to others. */
static void
mem_init(struct _cl_mem *m, cl_context context, cl_mem_flags flags, size_t size,
         void *host_ptr)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;

    object_init(&m->o, KIND_mem, context->o.session, mem_destroy);
    m->o.released = mem_released;
    object_retain(&context->o);
    m->lock = unlocked;
    m->context = context;
    m->flags = flags;
    m->size = size;
    m->host_ptr = flags & CL_MEM_USE_HOST_PTR ? host_ptr : NULL;
    atomic_init(&m->storage, EXTENT_NONE);
}

/* The session is alive and tx_lock is held. NULL without memory or ids. */
static struct _cl_mem *
mem_new_locked(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr)
{
    struct session *s = context->o.session;
    struct _cl_mem *m = pool_take(&s->mems);
    struct guest_id id;

    if (!m)
        return NULL;
    id = id_take(s);
    if (id.v == 0) {
        pool_put(&s->mems, &m->o);
        return NULL;
    }
    mem_init(m, context, flags, size, host_ptr);
    m->o.id = id;
    return m;
}

cl_int
mem_new(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
        struct _cl_mem **ret)
{
    struct session *s = context->o.session;
    struct _cl_mem *m;

    if (session_is_dead(s))
        return CL_OUT_OF_RESOURCES;
    pthread_mutex_lock(&s->tx_lock);
    m = mem_new_locked(context, flags, size, host_ptr);
    pthread_mutex_unlock(&s->tx_lock);
    if (!m)
        return CL_OUT_OF_HOST_MEMORY;
    *ret = m;
    return CL_SUCCESS;
}

void
mem_discard(struct _cl_mem *m)
{
    session_drop_id(m->o.session, m->o.id);
    m->o.id.v = 0;
    object_unhold(&m->o);
}

static bool
several(cl_mem_flags flags)
{
    return flags & (flags - 1);
}

cl_int
mem_check_flags(cl_mem_flags flags)
{
    const cl_mem_flags device = CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY;
    const cl_mem_flags host =
        CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS;
    const cl_mem_flags pointer =
        CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR;

    if (flags & ~(device | host | pointer))
        return CL_INVALID_VALUE;
    if (several(flags & device) || several(flags & host))
        return CL_INVALID_VALUE;
    if ((flags & CL_MEM_USE_HOST_PTR) &&
        (flags & (CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR)))
        return CL_INVALID_VALUE;
    return CL_SUCCESS;
}

static cl_int
check_buffer(cl_context context, cl_mem_flags flags, size_t size, const void *host_ptr)
{
    bool wants = flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);
    cl_int rc;

    if (!object_is(context, KIND_context))
        return CL_INVALID_CONTEXT;
    rc = mem_check_flags(flags);
    if (rc != CL_SUCCESS)
        return rc;
    if (size == 0 || size > context->max_alloc)
        return CL_INVALID_BUFFER_SIZE;
    if (wants != (host_ptr != NULL))
        return CL_INVALID_HOST_PTR;
    return CL_SUCCESS;
}

/*
 * Chooses where the bytes live and puts the program's initial bytes there: into the storage itself
 * when it is in the heap (nobody else knows it yet), else into a staging extent.
 */
static cl_int
buffer_place(struct session *s, struct _cl_mem *m, const void *initial,
             struct extent *staging, enum buffer_content *content)
{
    *staging = (struct extent){EXTENT_NONE, 0};
    *content = CONTENT_NONE;
    if (s->shared_storage)
        m->storage = session_heap_alloc(s, m->size);
    if (!initial)
        return CL_SUCCESS;
    if (m->storage != EXTENT_NONE) {
        memcpy(mem_bytes(m), initial, m->size);
        *content = CONTENT_IN_PLACE;
        return CL_SUCCESS;
    }
    *staging = (struct extent){session_heap_alloc(s, m->size), m->size};
    if (staging->off == EXTENT_NONE)
        return CL_OUT_OF_HOST_MEMORY;
    memcpy(s->channel.heap + staging->off, initial, m->size);
    *content = CONTENT_INITIAL;
    return CL_SUCCESS;
}

uint64_t
mem_place(struct _cl_mem *m)
{
    struct session *s = m->o.session;
    uint64_t before = STORAGE_LATER, off;

    if (session_is_dead(s))
        return EXTENT_NONE;
    off = heap_alloc(&s->heap, m->size);
    /* Its partner is in mem_storage(). Whoever is later takes what there is. */
    if (atomic_compare_exchange_strong_explicit(
            &m->storage, &before, off, memory_order_acq_rel, memory_order_acquire))
        return off;
    heap_free(&s->heap, off);
    return before;
}

static cl_int
buffer_send_with(struct _cl_mem *m, struct pending *p, enum buffer_content content,
                 struct extent staging)
{
    const cl_mem_flags own = CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR |
                             CL_MEM_COPY_HOST_PTR | CL_MEM_HOST_WRITE_ONLY |
                             CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS;
    const uint64_t off = mem_storage(m);
    const struct extent storage = {off, off == EXTENT_NONE ? 0 : m->size};

    return send_clCreateBuffer(m->o.session, p, m->o.id, m->context->o.id,
                               m->flags & ~own, m->size, storage, content, staging);
}

/* Of a buffer that was held back: the program's initial bytes are in its storage already. */
static cl_int
buffer_send(struct object *o, struct pending *p)
{
    struct _cl_mem *m = (struct _cl_mem *)o;
    const bool filled = m->flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);

    return buffer_send_with(m, p, filled ? CONTENT_IN_PLACE : CONTENT_NONE,
                            (struct extent){EXTENT_NONE, 0});
}

static cl_int
buffer_make(struct session *s, struct _cl_mem *m, const void *initial)
{
    struct extent staging;
    enum buffer_content content;
    cl_int rc = buffer_place(s, m, initial, &staging, &content);

    /*
     * Staging is wanted back, and a large buffer wants to be seen in the vGPU's account:
     * made now.
     */
    if (rc == CL_SUCCESS && staging.off == EXTENT_NONE && m->size <= HOLD_MOST_BYTES)
        rc = held_add(&m->o);
    else if (rc == CL_SUCCESS)
        rc = buffer_send_with(m, NULL, content, staging);
    if (rc != CL_SUCCESS) {
        heap_free(&s->heap, m->storage);
        m->storage = EXTENT_NONE;
    }
    return extent_sent(s, staging.off, rc);
}

/*
 * What is small, empty and finds room in the heap whenever it needs some: it is held back in one
 * go under one lock. NULL without memory or ids.
 */
static struct _cl_mem *
buffer_new_held(cl_context context, cl_mem_flags flags, size_t size)
{
    struct session *s = context->o.session;
    struct _cl_mem *m;

    pthread_mutex_lock(&s->tx_lock);
    m = mem_new_locked(context, flags, size, NULL);
    if (m) {
        m->o.make = buffer_send;
        if (s->shared_storage)
            atomic_init(&m->storage, STORAGE_LATER);
        held_add_locked(s, &m->o);
    }
    pthread_mutex_unlock(&s->tx_lock);
    return m;
}

static cl_int
buffer_new_placed(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
                  struct _cl_mem **ret)
{
    struct _cl_mem *m;
    cl_int rc = mem_new(context, flags, size, host_ptr, &m);

    if (rc != CL_SUCCESS)
        return rc;
    m->o.make = buffer_send;
    rc = buffer_make(context->o.session, m, host_ptr);
    if (rc == CL_SUCCESS)
        *ret = m;
    else
        mem_discard(m);
    return rc;
}

static cl_int
buffer_new(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
           cl_mem *ret)
{
    cl_int rc = check_buffer(context, flags, size, host_ptr);
    struct session *s;

    if (rc != CL_SUCCESS)
        return rc;
    s = context->o.session;
    if (session_is_dead(s))
        return CL_OUT_OF_RESOURCES;
    rc = mem_credit_get(s, size);
    if (rc != CL_SUCCESS)
        return rc;
    if (flags == 0)
        flags = CL_MEM_READ_WRITE; /* the default (5.2.1); others are told as given */
    if (!host_ptr && size <= HOLD_MOST_BYTES && !heap_is_crowded(&s->heap)) {
        *ret = buffer_new_held(context, flags, size);
        rc = *ret ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    } else {
        rc = buffer_new_placed(context, flags, size, host_ptr, ret);
    }
    if (rc != CL_SUCCESS)
        mem_credit_return(s, size);
    return rc;
}

/* Section 5.2.1. */
CL_API_ENTRY cl_mem CL_API_CALL
tsr_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
                   cl_int *errcode_ret)
{
    cl_mem m = NULL;
    cl_int rc = buffer_new(context, flags, size, host_ptr, &m);

    RETURN_WITH(errcode_ret, rc, m);
}

/* Section 5.2.1. */
CL_API_ENTRY cl_mem CL_API_CALL
tsr_clCreateBufferWithProperties(cl_context context, const cl_mem_properties *properties,
                                 cl_mem_flags flags, size_t size, void *host_ptr,
                                 cl_int *errcode_ret)
{
    cl_mem m = NULL;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (properties && properties[0] != 0) /* none are defined for buffers */
        RETURN_WITH(errcode_ret, CL_INVALID_PROPERTY, NULL);
    rc = buffer_new(context, flags, size, host_ptr, &m);
    if (rc == CL_SUCCESS && properties) {
        m->properties = calloc(1, sizeof *m->properties);
        m->n_properties = m->properties ? 1 : 0;
    }
    RETURN_WITH(errcode_ret, rc, m);
}

/* Sections 5.2.1 (clCreateSubBuffer) and 5.3.1 (an image made from another object). */
cl_int
mem_inherit_flags(const struct _cl_mem *parent, cl_mem_flags *flags)
{
    const cl_mem_flags device = CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY;
    const cl_mem_flags host =
        CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS;
    const cl_mem_flags pointer =
        CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR;
    cl_mem_flags f = *flags;

    if ((f & pointer) || mem_check_flags(f) != CL_SUCCESS)
        return CL_INVALID_VALUE;
    if ((parent->flags & CL_MEM_WRITE_ONLY) &&
        (f & (CL_MEM_READ_WRITE | CL_MEM_READ_ONLY)))
        return CL_INVALID_VALUE;
    if ((parent->flags & CL_MEM_READ_ONLY) &&
        (f & (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY)))
        return CL_INVALID_VALUE;
    if ((parent->flags & CL_MEM_HOST_WRITE_ONLY) && (f & CL_MEM_HOST_READ_ONLY))
        return CL_INVALID_VALUE;
    if ((parent->flags & CL_MEM_HOST_READ_ONLY) && (f & CL_MEM_HOST_WRITE_ONLY))
        return CL_INVALID_VALUE;
    if ((parent->flags & CL_MEM_HOST_NO_ACCESS) &&
        (f & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY)))
        return CL_INVALID_VALUE;
    if (!(f & device))
        f |= parent->flags & device;
    if (!(f & host))
        f |= parent->flags & host;
    *flags = f | (parent->flags & pointer);
    return CL_SUCCESS;
}

static cl_int
check_region(const struct _cl_mem *m, cl_buffer_create_type type,
             const cl_buffer_region *r)
{
    uint64_t align_bits =
        device_number(m->context->device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, 1024);

    if (type != CL_BUFFER_CREATE_TYPE_REGION || !r)
        return CL_INVALID_VALUE;
    if (r->size == 0)
        return CL_INVALID_BUFFER_SIZE;
    if (!mem_range_ok(m, r->origin, r->size))
        return CL_INVALID_VALUE;
    if (align_bits >= 8 && r->origin % (align_bits / 8) != 0)
        return CL_MISALIGNED_SUB_BUFFER_OFFSET;
    return CL_SUCCESS;
}

/* Section 5.2.1. */
CL_API_ENTRY cl_mem CL_API_CALL
tsr_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type,
                      const void *info, cl_int *errcode_ret)
{
    const cl_buffer_region *r = info;
    struct _cl_mem *m;
    uint64_t storage;
    cl_int rc;

    if (!object_is(buffer, KIND_mem) || buffer->image || buffer->parent)
        RETURN_WITH(errcode_ret, CL_INVALID_MEM_OBJECT, NULL);
    rc = mem_inherit_flags(buffer, &flags);
    if (rc == CL_SUCCESS)
        rc = check_region(buffer, type, r);
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    rc = mem_new(buffer->context, flags, r->size, NULL, &m);
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    m->parent = buffer;
    object_retain(&buffer->o);
    m->origin = r->origin;
    if (buffer->host_ptr)
        m->host_ptr = (uint8_t *)buffer->host_ptr + r->origin;
    storage = mem_storage(buffer);
    if (storage != EXTENT_NONE)
        m->storage = storage + r->origin;
    rc = send_clCreateSubBuffer(
        m->o.session, NULL, m->o.id, buffer->o.id,
        flags & (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY), r->origin,
        r->size);
    if (rc != CL_SUCCESS) {
        mem_discard(m);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    RETURN_WITH(errcode_ret, CL_SUCCESS, m);
}

/* Section 5.5.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainMemObject(cl_mem memobj)
{
    return object_retain_call(memobj, KIND_mem, CL_INVALID_MEM_OBJECT);
}

/* Section 5.5.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseMemObject(cl_mem memobj)
{
    return object_release_call(memobj, KIND_mem, CL_INVALID_MEM_OBJECT);
}

/* Section 5.5.5. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetMemObjectInfo(cl_mem memobj, cl_mem_info param_name, size_t param_value_size,
                       void *param_value, size_t *param_value_size_ret)
{
    const struct _cl_mem *m = memobj;

    if (!object_is(m, KIND_mem))
        return CL_INVALID_MEM_OBJECT;
    switch (param_name) {
    case CL_MEM_TYPE:
        return INFO_VALUE(cl_mem_object_type,
                          m->image ? m->image->type : CL_MEM_OBJECT_BUFFER);
    case CL_MEM_FLAGS:
        return INFO_VALUE(cl_mem_flags, m->flags);
    case CL_MEM_SIZE:
        return INFO_VALUE(size_t, m->size);
    case CL_MEM_HOST_PTR:
        return INFO_VALUE(void *, m->host_ptr);
    case CL_MEM_MAP_COUNT:
        return INFO_VALUE(cl_uint, m->map_count);
    case CL_MEM_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&m->o.refs));
    case CL_MEM_CONTEXT:
        return INFO_VALUE(cl_context, m->context);
    case CL_MEM_ASSOCIATED_MEMOBJECT:
        return INFO_VALUE(cl_mem, m->parent);
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
tsr_clSetMemObjectDestructorCallback(cl_mem memobj, mem_destructor_fn pfn_notify,
                                     void *user_data)
{
    cl_int rc;

    if (!object_is(memobj, KIND_mem))
        return CL_INVALID_MEM_OBJECT;
    if (!pfn_notify)
        return CL_INVALID_VALUE;
    rc = destructor_push(&memobj->destructors, call_mem_destructor, (void *)pfn_notify,
                         user_data);
    if (rc == CL_SUCCESS)
        destructors_watch(&memobj->o, &memobj->destructors, &memobj->watched,
                          send_clSetMemObjectDestructorCallback);
    return rc;
}
