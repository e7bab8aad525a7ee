/* SPDX-License-Identifier: MIT */
/*
 * guest_subdevices [kernels] [pocl]: partitions the device in each way that it has, and works on
 * the parts. With "kernels" programs are built and run on them, too. With "pocl" it does not ask
 * for what PoCL itself leaves out.
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 64u
#define WORDS ((size_t)1000)

static struct cl c;
static cl_uint units;
static bool kernels, pocl;

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static cl_uint
number(cl_device_id d, cl_device_info what)
{
    cl_uint v = 0;

    OK(clGetDeviceInfo(d, what, sizeof v, &v, NULL));
    return v;
}

static bool
partitions_by(cl_device_partition_property name)
{
    cl_device_partition_property names[16];
    size_t len = 0;

    OK(clGetDeviceInfo(c.device, CL_DEVICE_PARTITION_PROPERTIES, sizeof names, names,
                       &len));
    for (size_t i = 0; i < len / sizeof *names; i++) {
        if (names[i] == name)
            return true;
    }
    return false;
}

/* Parts know where they come from, and how they were made. */
static void
check_part(cl_device_id part, const cl_device_partition_property *properties, size_t n)
{
    cl_device_partition_property made[PARTS_MAX];
    cl_device_id parent = NULL;
    cl_platform_id platform = NULL;
    char name[2][256];
    size_t len = 0;

    OK(clGetDeviceInfo(part, CL_DEVICE_PARENT_DEVICE, sizeof(cl_device_id), &parent,
                       NULL));
    OK(clGetDeviceInfo(part, CL_DEVICE_PLATFORM, sizeof(cl_platform_id), &platform,
                       NULL));
    EXPECT(parent == c.device && platform == c.platform);
    EXPECT(number(part, CL_DEVICE_REFERENCE_COUNT) == 1);
    OK(clRetainDevice(part));
    EXPECT(number(part, CL_DEVICE_REFERENCE_COUNT) == 2);
    OK(clReleaseDevice(part));
    EXPECT(number(part, CL_DEVICE_REFERENCE_COUNT) == 1);
    OK(clGetDeviceInfo(part, CL_DEVICE_PARTITION_TYPE, sizeof made, made, &len));
    EXPECT(len >= 2 * sizeof *made && len <= n * sizeof *made);
    EXPECT(memcmp(made, properties, 2 * sizeof *made) == 0);
    OK(clGetDeviceInfo(part, CL_DEVICE_NAME, sizeof name[0], name[0], NULL));
    OK(clGetDeviceInfo(c.device, CL_DEVICE_NAME, sizeof name[1], name[1], NULL));
    EXPECT(strcmp(name[0], name[1]) == 0);
}

static cl_uint
make_parts(const cl_device_partition_property *properties, size_t n, cl_device_id *parts)
{
    cl_uint count = 0, again = 0;

    OK(clCreateSubDevices(c.device, properties, 0, NULL, &count));
    EXPECT(count > 0 && count <= PARTS_MAX);
    if (count > 1)
        EXPECT(clCreateSubDevices(c.device, properties, count - 1, parts, NULL) ==
               CL_INVALID_VALUE);
    OK(clCreateSubDevices(c.device, properties, count, parts, &again));
    EXPECT(again == count);
    for (cl_uint i = 0; i < count; i++)
        check_part(parts[i], properties, n);
    return count;
}

static void
release_parts(cl_uint n, cl_device_id *parts)
{
    for (cl_uint i = 0; i < n; i++)
        OK(clReleaseDevice(parts[i]));
}

static void
equally(void)
{
    const cl_device_partition_property each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    cl_device_id parts[PARTS_MAX];
    cl_uint n = make_parts(each, 3, parts);

    EXPECT(n == units);
    for (cl_uint i = 0; i < n; i++)
        EXPECT(number(parts[i], CL_DEVICE_MAX_COMPUTE_UNITS) == 1);
    release_parts(n, parts);
    done("equally");
}

static void
by_counts(void)
{
    const cl_device_partition_property two[] = {
        CL_DEVICE_PARTITION_BY_COUNTS, 1, units - 1,
        CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    const cl_device_partition_property too_many[] = {
        CL_DEVICE_PARTITION_BY_COUNTS, units, 1, CL_DEVICE_PARTITION_BY_COUNTS_LIST_END,
        0};
    const cl_device_partition_property negative[] = {
        CL_DEVICE_PARTITION_BY_COUNTS, -1, CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    cl_device_id parts[PARTS_MAX];
    cl_uint n = make_parts(two, 5, parts);

    EXPECT(n == 2);
    EXPECT(number(parts[0], CL_DEVICE_MAX_COMPUTE_UNITS) == 1);
    EXPECT(number(parts[1], CL_DEVICE_MAX_COMPUTE_UNITS) == units - 1);
    release_parts(n, parts);
    EXPECT(clCreateSubDevices(c.device, too_many, PARTS_MAX, parts, &n) ==
           CL_INVALID_DEVICE_PARTITION_COUNT);
    EXPECT(clCreateSubDevices(c.device, negative, PARTS_MAX, parts, &n) ==
           CL_INVALID_DEVICE_PARTITION_COUNT);
    done("by counts");
}

static void
by_affinity(void)
{
    const cl_device_partition_property p[] = {CL_DEVICE_PARTITION_BY_AFFINITY_DOMAIN,
                                              CL_DEVICE_AFFINITY_DOMAIN_NUMA, 0};
    cl_device_affinity_domain domains = 0;
    cl_device_id parts[PARTS_MAX];
    cl_uint n;

    OK(clGetDeviceInfo(c.device, CL_DEVICE_PARTITION_AFFINITY_DOMAIN, sizeof domains,
                       &domains, NULL));
    if (domains & CL_DEVICE_AFFINITY_DOMAIN_NUMA)
        release_parts(make_parts(p, 3, parts), parts);
    else
        EXPECT(clCreateSubDevices(c.device, p, PARTS_MAX, parts, &n) == CL_INVALID_VALUE);
    done("by affinity domain");
}

static void
errors(void)
{
    const cl_device_partition_property unknown[] = {0x7777, 1, 0}, nothing[] = {0};
    const cl_device_partition_property each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    const cl_device_partition_property none[] = {CL_DEVICE_PARTITION_EQUALLY, 0, 0};
    cl_device_id parts[PARTS_MAX] = {NULL}, inner[PARTS_MAX] = {NULL};
    cl_uint n = 0;
    cl_int rc;

    EXPECT(clCreateSubDevices(c.device, unknown, PARTS_MAX, parts, &n) ==
           CL_INVALID_VALUE);
    EXPECT(clCreateSubDevices(c.device, nothing, PARTS_MAX, parts, &n) ==
           CL_INVALID_VALUE);
    EXPECT(clCreateSubDevices(c.device, NULL, PARTS_MAX, parts, &n) == CL_INVALID_VALUE);
    EXPECT(clCreateSubDevices(c.device, none, PARTS_MAX, parts, &n) == CL_INVALID_VALUE);
    EXPECT(clCreateSubDevices(NULL, each, PARTS_MAX, parts, &n) == CL_INVALID_DEVICE);
    OK(clCreateSubDevices(c.device, each, PARTS_MAX, parts, &n));
    /* A part of one compute unit: either it cannot be divided, or into itself. */
    rc = clCreateSubDevices(parts[0], each, PARTS_MAX, inner, NULL);
    EXPECT(rc == CL_DEVICE_PARTITION_FAILED || rc == CL_SUCCESS);
    if (rc == CL_SUCCESS)
        release_parts(1, inner);
    release_parts(n, parts);
    /* A root device is not counted. */
    OK(clRetainDevice(c.device));
    EXPECT(number(c.device, CL_DEVICE_REFERENCE_COUNT) == 1);
    OK(clReleaseDevice(c.device));
    OK(clReleaseDevice(c.device));
    EXPECT(number(c.device, CL_DEVICE_REFERENCE_COUNT) == 1);
    done("errors");
}

static void
copy_between(cl_context context, cl_uint n, const cl_command_queue *queues)
{
    static uint32_t host[WORDS], back[WORDS];
    cl_mem b[2];
    cl_int rc;

    pattern_fill(host, WORDS, n);
    for (unsigned i = 0; i < 2; i++) {
        b[i] = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof host, NULL, &rc);
        OK(rc);
    }
    OK(clEnqueueWriteBuffer(queues[0], b[0], CL_TRUE, 0, sizeof host, host, 0, NULL,
                            NULL));
    for (cl_uint i = 0; i < n; i++) {
        cl_event e;

        OK(clEnqueueCopyBuffer(queues[i], b[i % 2], b[(i + 1) % 2], 0, 0, sizeof host, 0,
                               NULL, &e));
        OK(clFlush(queues[i]));
        OK(clWaitForEvents(1, &e));
        OK(clReleaseEvent(e));
    }
    OK(clEnqueueReadBuffer(queues[n - 1], b[n % 2], CL_TRUE, 0, sizeof back, back, 0,
                           NULL, NULL));
    same_words(back, host, WORDS, "copied by every part");
    OK(clReleaseMemObject(b[0]));
    OK(clReleaseMemObject(b[1]));
}

static void
run_on_all(cl_context context, cl_uint n, const cl_command_queue *queues)
{
    const char *source = scramble_source;
    const size_t words = WORDS;
    static uint32_t host[WORDS], back[WORDS];
    cl_program program;
    cl_kernel kernel;
    cl_mem b;
    cl_int rc;

    program = clCreateProgramWithSource(context, 1, &source, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(program, 0, NULL, "", NULL, NULL));
    kernel = cl_kernel_of(program, "scramble");
    pattern_fill(host, WORDS, 3);
    b = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof host, host, &rc);
    OK(rc);
    for (cl_uint i = 0; i < n; i++) {
        cl_args(kernel, b, i);
        OK(clEnqueueNDRangeKernel(queues[i], kernel, 1, NULL, &words, NULL, 0, NULL,
                                  NULL));
        OK(clFinish(queues[i]));
        scramble_host(host, WORDS, i);
    }
    OK(clEnqueueReadBuffer(queues[0], b, CL_TRUE, 0, sizeof back, back, 0, NULL, NULL));
    same_words(back, host, WORDS, "kernels of every part");
    OK(clReleaseMemObject(b));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(program));
}

static bool
is_one_of(cl_device_id device, const cl_device_id *devices, cl_uint n)
{
    for (cl_uint i = 0; i < n; i++) {
        if (devices[i] == device)
            return true;
    }
    return false;
}

/* A context of parts, with the root device or without; parts may be released before it. */
static void
contexts(bool with_root)
{
    const cl_device_partition_property each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    cl_device_id devices[PARTS_MAX + 1] = {c.device}, told[PARTS_MAX + 1], of;
    cl_device_id *first = with_root ? devices : devices + 1;
    cl_command_queue queues[PARTS_MAX + 1] = {NULL};
    cl_uint n = make_parts(each, 3, devices + 1), all = n + with_root, count = 0;
    cl_context context;
    cl_int rc;

    context = clCreateContext(NULL, all, first, NULL, NULL, &rc);
    OK(rc);
    OK(clGetContextInfo(context, CL_CONTEXT_NUM_DEVICES, sizeof count, &count, NULL));
    OK(clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof told, told, NULL));
    /* PoCL 3.1 says that a context of parts has the device that they are parts of. */
    EXPECT(count == (pocl ? 1 : all));
    for (cl_uint i = 0; i < all && !pocl; i++)
        EXPECT(is_one_of(first[i], told, all));
    for (cl_uint i = 0; i < all; i++) {
        queues[i] = clCreateCommandQueue(context, first[i], 0, &rc);
        OK(rc);
        OK(clGetCommandQueueInfo(queues[i], CL_QUEUE_DEVICE, sizeof(cl_device_id), &of,
                                 NULL));
        EXPECT(of == first[i]);
    }
    if (!with_root && !pocl)
        EXPECT(clCreateCommandQueue(context, c.device, 0, &rc) == NULL &&
               rc == CL_INVALID_DEVICE);
    /* Of PoCL 3.1 they must outlive what was made with them (section 4.3 says otherwise). */
    if (!pocl)
        release_parts(n, devices + 1);
    copy_between(context, all, queues);
    if (kernels)
        run_on_all(context, all, queues);
    for (cl_uint i = 0; i < all; i++)
        OK(clReleaseCommandQueue(queues[i]));
    OK(clReleaseContext(context));
    if (pocl)
        release_parts(n, devices + 1);
    done(with_root ? "context of the device and its parts" : "context of parts");
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        kernels |= strcmp(argv[i], "kernels") == 0;
        pocl |= strcmp(argv[i], "pocl") == 0;
    }
    cl_open(&c);
    units = number(c.device, CL_DEVICE_MAX_COMPUTE_UNITS);
    printf("%u compute units, at most %u parts\n", units,
           number(c.device, CL_DEVICE_PARTITION_MAX_SUB_DEVICES));
    if (partitions_by(CL_DEVICE_PARTITION_EQUALLY))
        equally();
    if (partitions_by(CL_DEVICE_PARTITION_BY_COUNTS) && units > 1)
        by_counts();
    by_affinity();
    errors();
    contexts(false);
    contexts(true);
    cl_close(&c);
    return 0;
}
