/* SPDX-License-Identifier: MIT */
/*
 * Bytes from one vGPU to another:
 *
 *   the last writer on A ended ─▶ map or read on A ─▶ write on B ─▶ "arrived", a user event of B
 *
 * Each step is enqueued without waiting once the one before has ended. That is seen by a service
 * thread, which hands the step to the mover: one thread of the process, there while there is
 * work. The mover may wait for staging memory, and no completion waits with it. Where both vGPUs
 * share their storage with the program, the map is none and the write is the one copy.
 */
#include "guest/opencl/multi/mem.h"

#include "base/list.h"
#include "guest/opencl/event.h"
#include "guest/opencl/mem.h"
#include "guest/opencl/multi/event.h"

#include <stdlib.h>
#include <time.h>

/* How long the mover waits for more before it ends. */
#define MOVER_IDLE_S 1

struct move {
    struct list node;
    void (*step)(struct move *m);
    cl_int status; /* of the step before */

    cl_command_queue from_queue, to_queue; /* retained */
    cl_mem from, to;                       /* replicas; retained */
    bool image;
    size_t origin[3], region[3]; /* of an image */
    size_t offset, size;         /* of a buffer; of an image: bytes */
    void *bytes;                 /* mapped, or ours */
    size_t row, slice;           /* pitches of a mapped image */
    bool mapped;
    cl_event arrived;     /* user event; retained */
    struct stamp *writer; /* held; NULL */
    cl_uint settled;      /* of the writer's events: those that have ended */
};

/* ---- the mover --------------------------------------------------------------------- */

static pthread_mutex_t mover_lock = PTHREAD_MUTEX_INITIALIZER; /* all below */
static pthread_cond_t mover_cond = PTHREAD_COND_INITIALIZER;
static struct list mover_work = {&mover_work, &mover_work};
static bool mover_running;

/* Waits for work; NULL when none came for a while: the mover has ended then. */
static struct move *
mover_next(void)
{
    struct move *m = NULL;
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += MOVER_IDLE_S;
    pthread_mutex_lock(&mover_lock);
    while (list_empty(&mover_work) && rc == 0)
        rc = pthread_cond_timedwait(&mover_cond, &mover_lock, &until);
    if (list_empty(&mover_work)) {
        mover_running = false;
    } else {
        m = container_of(mover_work.next, struct move, node);
        list_del(&m->node);
    }
    pthread_mutex_unlock(&mover_lock);
    return m;
}

static void *
mover_main(void *arg)
{
    struct move *m;

    (void)arg;
    while ((m = mover_next()))
        m->step(m);
    return NULL;
}

/* mover_lock is held. */
static bool
mover_start(void)
{
    pthread_attr_t attr;
    pthread_t thread;

    if (mover_running)
        return true;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    mover_running = pthread_create(&thread, &attr, mover_main, NULL) == 0;
    pthread_attr_destroy(&attr);
    return mover_running;
}

/* The child has no mover, and what was to be moved is the parent's. */
static void
mover_fork_child(void)
{
    mover_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    mover_cond = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    list_init(&mover_work);
    mover_running = false;
}

static void
mover_watch_forks(void)
{
    pthread_atfork(NULL, NULL, mover_fork_child);
}

static void
mover_do(struct move *m)
{
    bool served;

    pthread_mutex_lock(&mover_lock);
    list_add_tail(&mover_work, &m->node);
    served = mover_start();
    if (!served)
        list_del(&m->node);
    pthread_cond_signal(&mover_cond);
    pthread_mutex_unlock(&mover_lock);
    if (!served)
        m->step(m);
}

/* ---- the steps --------------------------------------------------------------------- */

static void
move_end(struct move *m, cl_int status)
{
    if (m->bytes && m->mapped)
        ordinary->clEnqueueUnmapMemObject(m->from_queue, m->from, m->bytes, 0, NULL,
                                          NULL);
    if (m->mapped)
        ordinary->clFlush(m->from_queue);
    else
        free(m->bytes);
    ordinary->clSetUserEventStatus(m->arrived, status);
    ordinary->clReleaseEvent(m->arrived);
    stamp_drop(m->writer);
    ordinary->clReleaseMemObject(m->from);
    ordinary->clReleaseMemObject(m->to);
    ordinary->clReleaseCommandQueue(m->from_queue);
    ordinary->clReleaseCommandQueue(m->to_queue);
    free(m);
}

static void
step_end(struct move *m)
{
    move_end(m, m->status);
}

static void CL_CALLBACK
step_ended(cl_event e, cl_int status, void *arg)
{
    struct move *m = arg;

    (void)e;
    m->status = status < 0 ? status : CL_COMPLETE;
    mover_do(m);
}

/* `next` comes when `e`, which is released here, has ended. */
static void
move_after(struct move *m, cl_event e, void (*next)(struct move *))
{
    cl_int rc;

    m->step = next;
    event_flush(e);
    rc = ordinary->clSetEventCallback(e, CL_COMPLETE, step_ended, m);
    ordinary->clReleaseEvent(e);
    if (rc != CL_SUCCESS)
        move_end(m, rc);
}

static void
step_write(struct move *m)
{
    cl_event e;
    cl_int rc;

    if (m->status < 0) {
        move_end(m, m->status);
        return;
    }
    if (m->image)
        rc = ordinary->clEnqueueWriteImage(m->to_queue, m->to, CL_FALSE, m->origin,
                                           m->region, m->row, m->slice, m->bytes, 0, NULL,
                                           &e);
    else
        rc = ordinary->clEnqueueWriteBuffer(m->to_queue, m->to, CL_FALSE, m->offset,
                                            m->size, m->bytes, 0, NULL, &e);
    if (rc != CL_SUCCESS) {
        move_end(m, rc);
    } else if (atomic_load_explicit(&e->status, memory_order_acquire) == CL_COMPLETE) {
        ordinary->clReleaseEvent(e);
        move_end(m, CL_COMPLETE);
    } else {
        move_after(m, e, step_end);
    }
}

static cl_int
fetch_bytes(struct move *m, cl_event *e)
{
    cl_int rc;

    if (m->mapped) {
        m->bytes =
            ordinary->clEnqueueMapBuffer(m->from_queue, m->from, CL_FALSE, CL_MAP_READ,
                                         m->offset, m->size, 0, NULL, e, &rc);
        return rc;
    }
    m->bytes = malloc(m->size);
    if (!m->bytes)
        return CL_OUT_OF_HOST_MEMORY;
    if (m->image)
        return ordinary->clEnqueueReadImage(m->from_queue, m->from, CL_FALSE, m->origin,
                                            m->region, 0, 0, m->bytes, 0, NULL, e);
    return ordinary->clEnqueueReadBuffer(m->from_queue, m->from, CL_FALSE, m->offset,
                                         m->size, m->bytes, 0, NULL, e);
}

static void
step_fetch(struct move *m)
{
    cl_event e;
    cl_int rc = fetch_bytes(m, &e);

    if (rc == CL_SUCCESS)
        move_after(m, e, step_write);
    else
        move_end(m, rc);
}

/*
 * Waits for the writer, however it ends: if it failed, the bytes from before are the latest. What
 * had to arrive before it must have; if it was lost, so is this.
 */
static void
step_settle(struct move *m)
{
    const struct stamp *w = m->writer;
    bool must = w && (w->moved || m->settled > 1);

    if (must && m->settled > 0 && m->status < 0) {
        move_end(m, m->status);
        return;
    }
    while (w && m->settled < w->n_events) {
        cl_event e = w->event[m->settled++];

        if (atomic_load_explicit(&e->status, memory_order_acquire) == CL_COMPLETE)
            continue;
        ordinary->clRetainEvent(e);
        move_after(m, e, step_settle);
        return;
    }
    step_fetch(m);
}

/* ---- beginning --------------------------------------------------------------------- */

static cl_int
image_extent(struct move *m)
{
    static const cl_image_info names[] = {CL_IMAGE_WIDTH, CL_IMAGE_HEIGHT,
                                          CL_IMAGE_DEPTH};
    size_t element, layers = 0;
    cl_mem_object_type type;
    cl_int rc = ordinary->clGetImageInfo(m->from, CL_IMAGE_ELEMENT_SIZE, sizeof element,
                                         &element, NULL);

    for (unsigned i = 0; rc == CL_SUCCESS && i < 3; i++) {
        rc = ordinary->clGetImageInfo(m->from, names[i], sizeof m->region[i],
                                      &m->region[i], NULL);
        if (m->region[i] == 0)
            m->region[i] = 1;
    }
    if (rc == CL_SUCCESS)
        rc = ordinary->clGetImageInfo(m->from, CL_IMAGE_ARRAY_SIZE, sizeof layers,
                                      &layers, NULL);
    if (rc == CL_SUCCESS)
        rc = ordinary->clGetMemObjectInfo(m->from, CL_MEM_TYPE, sizeof type, &type, NULL);
    if (rc != CL_SUCCESS)
        return rc;
    if (layers > 0)
        m->region[type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? 1 : 2] = layers;
    m->size = element * m->region[0] * m->region[1] * m->region[2];
    return CL_SUCCESS;
}

static struct move *
move_new(struct multi_mem *root, size_t begin, size_t end, unsigned from, unsigned vgpu)
{
    struct multi_context *c = root->context;
    struct move *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->from_queue = multi_queue_out(c, from);
    m->to_queue = multi_queue_in(c, vgpu);
    m->from = root->replica[from];
    m->to = root->replica[vgpu];
    m->image = root->image;
    m->offset = begin;
    m->size = end - begin;
    /* A map of the program's own memory would write there. */
    m->mapped = !m->image && !root->host_ptr && m->from->o.session->shared_storage;
    m->writer = ranges_at(&root->ranges, begin)->stamp[from];
    if (m->writer)
        stamp_ops.hold(m->writer);
    ordinary->clRetainMemObject(m->from);
    ordinary->clRetainMemObject(m->to);
    ordinary->clRetainCommandQueue(m->from_queue);
    ordinary->clRetainCommandQueue(m->to_queue);
    return m;
}

cl_int
move_start(struct multi_mem *root, size_t begin, size_t end, unsigned from, unsigned vgpu)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct stamp *stamp;
    cl_event arrived;
    struct move *m;
    cl_int rc;

    pthread_once(&once, mover_watch_forks);
    arrived = ordinary->clCreateUserEvent(root->context->vgpus[vgpu].context, &rc);
    if (rc != CL_SUCCESS)
        return rc;
    stamp = stamp_new(true, arrived, 0, NULL);
    m = stamp ? move_new(root, begin, end, from, vgpu) : NULL;
    if (!m) {
        stamp_drop(stamp);
        ordinary->clReleaseEvent(arrived);
        return CL_OUT_OF_HOST_MEMORY;
    }
    m->arrived = arrived;
    ranges_copied(&root->ranges, begin, end, vgpu, stamp);
    stamp_drop(stamp);
    rc = m->image ? image_extent(m) : CL_SUCCESS;
    m->step = step_settle;
    if (rc == CL_SUCCESS)
        mover_do(m);
    else
        move_end(m, rc);
    return CL_SUCCESS;
}
