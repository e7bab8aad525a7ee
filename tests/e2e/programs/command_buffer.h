/* SPDX-License-Identifier: MIT */
/* The functions of cl_khr_command_buffer 0.9.0, found by name. */
#ifndef TESSERA_TESTS_COMMAND_BUFFER_H
#define TESSERA_TESTS_COMMAND_BUFFER_H

#include <CL/cl_ext.h>

#define COMMAND_BUFFER_FUNCTIONS(X)                                                      \
    X(clCreateCommandBufferKHR)                                                          \
    X(clRetainCommandBufferKHR)                                                          \
    X(clReleaseCommandBufferKHR)                                                         \
    X(clFinalizeCommandBufferKHR)                                                        \
    X(clEnqueueCommandBufferKHR)                                                         \
    X(clCommandBarrierWithWaitListKHR)                                                   \
    X(clCommandCopyBufferKHR)                                                            \
    X(clCommandCopyBufferRectKHR)                                                        \
    X(clCommandCopyBufferToImageKHR)                                                     \
    X(clCommandCopyImageKHR)                                                             \
    X(clCommandCopyImageToBufferKHR)                                                     \
    X(clCommandFillBufferKHR)                                                            \
    X(clCommandFillImageKHR)                                                             \
    X(clCommandNDRangeKernelKHR)                                                         \
    X(clGetCommandBufferInfoKHR)

#endif
