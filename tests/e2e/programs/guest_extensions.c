/* SPDX-License-Identifier: MIT */
/*
 * guest_extensions [pocl]: what the device says of its extensions is true. Prints the answers to
 * the queries that extensions define. With "pocl" a function may be there without its extension.
 */
#include "cltest.h"

#include <CL/cl_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cl c;
static char *extensions;
static bool pocl;

static void *
query(cl_device_info param, size_t *ret_len)
{
    void *data;

    OK(clGetDeviceInfo(c.device, param, 0, NULL, ret_len));
    data = alloc(*ret_len + 1);
    OK(clGetDeviceInfo(c.device, param, *ret_len, data, NULL));
    return data;
}

static bool
has(const char *extension)
{
    size_t len = strlen(extension);

    for (const char *at = strstr(extensions, extension); at;
         at = strstr(at + 1, extension)) {
        if ((at == extensions || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

/* Both lists name the same extensions. */
static void
lists_agree(void)
{
    size_t len, words = 0;
    cl_name_version *all = query(CL_DEVICE_EXTENSIONS_WITH_VERSION, &len);
    char *copy = strdup(extensions), *save = NULL;

    for (size_t i = 0; i < len / sizeof *all; i++) {
        if (!has(all[i].name))
            fail("%s has a version but is no extension", all[i].name);
    }
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        words++;
    EXPECT(words == len / sizeof *all);
    free(copy);
    free(all);
    puts("the lists of extensions agree");
}

static void *
find(const char *name)
{
    return clGetExtensionFunctionAddressForPlatform(c.platform, name);
}

static void
functions(void)
{
    static const char *const known[][2] = {
        {"cl_khr_command_buffer", "clCreateCommandBufferKHR"},
        {"cl_khr_command_buffer", "clCommandNDRangeKernelKHR"},
        {"cl_khr_command_buffer", "clCommandFillImageKHR"},
        {"cl_khr_create_command_queue", "clCreateCommandQueueWithPropertiesKHR"},
        {"cl_khr_il_program", "clCreateProgramWithILKHR"},
        {"cl_khr_suggested_local_work_size", "clGetKernelSuggestedLocalWorkSizeKHR"},
        {"cl_khr_command_buffer_mutable_dispatch", "clUpdateMutableCommandsKHR"},
        {"cl_khr_semaphore", "clCreateSemaphoreWithPropertiesKHR"},
        {"cl_khr_external_memory", "clEnqueueAcquireExternalMemObjectsKHR"},
        {"cl_khr_terminate_context", "clTerminateContextKHR"},
        {"cl_intel_unified_shared_memory", "clDeviceMemAllocINTEL"},
        {"cl_khr_no_such_extension", "clNoSuchFunctionKHR"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        bool there = find(known[i][1]) != NULL, wanted = has(known[i][0]);

        if (there != wanted && !(pocl && there))
            fail("%s is %s, but %s is %s", known[i][1], there ? "there" : "not there",
                 known[i][0], wanted ? "an extension" : "none");
        printf("%s: %s\n", known[i][0], wanted ? "yes" : "no");
    }
}

#define QUERY(param)                                                                     \
    {                                                                                    \
        param, #param                                                                    \
    }

static void
queries(void)
{
    static const struct {
        cl_device_info param;
        const char *name;
    } all[] = {
        QUERY(CL_DEVICE_UUID_KHR),
        QUERY(CL_DRIVER_UUID_KHR),
        QUERY(CL_DEVICE_LUID_VALID_KHR),
        QUERY(CL_DEVICE_NODE_MASK_KHR),
        QUERY(CL_DEVICE_PCI_BUS_INFO_KHR),
        QUERY(CL_DEVICE_NUMERIC_VERSION_KHR),
        QUERY(CL_DEVICE_OPENCL_C_NUMERIC_VERSION_KHR),
        QUERY(CL_DEVICE_COMMAND_BUFFER_CAPABILITIES_KHR),
        QUERY(CL_DEVICE_COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES_KHR),
        QUERY(CL_DEVICE_INTEGER_DOT_PRODUCT_CAPABILITIES_KHR),
        QUERY(CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_8BIT_KHR),
        QUERY(CL_DEVICE_SPIR_VERSIONS),
        QUERY(CL_DEVICE_WARP_SIZE_NV),
        QUERY(CL_DEVICE_TOPOLOGY_AMD),
        QUERY(CL_DEVICE_ID_INTEL),
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        unsigned char data[64];
        size_t len = 0;
        cl_int rc = clGetDeviceInfo(c.device, all[i].param, sizeof data, data, &len);

        printf("%s: %d", all[i].name, rc);
        for (size_t b = 0; rc == CL_SUCCESS && b < len; b++)
            printf("%s%02x", b ? "" : ", ", data[b]);
        putchar('\n');
    }
}

static void
suggested_local_size(void)
{
    clGetKernelSuggestedLocalWorkSizeKHR_fn suggest =
        (clGetKernelSuggestedLocalWorkSizeKHR_fn)find(
            "clGetKernelSuggestedLocalWorkSizeKHR");
    cl_program program =
        cl_build(&c, "kernel void fill(global uint *p, uint value)\n"
                     "{\n"
                     "    p[get_global_id(1) * 64 + get_global_id(0)] = value;\n"
                     "}\n");
    cl_kernel kernel = cl_kernel_of(program, "fill");
    cl_mem m = cl_buffer(&c, CL_MEM_READ_WRITE, 4096, NULL);
    const size_t global[2] = {64, 16}, none = 0;
    size_t local[2] = {0};

    EXPECT(suggest(c.queue, kernel, 1, NULL, global, local) == CL_INVALID_KERNEL_ARGS);
    cl_args(kernel, m, 1);
    OK(suggest(c.queue, kernel, 2, NULL, global, local));
    EXPECT(local[0] > 0 && local[1] > 0);
    EXPECT(global[0] % local[0] == 0 && global[1] % local[1] == 0);
    OK(clEnqueueNDRangeKernel(c.queue, kernel, 2, NULL, global, local, 0, NULL, NULL));
    OK(clFinish(c.queue));
    EXPECT(suggest(NULL, kernel, 1, NULL, global, local) == CL_INVALID_COMMAND_QUEUE);
    EXPECT(suggest(c.queue, NULL, 1, NULL, global, local) == CL_INVALID_KERNEL);
    EXPECT(suggest(c.queue, kernel, 4, NULL, global, local) == CL_INVALID_WORK_DIMENSION);
    EXPECT(suggest(c.queue, kernel, 1, NULL, NULL, local) == CL_INVALID_GLOBAL_WORK_SIZE);
    EXPECT(suggest(c.queue, kernel, 1, NULL, &none, local) ==
           CL_INVALID_GLOBAL_WORK_SIZE);
    EXPECT(suggest(c.queue, kernel, 1, NULL, global, NULL) == CL_INVALID_VALUE);
    OK(clReleaseMemObject(m));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(program));
    puts("suggested local size");
}

static void
create_queue(void)
{
    clCreateCommandQueueWithPropertiesKHR_fn create =
        (clCreateCommandQueueWithPropertiesKHR_fn)find(
            "clCreateCommandQueueWithPropertiesKHR");
    const cl_queue_properties_khr good[] = {CL_QUEUE_PROPERTIES,
                                            CL_QUEUE_PROFILING_ENABLE, 0};
    const cl_queue_properties_khr bad[] = {0x9999, 1, 0};
    cl_command_queue_properties flags;
    cl_int rc;
    cl_command_queue queue = create(c.context, c.device, good, &rc);

    OK(rc);
    OK(clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof flags, &flags, NULL));
    EXPECT(flags == CL_QUEUE_PROFILING_ENABLE);
    OK(clReleaseCommandQueue(queue));
    EXPECT(!create(c.context, c.device, bad, &rc) && rc == CL_INVALID_VALUE);
    puts("a queue by the extension's name");
}

int
main(int argc, char **argv)
{
    size_t len;

    pocl = argc > 1 && strcmp(argv[1], "pocl") == 0;
    cl_open(&c);
    extensions = query(CL_DEVICE_EXTENSIONS, &len);
    lists_agree();
    functions();
    queries();
    if (has("cl_khr_suggested_local_work_size"))
        suggested_local_size();
    if (has("cl_khr_create_command_queue"))
        create_queue();
    free(extensions);
    cl_close(&c);
    return 0;
}
