/* SPDX-License-Identifier: MIT */
/* Functions of other extensions, found by name, where the device has the extension. */
#include "api_use.h"

#include <CL/cl_ext.h>

/* NULL, and words about it, where the device has not the extension. */
static void *
function_of(struct use *u, const char *name, const char *extension)
{
    void *address = clGetExtensionFunctionAddressForPlatform(u->platform, name);

    if (!device_text_has(u, CL_DEVICE_EXTENSIONS, extension)) {
        use_skips(name, extension);
        return NULL;
    }
    RIGHT(name, "it is found by its name", address != NULL);
    return address;
}

/* cl_khr_suggested_local_work_size */

static bool
suggestion_divides(struct use *u, clGetKernelSuggestedLocalWorkSizeKHR_fn suggest,
                   cl_kernel kernel)
{
    const size_t global = 96;
    size_t local = 0;

    return suggest(u->queue, kernel, 1, NULL, &global, &local) == CL_SUCCESS && local &&
           global % local == 0;
}

static void
suggested_local_size(struct use *u)
{
    const char *const call = "clGetKernelSuggestedLocalWorkSizeKHR";
    clGetKernelSuggestedLocalWorkSizeKHR_fn suggest =
        (clGetKernelSuggestedLocalWorkSizeKHR_fn)function_of(
            u, call, "cl_khr_suggested_local_work_size");
    const size_t global = 96, none = 0;
    size_t local = 0;
    cl_kernel kernel;

    if (!suggest)
        return;
    kernel = clCreateKernel(u->program, "place", &u->rc);
    MUST(u->rc);
    WRONG(call, "an argument that was not set", CL_INVALID_KERNEL_ARGS,
          suggest(u->queue, kernel, 1, NULL, &global, &local));
    MUST(clSetKernelArg(kernel, 0, sizeof(cl_mem), &u->buffer));
    RIGHT(call, "it divides the global size", suggestion_divides(u, suggest, kernel));
    WRONG(call, "no queue", CL_INVALID_COMMAND_QUEUE,
          suggest(NULL, kernel, 1, NULL, &global, &local));
    WRONG(call, "no kernel", CL_INVALID_KERNEL,
          suggest(u->queue, NULL, 1, NULL, &global, &local));
    WRONG(call, "a queue of another context", CL_INVALID_CONTEXT,
          suggest(u->other_queue, kernel, 1, NULL, &global, &local));
    WRONG(call, "no dimensions", CL_INVALID_WORK_DIMENSION,
          suggest(u->queue, kernel, 0, NULL, &global, &local));
    WRONG(call, "a global size of 0", CL_INVALID_GLOBAL_WORK_SIZE,
          suggest(u->queue, kernel, 1, NULL, &none, &local));
    WRONG(call, "no room for the answer", CL_INVALID_VALUE,
          suggest(u->queue, kernel, 1, NULL, &global, NULL));
    MUST(clReleaseKernel(kernel));
}

/* cl_khr_create_command_queue and cl_khr_il_program: the core's functions by another name. */

static void
queue_by_name(struct use *u)
{
    const char *const call = "clCreateCommandQueueWithPropertiesKHR";
    clCreateCommandQueueWithPropertiesKHR_fn create =
        (clCreateCommandQueueWithPropertiesKHR_fn)function_of(
            u, call, "cl_khr_create_command_queue");
    const cl_queue_properties_khr unknown[] = {0x7ffffff0, 1, 0};
    cl_command_queue q;

    if (!create)
        return;
    q = create(u->context, u->device, NULL, &u->rc);
    RIGHT(call, "a queue", q && u->rc == CL_SUCCESS && clReleaseCommandQueue(q) == 0);
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          NEW(u, create(NULL, u->device, NULL, &u->rc)));
    WRONG(call, "a property that there is not", CL_INVALID_VALUE,
          NEW(u, create(u->context, u->device, unknown, &u->rc)));
}

static void
il_by_name(struct use *u)
{
    const char *const call = "clCreateProgramWithILKHR";
    clCreateProgramWithILKHR_fn create =
        (clCreateProgramWithILKHR_fn)function_of(u, call, "cl_khr_il_program");

    if (!create)
        return;
    WRONG(call, "no context", CL_INVALID_CONTEXT, NEW(u, create(NULL, "IL", 2, &u->rc)));
    WRONG(call, "no intermediate language", CL_INVALID_VALUE,
          NEW(u, create(u->context, NULL, 0, &u->rc)));
}

void
api_extension(struct use *u)
{
    suggested_local_size(u);
    queue_by_name(u);
    il_by_name(u);
}
