/* SPDX-License-Identifier: MIT */
/*
 * Command queues of the fake driver and the thread that executes each. A command stays in
 * its queue's list until it is complete, so the first one has nothing earlier before it.
 * A queue without references is freed by its thread, which may be the one that let go. The
 * thread then waits for another queue.
 */
#include "worker/fake_internal.h"

#include <stdlib.h>
#include <string.h>

static void
queue_free(cl_command_queue q)
{
    fake_unref(q->context);
    q->base.kind = FAKE_DEAD;
    pthread_cond_destroy(&q->work);
    free(q->properties);
    free(q);
}

/* No command is left, since its event would hold the queue. */
static void
queue_destroy(void *self)
{
    cl_command_queue q = self;
    bool started;

    pthread_mutex_lock(&fake_lock);
    q->stopping = true;
    started = q->started;
    if (started)
        pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&fake_lock);
    if (!started)
        queue_free(q);
}

static struct fake_command *
queue_pick(cl_command_queue q)
{
    const bool any_order = q->flags & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
    struct list *pos, *tmp;

    list_for_each_safe(pos, tmp, &q->commands)
    {
        struct fake_command *c = container_of(pos, struct fake_command, node);

        if (c->deps == 0 && (!c->after_all || pos == q->commands.next))
            return c;
        if (!any_order || c->barrier)
            return NULL;
    }
    return NULL;
}

static void
command_advance(struct fake_command *c, cl_int status)
{
    struct list fired;

    list_init(&fired);
    pthread_mutex_lock(&fake_lock);
    if (status <= CL_COMPLETE)
        list_del(&c->node);
    fake_event_advance(c->event, status, &fired);
    pthread_mutex_unlock(&fake_lock);
    fake_event_fire(c->event, &fired);
}

static void
command_execute(struct fake_command *c)
{
    const cl_int failed = c->failed; /* no event is left that could change it */

    if (!failed) {
        command_advance(c, CL_SUBMITTED);
        command_advance(c, CL_RUNNING);
        fake_fault_slow();
        if (c->run)
            c->run(c);
    }
    /* Before it is complete, so that a buffer released after clFinish() is gone at once. */
    if (!fake_fault_is_late())
        fake_command_drop_mems(c);
    command_advance(c, failed ? failed : CL_COMPLETE);
    fake_fault_late();
    fake_command_free(c);
}

/* Under fake_lock: threads without a queue, and the queues that they are to take. */
static struct {
    unsigned idle;
    struct list given;
    pthread_cond_t more;
} threads = {.given = {&threads.given, &threads.given}, .more = PTHREAD_COND_INITIALIZER};

static void
queue_serve(cl_command_queue q)
{
    pthread_mutex_lock(&fake_lock);
    while (!q->stopping) {
        struct fake_command *c = queue_pick(q);

        if (!c) {
            pthread_cond_wait(&q->work, &fake_lock);
            continue;
        }
        pthread_mutex_unlock(&fake_lock);
        command_execute(c);
        pthread_mutex_lock(&fake_lock);
    }
    pthread_mutex_unlock(&fake_lock);
    queue_free(q);
}

static cl_command_queue
queue_next(void)
{
    struct list *n;

    pthread_mutex_lock(&fake_lock);
    threads.idle++;
    while (list_empty(&threads.given))
        pthread_cond_wait(&threads.more, &fake_lock);
    n = threads.given.next;
    list_del(n);
    pthread_mutex_unlock(&fake_lock);
    return container_of(n, struct _cl_command_queue, given);
}

static void *
queue_main(void *arg)
{
    for (cl_command_queue q = arg;; q = queue_next())
        queue_serve(q);
    return NULL;
}

cl_int
fake_queue_start(cl_command_queue q)
{
    pthread_t thread;

    if (q->started)
        return CL_SUCCESS;
    if (threads.idle > 0) {
        threads.idle--;
        list_add_tail(&threads.given, &q->given);
        pthread_cond_signal(&threads.more);
        q->started = true;
        return CL_SUCCESS;
    }
    if (pthread_create(&thread, NULL, queue_main, q) != 0)
        return CL_OUT_OF_HOST_MEMORY;
    pthread_detach(thread);
    q->started = true;
    return CL_SUCCESS;
}

void
fake_queue_add(cl_command_queue q, struct fake_command *c)
{
    c->seq = ++q->seq;
    list_add_tail(&q->commands, &c->node);
    pthread_cond_signal(&q->work);
}

static cl_command_queue
queue_new(cl_context context, cl_command_queue_properties flags,
          const cl_queue_properties *properties, size_t bytes)
{
    cl_command_queue q = calloc(1, sizeof(*q));

    if (q && bytes)
        q->properties = malloc(bytes);
    if (!q || (bytes && !q->properties)) {
        free(q);
        return NULL;
    }
    if (bytes)
        memcpy(q->properties, properties, bytes);
    q->properties_bytes = bytes;
    q->context = fake_ref(context);
    q->flags = flags;
    list_init(&q->commands);
    pthread_cond_init(&q->work, NULL);
    fake_object_init(q, FAKE_QUEUE, queue_destroy);
    return q;
}

static cl_int
properties_read(const cl_queue_properties *p, cl_command_queue_properties *ret_flags,
                size_t *ret_bytes)
{
    const cl_command_queue_properties known =
        CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE;
    cl_command_queue_properties flags = 0;
    size_t n = 0;

    for (; p && p[n]; n += 2) {
        if (p[n] != CL_QUEUE_PROPERTIES)
            return CL_INVALID_VALUE;
        flags = p[n + 1];
    }
    if (flags & ~known)
        return CL_INVALID_QUEUE_PROPERTIES;
    *ret_flags = flags;
    *ret_bytes = p ? (n + 1) * sizeof(*p) : 0;
    return CL_SUCCESS;
}

cl_command_queue
fake_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                        const cl_queue_properties *properties,
                                        cl_int *errcode_ret)
{
    cl_command_queue_properties flags;
    cl_command_queue q;
    size_t bytes;
    cl_int err;

    if (!fake_is(context, FAKE_CONTEXT))
        return fake_ret(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (!fake_is(device, FAKE_DEVICE))
        return fake_ret(errcode_ret, CL_INVALID_DEVICE, NULL);
    err = properties_read(properties, &flags, &bytes);
    if (err)
        return fake_ret(errcode_ret, err, NULL);
    q = queue_new(context, flags, properties, bytes);
    return fake_ret(errcode_ret, q ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY, q);
}

cl_command_queue
fake_clCreateCommandQueue(cl_context context, cl_device_id device,
                          cl_command_queue_properties properties, cl_int *errcode_ret)
{
    const cl_queue_properties list[] = {CL_QUEUE_PROPERTIES, properties, 0};
    cl_command_queue q =
        fake_clCreateCommandQueueWithProperties(context, device, list, errcode_ret);

    if (q)
        q->properties_bytes = 0; /* this call has no list to be asked for */
    return q;
}

cl_int
fake_clGetCommandQueueInfo(cl_command_queue queue, cl_command_queue_info param_name,
                           size_t param_value_size, void *param_value,
                           size_t *param_value_size_ret)
{
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    const cl_command_queue no_default = NULL;
    const cl_device_id device = &fake_device;
    cl_uint users;

    if (!fake_is(queue, FAKE_QUEUE) || param_name == CL_QUEUE_SIZE)
        return CL_INVALID_COMMAND_QUEUE;
    users = queue->base.users;

    const struct fake_info table[] = {
        FAKE_INFO(CL_QUEUE_CONTEXT, queue->context),
        FAKE_INFO(CL_QUEUE_DEVICE, device),
        FAKE_INFO(CL_QUEUE_REFERENCE_COUNT, users),
        FAKE_INFO(CL_QUEUE_PROPERTIES, queue->flags),
        FAKE_INFO(CL_QUEUE_DEVICE_DEFAULT, no_default),
        {CL_QUEUE_PROPERTIES_ARRAY, queue->properties, queue->properties_bytes},
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}

/* Commands go to the executor with their enqueue already. */
cl_int
fake_clFlush(cl_command_queue queue)
{
    return fake_is(queue, FAKE_QUEUE) ? CL_SUCCESS : CL_INVALID_COMMAND_QUEUE;
}

static bool
queue_done_until(cl_command_queue q, uint64_t seq)
{
    return list_empty(&q->commands) ||
           container_of(q->commands.next, struct fake_command, node)->seq > seq;
}

cl_int
fake_clFinish(cl_command_queue queue)
{
    uint64_t seq;

    if (!fake_is(queue, FAKE_QUEUE))
        return CL_INVALID_COMMAND_QUEUE;
    pthread_mutex_lock(&fake_lock);
    seq = queue->seq;
    while (!queue_done_until(queue, seq))
        pthread_cond_wait(&fake_changed, &fake_lock);
    pthread_mutex_unlock(&fake_lock);
    return CL_SUCCESS;
}
