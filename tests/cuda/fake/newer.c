/* SPDX-License-Identifier: MIT */
/* An entry point of a later driver than any that is known. */
#include "tests/cuda/fake/fake.h"

#pragma GCC visibility push(default)
CUresult cuOfALaterDriver(int *ret);
CUresult cuOfALaterDriver_v2(int *ret);
#pragma GCC visibility pop

CUresult
cuOfALaterDriver(int *ret)
{
    *ret = 1;
    return CUDA_SUCCESS;
}

CUresult
cuOfALaterDriver_v2(int *ret)
{
    *ret = 2;
    return CUDA_SUCCESS;
}
