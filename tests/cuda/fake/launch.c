/* SPDX-License-Identifier: MIT */
/*
 * A launch runs the kernel for each thread, block by block, before it returns; one that is recorded
 * does so when its graph is launched.
 */
#include "tests/cuda/fake/module.h"

#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 1024, SHARED_MAX = 48 << 10 };

static void
run_block(const struct CUfunc_st *f, struct fake_thread *t, void **params)
{
    for (t->index.z = 0; t->index.z < t->block.z; t->index.z++)
        for (t->index.y = 0; t->index.y < t->block.y; t->index.y++)
            for (t->index.x = 0; t->index.x < t->block.x; t->index.x++)
                f->kernel(t, params);
}

static void
run(const struct CUfunc_st *f, struct fake_thread *t, unsigned shared, void **params)
{
    struct fake_dim *const at = &t->block_index;

    for (at->z = 0; at->z < t->grid.z; at->z++) {
        for (at->y = 0; at->y < t->grid.y; at->y++) {
            for (at->x = 0; at->x < t->grid.x; at->x++) {
                if (shared)
                    memset(t->shared, 0, shared);
                run_block(f, t, params);
            }
        }
    }
}

/* As drivers load modules: not before they are used. */
static bool
load(const struct CUctx_st *context, CUfunction f)
{
    const char *const bytes = getenv("FAKECUDA_LAZY_BYTES");
    bool fits = true;

    if (f->loaded || !bytes)
        return true;
    pthread_mutex_lock(&fake_lock);
    fits = fake_take(&fake_devices[context->device], strtoull(bytes, NULL, 0));
    pthread_mutex_unlock(&fake_lock);
    f->loaded = fits;
    return fits;
}

static CUresult
launch_now(struct CUctx_st *context, const CUlaunchConfig *c, CUstream stream,
           CUfunction f, void **params)
{
    const uint64_t threads = (uint64_t)c->blockDimX * c->blockDimY * c->blockDimZ;
    struct fake_thread t = {.grid = {c->gridDimX, c->gridDimY, c->gridDimZ},
                            .block = {c->blockDimX, c->blockDimY, c->blockDimZ}};

    if (!threads || threads > THREADS_MAX || !t.grid.x || !t.grid.y || !t.grid.z ||
        c->sharedMemBytes > SHARED_MAX)
        return CUDA_ERROR_INVALID_VALUE;
    if (!load(context, f))
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (c->sharedMemBytes && !(t.shared = malloc(c->sharedMemBytes)))
        return CUDA_ERROR_OUT_OF_MEMORY;
    run(f, &t, c->sharedMemBytes, params);
    free(t.shared);
    fake_submit(context, stream, f->cost_ns ? f->cost_ns : FAKE_LAUNCH_NS);
    return CUDA_SUCCESS;
}

CUresult
fake_run(struct CUctx_st *context, struct fake_launch *l, CUstream stream)
{
    void *params[FAKE_PARAMS_MAX];

    for (unsigned i = 0; i < FAKE_PARAMS_MAX; i++)
        params[i] = &l->params[i];
    return launch_now(context, &l->config, stream, l->function, params);
}

/* A kernel that does not tell how many parameters it has cannot be recorded. */
static CUresult
record(const CUlaunchConfig *c, CUfunction f, void **params)
{
    struct fake_launch l = {.function = f, .config = *c};

    if (f->params == 0 || f->params > FAKE_PARAMS_MAX)
        return CUDA_ERROR_NOT_SUPPORTED;
    for (unsigned i = 0; i < f->params; i++)
        memcpy(&l.params[i], params[i], sizeof l.params[i]);
    return fake_record(c->hStream, &l);
}

static CUresult
launch(struct CUctx_st *context, const CUlaunchConfig *c, CUfunction f, void **params)
{
    if (!f)
        return CUDA_ERROR_INVALID_HANDLE;
    if (fake_is_recorded(c->hStream))
        return record(c, f, params);
    return launch_now(context, c, c->hStream, f, params);
}

#define LAUNCH_KERNEL(name)                                                              \
    CUresult name(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,      \
                  unsigned by, unsigned bz, unsigned shared, CUstream stream,            \
                  void **params, void **extra)                                           \
    {                                                                                    \
        const CUlaunchConfig c = {gx, gy, gz, bx, by, bz, shared, stream, NULL, 0};      \
        struct CUctx_st *context;                                                        \
                                                                                         \
        FAKE_ENTER_CONTEXT(context);                                                     \
        return extra ? CUDA_ERROR_NOT_SUPPORTED : launch(context, &c, f, params);        \
    }
#define LAUNCH_KERNEL_EX(name)                                                           \
    CUresult name(const CUlaunchConfig *config, CUfunction f, void **params,             \
                  void **extra)                                                          \
    {                                                                                    \
        struct CUctx_st *context;                                                        \
                                                                                         \
        FAKE_ENTER_CONTEXT(context);                                                     \
        return extra ? CUDA_ERROR_NOT_SUPPORTED : launch(context, config, f, params);    \
    }

LAUNCH_KERNEL(cuLaunchKernel)
LAUNCH_KERNEL(cuLaunchKernel_ptsz)
LAUNCH_KERNEL_EX(cuLaunchKernelEx)
LAUNCH_KERNEL_EX(cuLaunchKernelEx_ptsz)

CUresult
cuLaunchCooperativeKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz,
                          unsigned bx, unsigned by, unsigned bz, unsigned shared,
                          CUstream stream, void **params)
{
    const CUlaunchConfig c = {gx, gy, gz, bx, by, bz, shared, stream, NULL, 0};
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return launch(context, &c, f, params);
}
