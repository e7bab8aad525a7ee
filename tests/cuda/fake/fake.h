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
 *   FAKECUDA_LAZY_BYTES      what a kernel takes of a device when it is launched first (0)
 *   FAKECUDA_GRAPHS_RUN      graphs are running: what they have is in use, and not trimmed
 *   FAKECUDA_PID             the number by which the management library knows the process
 *   FAKECUDA_CHECKPOINT      a folder's path: processes can be checkpointed (checkpoint.c)
 *   FAKECUDA_SHARED          a file's path: the devices are on the host's clock, and those of all
 *                            processes with that file the same
 *
 * Results are there by the time a call returns; each launch takes what its kernel declares
 * (kernel.h), each copy a nanosecond for 10 bytes. Without FAKECUDA_SHARED time passes on the
 * device's own clock alone, and all is done at once.
 */
#ifndef TESSERA_TESTS_FAKE_H
#define TESSERA_TESTS_FAKE_H

#define CUDA_API_DEFINED_HERE
#include "tests/cuda/cuda_api.h"
#include "tests/cuda/fake/kernel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define FAKE_DEVICES_MAX 16
#define FAKE_VERSION 13000 /* of CUDA */
#define FAKE_LAUNCH_NS 2000

struct fake_device {
    uint64_t total, used; /* bytes */
    struct CUctx_st *primary;
    unsigned primary_users;
};

struct CUctx_st {
    struct CUctx_st *next; /* of all that there ever were */
    CUdevice device;
    CUresult dead;           /* what its calls answer, once it is; 0 */
    _Atomic uint64_t end_ns; /* when all that was put into it has ended */
};

struct CUstream_st {
    struct CUctx_st *context;
    _Atomic uint64_t end_ns;
    struct CUgraph_st *graph; /* that is being recorded */
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

/* clock.c: the host's time. */
bool fake_is_on_the_hosts_clock(void);
uint64_t fake_host_ns(void);
void fake_host_sleep_until(uint64_t ns);

/* The device's time, and what takes so much of it. */
uint64_t fake_now(CUdevice device);
void fake_sleep_until(CUdevice device, uint64_t ns);
void fake_submit(struct CUctx_st *context, CUstream stream, uint64_t ns);
void fake_finish(struct CUctx_st *context, CUstream stream);
_Atomic uint64_t *fake_stream_end(struct CUctx_st *context, CUstream stream);

/*
 * What must not be called while a graph is recorded, at all or but by a thread that has said that
 * it knows (CUDA driver API, 6.18, cuThreadExchangeStreamCaptureMode).
 */
CUresult fake_disturbs(void);
CUresult fake_may_disturb(void);

/* While somebody has locked this process (checkpoint.c). */
void fake_wait_while_locked(void);

/* A launch, with its arguments: as they were. */
#define FAKE_PARAMS_MAX 8
struct fake_launch {
    struct CUfunc_st *function;
    CUlaunchConfig config;
    uint64_t params[FAKE_PARAMS_MAX];
};
bool fake_is_recorded(CUstream stream);
CUresult fake_record_allocation(CUstream stream, CUdevice device, size_t bytes,
                                CUdeviceptr *ret);
CUresult fake_record(CUstream stream, const struct fake_launch *l);
CUresult fake_run(struct CUctx_st *context, struct fake_launch *l, CUstream stream);

/* graph_memory.c: nodes that allocate, on one device; and what a graph's launches have for them. */
struct fake_node {
    struct fake_node *next;
    struct CUgraph_st *child; /* NULL: it allocates */
    CUdevice device;
    size_t bytes;
    void *at;
};
struct fake_graph_memory {
    struct fake_node *nodes;
    uint64_t bytes;
    CUdevice device;
    unsigned age; /* of the pool, when it was last launched; 0: never */
};
struct fake_graph_memory *fake_memory_of(CUgraph graph);
struct fake_graph_memory *fake_memory_recorded(CUstream stream);
void fake_graph_memory_free(struct fake_graph_memory *m);
void fake_graph_memory_copy(struct fake_graph_memory *to,
                            const struct fake_graph_memory *from);
CUresult fake_graph_memory_map(struct fake_graph_memory *m);

/* A live allocation that has the bytes, of any kind. */
bool fake_owns(CUdeviceptr at, size_t bytes);

/* What is taken of a device. */
__attribute__((visibility("default"))) uint64_t fake_used_bytes(int device);

/* How often the memory of graphs was trimmed. */
__attribute__((visibility("default"))) unsigned fake_trims(void);

/* Frees all of a context's memory. */
void fake_free_all(const struct CUctx_st *context);

#endif
