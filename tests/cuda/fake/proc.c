/* SPDX-License-Identifier: MIT */
/*
 * cuGetProcAddress: of a name's forms the newest that the asked version of CUDA has, in the
 * stream's form if it was asked for and there is one. Which version brought a form is made up here,
 * but for the order: the first is of 2.0, the second of 3.2, then 11.0 and 12.0.
 */
#include "tests/cuda/fake/fake.h"

#include <dlfcn.h>
#include <stdio.h>

static const int since[] = {2000, 3020, 11000, 12000};
enum { FORMS = sizeof since / sizeof *since };

/* An export of ours; NULL: there is none of that name. */
static void *
export_of(const char *symbol, unsigned form, const char *stream)
{
    static void *self;
    char name[256];
    Dl_info info;

    if (!self && dladdr((void *)export_of, &info))
        self = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    if (form)
        snprintf(name, sizeof name, "%s_v%u%s", symbol, form + 1, stream);
    else
        snprintf(name, sizeof name, "%s%s", symbol, stream);
    return self ? dlsym(self, name) : NULL;
}

static void *
find(const char *symbol, int version, bool per_thread, int *ret_status)
{
    void *found = NULL;

    *ret_status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    for (unsigned i = 0; i < FORMS; i++) {
        void *const plain = export_of(symbol, i, "");
        void *stream = export_of(symbol, i, "_ptsz");

        if (!stream)
            stream = export_of(symbol, i, "_ptds");
        if ((plain || stream) && since[i] > version && !found)
            *ret_status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
        if ((plain || stream) && since[i] <= version)
            found = per_thread && stream ? stream : plain;
    }
    if (found)
        *ret_status = CU_GET_PROC_ADDRESS_FOUND;
    return found;
}

CUresult
cuGetProcAddress_v2(const char *symbol, void **ret, int version, uint64_t flags,
                    int *ret_status)
{
    int status;

    if (!symbol || !ret || flags > CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)
        return CUDA_ERROR_INVALID_VALUE;
    *ret = find(symbol, version, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
                &status);
    if (ret_status)
        *ret_status = status;
    return *ret ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult
cuGetProcAddress(const char *symbol, void **ret, int version, uint64_t flags)
{
    return cuGetProcAddress_v2(symbol, ret, version, flags, NULL);
}
