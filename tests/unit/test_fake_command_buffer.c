/* SPDX-License-Identifier: MIT */
/* The fake driver's command buffers, as the worker finds and uses them. */
#include "worker/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <string.h>

#define N ((size_t)64)

static const char source[] = "kernel void fill(global uint *p, uint v) {}\n"
                             "kernel void copy(global uint *a, global uint *b) {}\n";

static struct {
    struct device d;
    const struct extension_functions *x;
    cl_context context;
    cl_command_queue queue, any_order;
    cl_kernel fill;
    cl_mem a, b;
} f;

static cl_command_queue
queue_with(cl_queue_properties flags)
{
    const cl_queue_properties list[] = {CL_QUEUE_PROPERTIES, flags, 0};

    return f.d.cl->clCreateCommandQueueWithProperties(f.context, f.d.id, list, NULL);
}

static int
setup(void **state)
{
    const struct device_options options = {.fake = true};
    const char *text = source;
    char reason[160];
    cl_program p;

    (void)state;
    if (device_open(&f.d, &options, reason) < 0)
        return -1;
    f.x = &f.d.ext;
    f.context = f.d.cl->clCreateContext(NULL, 1, &f.d.id, NULL, NULL, NULL);
    f.queue = queue_with(CL_QUEUE_PROFILING_ENABLE);
    f.any_order = queue_with(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    p = f.d.cl->clCreateProgramWithSource(f.context, 1, &text, NULL, NULL);
    f.d.cl->clBuildProgram(p, 1, &f.d.id, "-cl-kernel-arg-info", NULL, NULL);
    f.fill = f.d.cl->clCreateKernel(p, "fill", NULL);
    f.a = f.d.cl->clCreateBuffer(f.context, CL_MEM_READ_WRITE, N * 4, NULL, NULL);
    f.b = f.d.cl->clCreateBuffer(f.context, CL_MEM_READ_WRITE, N * 4, NULL, NULL);
    return f.d.cl->clReleaseProgram(p);
}

static int
teardown(void **state)
{
    (void)state;
    f.d.cl->clReleaseMemObject(f.a);
    f.d.cl->clReleaseMemObject(f.b);
    f.d.cl->clReleaseKernel(f.fill);
    f.d.cl->clReleaseCommandQueue(f.any_order);
    f.d.cl->clReleaseCommandQueue(f.queue);
    return f.d.cl->clReleaseContext(f.context);
}

#define assert_cl(answer, call) assert_int_equal(f.d.cl->call, answer)
#define assert_ext(answer, call) assert_int_equal(f.x->call, answer)

static cl_command_buffer_khr
buffer_for(cl_command_queue queue)
{
    cl_int err;
    cl_command_buffer_khr b = f.x->clCreateCommandBufferKHR(1, &queue, NULL, &err);

    assert_int_equal(err, CL_SUCCESS);
    return b;
}

static void
set_fill(cl_mem m, cl_uint value)
{
    assert_cl(CL_SUCCESS, clSetKernelArg(f.fill, 0, sizeof(cl_mem), &m));
    assert_cl(CL_SUCCESS, clSetKernelArg(f.fill, 1, sizeof value, &value));
}

static cl_sync_point_khr
record_fill(cl_command_buffer_khr b, cl_mem m, cl_uint value, cl_uint n,
            const cl_sync_point_khr *waits)
{
    const size_t items = N;
    cl_sync_point_khr point = 0;

    set_fill(m, value);
    assert_ext(CL_SUCCESS,
               clCommandNDRangeKernelKHR(b, NULL, NULL, f.fill, 1, NULL, &items, NULL, n,
                                         waits, &point, NULL));
    return point;
}

static void
assert_holds(cl_mem m, cl_uint value)
{
    cl_uint got[N];

    assert_cl(CL_SUCCESS, clEnqueueReadBuffer(f.queue, m, CL_TRUE, 0, sizeof got, got, 0,
                                              NULL, NULL));
    for (size_t i = 0; i < N; i++)
        assert_int_equal(got[i], value);
}

static void
functions_are_found_by_the_extensions_that_the_device_has(void **state)
{
    (void)state;
    assert_non_null(f.x->clCreateCommandBufferKHR);
    assert_non_null(f.x->clGetKernelSuggestedLocalWorkSizeKHR);
    assert_true(device_has_functions(&f.d, "cl_khr_command_buffer", 21));
    f.d.ext.clCommandFillImageKHR = NULL;
    assert_false(device_has_functions(&f.d, "cl_khr_command_buffer", 21));
    assert_true(device_has_functions(&f.d, "cl_khr_fp64", 11));
}

static void
a_replay_runs_in_the_order_of_its_sync_points(void **state)
{
    cl_command_buffer_khr b = buffer_for(f.any_order);
    const cl_uint nine = 9;
    cl_sync_point_khr p[3];

    (void)state;
    p[0] = record_fill(b, f.a, 7, 0, NULL);
    assert_ext(CL_SUCCESS,
               clCommandCopyBufferKHR(b, NULL, f.a, f.b, 0, 0, N * 4, 1, p, &p[1], NULL));
    assert_ext(CL_SUCCESS, clCommandFillBufferKHR(b, NULL, f.a, &nine, sizeof nine, 0,
                                                  N * 4, 1, &p[1], &p[2], NULL));
    assert_ext(CL_SUCCESS, clFinalizeCommandBufferKHR(b));
    for (int i = 0; i < 3; i++) {
        assert_ext(CL_SUCCESS, clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
        assert_cl(CL_SUCCESS, clFinish(f.any_order));
        assert_holds(f.a, 9);
        assert_holds(f.b, 7);
    }
    assert_ext(CL_SUCCESS, clReleaseCommandBufferKHR(b));
}

static void
arguments_are_those_of_the_recording(void **state)
{
    cl_command_buffer_khr b = buffer_for(f.queue);

    (void)state;
    record_fill(b, f.a, 1, 0, NULL);
    record_fill(b, f.b, 2, 0, NULL);
    set_fill(f.b, 3);
    assert_ext(CL_SUCCESS, clFinalizeCommandBufferKHR(b));
    assert_ext(CL_SUCCESS, clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
    assert_holds(f.a, 1);
    assert_holds(f.b, 2);
    assert_ext(CL_SUCCESS, clReleaseCommandBufferKHR(b));
}

static void
one_replay_at_a_time_unless_asked_for(void **state)
{
    cl_event user = f.d.cl->clCreateUserEvent(f.context, NULL), e;
    cl_command_buffer_khr b = buffer_for(f.queue);
    cl_command_buffer_state_khr now;

    (void)state;
    assert_ext(CL_INVALID_OPERATION,
               clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
    record_fill(b, f.a, 4, 0, NULL);
    assert_ext(CL_SUCCESS, clFinalizeCommandBufferKHR(b));
    assert_ext(CL_SUCCESS, clEnqueueCommandBufferKHR(0, NULL, b, 1, &user, &e));
    assert_ext(CL_INVALID_OPERATION,
               clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
    assert_ext(CL_SUCCESS, clGetCommandBufferInfoKHR(b, CL_COMMAND_BUFFER_STATE_KHR,
                                                     sizeof now, &now, NULL));
    assert_int_equal(now, CL_COMMAND_BUFFER_STATE_PENDING_KHR);
    assert_cl(CL_SUCCESS, clSetUserEventStatus(user, CL_COMPLETE));
    assert_cl(CL_SUCCESS, clWaitForEvents(1, &e));
    assert_holds(f.a, 4);
    assert_cl(CL_SUCCESS, clReleaseEvent(e));
    assert_cl(CL_SUCCESS, clReleaseEvent(user));
    assert_ext(CL_SUCCESS, clReleaseCommandBufferKHR(b));
}

static void
a_failed_wait_fails_the_replay(void **state)
{
    cl_event user = f.d.cl->clCreateUserEvent(f.context, NULL), e;
    cl_command_buffer_khr b = buffer_for(f.queue);
    cl_int status = 0;

    (void)state;
    record_fill(b, f.a, 5, 0, NULL);
    assert_ext(CL_SUCCESS, clFinalizeCommandBufferKHR(b));
    assert_ext(CL_SUCCESS, clEnqueueCommandBufferKHR(0, NULL, b, 1, &user, &e));
    assert_cl(CL_SUCCESS, clSetUserEventStatus(user, -5));
    assert_cl(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &e));
    assert_cl(CL_SUCCESS, clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS,
                                         sizeof status, &status, NULL));
    assert_true(status < 0);
    assert_cl(CL_SUCCESS, clReleaseEvent(e));
    assert_cl(CL_SUCCESS, clReleaseEvent(user));
    assert_ext(CL_SUCCESS, clReleaseCommandBufferKHR(b));
}

static void
what_is_wrong_is_refused(void **state)
{
    cl_command_buffer_khr b = buffer_for(f.queue);
    const cl_sync_point_khr far = 1;
    const size_t zero[3] = {0}, one[3] = {1, 1, 1};

    (void)state;
    assert_ext(CL_INVALID_SYNC_POINT_WAIT_LIST_KHR,
               clCommandBarrierWithWaitListKHR(b, NULL, 1, &far, NULL, NULL));
    assert_ext(CL_INVALID_COMMAND_QUEUE,
               clCommandBarrierWithWaitListKHR(b, f.queue, 0, NULL, NULL, NULL));
    assert_ext(CL_INVALID_MEM_OBJECT, clCommandCopyImageKHR(b, NULL, f.a, f.b, zero, zero,
                                                            one, 0, NULL, NULL, NULL));
    assert_ext(CL_INVALID_VALUE, clCommandCopyBufferKHR(b, NULL, f.a, f.b, 0, 0, N * 5, 0,
                                                        NULL, NULL, NULL));
    assert_ext(CL_SUCCESS, clFinalizeCommandBufferKHR(b));
    assert_ext(CL_INVALID_OPERATION,
               clCommandBarrierWithWaitListKHR(b, NULL, 0, NULL, NULL, NULL));
    assert_ext(CL_INCOMPATIBLE_COMMAND_QUEUE_KHR,
               clEnqueueCommandBufferKHR(1, &f.any_order, b, 0, NULL, NULL));
    assert_ext(CL_SUCCESS, clReleaseCommandBufferKHR(b));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(functions_are_found_by_the_extensions_that_the_device_has),
        TEST(a_replay_runs_in_the_order_of_its_sync_points),
        TEST(arguments_are_those_of_the_recording),
        TEST(one_replay_at_a_time_unless_asked_for),
        TEST(a_failed_wait_fails_the_replay),
        TEST(what_is_wrong_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
