/* SPDX-License-Identifier: MIT */
/* Contexts, sub-devices, queues, samplers. */
#include "suite.h"

#include <stdatomic.h>
#include <stdio.h>

/* ---- contexts ---------------------------------------------------------------------- */

static cl_context with_properties;
static atomic_int destructed;

static void CL_CALLBACK
count_destructed(cl_context context, void *data)
{
    (void)context;
    atomic_fetch_add((atomic_int *)data, 1);
}

static void
contexts_make(void)
{
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)w.platform, 0};
    cl_int rc;

    with_properties = clCreateContext(properties, 1, &w.device, NULL, NULL, &rc);
    OK(rc);
    OK(clRetainContext(with_properties));
    OK(clRetainContext(with_properties));
    OK(clSetContextDestructorCallback(with_properties, count_destructed, &destructed));
    OK(clSetContextDestructorCallback(with_properties, count_destructed, &destructed));
    watch(CONTEXT, w.context, "the context");
    watch(CONTEXT, with_properties, "a context with properties");
}

static void
contexts_use(void)
{
    cl_int rc;
    cl_mem m = clCreateBuffer(with_properties, 0, 4096, NULL, &rc);

    OK(rc);
    OK(clReleaseMemObject(m));
    OK(clReleaseContext(with_properties));
    OK(clReleaseContext(with_properties));
    EXPECT(atomic_load(&destructed) == 0);
    OK(clReleaseContext(with_properties));
    for (unsigned i = 0; i < 5000 && atomic_load(&destructed) < 2; i++)
        sleep_ms(1);
    EXPECT(atomic_load(&destructed) == 2);
}

/* ---- sub-devices ------------------------------------------------------------------- */

#define DEVICES_MAX 64

static cl_device_id parts[DEVICES_MAX];
static cl_uint n_parts;
static cl_context of_part;
static cl_command_queue on_part;
static cl_mem in_part;

static bool
partitions_equally(void)
{
    cl_device_partition_property ways[8];
    size_t len = 0;

    OK(clGetDeviceInfo(w.device, CL_DEVICE_PARTITION_PROPERTIES, sizeof ways, ways,
                       &len));
    for (size_t i = 0; i < len / sizeof *ways; i++) {
        if (ways[i] == CL_DEVICE_PARTITION_EQUALLY)
            return true;
    }
    return false;
}

static void
sub_devices_make(void)
{
    const cl_device_partition_property each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    uint32_t host[WORDS];
    cl_int rc;

    if (!partitions_equally())
        part_skip("the device has no parts");
    OK(clCreateSubDevices(w.device, each, DEVICES_MAX, parts, &n_parts));
    OK(clRetainDevice(parts[0]));
    of_part = clCreateContext(NULL, 1, parts, NULL, NULL, &rc);
    OK(rc);
    on_part = clCreateCommandQueue(of_part, parts[0], 0, &rc);
    OK(rc);
    pattern(host, WORDS, 10);
    in_part = clCreateBuffer(of_part, CL_MEM_COPY_HOST_PTR, BYTES, host, &rc);
    OK(rc);
    for (cl_uint i = 0; i < n_parts; i++)
        watch(DEVICE, parts[i], "sub-device %u", i);
    watch(CONTEXT, of_part, "the context of a sub-device");
    watch(QUEUE, on_part, "the queue of a sub-device");
    watch(MEM, in_part, "a buffer of a sub-device");
}

static void
compare_in_part(uint32_t seed)
{
    uint32_t got[WORDS], want[WORDS];

    pattern(want, WORDS, seed);
    OK(clEnqueueReadBuffer(on_part, in_part, CL_TRUE, 0, BYTES, got, 0, NULL, NULL));
    same(got, want, BYTES, "a buffer of a sub-device");
}

static void
sub_devices_check(void)
{
    compare_in_part(10);
}

static void
sub_devices_use(void)
{
    uint32_t host[WORDS];

    pattern(host, WORDS, 11);
    OK(clEnqueueWriteBuffer(on_part, in_part, CL_TRUE, 0, BYTES, host, 0, NULL, NULL));
    compare_in_part(11);
    OK(clReleaseMemObject(in_part));
    OK(clReleaseCommandQueue(on_part));
    OK(clReleaseContext(of_part));
    OK(clReleaseDevice(parts[0]));
    for (cl_uint i = 0; i < n_parts; i++)
        OK(clReleaseDevice(parts[i]));
}

/* ---- queues ------------------------------------------------------------------------ */

#define OUT_OF_ORDER CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE

static const cl_queue_properties queue_properties[][5] = {
    {0},
    {CL_QUEUE_PROPERTIES, 0, 0},
    {CL_QUEUE_PROPERTIES, OUT_OF_ORDER, 0},
    {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0},
    {CL_QUEUE_PROPERTIES, OUT_OF_ORDER | CL_QUEUE_PROFILING_ENABLE, 0},
};
#define N_QUEUES (sizeof queue_properties / sizeof *queue_properties)
static cl_command_queue queues[N_QUEUES + 1];

static void
queues_make(void)
{
    cl_int rc;

    for (size_t i = 0; i < N_QUEUES; i++) {
        queues[i] = clCreateCommandQueueWithProperties(w.context, w.device,
                                                       queue_properties[i], &rc);
        OK(rc);
    }
    queues[N_QUEUES] = queue_new(0); /* the older call */
    OK(clRetainCommandQueue(queues[1]));
    for (size_t i = 0; i <= N_QUEUES; i++)
        watch(QUEUE, queues[i], "queue %zu", i);
}

static void
use_queue(cl_command_queue q, uint32_t seed)
{
    uint32_t host[WORDS];
    cl_mem m = words_new(host, seed);
    cl_event e[2];

    e[0] = launch(q, m, WORDS, seed, NULL);
    e[1] = launch(q, m, WORDS, seed + 1, e[0]);
    OK(clFinish(q));
    scramble_host(host, WORDS, seed);
    scramble_host(host, WORDS, seed + 1);
    compare(m, 0, host, BYTES, "a buffer");
    OK(clReleaseEvent(e[0]));
    OK(clReleaseEvent(e[1]));
    OK(clReleaseMemObject(m));
}

static void
queues_use(void)
{
    OK(clReleaseCommandQueue(queues[1]));
    for (size_t i = 0; i <= N_QUEUES; i++) {
        use_queue(queues[i], (uint32_t)i);
        OK(clReleaseCommandQueue(queues[i]));
    }
}

/* ---- samplers ---------------------------------------------------------------------- */

static const cl_addressing_mode modes[] = {CL_ADDRESS_NONE, CL_ADDRESS_CLAMP_TO_EDGE,
                                           CL_ADDRESS_CLAMP, CL_ADDRESS_REPEAT,
                                           CL_ADDRESS_MIRRORED_REPEAT};
#define N_MODES (sizeof modes / sizeof *modes)
static cl_sampler samplers[N_MODES][2], sampler_of_list;

static void
samplers_make(void)
{
    const cl_sampler_properties list[] = {CL_SAMPLER_NORMALIZED_COORDS,
                                          CL_FALSE,
                                          CL_SAMPLER_ADDRESSING_MODE,
                                          CL_ADDRESS_CLAMP_TO_EDGE,
                                          CL_SAMPLER_FILTER_MODE,
                                          CL_FILTER_NEAREST,
                                          0};
    cl_int rc;

    for (size_t i = 0; i < N_MODES; i++) {
        for (size_t linear = 0; linear < 2; linear++) {
            samplers[i][linear] =
                clCreateSampler(w.context, CL_TRUE, modes[i],
                                linear ? CL_FILTER_LINEAR : CL_FILTER_NEAREST, &rc);
            OK(rc);
            watch(SAMPLER, samplers[i][linear], "sampler %zu %zu", i, linear);
        }
    }
    sampler_of_list = clCreateSamplerWithProperties(w.context, list, &rc);
    OK(rc);
    OK(clRetainSampler(sampler_of_list));
    watch(SAMPLER, sampler_of_list, "a sampler with properties");
}

static void
samplers_use(void)
{
    for (size_t i = 0; i < N_MODES; i++) {
        OK(clReleaseSampler(samplers[i][0]));
        OK(clReleaseSampler(samplers[i][1]));
    }
    OK(clReleaseSampler(sampler_of_list));
    OK(clReleaseSampler(sampler_of_list));
}

const struct part context_parts[] = {
    {"contexts", contexts_make, NULL, contexts_use},
    {"sub-devices", sub_devices_make, sub_devices_check, sub_devices_use},
    {"queues", queues_make, NULL, queues_use},
    {"samplers", samplers_make, NULL, samplers_use},
    {0},
};
