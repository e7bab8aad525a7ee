/* SPDX-License-Identifier: MIT */
/* Modules are shared objects of the host's: an image is an ELF file in memory. */
#include "tests/cuda/fake/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct CUmod_st {
    void *handle;
    struct CUfunc_st *functions;
};

struct CUlib_st {
    struct CUmod_st module;
};

/* How long the image is: what the section headers, which come last, say. */
static size_t
image_bytes(const void *image)
{
    const Elf64_Ehdr *const e = image;

    if (memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_ident[EI_CLASS] != ELFCLASS64)
        return 0;
    return e->e_shoff + (size_t)e->e_shnum * e->e_shentsize;
}

/* Each load gets a copy of its own, as each module has its own variables. */
static void *
load_image(const void *image, size_t bytes)
{
    char path[64];
    void *handle = NULL;
    const int fd = memfd_create("fakecuda", MFD_CLOEXEC);

    if (fd < 0)
        return NULL;
    if (write(fd, image, bytes) == (ssize_t)bytes) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    close(fd);
    return handle;
}

static CUresult
load(struct CUmod_st *m, const void *image)
{
    const size_t bytes = image ? image_bytes(image) : 0;

    if (!bytes)
        return CUDA_ERROR_INVALID_IMAGE;
    m->handle = load_image(image, bytes);
    return m->handle ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}

static void
unload(struct CUmod_st *m)
{
    while (m->functions) {
        struct CUfunc_st *const f = m->functions;

        m->functions = f->next;
        free(f);
    }
    dlclose(m->handle);
}

static const void *
declared(const struct CUmod_st *m, const char *name, const char *what)
{
    char symbol[256];

    snprintf(symbol, sizeof symbol, "%s_%s", name, what);
    return dlsym(m->handle, symbol);
}

/* With fake_lock held: the same handle each time. */
static struct CUfunc_st *
function_of(struct CUmod_st *m, const char *name)
{
    struct CUfunc_st *f;
    void *const kernel = dlsym(m->handle, name);
    const uint64_t *cost_ns;
    const unsigned *params;

    if (!kernel)
        return NULL;
    for (f = m->functions; f; f = f->next)
        if ((void *)f->kernel == kernel)
            return f;
    f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    cost_ns = declared(m, name, "cost_ns");
    params = declared(m, name, "params");
    *f = (struct CUfunc_st){.kernel = (fake_kernel_fn *)kernel,
                            .cost_ns = cost_ns ? *cost_ns : 0,
                            .params = params ? *params : 0,
                            .next = m->functions};
    m->functions = f;
    return f;
}

static CUresult
find(struct CUmod_st *m, const char *name, CUfunction *ret)
{
    if (!m || !name || !ret)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    *ret = function_of(m, name);
    pthread_mutex_unlock(&fake_lock);
    return *ret ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

static CUresult
module_new(CUmodule *ret, const void *image)
{
    struct CUmod_st *const m = calloc(1, sizeof *m);
    CUresult result;

    if (!m)
        return CUDA_ERROR_OUT_OF_MEMORY;
    result = load(m, image);
    if (result == CUDA_SUCCESS)
        *ret = m;
    else
        free(m);
    return result;
}

CUresult
cuModuleLoadData(CUmodule *ret, const void *image)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return module_new(ret, image);
}

CUresult
cuModuleLoadDataEx(CUmodule *ret, const void *image, unsigned n, void *options,
                   void **values)
{
    struct CUctx_st *context;

    (void)n, (void)options, (void)values;
    FAKE_ENTER_CONTEXT(context);
    return module_new(ret, image);
}

CUresult
cuModuleLoad(CUmodule *ret, const char *path)
{
    struct CUctx_st *context;
    CUresult result = CUDA_ERROR_INVALID_IMAGE;
    FILE *file;
    char *image;
    size_t n;

    FAKE_ENTER_CONTEXT(context);
    file = fopen(path, "re");
    if (!file)
        return CUDA_ERROR_NOT_FOUND;
    fseek(file, 0, SEEK_END);
    n = (size_t)ftell(file);
    rewind(file);
    image = malloc(n ? n : 1);
    if (image && fread(image, 1, n, file) == n && n > sizeof(Elf64_Ehdr))
        result = module_new(ret, image);
    free(image);
    fclose(file);
    return result;
}

CUresult
cuModuleUnload(CUmodule module)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    if (!module)
        return CUDA_ERROR_INVALID_HANDLE;
    unload(module);
    free(module);
    return CUDA_SUCCESS;
}

CUresult
cuModuleGetFunction(CUfunction *ret, CUmodule module, const char *name)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return find(module, name, ret);
}

CUresult
cuModuleGetGlobal_v2(CUdeviceptr *ret, size_t *ret_bytes, CUmodule module,
                     const char *name)
{
    struct CUctx_st *context;
    void *at;
    Dl_info info;
    const Elf64_Sym *symbol = NULL;

    FAKE_ENTER_CONTEXT(context);
    at = dlsym(module->handle, name);
    if (!at || !dladdr1(at, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol)
        return CUDA_ERROR_NOT_FOUND;
    if (ret)
        *ret = (CUdeviceptr)(uintptr_t)at;
    if (ret_bytes)
        *ret_bytes = symbol->st_size;
    return CUDA_SUCCESS;
}

CUresult
cuLibraryLoadData(CUlibrary *ret, const void *image, void *jit, void **jit_values,
                  unsigned n_jit, void *options, void **values, unsigned n)
{
    struct CUlib_st *l;
    CUresult result;

    (void)jit, (void)jit_values, (void)n_jit, (void)options, (void)values, (void)n;
    FAKE_ENTER();
    l = calloc(1, sizeof *l);
    if (!l)
        return CUDA_ERROR_OUT_OF_MEMORY;
    result = load(&l->module, image);
    if (result == CUDA_SUCCESS)
        *ret = l;
    else
        free(l);
    return result;
}

CUresult
cuLibraryUnload(CUlibrary library)
{
    FAKE_ENTER();
    if (!library)
        return CUDA_ERROR_INVALID_HANDLE;
    unload(&library->module);
    free(library);
    return CUDA_SUCCESS;
}

CUresult
cuLibraryGetKernel(CUfunction *ret, CUlibrary library, const char *name)
{
    FAKE_ENTER();
    return find(library ? &library->module : NULL, name, ret);
}

CUresult
cuKernelGetFunction(CUfunction *ret, CUfunction kernel)
{
    FAKE_ENTER();
    *ret = kernel;
    return kernel ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
