/* SPDX-License-Identifier: MIT */
/* Stamps do not depend on when a thread was interrupted. */
#include "base/io.h"
#include "worker/clock.h"
#include "worker/event.h"
#include "worker/held.h"
#include "worker/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define MARKERS 64

/* A driver whose markers are numbers; each may fail, or be interrupted once it is enqueued. */
static struct {
    bool fails[MARKERS];
    bool interrupted[MARKERS];
    uint64_t enqueued_ns[MARKERS];
    int refs[MARKERS];
    unsigned n;
} driver;

static unsigned
number_of(cl_event e)
{
    return (unsigned)((uintptr_t)e - 1);
}

static cl_int CL_API_CALL
enqueue_marker(cl_command_queue queue, cl_uint n, const cl_event *waits, cl_event *event)
{
    const unsigned i = driver.n++;

    (void)queue, (void)n, (void)waits;
    assert_in_range(i, 0, MARKERS - 1);
    if (driver.fails[i])
        return CL_OUT_OF_RESOURCES;
    driver.enqueued_ns[i] = now_ns();
    driver.refs[i] = 1;
    *event = (cl_event)(uintptr_t)(i + 1);
    if (driver.interrupted[i])
        nanosleep(&(struct timespec){.tv_nsec = 3 * MS}, NULL);
    return CL_SUCCESS;
}

static cl_int CL_API_CALL
release_event(cl_event e)
{
    driver.refs[number_of(e)]--;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL
retain_event(cl_event e)
{
    driver.refs[number_of(e)]++;
    return CL_SUCCESS;
}

static const struct _cl_icd_dispatch table = {
    .clEnqueueMarkerWithWaitList = enqueue_marker,
    .clReleaseEvent = release_event,
    .clRetainEvent = retain_event,
};

static int
setup(void **state)
{
    (void)state;
    memset(&driver, 0, sizeof driver);
    return 0;
}

/* Of all markers there is the one left that mark has. */
static void
the_rest_is_released(const struct clock_mark *mark)
{
    for (unsigned i = 0; i < driver.n; i++)
        assert_int_equal(driver.refs[i], i == number_of(mark->event));
}

static void
a_mark_that_was_interrupted_is_made_again(void **state)
{
    struct clock_mark mark;

    (void)state;
    driver.interrupted[0] = driver.interrupted[1] = true;
    assert_int_equal(clock_mark(&table, NULL, &mark), CL_SUCCESS);
    assert_in_range(driver.n, 3, 8);
    assert_in_range(number_of(mark.event), 2, 7);
    the_rest_is_released(&mark);
}

/* The slow ones cannot be told from a slow driver: there is an answer all the same. */
static void
of_slow_marks_the_best_is_given(void **state)
{
    struct clock_mark mark;

    (void)state;
    for (unsigned i = 0; i < MARKERS; i++)
        driver.interrupted[i] = true;
    assert_int_equal(clock_mark(&table, NULL, &mark), CL_SUCCESS);
    assert_int_equal(driver.n, 8);
    assert_true(mark.host_ns >= driver.enqueued_ns[number_of(mark.event)]);
    the_rest_is_released(&mark);
}

static void
a_mark_that_fails_after_another_does_no_harm(void **state)
{
    struct clock_mark mark;

    (void)state;
    driver.interrupted[0] = true;
    for (unsigned i = 1; i < MARKERS; i++)
        driver.fails[i] = true;
    assert_int_equal(clock_mark(&table, NULL, &mark), CL_SUCCESS);
    assert_int_equal(number_of(mark.event), 0);
    the_rest_is_released(&mark);
}

static void
without_a_marker_there_is_the_drivers_error(void **state)
{
    struct clock_mark mark;

    (void)state;
    driver.fails[0] = true;
    assert_int_equal(clock_mark(&table, NULL, &mark), CL_OUT_OF_RESOURCES);
    assert_null(mark.event);
}

/* The driver stamps "queued" when it is called: what it took after that is not counted twice. */
static void
what_the_driver_took_is_not_time_held(void **state)
{
    static struct session s = {.cl = &table};
    struct event e = {0};
    struct queue q = {.out_of_order = true};
    struct held h = {.event = &e, .queue = &q, .since_ns = now_ns() - 5 * MS};
    cl_event event = NULL;

    (void)state;
    driver.interrupted[0] = true;
    h.went_ns = h.since_ns + 4 * MS;
    assert_int_equal(enqueue_marker(NULL, 0, NULL, &event), CL_SUCCESS);
    held_event_is(&s, &h, event, CL_SUCCESS);
    assert_int_equal(e.held_ns, 4 * MS);
    assert_ptr_equal(e.o.h.event, event);
    assert_int_equal(driver.refs[0], 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_mark_that_was_interrupted_is_made_again, setup),
        cmocka_unit_test_setup(of_slow_marks_the_best_is_given, setup),
        cmocka_unit_test_setup(a_mark_that_fails_after_another_does_no_harm, setup),
        cmocka_unit_test_setup(without_a_marker_there_is_the_drivers_error, setup),
        cmocka_unit_test_setup(what_the_driver_took_is_not_time_held, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
