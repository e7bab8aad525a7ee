/* SPDX-License-Identifier: MIT */
/*
 * vector.c - adds two vectors as CUDA programs do: the driver is loaded by its name, its functions
 * are asked of cuGetProcAddress. vector MODULE [ELEMENTS]: prints the sum of the result, what time
 * the device says it took, and how much memory it has.
 */
#include "tests/cuda/cuda_api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define POINTER(name, arguments)                                                         \
    static CUresult(*p_##name) arguments __attribute__((unused));
CUDA_FUNCTIONS(POINTER)
#undef POINTER

typedef CUresult get_fn(const char *symbol, void **ret, int version, uint64_t flags,
                        int *ret_status);

#define VERSION 13000

static void
check(CUresult result, const char *call)
{
    if (result == CUDA_SUCCESS)
        return;
    fprintf(stderr, "%s: %d\n", call, (int)result);
    exit(1);
}
#define CHECK(call) check(call, #call)

#define GET(name, symbol)                                                                \
    check(                                                                               \
        get(symbol, (void **)&p_##name, VERSION, CU_GET_PROC_ADDRESS_DEFAULT, &status),  \
        symbol)

static void
load(void)
{
    void *const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    get_fn *get = driver ? (get_fn *)dlsym(driver, "cuGetProcAddress_v2") : NULL;
    int status = 0;

    if (!get) {
        fprintf(stderr, "libcuda.so.1: %s\n", dlerror());
        exit(2);
    }
    /* As the CUDA runtime does: what answers from now on is what it was told itself. */
    check(get("cuGetProcAddress", (void **)&get, VERSION, CU_GET_PROC_ADDRESS_DEFAULT,
              &status),
          "cuGetProcAddress");
    GET(cuInit, "cuInit");
    GET(cuDeviceGet, "cuDeviceGet");
    GET(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
    GET(cuDevicePrimaryCtxRelease_v2, "cuDevicePrimaryCtxRelease");
    GET(cuCtxSetCurrent, "cuCtxSetCurrent");
    GET(cuModuleLoad, "cuModuleLoad");
    GET(cuModuleUnload, "cuModuleUnload");
    GET(cuModuleGetFunction, "cuModuleGetFunction");
    GET(cuMemAlloc_v2, "cuMemAlloc");
    GET(cuMemFree_v2, "cuMemFree");
    GET(cuMemGetInfo_v2, "cuMemGetInfo");
    GET(cuMemcpyHtoD_v2, "cuMemcpyHtoD");
    GET(cuMemcpyDtoH_v2, "cuMemcpyDtoH");
    GET(cuEventCreate, "cuEventCreate");
    GET(cuEventRecord, "cuEventRecord");
    GET(cuEventElapsedTime, "cuEventElapsedTime");
    GET(cuEventDestroy_v2, "cuEventDestroy");
    GET(cuLaunchKernel, "cuLaunchKernel");
    GET(cuStreamSynchronize, "cuStreamSynchronize");
}

static void
add(CUfunction f, uint32_t n, float *values)
{
    CUdeviceptr a, b, sum;
    void *params[] = {&a, &b, &sum, &n};
    const unsigned block = 128;

    CHECK(p_cuMemAlloc_v2(&a, n * sizeof *values));
    CHECK(p_cuMemAlloc_v2(&b, n * sizeof *values));
    CHECK(p_cuMemAlloc_v2(&sum, n * sizeof *values));
    for (uint32_t i = 0; i < n; i++)
        values[i] = (float)i;
    CHECK(p_cuMemcpyHtoD_v2(a, values, n * sizeof *values));
    CHECK(p_cuMemcpyHtoD_v2(b, values, n * sizeof *values));
    CHECK(p_cuLaunchKernel(f, (n + block - 1) / block, 1, 1, block, 1, 1, 0, NULL, params,
                           NULL));
    CHECK(p_cuStreamSynchronize(NULL));
    CHECK(p_cuMemcpyDtoH_v2(values, sum, n * sizeof *values));
    CHECK(p_cuMemFree_v2(a));
    CHECK(p_cuMemFree_v2(b));
    CHECK(p_cuMemFree_v2(sum));
}

int
main(int argc, char **argv)
{
    const uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000;
    float *const values = calloc(n ? n : 1, sizeof *values), ms;
    CUevent from, to;
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction f;
    size_t bytes, total;
    double sum = 0.0;

    if (argc < 2 || !n || !values)
        return 64;
    load();
    CHECK(p_cuInit(0));
    CHECK(p_cuDeviceGet(&device, 0));
    CHECK(p_cuDevicePrimaryCtxRetain(&context, device));
    CHECK(p_cuCtxSetCurrent(context));
    CHECK(p_cuModuleLoad(&module, argv[1]));
    CHECK(p_cuModuleGetFunction(&f, module, "vector_add"));
    CHECK(p_cuEventCreate(&from, 0));
    CHECK(p_cuEventCreate(&to, 0));
    CHECK(p_cuEventRecord(from, NULL));
    add(f, n, values);
    CHECK(p_cuEventRecord(to, NULL));
    CHECK(p_cuEventElapsedTime(&ms, from, to));
    CHECK(p_cuMemGetInfo_v2(&bytes, &total));
    for (uint32_t i = 0; i < n; i++)
        sum += (double)values[i];
    printf("sum %.1f, %.4f ms, %zu of %zu bytes free\n", sum, (double)ms, bytes, total);
    CHECK(p_cuEventDestroy_v2(from));
    CHECK(p_cuEventDestroy_v2(to));
    CHECK(p_cuModuleUnload(module));
    CHECK(p_cuDevicePrimaryCtxRelease_v2(device));
    free(values);
    return 0;
}
