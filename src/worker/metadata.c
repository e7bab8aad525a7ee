/* SPDX-License-Identifier: MIT */
#include "worker/metadata.h"

#include "base/cleanup.h"
#include "worker/session.h"

#include <stdlib.h>
#include <string.h>

/* Adds what a query answers as a string, "" when it does not. */
#define ADD_STRING(b, query, ...)                                                        \
    do {                                                                                 \
        size_t len_ = 0;                                                                 \
        _cleanup_free_ char *text_ = NULL;                                               \
                                                                                         \
        if (query(__VA_ARGS__, 0, NULL, &len_) == CL_SUCCESS && len_ > 0)                \
            text_ = calloc(1, len_ + 1);                                                 \
        if (text_ && query(__VA_ARGS__, len_, text_, NULL) != CL_SUCCESS)                \
            text_[0] = '\0';                                                             \
        bytes_string(b, text_ ? text_ : "", (text_ ? strlen(text_) : 0) + 1);            \
    } while (0)

static void
describe_argument(struct session *s, cl_kernel kernel, cl_uint index, struct bytes *b)
{
    const struct _cl_icd_dispatch *cl = s->cl;
    cl_kernel_arg_address_qualifier address = 0;
    cl_kernel_arg_access_qualifier access = 0;
    cl_kernel_arg_type_qualifier type = 0;
    bool known = cl->clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER,
                                        sizeof address, &address, NULL) == CL_SUCCESS &&
                 cl->clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ACCESS_QUALIFIER,
                                        sizeof access, &access, NULL) == CL_SUCCESS &&
                 cl->clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_QUALIFIER,
                                        sizeof type, &type, NULL) == CL_SUCCESS;

    bytes_u64(b, known);
    bytes_u64(b, known ? address : 0);
    bytes_u64(b, known ? access : 0);
    bytes_u64(b, known ? type : 0);
    ADD_STRING(b, cl->clGetKernelArgInfo, kernel, index, CL_KERNEL_ARG_TYPE_NAME);
    ADD_STRING(b, cl->clGetKernelArgInfo, kernel, index, CL_KERNEL_ARG_NAME);
}

static void
describe_kernel(struct session *s, cl_kernel kernel, struct bytes *b)
{
    cl_ulong local_bytes = 0;
    cl_uint n_args = 0;

    ADD_STRING(b, s->cl->clGetKernelInfo, kernel, CL_KERNEL_FUNCTION_NAME);
    ADD_STRING(b, s->cl->clGetKernelInfo, kernel, CL_KERNEL_ATTRIBUTES);
    s->cl->clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof n_args, &n_args, NULL);
    s->cl->clGetKernelWorkGroupInfo(kernel, s->device.id, CL_KERNEL_LOCAL_MEM_SIZE,
                                    sizeof local_bytes, &local_bytes, NULL);
    bytes_u64(b, local_bytes);
    bytes_u64(b, n_args);
    for (cl_uint i = 0; i < n_args; i++)
        describe_argument(s, kernel, i, b);
}

void
metadata_describe(struct session *s, cl_program program, struct bytes *b)
{
    _cleanup_free_ cl_kernel *kernels = NULL;
    cl_uint n = 0;

    if (s->cl->clCreateKernelsInProgram(program, 0, NULL, &n) != CL_SUCCESS)
        n = 0;
    kernels = calloc(n + 1, sizeof(cl_kernel));
    if (!kernels || (n > 0 && s->cl->clCreateKernelsInProgram(program, n, kernels,
                                                              NULL) != CL_SUCCESS))
        n = 0;
    bytes_u64(b, n);
    for (cl_uint i = 0; i < n; i++) {
        describe_kernel(s, kernels[i], b);
        s->cl->clReleaseKernel(kernels[i]);
    }
}
