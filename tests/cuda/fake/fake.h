/* SPDX-License-Identifier: MIT */
/*
 * fake.h - a CUDA driver without a GPU, for tests.
 *
 *   FAKECUDA_DEVICES         how many devices (1)
 *   FAKECUDA_MEMORY          bytes of each (1 GiB)
 *   FAKECUDA_CONTEXT_BYTES   what a context takes of them by itself (32 MiB)
 *   FAKECUDA_FAULT           NAME:N:CODE: the Nth call of that export answers CODE; code 700 kills
 *                            the context, whose calls answer that from then on; CODE "hang": it
 *                            does not return
 *
 * All is done by the time a call returns. Time passes on the device's own clock alone: each launch
 * takes what its kernel declares (kernel.h), each copy a nanosecond for 10 bytes.
 */
#ifndef TESSERA_TESTS_FAKE_H
#define TESSERA_TESTS_FAKE_H

#define CUDA_API_DEFINED_HERE
#include "tests/cuda/cuda_api.h"
#include "tests/cuda/fake/kernel.h"

#include <pthread.h>
#include <stdbool.h>

#define FAKE_DEVICES_MAX 16
#define FAKE_VERSION 13000 /* of CUDA */
#define FAKE_LAUNCH_NS 2000

struct fake_device {
    uint64_t total, used; /* bytes */
    uint64_t clock_ns;
    struct CUctx_st *primary;
    unsigned primary_users;
};

struct CUctx_st {
    CUdevice device;
    CUresult dead; /* what its calls answer, once it is; 0 */
};

/* All state is under this one. */
extern pthread_mutex_t fake_lock;
extern struct fake_device fake_devices[FAKE_DEVICES_MAX];
extern int fake_device_count; /* 0 before cuInit */

/*
 * At the beginning of a call by that exported name: CUDA_SUCCESS, or what it has to answer at once
 * (not initialized; a fault).
 */
CUresult fake_enter(const char *name);
#define FAKE_ENTER()                                                                     \
    do {                                                                                 \
        const CUresult entered = fake_enter(__func__);                                   \
        if (entered != CUDA_SUCCESS)                                                     \
            return entered;                                                              \
    } while (0)

/* And one that needs a current context: *ret is it. */
CUresult fake_enter_context(const char *name, struct CUctx_st **ret);
#define FAKE_ENTER_CONTEXT(context)                                                      \
    do {                                                                                 \
        const CUresult entered = fake_enter_context(__func__, &(context));               \
        if (entered != CUDA_SUCCESS)                                                     \
            return entered;                                                              \
    } while (0)

/* The device of that number, or NULL. */
struct fake_device *fake_device(CUdevice device);

/* Memory of a device, with fake_lock held: false when there is not so much. */
bool fake_take(struct fake_device *d, uint64_t bytes);

/* Time passes on the current context's device. */
void fake_passes(const struct CUctx_st *context, uint64_t ns);

/* A live allocation that has the bytes, of any kind. */
bool fake_owns(CUdeviceptr at, size_t bytes);

/* What is taken of a device. */
__attribute__((visibility("default"))) uint64_t fake_used_bytes(int device);

/* Frees all of a context's memory. */
void fake_free_all(const struct CUctx_st *context);

#endif
