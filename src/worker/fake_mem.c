/* SPDX-License-Identifier: MIT */
/* Buffers of the fake driver: zeroed host memory, or the program's own. */
#include "worker/fake_internal.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

#define ACCESS (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY)
#define HOST_ACCESS                                                                      \
    (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)
#define POINTER (CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR)

static void
mem_free(cl_mem mem)
{
    struct list *pos, *tmp;

    list_for_each_safe(pos, tmp, &mem->mappings)
    {
        free(container_of(pos, struct fake_mapping, node));
    }
    mem->base.kind = FAKE_DEAD;
    free(mem->storage);
    fake_unref(mem->parent);
    fake_unref(mem->context);
    free(mem);
}

/* Destructors run in the reverse order of their registration. */
static void
mem_destroy(void *self)
{
    cl_mem mem = self;

    while (!list_empty(&mem->destructors)) {
        struct fake_callback *cb =
            container_of(mem->destructors.prev, struct fake_callback, node);

        cb->call.mem(mem, cb->data);
        list_del(&cb->node);
        free(cb);
    }
    mem_free(mem);
}

static cl_mem
mem_new(cl_context context, cl_mem_flags flags, size_t size)
{
    cl_mem mem = calloc(1, sizeof(*mem));

    if (!mem)
        return NULL;
    fake_object_init(mem, FAKE_MEM, mem_destroy);
    mem->context = fake_ref(context);
    mem->flags = flags;
    mem->size = size;
    list_init(&mem->mappings);
    list_init(&mem->destructors);
    return mem;
}

static bool
many_bits(cl_mem_flags flags)
{
    return flags & (flags - 1);
}

static cl_int
flags_check(cl_mem_flags flags, const void *host_ptr)
{
    const bool wants_ptr = flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);

    if ((flags & ~(cl_mem_flags)(ACCESS | HOST_ACCESS | POINTER)) ||
        many_bits(flags & ACCESS) || many_bits(flags & HOST_ACCESS))
        return CL_INVALID_VALUE;
    if ((flags & CL_MEM_USE_HOST_PTR) && many_bits(flags & POINTER))
        return CL_INVALID_VALUE;
    return wants_ptr == !!host_ptr ? CL_SUCCESS : CL_INVALID_HOST_PTR;
}

/* calloc(): pages of a large buffer cost nothing before they are touched. */
static cl_int
mem_allocate(cl_mem mem, void *host_ptr)
{
    if (mem->flags & CL_MEM_USE_HOST_PTR) {
        mem->host_ptr = host_ptr;
        mem->bytes = host_ptr;
        return CL_SUCCESS;
    }
    mem->storage = calloc(1, mem->size + FAKE_ALIGN_BYTES);
    if (!mem->storage)
        return CL_MEM_OBJECT_ALLOCATION_FAILURE;
    mem->bytes = (uint8_t *)mem->storage + -(uintptr_t)mem->storage % FAKE_ALIGN_BYTES;
    if (mem->flags & CL_MEM_COPY_HOST_PTR)
        memcpy(mem->bytes, host_ptr, mem->size);
    return CL_SUCCESS;
}

cl_mem
fake_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
                    cl_int *errcode_ret)
{
    cl_mem mem;
    cl_int err;

    if (!fake_is(context, FAKE_CONTEXT))
        return fake_ret(errcode_ret, CL_INVALID_CONTEXT, NULL);
    err = flags_check(flags, host_ptr);
    if (err)
        return fake_ret(errcode_ret, err, NULL);
    if (size == 0 || size > FAKE_MEMORY_BYTES)
        return fake_ret(errcode_ret, CL_INVALID_BUFFER_SIZE, NULL);
    if (fake_fault_alloc())
        return fake_ret(errcode_ret, CL_MEM_OBJECT_ALLOCATION_FAILURE, NULL);

    mem = mem_new(context, flags & ACCESS ? flags : flags | CL_MEM_READ_WRITE, size);
    if (!mem)
        return fake_ret(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    err = mem_allocate(mem, host_ptr);
    if (err)
        fake_unref(mem);
    return fake_ret(errcode_ret, err, mem);
}

cl_mem
fake_clCreateBufferWithProperties(cl_context context, const cl_mem_properties *properties,
                                  cl_mem_flags flags, size_t size, void *host_ptr,
                                  cl_int *errcode_ret)
{
    cl_mem mem;

    if (properties && properties[0])
        return fake_ret(errcode_ret, CL_INVALID_PROPERTY, NULL);
    mem = fake_clCreateBuffer(context, flags, size, host_ptr, errcode_ret);
    if (mem)
        mem->has_properties = properties;
    return mem;
}

/* Where the part says nothing it is as the whole; it must not be allowed more. */
static cl_int
sub_flags(cl_mem_flags whole, cl_mem_flags part, cl_mem_flags *ret_flags)
{
    const cl_mem_flags access = part & ACCESS, host = part & HOST_ACCESS;

    if ((part & ~(cl_mem_flags)(ACCESS | HOST_ACCESS)) || many_bits(access) ||
        many_bits(host))
        return CL_INVALID_VALUE;
    if (access && access != (whole & ACCESS) && !(whole & CL_MEM_READ_WRITE))
        return CL_INVALID_VALUE;
    if (host && (whole & HOST_ACCESS) && host != (whole & HOST_ACCESS) &&
        host != CL_MEM_HOST_NO_ACCESS)
        return CL_INVALID_VALUE;
    *ret_flags = (access ? access : whole & ACCESS) |
                 (host ? host : whole & HOST_ACCESS) | (whole & POINTER);
    return CL_SUCCESS;
}

static cl_int
region_check(cl_mem whole, const cl_buffer_region *r)
{
    if (r->size == 0)
        return CL_INVALID_BUFFER_SIZE;
    if (!range_inside(r->origin, r->size, whole->size))
        return CL_INVALID_VALUE;
    return r->origin % FAKE_ALIGN_BYTES ? CL_MISALIGNED_SUB_BUFFER_OFFSET : CL_SUCCESS;
}

cl_mem
fake_mem_within(cl_mem whole, cl_mem_flags flags, size_t size, cl_int *ret_err)
{
    cl_int err = sub_flags(whole->flags, flags, &flags);
    cl_mem mem;

    if (err)
        return fake_ret(ret_err, err, NULL);
    mem = mem_new(whole->context, flags, size);
    if (!mem)
        return fake_ret(ret_err, CL_OUT_OF_HOST_MEMORY, NULL);
    mem->parent = fake_ref(whole);
    mem->bytes = whole->bytes;
    mem->host_ptr = whole->host_ptr;
    return fake_ret(ret_err, CL_SUCCESS, mem);
}

cl_mem
fake_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags,
                       cl_buffer_create_type buffer_create_type,
                       const void *buffer_create_info, cl_int *errcode_ret)
{
    const cl_buffer_region *r = buffer_create_info;
    cl_mem mem;
    cl_int err;

    if (!fake_is(buffer, FAKE_MEM) || buffer->parent || buffer->shape.element)
        return fake_ret(errcode_ret, CL_INVALID_MEM_OBJECT, NULL);
    if (buffer_create_type != CL_BUFFER_CREATE_TYPE_REGION || !r)
        return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);
    err = region_check(buffer, r);
    if (!err)
        err = sub_flags(buffer->flags, flags, &flags);
    if (err)
        return fake_ret(errcode_ret, err, NULL);

    mem = mem_new(buffer->context, flags, r->size);
    if (!mem)
        return fake_ret(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    mem->parent = fake_ref(buffer);
    mem->origin = r->origin;
    mem->bytes = buffer->bytes + r->origin;
    mem->host_ptr = buffer->host_ptr ? mem->bytes : NULL;
    return fake_ret(errcode_ret, CL_SUCCESS, mem);
}

cl_int
fake_mem_check(cl_command_queue q, cl_mem mem, size_t offset, size_t size)
{
    if (!fake_is(q, FAKE_QUEUE))
        return CL_INVALID_COMMAND_QUEUE;
    if (!fake_is(mem, FAKE_MEM))
        return CL_INVALID_MEM_OBJECT;
    if (mem->context != q->context)
        return CL_INVALID_CONTEXT;
    return range_inside(offset, size, mem->size) ? CL_SUCCESS : CL_INVALID_VALUE;
}

static cl_uint
map_count(cl_mem mem)
{
    struct list *pos, *tmp;
    cl_uint n = 0;

    pthread_mutex_lock(&fake_lock);
    list_for_each_safe(pos, tmp, &mem->mappings)
    {
        n++;
    }
    pthread_mutex_unlock(&fake_lock);
    return n;
}

cl_int
fake_clGetMemObjectInfo(cl_mem memobj, cl_mem_info param_name, size_t param_value_size,
                        void *param_value, size_t *param_value_size_ret)
{
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    const cl_mem_properties none = 0;
    const cl_bool uses_svm = CL_FALSE;
    cl_mem_object_type type;
    cl_uint users, maps;

    if (!fake_is(memobj, FAKE_MEM))
        return CL_INVALID_MEM_OBJECT;
    type = memobj->shape.element ? memobj->shape.type : CL_MEM_OBJECT_BUFFER;
    users = memobj->base.users;
    maps = map_count(memobj);

    const struct fake_info table[] = {
        FAKE_INFO(CL_MEM_TYPE, type),
        FAKE_INFO(CL_MEM_FLAGS, memobj->flags),
        FAKE_INFO(CL_MEM_SIZE, memobj->size),
        FAKE_INFO(CL_MEM_HOST_PTR, memobj->host_ptr),
        FAKE_INFO(CL_MEM_MAP_COUNT, maps),
        FAKE_INFO(CL_MEM_REFERENCE_COUNT, users),
        FAKE_INFO(CL_MEM_CONTEXT, memobj->context),
        FAKE_INFO(CL_MEM_ASSOCIATED_MEMOBJECT, memobj->parent),
        FAKE_INFO(CL_MEM_OFFSET, memobj->origin),
        FAKE_INFO(CL_MEM_USES_SVM_POINTER, uses_svm),
        {CL_MEM_PROPERTIES, &none, memobj->has_properties ? sizeof(none) : 0},
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}

cl_int
fake_clSetMemObjectDestructorCallback(cl_mem memobj,
                                      void(CL_CALLBACK *pfn_notify)(cl_mem, void *),
                                      void *user_data)
{
    struct fake_callback *cb;

    if (!fake_is(memobj, FAKE_MEM))
        return CL_INVALID_MEM_OBJECT;
    if (!pfn_notify)
        return CL_INVALID_VALUE;

    pthread_mutex_lock(&fake_lock);
    cb = fake_callback_new(&memobj->destructors, user_data);
    if (cb)
        cb->call.mem = pfn_notify;
    pthread_mutex_unlock(&fake_lock);
    return cb ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}
