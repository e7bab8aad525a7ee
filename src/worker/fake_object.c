/* SPDX-License-Identifier: MIT */
/* What all objects of the fake driver share: counts, callbacks, answers to queries. */
#include "worker/fake_internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void
fake_object_init(void *self, enum fake_kind kind, void (*destroy)(void *self))
{
    struct fake_object *o = self;

    o->dispatch = &fake_dispatch;
    o->kind = kind;
    o->destroy = destroy;
    atomic_init(&o->users, 1);
    atomic_init(&o->refs, 1);
}

bool
fake_is(const void *self, enum fake_kind kind)
{
    const struct fake_object *o = self;

    return o && o->kind == kind;
}

void *
fake_ref(void *self)
{
    struct fake_object *o = self;

    /* Whoever calls holds a reference already, so no order is needed. */
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return self;
}

void
fake_unref(void *self)
{
    struct fake_object *o = self;

    /* Pairs with itself: the last one sees what the others did before they let go. */
    if (!o || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
        return;
    o->destroy(self);
}

void
fake_publish(void *self)
{
    struct fake_object *o = fake_ref(self);

    atomic_store_explicit(&o->users, 1, memory_order_relaxed);
}

/* Adds `by` to the users unless there are none (left). */
static bool
users_change(struct fake_object *o, int by, cl_uint *ret_before)
{
    cl_uint users = atomic_load_explicit(&o->users, memory_order_relaxed);

    do {
        if (users == 0)
            return false;
    } while (!atomic_compare_exchange_weak(&o->users, &users, users + (cl_uint)by));
    *ret_before = users;
    return true;
}

static cl_int
object_retain(void *self, enum fake_kind kind, cl_int err)
{
    cl_uint before;

    return fake_is(self, kind) && users_change(self, 1, &before) ? CL_SUCCESS : err;
}

static cl_int
object_release(void *self, enum fake_kind kind, cl_int err)
{
    cl_uint before;

    if (!fake_is(self, kind) || !users_change(self, -1, &before))
        return err;
    if (before == 1)
        fake_unref(self);
    return CL_SUCCESS;
}

cl_int
fake_clRetainContext(cl_context context)
{
    return object_retain(context, FAKE_CONTEXT, CL_INVALID_CONTEXT);
}

cl_int
fake_clReleaseContext(cl_context context)
{
    return object_release(context, FAKE_CONTEXT, CL_INVALID_CONTEXT);
}

cl_int
fake_clRetainCommandQueue(cl_command_queue queue)
{
    return object_retain(queue, FAKE_QUEUE, CL_INVALID_COMMAND_QUEUE);
}

cl_int
fake_clReleaseCommandQueue(cl_command_queue queue)
{
    return object_release(queue, FAKE_QUEUE, CL_INVALID_COMMAND_QUEUE);
}

cl_int
fake_clRetainMemObject(cl_mem mem)
{
    return object_retain(mem, FAKE_MEM, CL_INVALID_MEM_OBJECT);
}

cl_int
fake_clReleaseMemObject(cl_mem mem)
{
    return object_release(mem, FAKE_MEM, CL_INVALID_MEM_OBJECT);
}

cl_int
fake_clRetainProgram(cl_program program)
{
    return object_retain(program, FAKE_PROGRAM, CL_INVALID_PROGRAM);
}

cl_int
fake_clReleaseProgram(cl_program program)
{
    return object_release(program, FAKE_PROGRAM, CL_INVALID_PROGRAM);
}

cl_int
fake_clRetainKernel(cl_kernel kernel)
{
    return object_retain(kernel, FAKE_KERNEL, CL_INVALID_KERNEL);
}

cl_int
fake_clReleaseKernel(cl_kernel kernel)
{
    return object_release(kernel, FAKE_KERNEL, CL_INVALID_KERNEL);
}

cl_int
fake_clRetainEvent(cl_event event)
{
    return object_retain(event, FAKE_EVENT, CL_INVALID_EVENT);
}

cl_int
fake_clReleaseEvent(cl_event event)
{
    return object_release(event, FAKE_EVENT, CL_INVALID_EVENT);
}

cl_int
fake_clRetainCommandBufferKHR(cl_command_buffer_khr buffer)
{
    return object_retain(buffer, FAKE_COMMAND_BUFFER, CL_INVALID_COMMAND_BUFFER_KHR);
}

cl_int
fake_clReleaseCommandBufferKHR(cl_command_buffer_khr buffer)
{
    return object_release(buffer, FAKE_COMMAND_BUFFER, CL_INVALID_COMMAND_BUFFER_KHR);
}

cl_int
fake_clRetainSampler(cl_sampler sampler)
{
    return object_retain(sampler, FAKE_SAMPLER, CL_INVALID_SAMPLER);
}

cl_int
fake_clReleaseSampler(cl_sampler sampler)
{
    return object_release(sampler, FAKE_SAMPLER, CL_INVALID_SAMPLER);
}

void *
fake_ret(cl_int *errcode_ret, cl_int err, void *self)
{
    if (errcode_ret)
        *errcode_ret = err;
    return err ? NULL : self;
}

cl_int
fake_answer(struct fake_out out, const void *value, size_t len)
{
    if (out.value && out.cap < len)
        return CL_INVALID_VALUE;
    if (out.value && len)
        memcpy(out.value, value, len);
    if (out.ret_len)
        *out.ret_len = len;
    return CL_SUCCESS;
}

cl_int
fake_answer_string(struct fake_out out, const char *s)
{
    return fake_answer(out, s ? s : "", s ? strlen(s) + 1 : 1);
}

cl_int
fake_answer_from(const struct fake_info *table, size_t num, cl_uint param,
                 struct fake_out out)
{
    for (size_t i = 0; i < num; i++) {
        if (table[i].param == param)
            return fake_answer(out, table[i].value, table[i].len);
    }
    return CL_INVALID_VALUE;
}

struct fake_callback *
fake_callback_new(struct list *to, void *data)
{
    struct fake_callback *cb = calloc(1, sizeof(*cb));

    if (!cb)
        return NULL;
    cb->data = data;
    list_add_tail(to, &cb->node);
    return cb;
}

void
fake_callbacks_free(struct list *l)
{
    struct list *pos, *tmp;

    list_for_each_safe(pos, tmp, l)
    {
        list_del(pos);
        free(container_of(pos, struct fake_callback, node));
    }
}
