/* SPDX-License-Identifier: MIT */
/*
 * What is told of the commands of a queue comes in their order, whatever order, and from whatever
 * threads, the driver calls back in: against a driver of which only events are there.
 */
#include "worker/queue.h"
#include "worker/session.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MOST 8

/* An event of the driver's, and who waits for it. */
struct driver_event {
    _Atomic cl_int status;
    _Atomic int refs;
    struct {
        void(CL_CALLBACK *call)(cl_event, cl_int, void *);
        void *arg;
    } callback[MOST];
    unsigned n;
};

static struct driver_event *
driver_event(cl_event e)
{
    return (struct driver_event *)(void *)e;
}

static cl_int CL_API_CALL
get_info(cl_event e, cl_event_info name, size_t size, void *value, size_t *ret)
{
    (void)name;
    (void)ret;
    assert_int_equal(size, sizeof(cl_int));
    assert_true(driver_event(e)->refs > 0);
    *(cl_int *)value = driver_event(e)->status;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL
retain(cl_event e)
{
    assert_true(driver_event(e)->refs++ > 0);
    return CL_SUCCESS;
}

static cl_int CL_API_CALL
release(cl_event e)
{
    assert_true(driver_event(e)->refs-- > 0);
    return CL_SUCCESS;
}

static cl_int CL_API_CALL
set_callback(cl_event e, cl_int type, void(CL_CALLBACK *call)(cl_event, cl_int, void *),
             void *arg)
{
    struct driver_event *d = driver_event(e);

    (void)type;
    assert_true(d->n < MOST);
    d->callback[d->n].call = call;
    d->callback[d->n++].arg = arg;
    return CL_SUCCESS;
}

/* A session with one queue, and what it was told. */
struct world {
    struct _cl_icd_dispatch cl;
    struct session *s;
    struct queue queue;
    struct driver_event events[MOST];
    char told[2 * MOST + 1]; /* a letter each */
    unsigned n;
    cl_int status[128]; /* by letter */
    sem_t came, go;     /* of who is told '!' */
};

static struct world *world; /* of the test that runs */

static void
world_open(struct world *w, bool out_of_order)
{
    *w = (struct world){.cl = {.clGetEventInfo = get_info,
                               .clRetainEvent = retain,
                               .clReleaseEvent = release,
                               .clSetEventCallback = set_callback}};
    w->s = calloc(1, sizeof *w->s);
    assert_non_null(w->s);
    w->s->cl = &w->cl;
    watches_init(&w->s->watches);
    w->queue.out_of_order = out_of_order;
    atomic_init(&w->queue.o.refs, 1);
    lane_init(&w->queue.lane);
    for (unsigned i = 0; i < MOST; i++) {
        w->events[i].status = CL_SUBMITTED;
        w->events[i].refs = 1;
    }
    sem_init(&w->came, 0, 0);
    sem_init(&w->go, 0, 0);
    world = w;
}

/* Nothing is left of it: no reference, and nothing that would run. */
static void
world_close(struct world *w)
{
    for (unsigned i = 0; i < MOST; i++)
        assert_int_equal(w->events[i].refs, 1);
    assert_int_equal(w->queue.o.refs, 1);
    assert_false(watches_any(&w->s->watches));
    assert_false(watches_run(&w->s->watches));
    assert_true(lane_is_clear(&w->queue.lane));
    free(w->s);
}

static cl_event
event(struct world *w, unsigned i)
{
    return (cl_event)(void *)&w->events[i];
}

static void
tell(struct session *s, void *arg, cl_int status)
{
    const char *letter = arg;

    (void)s;
    if (*letter == '!') {
        sem_post(&world->came);
        sem_wait(&world->go);
    }
    world->told[world->n++] = *letter;
    world->status[(unsigned char)*letter] = status;
}

/* The letters are what is told of the commands of events 0, 1, … */
static void
commands(struct world *w, const char *letters)
{
    for (unsigned i = 0; letters[i]; i++)
        watch_command(w->s, &w->queue, event(w, i), tell, (void *)&letters[i]);
}

static void
complete(struct world *w, unsigned upto)
{
    for (unsigned i = 0; i < upto; i++)
        w->events[i].status = CL_COMPLETE;
}

/* The driver calls back all who wait for it. */
static void
call_back(struct world *w, unsigned i)
{
    struct driver_event *d = &w->events[i];

    for (unsigned k = 0; k < d->n; k++)
        d->callback[k].call(event(w, i), CL_COMPLETE, d->callback[k].arg);
    d->n = 0;
}

static void
in_the_queues_order(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, false);
    commands(&w, "abcd");
    complete(&w, 3);
    call_back(&w, 2);
    assert_string_equal(w.told, "abc");
    complete(&w, 4);
    call_back(&w, 3);
    call_back(&w, 0);
    call_back(&w, 1);
    assert_string_equal(w.told, "abcd");
    world_close(&w);
}

static void
out_of_order_as_the_driver_calls(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    commands(&w, "abc");
    complete(&w, 3);
    call_back(&w, 2);
    call_back(&w, 0);
    call_back(&w, 1);
    assert_string_equal(w.told, "cab");
    world_close(&w);
}

/* Of a command without bytes, by an event: before those behind it, after those before it. */
static void
waits_come_after_what_is_complete(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, false);
    commands(&w, "ab");
    watch_event(w.s, &w.queue, event(&w, 5), CL_COMPLETE, tell, "w");
    complete(&w, 1);
    w.events[5].status = CL_COMPLETE;
    call_back(&w, 5);
    assert_string_equal(w.told, "aw");
    call_back(&w, 0);
    complete(&w, 2);
    /* It is complete already, and nobody has called back for what was before it. */
    watch_event(w.s, &w.queue, event(&w, 5), CL_COMPLETE, tell, "x");
    assert_string_equal(w.told, "awbx");
    watch_event(w.s, &w.queue, NULL, CL_COMPLETE, tell, "y");
    call_back(&w, 1);
    assert_string_equal(w.told, "awbxy");
    world_close(&w);
}

static void *
calls_back_first(void *arg)
{
    call_back(arg, 0);
    return NULL;
}

/* Who comes while another thread tells leaves it to that one. */
static void
one_thread_tells_for_all(void **state)
{
    struct world w;
    pthread_t thread;

    (void)state;
    world_open(&w, false);
    commands(&w, "!bc");
    complete(&w, 3);
    assert_int_equal(pthread_create(&thread, NULL, calls_back_first, &w), 0);
    sem_wait(&w.came);
    call_back(&w, 2);
    watch_event(w.s, &w.queue, event(&w, 1), CL_COMPLETE, tell, "w");
    assert_string_equal(w.told, "");
    assert_false(lane_is_clear(&w.queue.lane));
    assert_true(watches_run(&w.s->watches));
    sem_post(&w.go);
    lane_tell(w.s, &w.queue, 3);
    assert_memory_equal(w.told, "!bc", 3);
    pthread_join(thread, NULL);
    assert_string_equal(w.told, "!bcw");
    call_back(&w, 1);
    world_close(&w);
}

static void
what_is_asked_for_is_told_before(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, false);
    commands(&w, "abc");
    complete(&w, 2);
    lane_tell(w.s, &w.queue, 2);
    assert_string_equal(w.told, "ab");
    /* It is not complete: nobody could tell. */
    lane_tell(w.s, &w.queue, 3);
    assert_string_equal(w.told, "ab");
    complete(&w, 3);
    watches_poll(w.s);
    assert_string_equal(w.told, "abc");
    for (unsigned i = 0; i < 3; i++)
        call_back(&w, i);
    world_close(&w);
}

static void
failures_are_told_as_such(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, false);
    commands(&w, "abc");
    /* Before those before it are over. */
    w.events[2].status = CL_OUT_OF_RESOURCES;
    call_back(&w, 2);
    assert_string_equal(w.told, "c");
    assert_int_equal(w.status['c'], CL_OUT_OF_RESOURCES);
    w.events[0].status = CL_COMPLETE;
    w.events[1].status = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    call_back(&w, 1);
    call_back(&w, 0);
    assert_string_equal(w.told, "cab");
    assert_int_equal(w.status['a'], CL_SUCCESS);
    assert_int_equal(w.status['b'], CL_MEM_OBJECT_ALLOCATION_FAILURE);
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_queues_order),
        cmocka_unit_test(out_of_order_as_the_driver_calls),
        cmocka_unit_test(waits_come_after_what_is_complete),
        cmocka_unit_test(one_thread_tells_for_all),
        cmocka_unit_test(what_is_asked_for_is_told_before),
        cmocka_unit_test(failures_are_told_as_such),
    };

    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
