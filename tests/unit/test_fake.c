/* SPDX-License-Identifier: MIT */
/* The fake OpenCL driver does what tests of the worker lean on. */
#include "worker/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N 64

static const char source[] =
    "__kernel void add(global const float *a, global const float *b, global float *o) "
    "{}\n"
    "kernel __attribute__((reqd_work_group_size(1, 1, 1))) void fill(global uint *p,\n"
    "                                                                uint v) {}\n"
    "kernel void spin(uint us) {} kernel void null_kernel() {} kernel void hang() {}\n"
    "kernel void crash() {} kernel void groups(global uint *o, local uint *s) {}\n"
    "kernel void nobody_knows_me(int x) {}\n";
#define NUM_KERNELS 8

static struct {
    const struct _cl_icd_dispatch *cl;
    cl_platform_id platform;
    cl_device_id device;
    cl_context context;
    cl_command_queue queue, any_order;
    cl_program program;
} f;

static cl_command_queue
queue_with(cl_queue_properties flags)
{
    const cl_queue_properties list[] = {CL_QUEUE_PROPERTIES, flags, 0};
    cl_int err;
    cl_command_queue q =
        f.cl->clCreateCommandQueueWithProperties(f.context, f.device, list, &err);

    assert_int_equal(err, CL_SUCCESS);
    return q;
}

static cl_program
program_of(const char *text)
{
    cl_int err;
    cl_program p = f.cl->clCreateProgramWithSource(f.context, 1, &text, NULL, &err);

    assert_int_equal(err, CL_SUCCESS);
    return p;
}

static int
setup(void **state)
{
    (void)state;
    f.cl = fake_driver(&f.platform, &f.device);
    assert_non_null(f.cl);
    f.context = f.cl->clCreateContext(NULL, 1, &f.device, NULL, NULL, NULL);
    f.queue = queue_with(CL_QUEUE_PROFILING_ENABLE);
    f.any_order = queue_with(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    f.program = program_of(source);
    return f.cl->clBuildProgram(f.program, 1, &f.device, "-cl-kernel-arg-info", NULL,
                                NULL);
}

static int
teardown(void **state)
{
    (void)state;
    unsetenv("TESSERA_FAKE_FAULT");
    f.cl->clReleaseProgram(f.program);
    f.cl->clReleaseCommandQueue(f.any_order);
    f.cl->clReleaseCommandQueue(f.queue);
    return f.cl->clReleaseContext(f.context);
}

/* The call of the driver answers so. */
#define assert_cl(answer, call) assert_int_equal(f.cl->call, answer)

/* The driver again, with a fault. */
static void
fault(const char *text)
{
    setenv("TESSERA_FAKE_FAULT", text, 1);
    assert_non_null(fake_driver(&f.platform, &f.device));
}

static cl_mem
buffer_of(cl_mem_flags flags, size_t size, void *host_ptr)
{
    cl_int err;
    cl_mem m = f.cl->clCreateBuffer(f.context, flags, size, host_ptr, &err);

    assert_int_equal(err, CL_SUCCESS);
    return m;
}

static cl_kernel
kernel_of(const char *name)
{
    cl_int err;
    cl_kernel k = f.cl->clCreateKernel(f.program, name, &err);

    assert_int_equal(err, CL_SUCCESS);
    return k;
}

static void
launch(cl_command_queue q, cl_kernel k, size_t items, cl_event *event)
{
    assert_int_equal(
        f.cl->clEnqueueNDRangeKernel(q, k, 1, NULL, &items, NULL, 0, NULL, event),
        CL_SUCCESS);
}

/* Writes v to the first word of m once wait is complete (if there is one). */
static void
put(cl_command_queue q, cl_mem m, cl_uint v, cl_event wait, cl_event *event)
{
    assert_cl(CL_SUCCESS, clEnqueueFillBuffer(q, m, &v, sizeof(v), 0, sizeof(v), !!wait,
                                              wait ? &wait : NULL, event));
}

static cl_int
status_of(cl_event e)
{
    cl_int status;

    f.cl->clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status,
                         NULL);
    return status;
}

static void
device_answers_have_exact_sizes(void **state)
{
    char name[64];
    size_t sizes[3], len;

    (void)state;
    assert_int_equal(
        f.cl->clGetDeviceInfo(f.device, CL_DEVICE_NAME, sizeof(name), name, &len),
        CL_SUCCESS);
    assert_string_equal(name, "Tessera fake device");
    assert_int_equal(len, strlen(name) + 1);
    assert_cl(CL_SUCCESS, clGetDeviceInfo(f.device, CL_DEVICE_MAX_WORK_ITEM_SIZES,
                                          sizeof(sizes), sizes, &len));
    assert_int_equal(len, sizeof(sizes));
    assert_cl(CL_INVALID_VALUE, clGetDeviceInfo(f.device, CL_DEVICE_NAME, 4, name, NULL));
    assert_cl(CL_INVALID_VALUE, clGetDeviceInfo(f.device, 0xdead, 0, NULL, &len));
}

static void
kernel_adds_two_buffers(void **state)
{
    float a[N], out[N] = {0};
    cl_mem in, sum = buffer_of(0, sizeof(out), NULL);
    cl_kernel k = kernel_of("add");

    (void)state;
    for (int i = 0; i < N; i++)
        a[i] = (float)i;
    in = buffer_of(CL_MEM_USE_HOST_PTR, sizeof(a), a);
    f.cl->clSetKernelArg(k, 0, sizeof(cl_mem), &in);
    f.cl->clSetKernelArg(k, 1, sizeof(cl_mem), &in);
    f.cl->clSetKernelArg(k, 2, sizeof(cl_mem), &sum);
    launch(f.queue, k, N, NULL);
    f.cl->clEnqueueReadBuffer(f.queue, sum, CL_TRUE, 0, sizeof(out), out, 0, NULL, NULL);
    assert_true(out[0] == 0 && out[N - 1] == 2 * (N - 1));
    f.cl->clReleaseKernel(k);
    f.cl->clReleaseMemObject(in);
    f.cl->clReleaseMemObject(sum);
}

static void
launch_checks_arguments_and_sizes(void **state)
{
    const size_t global = 10, three = 3, five = 5;
    cl_mem out = buffer_of(0, 10 * sizeof(cl_uint), NULL);
    cl_kernel k = kernel_of("groups");
    cl_uint ids[10];

    (void)state;
    assert_cl(CL_INVALID_ARG_INDEX, clSetKernelArg(k, 2, 4, NULL));
    assert_cl(CL_INVALID_ARG_SIZE, clSetKernelArg(k, 0, 3, &out));
    assert_cl(CL_INVALID_ARG_VALUE, clSetKernelArg(k, 1, 20, &out));
    f.cl->clSetKernelArg(k, 0, sizeof(cl_mem), &out);
    assert_int_equal(
        f.cl->clEnqueueNDRangeKernel(f.queue, k, 1, NULL, &global, &five, 0, NULL, NULL),
        CL_INVALID_KERNEL_ARGS);
    f.cl->clSetKernelArg(k, 1, 20, NULL);
    assert_int_equal(
        f.cl->clEnqueueNDRangeKernel(f.queue, k, 1, NULL, &global, &three, 0, NULL, NULL),
        CL_INVALID_WORK_GROUP_SIZE);
    assert_int_equal(
        f.cl->clEnqueueNDRangeKernel(f.queue, k, 1, NULL, &global, &five, 0, NULL, NULL),
        CL_SUCCESS);
    f.cl->clEnqueueReadBuffer(f.queue, out, CL_TRUE, 0, sizeof(ids), ids, 0, NULL, NULL);
    assert_int_equal(ids[4], 0);
    assert_int_equal(ids[5], 1);
    f.cl->clReleaseKernel(k);
    f.cl->clReleaseMemObject(out);
}

static void
in_order_queue_waits_for_a_user_event(void **state)
{
    cl_event user = f.cl->clCreateUserEvent(f.context, NULL), done;
    cl_uint word = 0;
    cl_mem m = buffer_of(CL_MEM_USE_HOST_PTR, sizeof(word), &word);

    (void)state;
    put(f.queue, m, 1, user, NULL);
    put(f.queue, m, 2, NULL, &done);
    assert_int_equal(status_of(done), CL_QUEUED);
    assert_cl(CL_SUCCESS, clSetUserEventStatus(user, CL_COMPLETE));
    assert_cl(CL_SUCCESS, clFinish(f.queue));
    assert_int_equal(status_of(done), CL_COMPLETE);
    assert_int_equal(word, 2);
    assert_cl(CL_INVALID_OPERATION, clSetUserEventStatus(user, CL_COMPLETE));
    f.cl->clReleaseEvent(done);
    f.cl->clReleaseEvent(user);
    f.cl->clReleaseMemObject(m);
}

static void
out_of_order_queue_lets_ready_commands_pass(void **state)
{
    cl_event user = f.cl->clCreateUserEvent(f.context, NULL), held, passed;
    cl_mem m = buffer_of(0, sizeof(cl_uint), NULL);

    (void)state;
    put(f.any_order, m, 1, user, &held);
    put(f.any_order, m, 2, NULL, &passed);
    assert_cl(CL_SUCCESS, clWaitForEvents(1, &passed));
    assert_int_equal(status_of(held), CL_QUEUED);
    f.cl->clSetUserEventStatus(user, CL_COMPLETE);
    assert_cl(CL_SUCCESS, clWaitForEvents(1, &held));
    f.cl->clReleaseEvent(passed);
    f.cl->clReleaseEvent(held);
    f.cl->clReleaseEvent(user);
    f.cl->clReleaseMemObject(m);
}

static void
barrier_holds_what_comes_later_and_a_marker_does_not(void **state)
{
    cl_event user = f.cl->clCreateUserEvent(f.context, NULL), marker, passed, held;
    cl_mem m = buffer_of(0, sizeof(cl_uint), NULL);

    (void)state;
    put(f.any_order, m, 1, user, NULL);
    f.cl->clEnqueueMarkerWithWaitList(f.any_order, 0, NULL, &marker);
    put(f.any_order, m, 2, NULL, &passed);
    f.cl->clEnqueueBarrierWithWaitList(f.any_order, 0, NULL, NULL);
    put(f.any_order, m, 3, NULL, &held);
    f.cl->clWaitForEvents(1, &passed);
    assert_int_equal(status_of(marker), CL_QUEUED);
    assert_int_equal(status_of(held), CL_QUEUED);
    f.cl->clSetUserEventStatus(user, CL_COMPLETE);
    f.cl->clFinish(f.any_order);
    assert_int_equal(status_of(marker), CL_COMPLETE);
    assert_int_equal(status_of(held), CL_COMPLETE);
    f.cl->clReleaseEvent(held);
    f.cl->clReleaseEvent(passed);
    f.cl->clReleaseEvent(marker);
    f.cl->clReleaseEvent(user);
    f.cl->clReleaseMemObject(m);
}

static void
failed_event_fails_what_waits_for_it(void **state)
{
    cl_event user = f.cl->clCreateUserEvent(f.context, NULL), failed;
    cl_uint word = 7;
    cl_mem m = buffer_of(CL_MEM_USE_HOST_PTR, sizeof(word), &word);

    (void)state;
    put(f.queue, m, 1, user, &failed);
    f.cl->clSetUserEventStatus(user, -42);
    assert_cl(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &failed));
    assert_int_equal(status_of(failed), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    assert_int_equal(
        f.cl->clEnqueueReadBuffer(f.queue, m, CL_TRUE, 0, 4, &word, 1, &failed, NULL),
        CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    assert_int_equal(word, 7);
    f.cl->clReleaseEvent(failed);
    f.cl->clReleaseEvent(user);
    f.cl->clReleaseMemObject(m);
}

static void CL_CALLBACK
note_status(cl_event event, cl_int status, void *data)
{
    _Atomic int *note = data;

    (void)event;
    atomic_store(note, status + 100);
}

static void
wait_for_note(_Atomic int *note)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    while (!atomic_load(note))
        nanosleep(&ms, NULL);
}

static void
event_callbacks_run_later_or_at_once(void **state)
{
    cl_event user = f.cl->clCreateUserEvent(f.context, NULL), e;
    cl_mem m = buffer_of(0, sizeof(cl_uint), NULL);
    _Atomic int running = 0, complete = 0, late = 0;

    (void)state;
    put(f.queue, m, 1, user, &e);
    f.cl->clSetEventCallback(e, CL_RUNNING, note_status, &running);
    f.cl->clSetEventCallback(e, CL_COMPLETE, note_status, &complete);
    assert_int_equal(atomic_load(&complete), 0);
    f.cl->clSetUserEventStatus(user, CL_COMPLETE);
    wait_for_note(&complete);
    assert_int_equal(atomic_load(&running), 100 + CL_RUNNING);
    assert_int_equal(atomic_load(&complete), 100 + CL_COMPLETE);
    f.cl->clSetEventCallback(e, CL_RUNNING, note_status, &late);
    assert_int_equal(atomic_load(&late), 100 + CL_RUNNING);
    f.cl->clReleaseEvent(e);
    f.cl->clReleaseEvent(user);
    f.cl->clReleaseMemObject(m);
}

static void
event_callback_gets_the_error(void **state)
{
    cl_event user = f.cl->clCreateUserEvent(f.context, NULL);
    _Atomic int note = 0;

    (void)state;
    f.cl->clSetEventCallback(user, CL_COMPLETE, note_status, &note);
    f.cl->clSetUserEventStatus(user, -42);
    assert_int_equal(atomic_load(&note), 100 - 42);
    f.cl->clReleaseEvent(user);
}

static void
profiling_times_cover_the_kernel(void **state)
{
    const cl_uint us = 2000;
    cl_ulong t[4];
    cl_kernel k = kernel_of("spin");
    cl_event e;

    (void)state;
    f.cl->clSetKernelArg(k, 0, sizeof(us), &us);
    launch(f.queue, k, 1, &e);
    f.cl->clWaitForEvents(1, &e);
    for (cl_uint i = 0; i < 4; i++)
        assert_cl(CL_SUCCESS, clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_QUEUED + i,
                                                      sizeof(t[i]), &t[i], NULL));
    assert_true(t[0] <= t[1] && t[1] <= t[2]);
    assert_true(t[3] - t[2] >= us * 1000ULL);
    f.cl->clReleaseEvent(e);
    f.cl->clReleaseKernel(k);
}

static void
rect_moves_a_box_between_pitches(void **state)
{
    const size_t device_at[3] = {2, 1, 0}, host_at[3] = {0, 0, 0}, box[3] = {3, 2, 2};
    uint8_t grid[4 * 8 * 2], out[12], in[12] = "abcdefghijkl";
    cl_mem m = buffer_of(CL_MEM_USE_HOST_PTR, sizeof(grid), grid);

    (void)state;
    memset(grid, '.', sizeof(grid));
    assert_cl(CL_SUCCESS,
              clEnqueueWriteBufferRect(f.queue, m, CL_TRUE, device_at, host_at, box, 8,
                                       32, 0, 0, in, 0, NULL, NULL));
    assert_memory_equal(grid + 8, "..abc...", 8);
    assert_memory_equal(grid + 32 + 16, "..jkl...", 8);
    assert_cl(CL_SUCCESS, clEnqueueReadBufferRect(f.queue, m, CL_TRUE, device_at, host_at,
                                                  box, 8, 32, 0, 0, out, 0, NULL, NULL));
    assert_memory_equal(out, in, sizeof(in));
    assert_cl(CL_INVALID_VALUE,
              clEnqueueReadBufferRect(f.queue, m, CL_TRUE, device_at, host_at, box, 8, 64,
                                      0, 0, out, 0, NULL, NULL));
    f.cl->clReleaseMemObject(m);
}

static void
copy_refuses_overlap_and_ranges_outside(void **state)
{
    cl_mem m = buffer_of(0, 64, NULL);

    (void)state;
    assert_cl(CL_MEM_COPY_OVERLAP,
              clEnqueueCopyBuffer(f.queue, m, m, 0, 8, 16, 0, NULL, NULL));
    assert_cl(CL_INVALID_VALUE,
              clEnqueueCopyBuffer(f.queue, m, m, 0, 60, 8, 0, NULL, NULL));
    assert_cl(CL_SUCCESS, clEnqueueCopyBuffer(f.queue, m, m, 0, 8, 8, 0, NULL, NULL));
    f.cl->clFinish(f.queue);
    f.cl->clReleaseMemObject(m);
}

static void
map_is_the_host_memory_and_is_undone_once(void **state)
{
    uint8_t bytes[64];
    cl_mem m = buffer_of(CL_MEM_USE_HOST_PTR, sizeof(bytes), bytes);
    cl_int err;
    void *p = f.cl->clEnqueueMapBuffer(f.queue, m, CL_TRUE, CL_MAP_WRITE, 8, 16, 0, NULL,
                                       NULL, &err);

    (void)state;
    assert_int_equal(err, CL_SUCCESS);
    assert_ptr_equal(p, bytes + 8);
    assert_cl(CL_INVALID_VALUE,
              clEnqueueUnmapMemObject(f.queue, m, bytes, 0, NULL, NULL));
    assert_cl(CL_SUCCESS, clEnqueueUnmapMemObject(f.queue, m, p, 0, NULL, NULL));
    assert_cl(CL_INVALID_VALUE, clEnqueueUnmapMemObject(f.queue, m, p, 0, NULL, NULL));
    f.cl->clFinish(f.queue);
    f.cl->clReleaseMemObject(m);
}

static void
sub_buffer_is_a_part_and_keeps_the_whole(void **state)
{
    const cl_buffer_region good = {128, 64}, crooked = {4, 4};
    uint8_t bytes[256] = {[191] = 'x'}, out[1];
    cl_mem whole = buffer_of(CL_MEM_COPY_HOST_PTR, sizeof(bytes), bytes), part;
    cl_int err;

    (void)state;
    part = f.cl->clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &good, &err);
    assert_int_equal(err, CL_SUCCESS);
    f.cl->clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &crooked, &err);
    assert_int_equal(err, CL_MISALIGNED_SUB_BUFFER_OFFSET);
    f.cl->clReleaseMemObject(whole);
    f.cl->clEnqueueReadBuffer(f.queue, part, CL_TRUE, 63, 1, out, 0, NULL, NULL);
    assert_int_equal(out[0], 'x');
    f.cl->clReleaseMemObject(part);
}

static void CL_CALLBACK
note_mem(cl_mem mem, void *data)
{
    static _Atomic int order;
    _Atomic int *note = data;

    (void)mem;
    atomic_store(note, atomic_fetch_add(&order, 1) + 1);
}

static void
destructors_run_last_first_once_no_command_needs_the_buffer(void **state)
{
    cl_event user = f.cl->clCreateUserEvent(f.context, NULL);
    cl_mem m = buffer_of(0, sizeof(cl_uint), NULL);
    _Atomic int first = 0, second = 0;

    (void)state;
    f.cl->clSetMemObjectDestructorCallback(m, note_mem, &first);
    f.cl->clSetMemObjectDestructorCallback(m, note_mem, &second);
    put(f.queue, m, 1, user, NULL);
    f.cl->clReleaseMemObject(m);
    assert_int_equal(atomic_load(&first), 0);
    f.cl->clSetUserEventStatus(user, CL_COMPLETE);
    f.cl->clFinish(f.queue);
    assert_true(atomic_load(&first) == atomic_load(&second) + 1);
    f.cl->clReleaseEvent(user);
}

static void
last_release_ends_an_object(void **state)
{
    cl_mem m = buffer_of(0, 4, NULL);
    cl_event user = f.cl->clCreateUserEvent(f.context, NULL);
    cl_uint count;

    (void)state;
    put(f.queue, m, 1, user, NULL);
    f.cl->clRetainMemObject(m);
    f.cl->clGetMemObjectInfo(m, CL_MEM_REFERENCE_COUNT, sizeof(count), &count, NULL);
    assert_int_equal(count, 2);
    assert_cl(CL_SUCCESS, clReleaseMemObject(m));
    assert_cl(CL_SUCCESS, clReleaseMemObject(m));
    assert_cl(CL_INVALID_MEM_OBJECT, clReleaseMemObject(m));
    f.cl->clSetUserEventStatus(user, CL_COMPLETE);
    f.cl->clFinish(f.queue);
    f.cl->clReleaseEvent(user);
}

static void CL_CALLBACK
note_context(cl_context context, void *data)
{
    (void)context;
    atomic_store((_Atomic int *)data, 1);
}

static void
context_outlives_its_release_while_a_queue_needs_it(void **state)
{
    cl_context context = f.cl->clCreateContext(NULL, 1, &f.device, NULL, NULL, NULL);
    cl_command_queue q = f.cl->clCreateCommandQueue(context, f.device, 0, NULL);
    _Atomic int gone = 0;

    (void)state;
    f.cl->clSetContextDestructorCallback(context, note_context, &gone);
    f.cl->clReleaseContext(context);
    assert_int_equal(atomic_load(&gone), 0);
    f.cl->clReleaseCommandQueue(q);
    assert_int_equal(atomic_load(&gone), 1);
}

static void
kernels_are_the_names_in_the_source(void **state)
{
    char names[128], type[16];
    cl_kernel all[NUM_KERNELS];
    cl_uint num, args;

    (void)state;
    f.cl->clGetProgramInfo(f.program, CL_PROGRAM_KERNEL_NAMES, sizeof(names), names,
                           NULL);
    assert_string_equal(names,
                        "add;fill;spin;null_kernel;hang;crash;groups;nobody_knows_me");
    assert_cl(CL_SUCCESS, clCreateKernelsInProgram(f.program, NUM_KERNELS, all, &num));
    assert_int_equal(num, NUM_KERNELS);
    f.cl->clGetKernelInfo(all[0], CL_KERNEL_NUM_ARGS, sizeof(args), &args, NULL);
    assert_int_equal(args, 3);
    f.cl->clGetKernelArgInfo(all[0], 0, CL_KERNEL_ARG_TYPE_NAME, sizeof(type), type,
                             NULL);
    assert_string_equal(type, "float*");
    launch(f.queue, all[NUM_KERNELS - 1], 1, NULL);
    f.cl->clFinish(f.queue);
    assert_cl(CL_INVALID_OPERATION, clBuildProgram(f.program, 0, NULL, NULL, NULL, NULL));
    while (num)
        f.cl->clReleaseKernel(all[--num]);
}

static void
error_in_the_source_fails_the_build_with_a_log(void **state)
{
    cl_program p = program_of("\n#error no such luck\nkernel void add() {}\n");
    char log[64];
    cl_int err;

    (void)state;
    assert_cl(CL_BUILD_PROGRAM_FAILURE, clBuildProgram(p, 0, NULL, "", NULL, NULL));
    f.cl->clGetProgramBuildInfo(p, f.device, CL_PROGRAM_BUILD_LOG, sizeof(log), log,
                                NULL);
    assert_string_equal(log, "source:2: error: #error no such luck\n");
    assert_null(f.cl->clCreateKernel(p, "add", &err));
    assert_int_equal(err, CL_INVALID_PROGRAM_EXECUTABLE);
    f.cl->clReleaseProgram(p);
}

static void
binary_makes_the_same_program(void **state)
{
    unsigned char bytes[2048], *where = bytes;
    const unsigned char *binary = bytes;
    cl_int err, status;
    size_t len, num;
    cl_program p;

    (void)state;
    f.cl->clGetProgramInfo(f.program, CL_PROGRAM_BINARY_SIZES, sizeof(len), &len, NULL);
    assert_true(len <= sizeof(bytes));
    f.cl->clGetProgramInfo(f.program, CL_PROGRAM_BINARIES, sizeof(where), &where, NULL);
    p = f.cl->clCreateProgramWithBinary(f.context, 1, &f.device, &len, &binary, &status,
                                        &err);
    assert_int_equal(err, CL_SUCCESS);
    f.cl->clBuildProgram(p, 0, NULL, NULL, NULL, NULL);
    f.cl->clGetProgramInfo(p, CL_PROGRAM_NUM_KERNELS, sizeof(num), &num, NULL);
    assert_int_equal(num, NUM_KERNELS);
    f.cl->clReleaseProgram(p);
    bytes[0] ^= 1;
    assert_null(f.cl->clCreateProgramWithBinary(f.context, 1, &f.device, &len, &binary,
                                                &status, &err));
    assert_int_equal(status, CL_INVALID_BINARY);
}

static void
faults_strike_at_their_turn_alone(void **state)
{
    cl_mem m;
    cl_int err;

    (void)state;
    fault("alloc:2,enqueue:2");
    m = buffer_of(0, 4, NULL);
    assert_null(f.cl->clCreateBuffer(f.context, 0, 4, NULL, &err));
    assert_int_equal(err, CL_MEM_OBJECT_ALLOCATION_FAILURE);
    f.cl->clReleaseMemObject(buffer_of(0, 4, NULL));
    put(f.queue, m, 1, NULL, NULL);
    assert_cl(CL_OUT_OF_RESOURCES, clEnqueueMarker(f.queue, &(cl_event){NULL}));
    put(f.queue, m, 1, NULL, NULL);
    f.cl->clFinish(f.queue);
    f.cl->clReleaseMemObject(m);
}

static void
slow_device_takes_its_time_for_every_command(void **state)
{
    cl_ulong start, end;
    cl_event e;

    (void)state;
    fault("slow:3000");
    f.cl->clEnqueueMarker(f.queue, &e);
    f.cl->clWaitForEvents(1, &e);
    f.cl->clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_START, 8, &start, NULL);
    f.cl->clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_END, 8, &end, NULL);
    assert_true(end - start >= 3000000);
    f.cl->clReleaseEvent(e);
}

static void
fault_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    setenv("TESSERA_FAKE_FAULT", "alloc:3,lightning", 1);
    assert_null(fake_driver(&f.platform, &f.device));
}

static void
hang_keeps_its_own_queue_only(void **state)
{
    cl_command_queue stuck = queue_with(0);
    cl_kernel hang = kernel_of("hang"), k = kernel_of("null_kernel");
    cl_event e;

    (void)state;
    launch(stuck, hang, 1, &e);
    launch(f.queue, k, 1, NULL);
    assert_cl(CL_SUCCESS, clFinish(f.queue));
    assert_true(status_of(e) > CL_COMPLETE);
    f.cl->clReleaseEvent(e);
    f.cl->clReleaseKernel(k);
    f.cl->clReleaseKernel(hang);
    f.cl->clReleaseCommandQueue(stuck);
}

/* Must run first: the child of a process with threads could not start its own. */
static void
crash_kills_the_process(void **state)
{
    int status;
    pid_t child;

    (void)state;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* not the sanitizer's report */
        launch(queue_with(0), kernel_of("crash"), 1, NULL);
        sleep(60);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void CL_CALLBACK
count_and_release(cl_event event, cl_int status, void *data)
{
    (void)status;
    f.cl->clReleaseEvent(event);
    atomic_fetch_add((_Atomic int *)data, 1);
}

/* Commands on two queues in turn, each waiting for the one before. */
static void *
chain(void *count)
{
    cl_command_queue q[2] = {queue_with(0), f.any_order};
    cl_mem m = buffer_of(0, sizeof(cl_uint), NULL);
    cl_event last = NULL, e;

    for (cl_uint i = 0; i < 200; i++) {
        put(q[i % 2], m, i, last, &e);
        f.cl->clRetainEvent(e);
        if (last)
            f.cl->clSetEventCallback(last, CL_COMPLETE, count_and_release, count);
        last = e;
        f.cl->clReleaseEvent(e);
    }
    f.cl->clWaitForEvents(1, &last);
    f.cl->clReleaseEvent(last);
    f.cl->clReleaseMemObject(m);
    f.cl->clReleaseCommandQueue(q[0]);
    return NULL;
}

static void
threads_share_a_context(void **state)
{
    const struct timespec ms = {.tv_nsec = 1000000};
    _Atomic int count = 0;
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chain, (void *)&count), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    while (atomic_load(&count) < 4 * 199)
        nanosleep(&ms, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(crash_kills_the_process),
        TEST(device_answers_have_exact_sizes),
        TEST(kernel_adds_two_buffers),
        TEST(launch_checks_arguments_and_sizes),
        TEST(in_order_queue_waits_for_a_user_event),
        TEST(out_of_order_queue_lets_ready_commands_pass),
        TEST(barrier_holds_what_comes_later_and_a_marker_does_not),
        TEST(failed_event_fails_what_waits_for_it),
        TEST(event_callbacks_run_later_or_at_once),
        TEST(event_callback_gets_the_error),
        TEST(profiling_times_cover_the_kernel),
        TEST(rect_moves_a_box_between_pitches),
        TEST(copy_refuses_overlap_and_ranges_outside),
        TEST(map_is_the_host_memory_and_is_undone_once),
        TEST(sub_buffer_is_a_part_and_keeps_the_whole),
        TEST(destructors_run_last_first_once_no_command_needs_the_buffer),
        TEST(last_release_ends_an_object),
        TEST(context_outlives_its_release_while_a_queue_needs_it),
        TEST(kernels_are_the_names_in_the_source),
        TEST(error_in_the_source_fails_the_build_with_a_log),
        TEST(binary_makes_the_same_program),
        TEST(faults_strike_at_their_turn_alone),
        TEST(slow_device_takes_its_time_for_every_command),
        TEST(fault_that_makes_no_sense_is_refused),
        TEST(hang_keeps_its_own_queue_only),
        TEST(threads_share_a_context),
    };

    return cmocka_run_group_tests_name("fake", tests, NULL, NULL);
}
