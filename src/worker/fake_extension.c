/* SPDX-License-Identifier: MIT */
/* The fake driver's extension functions. */
#include "worker/fake_internal.h"

#include <string.h>

#define EXTENSION_ENTRY(name) {#name, (void *)fake_##name},

void *
fake_clGetExtensionFunctionAddress(const char *func_name)
{
    static const struct {
        const char *name;
        void *address;
    } functions[] = {FAKE_EXTENSION_CALLS(EXTENSION_ENTRY)};

    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (strcmp(functions[i].name, func_name) == 0)
            return functions[i].address;
    }
    return NULL;
}

void *
fake_clGetExtensionFunctionAddressForPlatform(cl_platform_id platform,
                                              const char *func_name)
{
    return fake_is(platform, FAKE_PLATFORM)
               ? fake_clGetExtensionFunctionAddress(func_name)
               : NULL;
}

cl_command_queue
fake_clCreateCommandQueueWithPropertiesKHR(cl_context context, cl_device_id device,
                                           const cl_queue_properties_khr *properties,
                                           cl_int *errcode_ret)
{
    return fake_clCreateCommandQueueWithProperties(context, device, properties,
                                                   errcode_ret);
}
