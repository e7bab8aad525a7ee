/* SPDX-License-Identifier: MIT */
/*
 * launch.c - launches, and nothing else, for who counts instructions. launch N WAY: N launches, by
 * the exported function (export) or by the one that cuGetProcAddress gives (look). Each is refused
 * at once by the driver, as there is no kernel: what is left is the way there.
 */
#include "tests/cuda/cuda_api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef CUresult launch_fn(CUfunction f, unsigned gx, unsigned gy, unsigned gz,
                           unsigned bx, unsigned by, unsigned bz, unsigned shared,
                           CUstream stream, void **params, void **extra);
typedef CUresult get_fn(const char *symbol, void **ret, int version, uint64_t flags);
typedef CUresult init_fn(unsigned flags);

static launch_fn *
find(void *driver, const char *way)
{
    get_fn *const get = (get_fn *)dlsym(driver, "cuGetProcAddress");
    void *found = NULL;

    if (strcmp(way, "export") == 0)
        return (launch_fn *)dlsym(driver, "cuLaunchKernel");
    if (get && get("cuLaunchKernel", &found, 13000, 0) == CUDA_SUCCESS)
        return (launch_fn *)found;
    return NULL;
}

int
main(int argc, char **argv)
{
    void *const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    init_fn *const init = driver ? (init_fn *)dlsym(driver, "cuInit") : NULL;
    launch_fn *launch = NULL;
    unsigned long n, wrong = 0;

    if (argc != 3 || !init || init(0) != CUDA_SUCCESS)
        return 64;
    n = strtoul(argv[1], NULL, 10);
    launch = find(driver, argv[2]);
    if (!launch)
        return 1;
    for (unsigned long i = 0; i < n; i++)
        wrong += launch(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL) != CUDA_SUCCESS;
    return wrong == n ? 0 : 1;
}
