/* SPDX-License-Identifier: MIT */
/* The fake driver's only device: what it says of itself is a table. */
#include "worker/fake_internal.h"

#define VALUE(type, ...) &(const type){__VA_ARGS__}, sizeof(type)
#define ULONG(v) VALUE(cl_ulong, v)
#define UINT(v) VALUE(cl_uint, v)
#define BOOL(v) VALUE(cl_bool, v)
#define SIZE(v) VALUE(size_t, v)
#define STRING(s) "" s, sizeof(s)
#define NONE NULL, 0

/* The extensions, once as words and once with versions. */
#define EXTENSIONS                                                                       \
    "cl_khr_byte_addressable_store cl_khr_global_int32_base_atomics "                    \
    "cl_khr_local_int32_base_atomics cl_khr_device_uuid "                                \
    "cl_khr_create_command_queue cl_khr_suggested_local_work_size "                      \
    "cl_khr_command_buffer"
#define VERSION_1 CL_MAKE_VERSION(1, 0, 0)
#define C_VERSION(major, minor)                                                          \
    {                                                                                    \
        CL_MAKE_VERSION(major, minor, 0), "OpenCL C"                                     \
    }

struct _cl_device_id fake_device = {
    .base = {.dispatch = &fake_dispatch, .kind = FAKE_DEVICE}};

static const cl_platform_id platform = &fake_platform;

static const cl_name_version extensions[] = {
    {VERSION_1, "cl_khr_byte_addressable_store"},
    {VERSION_1, "cl_khr_global_int32_base_atomics"},
    {VERSION_1, "cl_khr_local_int32_base_atomics"},
    {VERSION_1, "cl_khr_device_uuid"},
    {VERSION_1, "cl_khr_create_command_queue"},
    {VERSION_1, "cl_khr_suggested_local_work_size"},
    {CL_MAKE_VERSION(0, 9, 0), "cl_khr_command_buffer"},
};

static const cl_name_version c_versions[] = {C_VERSION(1, 0), C_VERSION(1, 1),
                                             C_VERSION(1, 2), C_VERSION(3, 0)};

static const cl_uchar uuid[CL_UUID_SIZE_KHR] = "tessera-fake-gpu";

static const struct fake_info identity[] = {
    {CL_DEVICE_TYPE, VALUE(cl_device_type, CL_DEVICE_TYPE_CPU)},
    {CL_DEVICE_VENDOR_ID, UINT(0xFA4E)},
    {CL_DEVICE_NAME, STRING("Tessera fake device")},
    {CL_DEVICE_VENDOR, STRING("Tessera")},
    {CL_DRIVER_VERSION, STRING("1.0")},
    {CL_DEVICE_PROFILE, STRING("FULL_PROFILE")},
    {CL_DEVICE_VERSION, STRING("OpenCL 3.0 fake")},
    {CL_DEVICE_NUMERIC_VERSION, VALUE(cl_version, CL_MAKE_VERSION(3, 0, 0))},
    {CL_DEVICE_OPENCL_C_VERSION, STRING("OpenCL C 1.2 fake")},
    {CL_DEVICE_OPENCL_C_ALL_VERSIONS, c_versions, sizeof(c_versions)},
    {CL_DEVICE_OPENCL_C_FEATURES, NONE},
    {CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED, STRING("")},
    {CL_DEVICE_EXTENSIONS, STRING(EXTENSIONS)},
    {CL_DEVICE_EXTENSIONS_WITH_VERSION, extensions, sizeof(extensions)},
    {CL_DEVICE_IL_VERSION, STRING("")},
    {CL_DEVICE_ILS_WITH_VERSION, NONE},
    {CL_DEVICE_BUILT_IN_KERNELS, STRING("")},
    {CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION, NONE},
    {CL_DEVICE_PLATFORM, &platform, sizeof(cl_platform_id)},
    {CL_DEVICE_PARENT_DEVICE, VALUE(cl_device_id, NULL)},
    {CL_DEVICE_REFERENCE_COUNT, UINT(1)},
    {CL_DEVICE_AVAILABLE, BOOL(CL_TRUE)},
    {CL_DEVICE_COMPILER_AVAILABLE, BOOL(CL_TRUE)},
    {CL_DEVICE_LINKER_AVAILABLE, BOOL(CL_TRUE)},
    {CL_DEVICE_UUID_KHR, uuid, sizeof(uuid)},
    {CL_DRIVER_UUID_KHR, uuid, sizeof(uuid)},
    {CL_DEVICE_LUID_VALID_KHR, BOOL(CL_FALSE)},
    {CL_DEVICE_COMMAND_BUFFER_CAPABILITIES_KHR,
     VALUE(cl_device_command_buffer_capabilities_khr,
           CL_COMMAND_BUFFER_CAPABILITY_SIMULTANEOUS_USE_KHR |
               CL_COMMAND_BUFFER_CAPABILITY_OUT_OF_ORDER_KHR)},
    {CL_DEVICE_COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES_KHR,
     VALUE(cl_command_queue_properties, 0)},
};

static const struct fake_info compute[] = {
    {CL_DEVICE_MAX_COMPUTE_UNITS, UINT(4)},
    {CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, UINT(3)},
    {CL_DEVICE_MAX_WORK_GROUP_SIZE, SIZE(FAKE_MAX_GROUP_SIZE)},
    {CL_DEVICE_MAX_WORK_ITEM_SIZES,
     &(const size_t[3]){FAKE_MAX_GROUP_SIZE, FAKE_MAX_GROUP_SIZE, FAKE_MAX_GROUP_SIZE},
     sizeof(size_t[3])},
    {CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, SIZE(8)},
    {CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT, BOOL(CL_FALSE)},
    {CL_DEVICE_WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT, BOOL(CL_FALSE)},
    {CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT, BOOL(CL_FALSE)},
    {CL_DEVICE_MAX_NUM_SUB_GROUPS, UINT(0)},
    {CL_DEVICE_SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS, BOOL(CL_FALSE)},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR, UINT(16)},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT, UINT(8)},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_INT, UINT(4)},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_LONG, UINT(2)},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, UINT(4)},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE, UINT(0)},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF, UINT(0)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR, UINT(16)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_SHORT, UINT(8)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_INT, UINT(4)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_LONG, UINT(2)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, UINT(4)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE, UINT(0)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, UINT(0)},
    {CL_DEVICE_MAX_CLOCK_FREQUENCY, UINT(1000)},
    {CL_DEVICE_ADDRESS_BITS, UINT(64)},
    {CL_DEVICE_ENDIAN_LITTLE, BOOL(CL_TRUE)},
    {CL_DEVICE_SINGLE_FP_CONFIG,
     VALUE(cl_device_fp_config, CL_FP_ROUND_TO_NEAREST | CL_FP_INF_NAN)},
    {CL_DEVICE_DOUBLE_FP_CONFIG, VALUE(cl_device_fp_config, 0)},
    {CL_DEVICE_EXECUTION_CAPABILITIES,
     VALUE(cl_device_exec_capabilities, CL_EXEC_KERNEL)},
    {CL_DEVICE_QUEUE_ON_HOST_PROPERTIES,
     VALUE(cl_command_queue_properties,
           CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE)},
    {CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES, VALUE(cl_command_queue_properties, 0)},
    {CL_DEVICE_QUEUE_ON_DEVICE_PREFERRED_SIZE, UINT(0)},
    {CL_DEVICE_QUEUE_ON_DEVICE_MAX_SIZE, UINT(0)},
    {CL_DEVICE_MAX_ON_DEVICE_QUEUES, UINT(0)},
    {CL_DEVICE_MAX_ON_DEVICE_EVENTS, UINT(0)},
    {CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES,
     VALUE(cl_device_device_enqueue_capabilities, 0)},
    {CL_DEVICE_PROFILING_TIMER_RESOLUTION, SIZE(1)},
    {CL_DEVICE_PRINTF_BUFFER_SIZE, SIZE(1 << 20)},
    {CL_DEVICE_PREFERRED_INTEROP_USER_SYNC, BOOL(CL_TRUE)},
    {CL_DEVICE_PARTITION_MAX_SUB_DEVICES, UINT(0)},
    {CL_DEVICE_PARTITION_PROPERTIES, VALUE(cl_device_partition_property, 0)},
    {CL_DEVICE_PARTITION_AFFINITY_DOMAIN, VALUE(cl_device_affinity_domain, 0)},
    {CL_DEVICE_PARTITION_TYPE, NONE},
};

static const struct fake_info memory[] = {
    {CL_DEVICE_GLOBAL_MEM_SIZE, ULONG(FAKE_MEMORY_BYTES)},
    {CL_DEVICE_MAX_MEM_ALLOC_SIZE, ULONG(FAKE_MEMORY_BYTES)},
    {CL_DEVICE_GLOBAL_MEM_CACHE_TYPE,
     VALUE(cl_device_mem_cache_type, CL_READ_WRITE_CACHE)},
    {CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE, UINT(64)},
    {CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, ULONG(1 << 20)},
    {CL_DEVICE_HOST_UNIFIED_MEMORY, BOOL(CL_TRUE)},
    {CL_DEVICE_ERROR_CORRECTION_SUPPORT, BOOL(CL_FALSE)},
    {CL_DEVICE_MEM_BASE_ADDR_ALIGN, UINT(FAKE_ALIGN_BYTES * 8)},
    {CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE, UINT(FAKE_ALIGN_BYTES)},
    {CL_DEVICE_MAX_PARAMETER_SIZE, SIZE(1024)},
    {CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, ULONG(1 << 16)},
    {CL_DEVICE_MAX_CONSTANT_ARGS, UINT(8)},
    {CL_DEVICE_LOCAL_MEM_TYPE, VALUE(cl_device_local_mem_type, CL_GLOBAL)},
    {CL_DEVICE_LOCAL_MEM_SIZE, ULONG(1 << 16)},
    {CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE, SIZE(0)},
    {CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE, SIZE(0)},
    {CL_DEVICE_SVM_CAPABILITIES, VALUE(cl_device_svm_capabilities, 0)},
    {CL_DEVICE_PREFERRED_PLATFORM_ATOMIC_ALIGNMENT, UINT(0)},
    {CL_DEVICE_PREFERRED_GLOBAL_ATOMIC_ALIGNMENT, UINT(0)},
    {CL_DEVICE_PREFERRED_LOCAL_ATOMIC_ALIGNMENT, UINT(0)},
    {CL_DEVICE_ATOMIC_MEMORY_CAPABILITIES,
     VALUE(cl_device_atomic_capabilities,
           CL_DEVICE_ATOMIC_ORDER_RELAXED | CL_DEVICE_ATOMIC_SCOPE_WORK_GROUP)},
    {CL_DEVICE_ATOMIC_FENCE_CAPABILITIES,
     VALUE(cl_device_atomic_capabilities, CL_DEVICE_ATOMIC_ORDER_RELAXED |
                                              CL_DEVICE_ATOMIC_ORDER_ACQ_REL |
                                              CL_DEVICE_ATOMIC_SCOPE_WORK_GROUP)},
    {CL_DEVICE_PIPE_SUPPORT, BOOL(CL_FALSE)},
    {CL_DEVICE_MAX_PIPE_ARGS, UINT(0)},
    {CL_DEVICE_PIPE_MAX_ACTIVE_RESERVATIONS, UINT(0)},
    {CL_DEVICE_PIPE_MAX_PACKET_SIZE, UINT(0)},
    {CL_DEVICE_IMAGE_SUPPORT, BOOL(CL_TRUE)},
    {CL_DEVICE_MAX_READ_IMAGE_ARGS, UINT(128)},
    {CL_DEVICE_MAX_WRITE_IMAGE_ARGS, UINT(64)},
    {CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS, UINT(0)},
    {CL_DEVICE_MAX_SAMPLERS, UINT(16)},
    {CL_DEVICE_IMAGE2D_MAX_WIDTH, SIZE(16384)},
    {CL_DEVICE_IMAGE2D_MAX_HEIGHT, SIZE(16384)},
    {CL_DEVICE_IMAGE3D_MAX_WIDTH, SIZE(2048)},
    {CL_DEVICE_IMAGE3D_MAX_HEIGHT, SIZE(2048)},
    {CL_DEVICE_IMAGE3D_MAX_DEPTH, SIZE(2048)},
    {CL_DEVICE_IMAGE_MAX_BUFFER_SIZE, SIZE(65536)},
    {CL_DEVICE_IMAGE_MAX_ARRAY_SIZE, SIZE(2048)},
    {CL_DEVICE_IMAGE_PITCH_ALIGNMENT, UINT(1)},
    {CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, UINT(1)},
};

cl_int
fake_clGetDeviceInfo(cl_device_id device, cl_device_info param_name,
                     size_t param_value_size, void *param_value,
                     size_t *param_value_size_ret)
{
    static const struct {
        const struct fake_info *table;
        size_t num;
    } tables[] = {
        {identity, ARRAY_LEN(identity)},
        {compute, ARRAY_LEN(compute)},
        {memory, ARRAY_LEN(memory)},
    };
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};

    if (!fake_is(device, FAKE_DEVICE))
        return CL_INVALID_DEVICE;
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        for (size_t i = 0; i < tables[t].num; i++) {
            const struct fake_info *info = &tables[t].table[i];

            if (info->param == param_name)
                return fake_answer(out, info->value, info->len);
        }
    }
    return CL_INVALID_VALUE;
}

cl_int
fake_clGetDeviceIDs(cl_platform_id of, cl_device_type device_type, cl_uint num_entries,
                    cl_device_id *devices, cl_uint *num_devices)
{
    const cl_device_type known = CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU |
                                 CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR |
                                 CL_DEVICE_TYPE_CUSTOM;

    if (of && !fake_is(of, FAKE_PLATFORM))
        return CL_INVALID_PLATFORM;
    if (!(device_type & known))
        return CL_INVALID_DEVICE_TYPE;
    if ((devices && num_entries == 0) || (!devices && !num_devices))
        return CL_INVALID_VALUE;
    if (!(device_type & (CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU)))
        return CL_DEVICE_NOT_FOUND;
    if (devices)
        devices[0] = &fake_device;
    if (num_devices)
        *num_devices = 1;
    return CL_SUCCESS;
}

/* As the calls want a list of devices: none means all. */
cl_int
fake_check_device(cl_uint num, const cl_device_id *devices)
{
    if (!num != !devices)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < num; i++) {
        if (devices[i] != &fake_device)
            return CL_INVALID_DEVICE;
    }
    return CL_SUCCESS;
}

/* A root device is not counted. */
cl_int
fake_clRetainDevice(cl_device_id device)
{
    return fake_is(device, FAKE_DEVICE) ? CL_SUCCESS : CL_INVALID_DEVICE;
}

cl_int
fake_clReleaseDevice(cl_device_id device)
{
    return fake_is(device, FAKE_DEVICE) ? CL_SUCCESS : CL_INVALID_DEVICE;
}

cl_int
fake_clGetHostTimer(cl_device_id device, cl_ulong *host_timestamp)
{
    if (!fake_is(device, FAKE_DEVICE))
        return CL_INVALID_DEVICE;
    if (!host_timestamp)
        return CL_INVALID_VALUE;
    *host_timestamp = fake_now_ns();
    return CL_SUCCESS;
}

cl_int
fake_clGetDeviceAndHostTimer(cl_device_id device, cl_ulong *device_timestamp,
                             cl_ulong *host_timestamp)
{
    if (!device_timestamp)
        return CL_INVALID_VALUE;

    cl_int err = fake_clGetHostTimer(device, host_timestamp);

    if (!err)
        *device_timestamp = *host_timestamp;
    return err;
}
