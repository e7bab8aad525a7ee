/* SPDX-License-Identifier: MIT */
/* Buffers in the guest: where they lie, and what one costs that is released before it is sent. */
#include "guest/opencl/mem.h"

#include "world.h"

#include <sys/wait.h>
#include <unistd.h>

#define CREDIT 65536u
#define SMALL 256u     /* a granule of the heap */
#define PAGE_FULL 300u /* more objects than a page takes */
#define THREADS 8u
#define ROUNDS 3000u

static struct _cl_context context;

static void
context_stays(struct object *o)
{
    (void)o;
}

static int
setup_context(void **state)
{
    struct world *w;

    setup(state);
    w = *state;
    w->s->shared_storage = true;
    atomic_store(&w->s->channel.page->credit_bytes, CREDIT);
    memset(&context, 0, sizeof context);
    object_init(&context.o, KIND_context, w->s, context_stays);
    context.max_alloc = UINT64_MAX;
    context.o.id = session_new_id(w->s);
    return 0;
}

static int
teardown_context(void **state)
{
    assert_int_equal(atomic_load(&context.o.refs), 1);
    object_unhold(&context.o);
    return teardown(state);
}

static cl_mem
create(cl_mem_flags flags, size_t size, void *host_ptr)
{
    cl_int rc = CL_INVALID_VALUE;
    cl_mem m = opencl_dispatch.clCreateBuffer(&context, flags, size, host_ptr, &rc);

    assert_int_equal(rc, CL_SUCCESS);
    return m;
}

static cl_mem
create_small(void)
{
    return create(CL_MEM_READ_WRITE, SMALL, NULL);
}

static void
release(cl_mem m)
{
    assert_int_equal(opencl_dispatch.clReleaseMemObject(m), CL_SUCCESS);
}

static uint64_t
credit(const struct world *w)
{
    return atomic_load(&w->s->channel.page->credit_bytes);
}

/* What the message that makes it says. */
struct told {
    uint64_t id, context, flags, size, storage, storage_len, content;
};

static struct told
next_creation(struct world *w)
{
    uint64_t buf[FRAME_WORDS];
    struct frame_header h;
    struct told t;

    assert_true(worker_read(w, buf, false));
    memcpy(&h, buf, sizeof h);
    assert_int_equal(h.op, OP_clCreateBuffer);
    memcpy(&t, buf + sizeof h / 8, sizeof t);
    return t;
}

static void
send_all(struct world *w)
{
    assert_int_equal(send_op(w->s, OP_clFlush, NULL), CL_SUCCESS);
}

static void
drop_frames(struct world *w)
{
    struct frame_header h;

    while (worker_next(w, &h, false))
        ;
}

static void
release_sent(struct world *w, cl_mem m)
{
    release(m);
    drop_frames(w);
}

/* ---- the heap ------------------------------------------------------------------------------ */

static void
a_buffer_released_before_it_is_sent_never_had_room_in_the_heap(void **state)
{
    struct world *w = *state;
    cl_mem m = create_small();

    assert_int_equal(w->s->heap.used_bytes, 0);
    assert_int_equal(credit(w), CREDIT - SMALL);
    release(m);
    assert_int_equal(credit(w), CREDIT);
    assert_false(worker_next(w, &(struct frame_header){0}, false));
}

static void
a_buffer_finds_its_room_when_it_is_sent(void **state)
{
    struct world *w = *state;
    cl_mem m = create_small();
    struct told t;

    send_all(w);
    t = next_creation(w);
    assert_int_equal(t.id, m->o.id.v);
    assert_int_equal(t.context, context.o.id.v);
    assert_int_equal(t.size, SMALL);
    assert_int_equal(t.storage, mem_storage(m));
    assert_int_equal(t.storage_len, SMALL);
    assert_int_equal(t.content, CONTENT_NONE);
    assert_int_equal(w->s->heap.used_bytes, SMALL);
    release_sent(w, m);
}

static void
room_that_was_asked_for_earlier_is_what_the_message_tells(void **state)
{
    struct world *w = *state;
    cl_mem m = create_small();
    uint64_t off = mem_storage(m);

    assert_int_not_equal(off, EXTENT_NONE);
    assert_int_equal(w->s->heap.used_bytes, SMALL);
    send_all(w);
    assert_int_equal(next_creation(w).storage, off);
    assert_int_equal(mem_storage(m), off);
    release_sent(w, m);
}

static void
room_that_was_asked_for_is_given_back_by_a_release_before_it_is_sent(void **state)
{
    struct world *w = *state;
    cl_mem m = create_small();

    mem_storage(m);
    release(m);
    assert_int_equal(w->s->heap.used_bytes, 0);
    assert_int_equal(credit(w), CREDIT);
}

static void
a_program_s_bytes_are_in_the_heap_at_once(void **state)
{
    struct world *w = *state;
    uint8_t bytes[SMALL];
    struct told t;
    cl_mem m;

    memset(bytes, 0x5a, sizeof bytes);
    m = create(CL_MEM_COPY_HOST_PTR, SMALL, bytes);
    assert_memory_equal(mem_bytes(m), bytes, SMALL);
    send_all(w);
    t = next_creation(w);
    assert_int_equal(t.content, CONTENT_IN_PLACE);
    assert_int_equal(t.storage, mem_storage(m));
    release_sent(w, m);
}

static void
a_heap_that_is_half_full_gives_room_at_once(void **state)
{
    struct world *w = *state;
    uint64_t off = heap_alloc(&w->s->heap, HEAP_BYTES / 2 + SMALL);
    cl_mem m = create_small();

    assert_int_equal(w->s->heap.used_bytes, HEAP_BYTES / 2 + 2 * SMALL);
    release(m);
    assert_int_equal(w->s->heap.used_bytes, HEAP_BYTES / 2 + SMALL);
    heap_free(&w->s->heap, off);
}

static void
without_room_a_buffer_is_made_in_the_driver_s_memory(void **state)
{
    struct world *w = *state;
    cl_mem m = create_small();
    uint64_t off = heap_alloc(&w->s->heap, HEAP_BYTES);
    struct told t;

    send_all(w);
    t = next_creation(w);
    assert_int_equal(t.storage, EXTENT_NONE);
    assert_int_equal(t.storage_len, 0);
    heap_free(&w->s->heap, off);
    assert_int_equal(mem_storage(m), EXTENT_NONE);
    release_sent(w, m);
    assert_int_equal(w->s->heap.used_bytes, 0);
}

static void
where_the_device_has_its_own_memory_the_heap_is_left_alone(void **state)
{
    struct world *w = *state;
    cl_mem m;

    w->s->shared_storage = false;
    m = create_small();
    assert_int_equal(mem_storage(m), EXTENT_NONE);
    send_all(w);
    assert_int_equal(next_creation(w).storage, EXTENT_NONE);
    assert_int_equal(w->s->heap.used_bytes, 0);
    release_sent(w, m);
}

/* ---- handles ------------------------------------------------------------------------------- */

static void
a_stale_handle_is_refused(void **state)
{
    cl_mem m = create_small();

    (void)state;
    release(m);
    assert_int_equal(opencl_dispatch.clReleaseMemObject(m), CL_INVALID_MEM_OBJECT);
    assert_int_equal(opencl_dispatch.clRetainMemObject(m), CL_INVALID_MEM_OBJECT);
    assert_ptr_equal(m->o.dispatch, &opencl_dispatch); /* the loader follows it */
}

static void
only_live_handles_are_told_as_such(void **state)
{
    cl_mem a = create_small(), b = create_small();
    const char *at = (const char *)a;

    (void)state;
    assert_true(handle_is_mem(a));
    assert_true(handle_is_mem(b));
    assert_false(handle_is_mem(NULL));
    for (size_t i = 1; i < sizeof *a; i++)
        assert_false(handle_is_mem(at + i));
    assert_false(handle_is_mem(b + 1)); /* never one */
    assert_false(handle_is_mem(pool_page_of(a)));
    assert_false(handle_is_mem((const char *)pool_page_of(a) + 1));
    assert_false(handle_is_mem(&context));
    release(a);
    assert_false(handle_is_mem(a));
    assert_true(handle_is_mem(b));
    release(b);
}

static void
handles_of_a_session_that_is_gone_are_none(void **state)
{
    struct world *other;
    cl_mem m = create_small(), theirs;
    struct _cl_context ours = context;

    (void)state;
    setup_context((void **)&other);
    theirs = create_small();
    assert_true(handle_is_mem(theirs));
    release(theirs);
    teardown_context((void **)&other);
    assert_false(handle_is_mem(theirs));
    context = ours;
    assert_true(handle_is_mem(m));
    release(m);
}

static void
a_buffer_that_comes_again_is_a_new_one(void **state)
{
    uint8_t bytes[SMALL] = {0};
    cl_mem m = create(CL_MEM_USE_HOST_PTR | CL_MEM_READ_ONLY, SMALL, bytes), again;
    uint64_t id = m->o.id.v;

    (void)state;
    m->map_count = 3;
    m->origin = 5;
    release(m);
    again = create_small();
    assert_ptr_equal(again, m);
    assert_int_not_equal(again->o.id.v, id);
    assert_null(again->host_ptr);
    assert_int_equal(again->flags, CL_MEM_READ_WRITE);
    assert_int_equal(again->map_count, 0);
    assert_int_equal(again->origin, 0);
    release(again);
}

static void
what_was_released_is_used_before_more_is_taken(void **state)
{
    struct world *w = *state;
    static cl_mem mems[PAGE_FULL];
    const struct pool_page *newest = NULL;

    atomic_store(&w->s->channel.page->credit_bytes, PAGE_FULL);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PAGE_FULL; i++)
            mems[i] = create(0, 1, NULL);
        assert_ptr_not_equal(pool_page_of(mems[0]), pool_page_of(mems[PAGE_FULL - 1]));
        for (unsigned i = 0; i < PAGE_FULL; i++)
            release(mems[i]);
        if (round > 0)
            assert_ptr_equal(w->s->mems.pages, newest);
        newest = w->s->mems.pages;
    }
}

/* ---- what ends ----------------------------------------------------------------------------- */

static void
a_dead_session_makes_no_buffer(void **state)
{
    struct world *w = *state;
    cl_mem held = create_small();
    cl_int rc = CL_SUCCESS;

    session_die(w->s);
    assert_null(opencl_dispatch.clCreateBuffer(&context, 0, SMALL, NULL, &rc));
    assert_int_equal(rc, CL_OUT_OF_RESOURCES);
    assert_int_equal(mem_storage(held), EXTENT_NONE);
    release(held);
    assert_true(list_empty(&w->s->held));
}

static int
child_main(cl_mem m)
{
    cl_int rc = CL_SUCCESS;

    if (opencl_dispatch.clCreateBuffer(&context, 0, SMALL, NULL, &rc) ||
        rc != CL_OUT_OF_RESOURCES)
        return 1;
    if (mem_storage(m) != EXTENT_NONE)
        return 2;
    if (!handle_is_mem(m) || opencl_dispatch.clReleaseMemObject(m) != CL_SUCCESS)
        return 3;
    return handle_is_mem(m) ? 4 : 0;
}

/* Where threads that do not exist there hold the locks for ever. */
static void
a_forked_child_can_release_a_buffer_and_make_none(void **state)
{
    struct world *w = *state;
    cl_mem m = create_small();
    pid_t child;
    int status;

    pthread_mutex_lock(&w->s->tx_lock);
    pthread_mutex_lock(&w->s->heap.lock);
    child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        _exit(child_main(m));
    }
    pthread_mutex_unlock(&w->s->heap.lock);
    pthread_mutex_unlock(&w->s->tx_lock);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    release(m);
}

/* ---- many threads -------------------------------------------------------------------------- */

#define SLOTS (2 * THREADS + 64)

/* Gives storage back as a worker does, and counts what is made and not released. */
static void *
keep_storage(void *arg)
{
    struct world *w = arg;
    uint64_t buf[FRAME_WORDS], storage[SLOTS],
        *told = buf + sizeof(struct frame_header) / 8;
    struct frame_header h;

    while (worker_read(w, buf, true)) {
        const uint32_t slot = (uint32_t)told[0];

        memcpy(&h, buf, sizeof h);
        if (h.op == OP_clFinish)
            break;
        if (h.op == OP_clFlush)
            continue;
        if (slot >= SLOTS)
            abort();
        atomic_fetch_add(&w->count, h.op == OP_clCreateBuffer ? 1u : -1u);
        if (h.op == OP_clCreateBuffer)
            memcpy(&storage[slot], &told[offsetof(struct told, storage) / 8], 8);
        else if (storage[slot] != EXTENT_NONE)
            worker_reclaim(w, storage[slot]);
    }
    return NULL;
}

/* Some are sent, of some the place is asked; no two at once are the same. */
static void *
create_and_release(void *arg)
{
    struct world *w = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        cl_mem a = create_small(), b = create_small();

        a->map_count = b->map_count = i;
        if (i % 16 == 0)
            send_all(w);
        if (i % 5 == 0 && mem_storage(a) == mem_storage(b) &&
            mem_storage(a) != EXTENT_NONE)
            atomic_fetch_add(&w->failures, 1);
        if (a->map_count != i || b->map_count != i || !handle_is_mem(a))
            atomic_fetch_add(&w->failures, 1);
        a->map_count = b->map_count = 0;
        release(a);
        release(b);
    }
    return NULL;
}

static void
threads_that_create_and_release_at_once_lose_nothing(void **state)
{
    struct world *w = *state;
    pthread_t threads[THREADS];
    uint64_t never_sent;

    /* Of what was sent it is the worker that gives the credit back. */
    atomic_store(&w->s->channel.page->credit_bytes, 2ull * THREADS * ROUNDS * SMALL);
    worker_play(w, keep_storage);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, create_and_release, w);
    for (unsigned i = 0; i < THREADS; i++)
        join_in_time(threads[i]);
    assert_int_equal(send_op(w->s, OP_clFinish, NULL), CL_SUCCESS);
    join_in_time(w->worker_thread);
    never_sent = credit(w) / SMALL;
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_int_equal(atomic_load(&w->count), 0);
    assert_true(never_sent > 0 && never_sent < 2ull * THREADS * ROUNDS);
    assert_true(list_empty(&w->s->held));
    assert_int_equal(w->s->id_slots - w->s->id_nspare, 1); /* the context's */
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_context, teardown_context)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_buffer_released_before_it_is_sent_never_had_room_in_the_heap),
        TEST(a_buffer_finds_its_room_when_it_is_sent),
        TEST(room_that_was_asked_for_earlier_is_what_the_message_tells),
        TEST(room_that_was_asked_for_is_given_back_by_a_release_before_it_is_sent),
        TEST(a_program_s_bytes_are_in_the_heap_at_once),
        TEST(a_heap_that_is_half_full_gives_room_at_once),
        TEST(without_room_a_buffer_is_made_in_the_driver_s_memory),
        TEST(where_the_device_has_its_own_memory_the_heap_is_left_alone),
        TEST(a_stale_handle_is_refused),
        TEST(only_live_handles_are_told_as_such),
        TEST(handles_of_a_session_that_is_gone_are_none),
        TEST(a_buffer_that_comes_again_is_a_new_one),
        TEST(what_was_released_is_used_before_more_is_taken),
        TEST(a_dead_session_makes_no_buffer),
        TEST(a_forked_child_can_release_a_buffer_and_make_none),
        TEST(threads_that_create_and_release_at_once_lose_nothing),
    };

    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
