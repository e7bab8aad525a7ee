/* SPDX-License-Identifier: MIT */
/* Creations that the guest holds back, against a worker that the test plays itself. */
#include "guest/opencl/hold.h"

#include "world.h"

#include <sys/wait.h>
#include <unistd.h>

#define FRAME_BYTES ((uint32_t)sizeof(struct frame_header) + 8)
#define HELD_BYTES 112u /* of the longest that is held back here */
#define THREADS 8u
#define ROUNDS 1500u

/* An object whose creation may be held back. */
struct thing {
    struct object o;
    uint32_t size;
    _Atomic unsigned *never_sent;
};

static void
thing_destroy(struct object *o)
{
    memset(o, 0xa5, sizeof(struct thing)); /* who still looks at it shall stumble */
    free(o);
}

static void
thing_released(struct object *o)
{
    struct thing *t = (struct thing *)o;

    if (t->never_sent)
        atomic_fetch_add(t->never_sent, o->never_sent);
}

/* Any message of that size with the object's id first. */
static cl_int
thing_make(struct object *o, struct pending *p)
{
    const struct thing *t = (struct thing *)o;
    struct enc e;
    cl_int rc = submit_begin(o->session, &e, OP_clCreateUserEvent, t->size, p);

    if (rc != CL_SUCCESS)
        return rc;
    enc_u64(&e, o->id.v);
    for (uint32_t i = FRAME_BYTES; i < t->size; i += 8)
        enc_u64(&e, i);
    return submit_end(o->session, &e, p);
}

/* Held back, unless it is large. */
static cl_int
thing_send(struct thing *t, uint32_t size)
{
    t->o.make = thing_make;
    t->size = size;
    return size <= HELD_BYTES ? held_add(&t->o) : thing_make(&t->o, NULL);
}

static struct thing *
thing_new(struct session *s)
{
    struct thing *t = calloc(1, sizeof *t);

    object_init(&t->o, KIND_event, s, thing_destroy);
    t->o.released = thing_released;
    t->o.id = session_new_id(s);
    return t;
}

static struct thing *
create(struct world *w, uint32_t size)
{
    struct thing *t = thing_new(w->s);

    assert_int_equal(thing_send(t, size), CL_SUCCESS);
    return t;
}

static void
assert_next(struct world *w, unsigned op, uint64_t id)
{
    uint64_t buf[FRAME_WORDS];
    struct frame_header h;

    assert_true(worker_read(w, buf, false));
    memcpy(&h, buf, sizeof h);
    assert_int_equal(h.op, op);
    assert_int_equal(buf[sizeof h / 8], id);
}

static void
assert_nothing_sent(struct world *w)
{
    struct frame_header h;

    assert_false(worker_next(w, &h, false));
}

/* send_op()'s id is 1. */
static void
assert_next_is_flush(struct world *w)
{
    assert_next(w, OP_clFlush, 1);
}

/* ---- order --------------------------------------------------------------------------------- */

static void
a_creation_is_held_back_until_a_message_follows_and_comes_before_it(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, FRAME_BYTES), *b = create(w, HELD_BYTES);

    assert_nothing_sent(w);
    assert_int_equal(send_op(w->s, OP_clFlush, NULL), CL_SUCCESS);
    assert_next(w, OP_clCreateUserEvent, a->o.id.v);
    assert_next(w, OP_clCreateUserEvent, b->o.id.v);
    assert_next_is_flush(w);
    assert_nothing_sent(w);
    object_release(&a->o);
    object_release(&b->o);
}

static void
what_was_sent_once_is_not_sent_again(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, FRAME_BYTES);

    send_op(w->s, OP_clFlush, NULL);
    send_op(w->s, OP_clFlush, NULL);
    assert_next(w, OP_clCreateUserEvent, a->o.id.v);
    assert_next_is_flush(w);
    assert_next_is_flush(w);
    assert_nothing_sent(w);
    object_release(&a->o);
}

static void
a_held_frame_arrives_whole(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, HELD_BYTES);
    uint64_t buf[FRAME_WORDS];
    struct frame_header h;

    send_op(w->s, OP_clFlush, NULL);
    assert_true(worker_read(w, buf, false));
    memcpy(&h, buf, sizeof h);
    assert_int_equal(h.size, HELD_BYTES);
    assert_int_equal(h.tag, 0);
    for (uint32_t i = FRAME_BYTES; i < HELD_BYTES; i += 8)
        assert_int_equal(buf[i / 8], i);
    object_release(&a->o);
}

static void
a_creation_that_is_not_held_back_is_sent_behind_what_is(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, FRAME_BYTES), *b = create(w, HELD_BYTES + 8);

    assert_next(w, OP_clCreateUserEvent, a->o.id.v);
    assert_next(w, OP_clCreateUserEvent, b->o.id.v);
    assert_nothing_sent(w);
    object_release(&b->o);
    assert_next(w, OP_tessera_release, 2); /* the worker knows it */
    object_release(&a->o);
}

/* ---- release ------------------------------------------------------------------------------- */

static void
an_object_released_while_held_never_reaches_the_worker(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, FRAME_BYTES), *b = create(w, FRAME_BYTES),
                 *c = create(w, FRAME_BYTES);

    b->never_sent = &w->count;
    object_release(&b->o);
    assert_int_equal(atomic_load(&w->count), 1);
    assert_nothing_sent(w);
    send_op(w->s, OP_clFlush, NULL);
    assert_next(w, OP_clCreateUserEvent, a->o.id.v);
    assert_next(w, OP_clCreateUserEvent, c->o.id.v);
    assert_next_is_flush(w);
    assert_nothing_sent(w);
    object_release(&a->o);
    object_release(&c->o);
}

static void
the_id_of_an_object_released_while_held_is_free_again(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, FRAME_BYTES);

    assert_int_equal(a->o.id.v, 1);
    object_release(&a->o);
    assert_int_equal(session_new_id(w->s).v, 1ull << 32 | 1);
}

static void
an_object_released_after_it_was_sent_is_released_at_the_worker(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, FRAME_BYTES), *b = create(w, FRAME_BYTES), *c;

    send_op(w->s, OP_clFlush, NULL);
    a->never_sent = &w->count;
    c = create(w, FRAME_BYTES);
    object_release(&a->o);
    assert_int_equal(atomic_load(&w->count), 0);
    assert_next(w, OP_clCreateUserEvent, 1);
    assert_next(w, OP_clCreateUserEvent, b->o.id.v);
    assert_next_is_flush(w);
    assert_next(w, OP_clCreateUserEvent, c->o.id.v); /* a release is a message, too */
    assert_next(w, OP_tessera_release, 1);
    object_release(&b->o);
    object_release(&c->o);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void
a_dead_session_holds_nothing_back(void **state)
{
    struct world *w = *state;
    struct thing *t = thing_new(w->s);

    session_die(w->s);
    assert_int_equal(thing_send(t, FRAME_BYTES), CL_OUT_OF_RESOURCES);
    assert_int_equal(thing_send(t, HELD_BYTES + 8), CL_OUT_OF_RESOURCES);
    assert_true(list_empty(&w->s->held));
    object_release(&t->o);
}

/* A thread that found the session alive may be about to send what is held. */
static void
an_object_that_is_gone_is_not_held_in_a_dead_session_either(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, FRAME_BYTES), *b = create(w, FRAME_BYTES);

    session_die(w->s);
    object_release(&a->o);
    assert_ptr_equal(w->s->held.next, &b->o.held);
    object_release(&b->o);
    assert_true(list_empty(&w->s->held));
}

/* Where a thread that does not exist there holds the lock for ever. */
static void
a_forked_child_can_release_what_its_parent_holds_back(void **state)
{
    struct world *w = *state;
    struct thing *a = create(w, FRAME_BYTES);
    pid_t child;
    int status;

    pthread_mutex_lock(&w->s->tx_lock);
    child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        object_release(&a->o);
        _exit(0);
    }
    pthread_mutex_unlock(&w->s->tx_lock);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_ptr_equal(w->s->held.next, &a->o.held);
    object_release(&a->o);
    assert_true(list_empty(&w->s->held));
}

/* ---- wake-ups ------------------------------------------------------------------------------ */

static void
a_worker_that_sleeps_is_woken_by_what_follows_a_held_creation(void **state)
{
    struct world *w = *state;
    struct thing *a;

    assert_true(ring_may_sleep(&w->worker.rx));
    a = create(w, FRAME_BYTES);
    assert_int_equal(atomic_load(&w->worker.rx.shared->sleeping), 1);
    assert_int_equal(w->worker.transport->wait(&w->worker, 0), 0);
    send_op(w->s, OP_clFlush, NULL);
    assert_int_equal(atomic_load(&w->worker.rx.shared->sleeping), 0);
    assert_int_equal(w->worker.transport->wait(&w->worker, 0), 1);
    object_release(&a->o);
}

#define MANY 200u /* more than the ring takes */

static void *
read_many(void *arg)
{
    struct world *w = arg;
    struct frame_header h;

    for (unsigned i = 0; i <= MANY && worker_next(w, &h, true); i++)
        atomic_fetch_add(&w->count, h.op == OP_clCreateUserEvent);
    return NULL;
}

static void *
send_flush(void *arg)
{
    struct world *w = arg;

    if (send_op(w->s, OP_clFlush, NULL) != CL_SUCCESS)
        atomic_fetch_add(&w->failures, 1);
    return NULL;
}

static void
more_than_the_ring_takes_wakes_a_worker_that_sleeps(void **state)
{
    struct world *w = *state;
    struct thing *things[MANY];
    pthread_t sender;

    worker_play(w, read_many);
    for (unsigned i = 0; i < MANY; i++)
        things[i] = create(w, HELD_BYTES);
    usleep(20000); /* it sleeps */
    pthread_create(&sender, NULL, send_flush, w);
    join_in_time(sender);
    worker_played(w);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_int_equal(atomic_load(&w->count), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        object_release(&things[i]->o);
        while (worker_next(w, &(struct frame_header){0}, false))
            ;
    }
}

/* ---- many threads -------------------------------------------------------------------------- */

#define SLOTS (THREADS * ROUNDS + 1)

static _Atomic unsigned never_sent, flushes;
static bool alive[SLOTS]; /* the worker's: by slot */
static unsigned created, released;

/* Counts until the message with id 0, and looks that each object is made, then released, once. */
static void *
keep_account(void *arg)
{
    struct world *w = arg;
    uint64_t buf[FRAME_WORDS];

    while (worker_read(w, buf, true)) {
        struct frame_header h;
        uint64_t id = buf[sizeof h / 8];
        bool make;

        memcpy(&h, buf, sizeof h);
        if (h.op == OP_clFlush) {
            atomic_fetch_add(&flushes, 1);
            continue;
        }
        if (h.op == OP_clFinish)
            break;
        make = h.op == OP_clCreateUserEvent;
        if ((uint32_t)id >= SLOTS || alive[(uint32_t)id] == make)
            atomic_fetch_add(&w->failures, 1);
        else
            alive[(uint32_t)id] = make;
        created += make;
        released += !make;
    }
    return NULL;
}

/* Some are released while held, some after a message of their own thread, others send meanwhile. */
static void *
create_and_release(void *arg)
{
    struct world *w = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct thing *t = thing_new(w->s);

        t->never_sent = &never_sent;
        if (thing_send(t, i % 7 ? FRAME_BYTES : HELD_BYTES + 8) != CL_SUCCESS)
            atomic_fetch_add(&w->failures, 1);
        if (i % 3 == 0)
            send_flush(w);
        object_release(&t->o);
    }
    return NULL;
}

static void
threads_that_create_send_and_release_lose_nothing(void **state)
{
    struct world *w = *state;
    pthread_t threads[THREADS];

    worker_play(w, keep_account);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, create_and_release, w);
    for (unsigned i = 0; i < THREADS; i++)
        join_in_time(threads[i]);
    assert_int_equal(send_op(w->s, OP_clFinish, NULL), CL_SUCCESS);
    join_in_time(w->worker_thread);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_int_equal(created, released);
    assert_int_equal(created + atomic_load(&never_sent), THREADS * ROUNDS);
    assert_int_equal(atomic_load(&flushes), THREADS * ROUNDS / 3);
    assert_true(atomic_load(&never_sent) > 0);
    assert_true(list_empty(&w->s->held));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_creation_is_held_back_until_a_message_follows_and_comes_before_it),
        TEST(what_was_sent_once_is_not_sent_again),
        TEST(a_held_frame_arrives_whole),
        TEST(a_creation_that_is_not_held_back_is_sent_behind_what_is),
        TEST(an_object_released_while_held_never_reaches_the_worker),
        TEST(the_id_of_an_object_released_while_held_is_free_again),
        TEST(an_object_released_after_it_was_sent_is_released_at_the_worker),
        TEST(a_dead_session_holds_nothing_back),
        TEST(an_object_that_is_gone_is_not_held_in_a_dead_session_either),
        TEST(a_forked_child_can_release_what_its_parent_holds_back),
        TEST(a_worker_that_sleeps_is_woken_by_what_follows_a_held_creation),
        TEST(more_than_the_ring_takes_wakes_a_worker_that_sleeps),
        TEST(threads_that_create_send_and_release_lose_nothing),
    };

    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
