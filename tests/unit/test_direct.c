/* SPDX-License-Identifier: MIT */
/* Direct copies: the guest moves bytes of buffers by itself, unless the worker wants to see it. */
#include "guest/opencl/mem.h"
#include "guest/opencl/queue.h"

#include "world.h"

#include <unistd.h>

#define CREDIT 65536u
#define BYTES 256u

static struct _cl_context context;
static struct _cl_command_queue queue;

static void
stays(struct object *o)
{
    (void)o;
}

static int
setup_queue(void **state)
{
    struct world *w;

    setup(state);
    w = *state;
    w->s->shared_storage = true;
    atomic_store(&w->s->channel.page->credit_bytes, CREDIT);
    memset(&context, 0, sizeof context);
    object_init(&context.o, KIND_context, w->s, stays);
    context.max_alloc = UINT64_MAX;
    context.o.id = session_new_id(w->s);
    memset(&queue, 0, sizeof queue);
    object_init(&queue.o, KIND_queue, w->s, stays);
    queue.context = &context;
    queue.o.id = session_new_id(w->s);
    pthread_mutex_init(&queue.lock, NULL);
    return 0;
}

static int
teardown_queue(void **state)
{
    object_unhold(&queue.o);
    object_unhold(&context.o);
    return teardown(state);
}

/* A buffer that the worker knows, and whose bytes are all `fill`. */
static cl_mem
create(struct world *w, int fill)
{
    struct frame_header h;
    cl_int rc = CL_INVALID_VALUE;
    cl_mem m =
        opencl_dispatch.clCreateBuffer(&context, CL_MEM_READ_WRITE, BYTES, NULL, &rc);

    assert_int_equal(rc, CL_SUCCESS);
    assert_int_equal(send_op(w->s, OP_clFlush, NULL), CL_SUCCESS);
    while (worker_next(w, &h, false))
        ;
    assert_true(mem_storage(m) != EXTENT_NONE);
    memset(w->worker.heap + mem_storage(m), fill, BYTES);
    return m;
}

static void
release(cl_mem m)
{
    assert_int_equal(opencl_dispatch.clReleaseMemObject(m), CL_SUCCESS);
}

static const uint8_t *
stored(const struct world *w, cl_mem m)
{
    return w->worker.heap + mem_storage(m);
}

static bool
all_are(const uint8_t *bytes, int value)
{
    for (unsigned i = 0; i < BYTES; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

static cl_int
write_all_bytes(cl_mem m, cl_bool blocking, int value, cl_event *event)
{
    uint8_t bytes[BYTES];

    memset(bytes, value, sizeof bytes);
    return opencl_dispatch.clEnqueueWriteBuffer(&queue, m, blocking, 0, BYTES, bytes, 0,
                                                NULL, event);
}

static cl_int
read_all_bytes(cl_mem m, uint8_t bytes[BYTES])
{
    return opencl_dispatch.clEnqueueReadBuffer(&queue, m, CL_TRUE, 0, BYTES, bytes, 0,
                                               NULL, NULL);
}

static uint64_t
copied(const struct world *w)
{
    return atomic_load(&w->worker.page->copied_bytes);
}

/* ---- open ---------------------------------------------------------------------------------- */

static void
a_write_goes_to_its_place_without_a_message(void **state)
{
    struct world *w = *state;
    struct frame_header h;
    cl_mem m = create(w, 1);

    assert_int_equal(write_all_bytes(m, CL_TRUE, 7, NULL), CL_SUCCESS);
    assert_true(all_are(stored(w, m), 7));
    assert_false(worker_next(w, &h, false));
    assert_int_equal(copied(w), BYTES);
    assert_int_equal(atomic_load(&w->worker.page->copying), 0);
    release(m);
}

static void
a_read_comes_from_its_place_without_a_message(void **state)
{
    struct world *w = *state;
    uint8_t bytes[BYTES] = {0};
    struct frame_header h;
    cl_mem m = create(w, 9);

    assert_int_equal(read_all_bytes(m, bytes), CL_SUCCESS);
    assert_true(all_are(bytes, 9));
    assert_false(worker_next(w, &h, false));
    assert_int_equal(copied(w), BYTES);
    assert_int_equal(atomic_load(&w->worker.page->copying), 0);
    release(m);
}

/* ---- closed -------------------------------------------------------------------------------- */

static void
assert_write_goes_by_message(struct world *w, cl_bool blocking)
{
    uint64_t frame[FRAME_WORDS];
    struct frame_header h;
    cl_mem m = create(w, 1);

    assert_true(channel_close_copies(&w->worker, 0));
    assert_int_equal(write_all_bytes(m, blocking, 7, NULL), CL_SUCCESS);
    assert_true(all_are(stored(w, m), 1));
    assert_true(worker_read(w, frame, false));
    memcpy(&h, frame, sizeof h);
    assert_int_equal(h.op, OP_clEnqueueWriteBuffer);
    assert_int_equal(frame[8], BYTES); /* inline */
    assert_true(all_are((const uint8_t *)&frame[9], 7));
    assert_int_equal(copied(w), 0);
    assert_int_equal(atomic_load(&w->worker.page->copying), 0);
    assert_int_equal(queue.submitted, 1);
    assert_int_equal(queue.drained, 0);
    release(m);
}

static void
a_write_goes_by_message_where_the_worker_has_closed(void **state)
{
    assert_write_goes_by_message(*state, CL_TRUE);
}

static void
so_does_one_that_does_not_block(void **state)
{
    assert_write_goes_by_message(*state, CL_FALSE);
}

/* Finishes, and reads into extents of the heap, as a worker does. */
static void *
serve_one_read(void *arg)
{
    uint64_t frame[FRAME_WORDS];
    struct world *w = arg;
    struct frame_header h;

    do {
        if (!worker_read(w, frame, true))
            return NULL;
        memcpy(&h, frame, sizeof h);
        if (h.op == OP_clEnqueueReadBuffer)
            memset(w->worker.heap + frame[6], 5, frame[7]);
        worker_reply(w, h.tag, 0);
    } while (h.op != OP_clEnqueueReadBuffer);
    atomic_store(&w->count, 1);
    return NULL;
}

static void
a_read_goes_by_message_where_the_worker_has_closed(void **state)
{
    struct world *w = *state;
    uint8_t bytes[BYTES] = {0};
    cl_mem m = create(w, 9);

    assert_true(channel_close_copies(&w->worker, 0));
    worker_play(w, serve_one_read);
    assert_int_equal(read_all_bytes(m, bytes), CL_SUCCESS);
    worker_played(w);
    assert_int_equal(atomic_load(&w->count), 1);
    assert_true(all_are(bytes, 5)); /* the worker's answer */
    assert_int_equal(copied(w), 0);
    assert_int_equal(atomic_load(&w->worker.page->copying), 0);
    release(m);
}

static void
copies_are_direct_again_where_the_worker_has_opened(void **state)
{
    struct world *w = *state;
    struct frame_header h;
    cl_mem m = create(w, 1);

    assert_true(channel_close_copies(&w->worker, 0));
    channel_open_copies(&w->worker);
    assert_int_equal(write_all_bytes(m, CL_TRUE, 7, NULL), CL_SUCCESS);
    assert_true(all_are(stored(w, m), 7));
    assert_false(worker_next(w, &h, false));
    release(m);
}

/* ---- messages are none of the copy --------------------------------------------------------- */

/* Leaves room for no message that names two objects. */
static void
fill_ring(struct world *w)
{
    const struct ring *r = &w->s->channel.tx;

    while (RING_BYTES - (r->cur - atomic_load(&r->shared->head)) >=
           sizeof(struct frame_header) + 16)
        assert_int_equal(send_op(w->s, OP_clFlush, NULL), CL_SUCCESS);
}

static cl_mem written;

static void *
write_with_event(void *arg)
{
    struct world *w = arg;
    cl_event e = NULL;

    if (write_all_bytes(written, CL_TRUE, 7, &e) != CL_SUCCESS)
        atomic_fetch_add(&w->failures, 1);
    else
        opencl_dispatch.clReleaseEvent(e);
    return NULL;
}

/* Its event's message waits for room in the ring; a worker that closes must not wait for that. */
static void
a_copy_is_over_before_its_event_is_sent(void **state)
{
    struct world *w = *state;
    struct frame_header h;
    pthread_t writer;

    written = create(w, 1);
    fill_ring(w);
    pthread_create(&writer, NULL, write_with_event, w);
    for (unsigned i = 0; i < PATIENCE_S * 1000u && copied(w) == 0; i++)
        usleep(1000);
    assert_int_equal(copied(w), BYTES);
    usleep(20000);
    assert_int_not_equal(pthread_tryjoin_np(writer, NULL), 0); /* it waits */
    assert_true(channel_close_copies(&w->worker, 0));
    while (pthread_tryjoin_np(writer, NULL) != 0)
        worker_next(w, &h, false);
    assert_int_equal(atomic_load(&w->failures), 0);
    release(written);
}

#define DIRECT(name) cmocka_unit_test_setup_teardown(name, setup_queue, teardown_queue)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECT(a_write_goes_to_its_place_without_a_message),
        DIRECT(a_read_comes_from_its_place_without_a_message),
        DIRECT(a_write_goes_by_message_where_the_worker_has_closed),
        DIRECT(so_does_one_that_does_not_block),
        DIRECT(a_read_goes_by_message_where_the_worker_has_closed),
        DIRECT(copies_are_direct_again_where_the_worker_has_opened),
        DIRECT(a_copy_is_over_before_its_event_is_sent),
    };

    return cmocka_run_group_tests_name("direct", tests, NULL, NULL);
}
