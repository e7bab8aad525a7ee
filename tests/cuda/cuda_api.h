/* SPDX-License-Identifier: MIT */
/*
 * What the fake driver serves and the tests call of the CUDA driver API, declared anew from its
 * reference (CUDA driver API 13.0; chapters 6.2 to 6.31).
 */
#ifndef TESSERA_TESTS_CUDA_API_H
#define TESSERA_TESTS_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

typedef int CUdevice;
typedef uint64_t CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUlib_st *CUlibrary;
typedef struct CUfunc_st *CUfunction; /* a CUkernel is passed as one, too */
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph, *CUgraphExec;
typedef struct fake_node *CUgraphNode;
typedef struct CUmemPoolHandle_st *CUmemoryPool;
typedef struct CUarray_st *CUarray; /* and mipmapped ones */

typedef enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_STUB_LIBRARY = 34,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_INVALID_IMAGE = 200,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_INVALID_HANDLE = 400,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_READY = 600,
    CUDA_ERROR_ILLEGAL_ADDRESS = 700,
    CUDA_ERROR_NOT_SUPPORTED = 801,
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
    CUDA_ERROR_STREAM_CAPTURE_IMPLICIT = 906,
} CUresult;

enum {
    CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
    CU_DEVICE_ATTRIBUTE_WARP_SIZE = 10,
    CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
    CU_DEVICE_ATTRIBUTE_PCI_BUS_ID = 33,
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
};

enum {
    CU_STREAM_CAPTURE_MODE_GLOBAL = 0,
    CU_STREAM_CAPTURE_MODE_RELAXED = 2,
};

/* cuGetProcAddress: flags, and what it says of a name that it does not give. */
enum {
    CU_GET_PROC_ADDRESS_DEFAULT = 0,
    CU_GET_PROC_ADDRESS_LEGACY_STREAM = 1,
    CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM = 2,
};
enum {
    CU_GET_PROC_ADDRESS_FOUND = 0,
    CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND = 1,
    CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT = 2,
};

typedef struct {
    unsigned gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ,
        sharedMemBytes;
    CUstream hStream;
    void *attrs;
    unsigned numAttrs;
} CUlaunchConfig;

typedef struct {
    char bytes[16];
} CUuuid;

enum {
    CU_MEMPOOL_ATTR_RELEASE_THRESHOLD = 4,
    CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT = 5,
};

/* The first fields: where the memory is. */
typedef struct {
    int type, handle_types, location_type, location_id;
} CUmemAllocationProp;

enum {
    CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT = 2,
    CU_GRAPH_NODE_TYPE_GRAPH = 4,
    CU_GRAPH_NODE_TYPE_MEM_ALLOC = 10,
    CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD = 2,
};

typedef struct {
    uint64_t flags;
    CUstream hUploadStream;
    CUgraphNode hErrNode_out;
    int result_out;
} CUDA_GRAPH_INSTANTIATE_PARAMS;

typedef struct {
    struct {
        int allocType, handleTypes, location_type, location_id;
        void *win32SecurityAttributes;
        size_t maxSize;
        unsigned short usage;
        unsigned char reserved[54];
    } poolProps;
    const void *accessDescs;
    size_t accessDescCount;
    size_t bytesize;
    uint64_t dptr;
} CUDA_MEM_ALLOC_NODE_PARAMS;

typedef struct {
    size_t Width, Height;
    int Format;
    unsigned NumChannels;
} CUDA_ARRAY_DESCRIPTOR;

typedef struct {
    size_t Width, Height, Depth;
    int Format;
    unsigned NumChannels, Flags;
} CUDA_ARRAY3D_DESCRIPTOR;

#define CUDA_FUNCTIONS(F)                                                                \
    F(cuInit, (unsigned flags))                                                          \
    F(cuDriverGetVersion, (int *ret))                                                    \
    F(cuGetErrorName, (CUresult error, const char **ret))                                \
    F(cuGetErrorString, (CUresult error, const char **ret))                              \
    F(cuGetExportTable, (const void **ret, const CUuuid *id))                            \
    F(cuGetProcAddress, (const char *symbol, void **ret, int version, uint64_t flags))   \
    F(cuGetProcAddress_v2,                                                               \
      (const char *symbol, void **ret, int version, uint64_t flags, int *ret_status))    \
    F(cuDeviceGet, (CUdevice * ret, int ordinal))                                        \
    F(cuDeviceGetCount, (int *ret))                                                      \
    F(cuDeviceGetName, (char *ret, int len, CUdevice device))                            \
    F(cuDeviceGetUuid, (CUuuid * ret, CUdevice device))                                  \
    F(cuDeviceGetUuid_v2, (CUuuid * ret, CUdevice device))                               \
    F(cuDeviceGetPCIBusId, (char *ret, int len, CUdevice device))                        \
    F(cuDeviceGetAttribute, (int *ret, int attribute, CUdevice device))                  \
    F(cuDeviceTotalMem_v2, (size_t * ret, CUdevice device))                              \
    F(cuDevicePrimaryCtxRetain, (CUcontext * ret, CUdevice device))                      \
    F(cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                   \
    F(cuDevicePrimaryCtxReset_v2, (CUdevice device))                                     \
    F(cuDevicePrimaryCtxGetState,                                                        \
      (CUdevice device, unsigned *ret_flags, int *ret_active))                           \
    F(cuCtxCreate_v2, (CUcontext * ret, unsigned flags, CUdevice device))                \
    F(cuCtxDestroy_v2, (CUcontext context))                                              \
    F(cuCtxSetCurrent, (CUcontext context))                                              \
    F(cuCtxGetCurrent, (CUcontext * ret))                                                \
    F(cuCtxPushCurrent_v2, (CUcontext context))                                          \
    F(cuCtxPopCurrent_v2, (CUcontext * ret))                                             \
    F(cuCtxGetDevice, (CUdevice * ret))                                                  \
    F(cuCtxGetDevice_v2, (CUdevice * ret, CUcontext context))                            \
    F(cuCtxSynchronize, (void))                                                          \
    F(cuCtxSynchronize_v2, (CUcontext context))                                          \
    F(cuModuleLoad, (CUmodule * ret, const char *path))                                  \
    F(cuModuleLoadData, (CUmodule * ret, const void *image))                             \
    F(cuModuleLoadDataEx,                                                                \
      (CUmodule * ret, const void *image, unsigned n, void *options, void **values))     \
    F(cuModuleUnload, (CUmodule module))                                                 \
    F(cuModuleGetFunction, (CUfunction * ret, CUmodule module, const char *name))        \
    F(cuModuleGetGlobal_v2,                                                              \
      (CUdeviceptr * ret, size_t * ret_bytes, CUmodule module, const char *name))        \
    F(cuLibraryLoadData,                                                                 \
      (CUlibrary * ret, const void *image, void *jit, void **jit_values, unsigned n_jit, \
       void *options, void **values, unsigned n))                                        \
    F(cuLibraryUnload, (CUlibrary library))                                              \
    F(cuLibraryGetKernel, (CUfunction * ret, CUlibrary library, const char *name))       \
    F(cuKernelGetFunction, (CUfunction * ret, CUfunction kernel))                        \
    F(cuMemGetInfo_v2, (size_t * ret_free, size_t * ret_total))                          \
    F(cuMemAlloc_v2, (CUdeviceptr * ret, size_t bytes))                                  \
    F(cuMemAllocPitch_v2, (CUdeviceptr * ret, size_t * ret_pitch, size_t width,          \
                           size_t height, unsigned element))                             \
    F(cuMemAllocManaged, (CUdeviceptr * ret, size_t bytes, unsigned flags))              \
    F(cuMemAllocAsync, (CUdeviceptr * ret, size_t bytes, CUstream stream))               \
    F(cuMemAllocAsync_ptsz, (CUdeviceptr * ret, size_t bytes, CUstream stream))          \
    F(cuMemAllocFromPoolAsync,                                                           \
      (CUdeviceptr * ret, size_t bytes, CUmemoryPool pool, CUstream stream))             \
    F(cuDeviceGetMemPool, (CUmemoryPool * ret, CUdevice device))                         \
    F(cuMemPoolCreate, (CUmemoryPool * ret, const CUmemAllocationProp *p))               \
    F(cuMemPoolDestroy, (CUmemoryPool pool))                                             \
    F(cuMemPoolGetAttribute, (CUmemoryPool pool, int attribute, void *ret))              \
    F(cuMemPoolSetAttribute, (CUmemoryPool pool, int attribute, void *value))            \
    F(cuMemPoolTrimTo, (CUmemoryPool pool, size_t keep))                                 \
    F(cuMemFree_v2, (CUdeviceptr at))                                                    \
    F(cuMemFreeAsync, (CUdeviceptr at, CUstream stream))                                 \
    F(cuMemFreeAsync_ptsz, (CUdeviceptr at, CUstream stream))                            \
    F(cuMemCreate,                                                                       \
      (uint64_t * ret, size_t bytes, const CUmemAllocationProp *p, uint64_t flags))      \
    F(cuMemRelease, (uint64_t handle))                                                   \
    F(cuMemMap,                                                                          \
      (CUdeviceptr at, size_t bytes, size_t offset, uint64_t handle, uint64_t flags))    \
    F(cuMemUnmap, (CUdeviceptr at, size_t bytes))                                        \
    F(cuMemRetainAllocationHandle, (uint64_t * ret, void *at))                           \
    F(cuArrayCreate_v2, (CUarray * ret, const CUDA_ARRAY_DESCRIPTOR *d))                 \
    F(cuArray3DCreate_v2, (CUarray * ret, const CUDA_ARRAY3D_DESCRIPTOR *d))             \
    F(cuArrayDestroy, (CUarray array))                                                   \
    F(cuMipmappedArrayCreate,                                                            \
      (CUarray * ret, const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned levels))                \
    F(cuMipmappedArrayDestroy, (CUarray array))                                          \
    F(cuMemAllocHost_v2, (void **ret, size_t bytes))                                     \
    F(cuMemHostAlloc, (void **ret, size_t bytes, unsigned flags))                        \
    F(cuMemFreeHost, (void *at))                                                         \
    F(cuMemHostRegister_v2, (void *at, size_t bytes, unsigned flags))                    \
    F(cuMemHostUnregister, (void *at))                                                   \
    F(cuMemcpyHtoD_v2, (CUdeviceptr to, const void *from, size_t bytes))                 \
    F(cuMemcpyHtoD_v2_ptds, (CUdeviceptr to, const void *from, size_t bytes))            \
    F(cuMemcpyDtoH_v2, (void *to, CUdeviceptr from, size_t bytes))                       \
    F(cuMemcpyDtoH_v2_ptds, (void *to, CUdeviceptr from, size_t bytes))                  \
    F(cuMemcpyDtoD_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes))                 \
    F(cuMemcpyDtoD_v2_ptds, (CUdeviceptr to, CUdeviceptr from, size_t bytes))            \
    F(cuMemcpyHtoDAsync_v2,                                                              \
      (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))                 \
    F(cuMemcpyHtoDAsync_v2_ptsz,                                                         \
      (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))                 \
    F(cuMemcpyDtoHAsync_v2, (void *to, CUdeviceptr from, size_t bytes, CUstream stream)) \
    F(cuMemcpyDtoHAsync_v2_ptsz,                                                         \
      (void *to, CUdeviceptr from, size_t bytes, CUstream stream))                       \
    F(cuMemsetD8_v2, (CUdeviceptr to, unsigned char value, size_t n))                    \
    F(cuMemsetD32_v2, (CUdeviceptr to, unsigned value, size_t n))                        \
    F(cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t n, CUstream stream)) \
    F(cuMemsetD32Async, (CUdeviceptr to, unsigned value, size_t n, CUstream stream))     \
    F(cuStreamCreate, (CUstream * ret, unsigned flags))                                  \
    F(cuStreamCreateWithPriority, (CUstream * ret, unsigned flags, int priority))        \
    F(cuStreamDestroy_v2, (CUstream stream))                                             \
    F(cuStreamSynchronize, (CUstream stream))                                            \
    F(cuStreamSynchronize_ptsz, (CUstream stream))                                       \
    F(cuStreamQuery, (CUstream stream))                                                  \
    F(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags))               \
    F(cuCheckpointProcessGetState, (int pid, int *ret))                                  \
    F(cuCheckpointProcessLock, (int pid, void *args))                                    \
    F(cuCheckpointProcessCheckpoint, (int pid, void *args))                              \
    F(cuCheckpointProcessRestore, (int pid, void *args))                                 \
    F(cuCheckpointProcessUnlock, (int pid, void *args))                                  \
    F(cuThreadExchangeStreamCaptureMode, (int *mode))                                    \
    F(cuStreamBeginCapture_v2, (CUstream stream, int mode))                              \
    F(cuStreamEndCapture, (CUstream stream, CUgraph * ret))                              \
    F(cuStreamIsCapturing, (CUstream stream, int *ret))                                  \
    F(cuGraphInstantiateWithFlags, (CUgraphExec * ret, CUgraph graph, uint64_t flags))   \
    F(cuGraphInstantiateWithParams,                                                      \
      (CUgraphExec * ret, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS * p))             \
    F(cuGraphCreate, (CUgraph * ret, unsigned flags))                                    \
    F(cuGraphUpload, (CUgraphExec graph, CUstream stream))                               \
    F(cuGraphGetNodes, (CUgraph graph, CUgraphNode * ret, size_t * count))               \
    F(cuGraphNodeGetType, (CUgraphNode node, int *ret))                                  \
    F(cuGraphChildGraphNodeGetGraph, (CUgraphNode node, CUgraph * ret))                  \
    F(cuGraphMemAllocNodeGetParams,                                                      \
      (CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS * ret))                              \
    F(cuGraphAddMemAllocNode,                                                            \
      (CUgraphNode * ret, CUgraph graph, const CUgraphNode *after, size_t n_after,       \
       CUDA_MEM_ALLOC_NODE_PARAMS *p))                                                   \
    F(cuGraphAddChildGraphNode,                                                          \
      (CUgraphNode * ret, CUgraph graph, const CUgraphNode *after, size_t n_after,       \
       CUgraph child))                                                                   \
    F(cuDeviceGetGraphMemAttribute, (CUdevice device, int attribute, void *ret))         \
    F(cuDeviceGraphMemTrim, (CUdevice device))                                           \
    F(cuGraphLaunch, (CUgraphExec graph, CUstream stream))                               \
    F(cuGraphLaunch_ptsz, (CUgraphExec graph, CUstream stream))                          \
    F(cuGraphDestroy, (CUgraph graph))                                                   \
    F(cuGraphExecDestroy, (CUgraphExec graph))                                           \
    F(cuEventCreate, (CUevent * ret, unsigned flags))                                    \
    F(cuEventRecord, (CUevent event, CUstream stream))                                   \
    F(cuEventQuery, (CUevent event))                                                     \
    F(cuEventSynchronize, (CUevent event))                                               \
    F(cuEventDestroy_v2, (CUevent event))                                                \
    F(cuEventElapsedTime, (float *ret_ms, CUevent from, CUevent to))                     \
    F(cuEventElapsedTime_v2, (float *ret_ms, CUevent from, CUevent to))                  \
    F(cuLaunchKernel,                                                                    \
      (CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,    \
       unsigned bz, unsigned shared, CUstream stream, void **params, void **extra))      \
    F(cuLaunchKernel_ptsz,                                                               \
      (CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,    \
       unsigned bz, unsigned shared, CUstream stream, void **params, void **extra))      \
    F(cuLaunchKernelEx,                                                                  \
      (const CUlaunchConfig *config, CUfunction f, void **params, void **extra))         \
    F(cuLaunchKernelEx_ptsz,                                                             \
      (const CUlaunchConfig *config, CUfunction f, void **params, void **extra))         \
    F(cuLaunchCooperativeKernel,                                                         \
      (CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,    \
       unsigned bz, unsigned shared, CUstream stream, void **params))

#define DECLARE(name, arguments) CUresult name arguments;
#ifdef CUDA_API_DEFINED_HERE /* the fake, which exports them */
#pragma GCC visibility push(default)
#endif
CUDA_FUNCTIONS(DECLARE)
#ifdef CUDA_API_DEFINED_HERE
#pragma GCC visibility pop
#endif
#undef DECLARE

#endif
