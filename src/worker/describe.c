/* SPDX-License-Identifier: MIT */
/*
 * What a vGPU says of itself: the device's own answers, but for its framebuffer and for what
 * does not reach the device through a channel yet (shared virtual memory, pipes,
 * device-side queues). A query that the driver does not answer is left out, so the
 * guest refuses it as the driver would.
 */
#include "base/cleanup.h"
#include "worker/device.h"

#include <CL/cl_ext.h>
#include <string.h>

/* The longest answer that is believed. */
#define ANSWER_MAX (64u << 10)

/* Of extensions that are younger than the headers. */
#define KERNEL_CLOCK_CAPABILITIES 0x1076
#define SINGLE_FP_ATOMIC_CAPABILITIES 0x4231
#define DOUBLE_FP_ATOMIC_CAPABILITIES 0x4232
#define HALF_FP_ATOMIC_CAPABILITIES 0x4233

struct answer {
    uint8_t *data; /* len bytes; may be shortened in place */
    size_t len;
    const struct device_limits *limits;
    const struct device *device;
};

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- how an answer is changed ------------------------------------------------------ */

static void
be_zero(struct answer *a)
{
    memset(a->data, 0, a->len);
}

static void
be_empty(struct answer *a)
{
    a->len = 0;
}

static void
be_empty_string(struct answer *a)
{
    a->data[0] = '\0';
    a->len = 1;
}

static void
be_one(struct answer *a)
{
    be_zero(a);
    a->data[0] = 1;
}

static void
be_framebuffer(struct answer *a)
{
    if (a->len == sizeof a->limits->framebuffer_bytes)
        memcpy(a->data, &a->limits->framebuffer_bytes, a->len);
}

static void
be_at_most_framebuffer(struct answer *a)
{
    uint64_t bytes;

    if (a->len != sizeof bytes)
        return;
    memcpy(&bytes, a->data, sizeof bytes);
    bytes = min_u64(bytes, a->limits->framebuffer_bytes);
    memcpy(a->data, &bytes, sizeof bytes);
}

static void
be_host_unified(struct answer *a)
{
    if (!a->limits->host_unified)
        be_zero(a);
}

static void
be_without_native_kernels(struct answer *a)
{
    cl_device_exec_capabilities v;

    if (a->len != sizeof v)
        return;
    memcpy(&v, a->data, sizeof v);
    v &= ~(cl_device_exec_capabilities)CL_EXEC_NATIVE_KERNEL;
    memcpy(a->data, &v, sizeof v);
}

/*
 * Extensions that need nothing but the kernel language, or queries answered from the table below,
 * or functions that travel (api/opencl.toml). Those of images and of sub-groups wait for these.
 */
static const char *const forwarded_extensions[] = {
    "cl_amd_device_attribute_query",
    "cl_amd_media_ops",
    "cl_amd_media_ops2",
    "cl_amd_popcnt",
    "cl_amd_vec3",
    "cl_arm_core_id",
    "cl_arm_integer_dot_product_accumulate_int16",
    "cl_arm_integer_dot_product_accumulate_int8",
    "cl_arm_integer_dot_product_accumulate_saturate_int8",
    "cl_arm_integer_dot_product_int8",
    "cl_ext_cxx_for_opencl",
    "cl_ext_float_atomics",
    "cl_intel_bfloat16_conversions",
    "cl_intel_device_attribute_query",
    "cl_intel_split_work_group_barrier",
    "cl_khr_3d_image_writes",
    "cl_khr_async_work_group_copy_fence",
    "cl_khr_byte_addressable_store",
    "cl_khr_command_buffer",
    "cl_khr_create_command_queue",
    "cl_khr_depth_images",
    "cl_khr_device_uuid",
    "cl_khr_expect_assume",
    "cl_khr_extended_async_copies",
    "cl_khr_extended_bit_ops",
    "cl_khr_extended_versioning",
    "cl_khr_fp16",
    "cl_khr_fp64",
    "cl_khr_global_int32_base_atomics",
    "cl_khr_global_int32_extended_atomics",
    "cl_khr_icd",
    "cl_khr_image2d_from_buffer",
    "cl_khr_int64_base_atomics",
    "cl_khr_int64_extended_atomics",
    "cl_khr_integer_dot_product",
    "cl_khr_kernel_clock",
    "cl_khr_local_int32_base_atomics",
    "cl_khr_local_int32_extended_atomics",
    "cl_khr_pci_bus_info",
    "cl_khr_select_fprounding_mode",
    "cl_khr_spir",
    "cl_khr_suggested_local_work_size",
    "cl_khr_work_group_uniform_arithmetic",
    "cl_nv_compiler_options",
    "cl_nv_device_attribute_query",
    "cl_nv_pragma_unroll",
};

/* Features of OpenCL C that need what is not forwarded. */
static const char *const missing_features[] = {
    "__opencl_c_pipes",
    "__opencl_c_device_enqueue",
    "__opencl_c_subgroups",
};

static bool
name_in(const char *name, size_t len, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(list[i]) == len && memcmp(list[i], name, len) == 0)
            return true;
    }
    return false;
}

#define NAME_IN(name, len, list) name_in(name, len, list, sizeof(list) / sizeof *(list))

/* Is the extension passed on? Not where the driver lacks a function of it. */
static bool
extension_forwarded(const struct answer *a, const char *name, size_t len)
{
    return NAME_IN(name, len, forwarded_extensions) &&
           device_has_functions(a->device, name, len);
}

static void
be_forwarded_extensions(struct answer *a)
{
    char *text = (char *)a->data, *to = text, *save = NULL;

    text[a->len - 1] = '\0';
    for (char *word = strtok_r(text, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        size_t len = strlen(word);

        if (!extension_forwarded(a, word, len))
            continue;
        if (to != text)
            *to++ = ' ';
        memmove(to, word, len); /* never past the word itself: to only falls behind */
        to += len;
    }
    *to++ = '\0';
    a->len = (size_t)(to - text);
}

static bool
feature_present(const struct answer *a, const char *name, size_t len)
{
    (void)a;
    return !NAME_IN(name, len, missing_features);
}

/* Keeps those entries of a cl_name_version list whose name is good. */
static void
filter_versions(struct answer *a,
                bool (*good)(const struct answer *a, const char *name, size_t len))
{
    cl_name_version entry;
    size_t kept = 0;

    for (size_t at = 0; at + sizeof entry <= a->len; at += sizeof entry) {
        memcpy(&entry, a->data + at, sizeof entry);
        if (!good(a, entry.name, strnlen(entry.name, sizeof entry.name)))
            continue;
        memmove(a->data + kept, &entry, sizeof entry);
        kept += sizeof entry;
    }
    a->len = kept;
}

static void
be_forwarded_versions(struct answer *a)
{
    filter_versions(a, extension_forwarded);
}

static void
be_present_features(struct answer *a)
{
    filter_versions(a, feature_present);
}

/* ---- the table --------------------------------------------------------------------- */

/*
 * Left out: CL_DEVICE_PLATFORM and CL_DEVICE_PARENT_DEVICE, which are handles. A query of a vendor
 * is here when its answer holds no handle and says nothing of other guests (free memory does).
 */
static const struct {
    cl_device_info param;
    void (*change)(struct answer *a); /* NULL: as the device says */
} table[] = {
    {CL_DEVICE_TYPE, NULL},
    {CL_DEVICE_VENDOR_ID, NULL},
    {CL_DEVICE_MAX_COMPUTE_UNITS, NULL},
    {CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, NULL},
    {CL_DEVICE_MAX_WORK_GROUP_SIZE, NULL},
    {CL_DEVICE_MAX_WORK_ITEM_SIZES, NULL},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR, NULL},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT, NULL},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_INT, NULL},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_LONG, NULL},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, NULL},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE, NULL},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF, NULL},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR, NULL},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_SHORT, NULL},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_INT, NULL},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_LONG, NULL},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, NULL},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE, NULL},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, NULL},
    {CL_DEVICE_MAX_CLOCK_FREQUENCY, NULL},
    {CL_DEVICE_ADDRESS_BITS, NULL},
    {CL_DEVICE_MAX_MEM_ALLOC_SIZE, be_at_most_framebuffer},
    {CL_DEVICE_IMAGE_SUPPORT, NULL},
    {CL_DEVICE_MAX_READ_IMAGE_ARGS, NULL},
    {CL_DEVICE_MAX_WRITE_IMAGE_ARGS, NULL},
    {CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS, NULL},
    {CL_DEVICE_IMAGE2D_MAX_WIDTH, NULL},
    {CL_DEVICE_IMAGE2D_MAX_HEIGHT, NULL},
    {CL_DEVICE_IMAGE3D_MAX_WIDTH, NULL},
    {CL_DEVICE_IMAGE3D_MAX_HEIGHT, NULL},
    {CL_DEVICE_IMAGE3D_MAX_DEPTH, NULL},
    {CL_DEVICE_IMAGE_MAX_BUFFER_SIZE, NULL},
    {CL_DEVICE_IMAGE_MAX_ARRAY_SIZE, NULL},
    {CL_DEVICE_IMAGE_PITCH_ALIGNMENT, NULL},
    {CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, NULL},
    {CL_DEVICE_MAX_SAMPLERS, NULL},
    {CL_DEVICE_MAX_PARAMETER_SIZE, NULL},
    {CL_DEVICE_MEM_BASE_ADDR_ALIGN, NULL},
    {CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE, NULL},
    {CL_DEVICE_SINGLE_FP_CONFIG, NULL},
    {CL_DEVICE_DOUBLE_FP_CONFIG, NULL},
    {CL_DEVICE_HALF_FP_CONFIG, NULL},
    {CL_DEVICE_GLOBAL_MEM_CACHE_TYPE, NULL},
    {CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE, NULL},
    {CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, NULL},
    {CL_DEVICE_GLOBAL_MEM_SIZE, be_framebuffer},
    {CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, be_at_most_framebuffer},
    {CL_DEVICE_MAX_CONSTANT_ARGS, NULL},
    {CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE, be_at_most_framebuffer},
    {CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE, be_at_most_framebuffer},
    {CL_DEVICE_LOCAL_MEM_TYPE, NULL},
    {CL_DEVICE_LOCAL_MEM_SIZE, NULL},
    {CL_DEVICE_ERROR_CORRECTION_SUPPORT, NULL},
    {CL_DEVICE_HOST_UNIFIED_MEMORY, be_host_unified},
    {CL_DEVICE_PROFILING_TIMER_RESOLUTION, NULL},
    {CL_DEVICE_ENDIAN_LITTLE, NULL},
    {CL_DEVICE_AVAILABLE, NULL},
    {CL_DEVICE_COMPILER_AVAILABLE, NULL},
    {CL_DEVICE_LINKER_AVAILABLE, NULL},
    {CL_DEVICE_EXECUTION_CAPABILITIES, be_without_native_kernels},
    {CL_DEVICE_QUEUE_ON_HOST_PROPERTIES, NULL},
    {CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES, be_zero},
    {CL_DEVICE_QUEUE_ON_DEVICE_PREFERRED_SIZE, be_zero},
    {CL_DEVICE_QUEUE_ON_DEVICE_MAX_SIZE, be_zero},
    {CL_DEVICE_MAX_ON_DEVICE_QUEUES, be_zero},
    {CL_DEVICE_MAX_ON_DEVICE_EVENTS, be_zero},
    {CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES, be_zero},
    {CL_DEVICE_BUILT_IN_KERNELS, be_empty_string},
    {CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION, be_empty},
    {CL_DEVICE_NAME, NULL},
    {CL_DEVICE_VENDOR, NULL},
    {CL_DRIVER_VERSION, NULL},
    {CL_DEVICE_PROFILE, NULL},
    {CL_DEVICE_VERSION, NULL},
    {CL_DEVICE_NUMERIC_VERSION, NULL},
    {CL_DEVICE_OPENCL_C_VERSION, NULL},
    {CL_DEVICE_OPENCL_C_ALL_VERSIONS, NULL},
    {CL_DEVICE_OPENCL_C_NUMERIC_VERSION_KHR, NULL},
    {CL_DEVICE_OPENCL_C_FEATURES, be_present_features},
    {CL_DEVICE_EXTENSIONS, be_forwarded_extensions},
    {CL_DEVICE_EXTENSIONS_WITH_VERSION, be_forwarded_versions},
    {CL_DEVICE_PRINTF_BUFFER_SIZE, NULL},
    {CL_DEVICE_PREFERRED_INTEROP_USER_SYNC, NULL},
    {CL_DEVICE_PARTITION_MAX_SUB_DEVICES, NULL},
    {CL_DEVICE_PARTITION_PROPERTIES, NULL},
    {CL_DEVICE_PARTITION_AFFINITY_DOMAIN, NULL},
    {CL_DEVICE_PARTITION_TYPE, NULL},
    {CL_DEVICE_REFERENCE_COUNT, be_one},
    {CL_DEVICE_SVM_CAPABILITIES, be_zero},
    {CL_DEVICE_PREFERRED_PLATFORM_ATOMIC_ALIGNMENT, NULL},
    {CL_DEVICE_PREFERRED_GLOBAL_ATOMIC_ALIGNMENT, NULL},
    {CL_DEVICE_PREFERRED_LOCAL_ATOMIC_ALIGNMENT, NULL},
    {CL_DEVICE_ATOMIC_MEMORY_CAPABILITIES, NULL},
    {CL_DEVICE_ATOMIC_FENCE_CAPABILITIES, NULL},
    {CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT, NULL},
    {CL_DEVICE_WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT, NULL},
    {CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT, NULL},
    {CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, NULL},
    {CL_DEVICE_PIPE_SUPPORT, be_zero},
    {CL_DEVICE_MAX_PIPE_ARGS, be_zero},
    {CL_DEVICE_PIPE_MAX_ACTIVE_RESERVATIONS, be_zero},
    {CL_DEVICE_PIPE_MAX_PACKET_SIZE, be_zero},
    {CL_DEVICE_IL_VERSION, be_empty_string},
    {CL_DEVICE_ILS_WITH_VERSION, be_empty},
    {CL_DEVICE_MAX_NUM_SUB_GROUPS, be_zero},
    {CL_DEVICE_SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS, be_zero},
    {CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED, NULL},
    {CL_DEVICE_UUID_KHR, NULL},
    {CL_DRIVER_UUID_KHR, NULL},
    {CL_DEVICE_LUID_VALID_KHR, NULL},
    {CL_DEVICE_LUID_KHR, NULL},
    {CL_DEVICE_NODE_MASK_KHR, NULL},
    {CL_DEVICE_PCI_BUS_INFO_KHR, NULL},
    {CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV, NULL},
    {CL_DEVICE_COMPUTE_CAPABILITY_MINOR_NV, NULL},
    {CL_DEVICE_REGISTERS_PER_BLOCK_NV, NULL},
    {CL_DEVICE_WARP_SIZE_NV, NULL},
    {CL_DEVICE_GPU_OVERLAP_NV, NULL},
    {CL_DEVICE_KERNEL_EXEC_TIMEOUT_NV, NULL},
    {CL_DEVICE_INTEGRATED_MEMORY_NV, NULL},
    {CL_DEVICE_COMMAND_BUFFER_CAPABILITIES_KHR, NULL},
    {CL_DEVICE_COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES_KHR, NULL},
    {CL_DEVICE_INTEGER_DOT_PRODUCT_CAPABILITIES_KHR, NULL},
    {CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_8BIT_KHR, NULL},
    {CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_4x8BIT_PACKED_KHR, NULL},
    {KERNEL_CLOCK_CAPABILITIES, NULL},
    {CL_DEVICE_SPIR_VERSIONS, NULL},
    {CL_DEVICE_CXX_FOR_OPENCL_NUMERIC_VERSION_EXT, NULL},
    {SINGLE_FP_ATOMIC_CAPABILITIES, NULL},
    {DOUBLE_FP_ATOMIC_CAPABILITIES, NULL},
    {HALF_FP_ATOMIC_CAPABILITIES, NULL},
    {CL_DEVICE_COMPUTE_UNITS_BITFIELD_ARM, NULL},
    {CL_DEVICE_IP_VERSION_INTEL, NULL},
    {CL_DEVICE_ID_INTEL, NULL},
    {CL_DEVICE_NUM_SLICES_INTEL, NULL},
    {CL_DEVICE_NUM_SUB_SLICES_PER_SLICE_INTEL, NULL},
    {CL_DEVICE_NUM_EUS_PER_SUB_SLICE_INTEL, NULL},
    {CL_DEVICE_NUM_THREADS_PER_EU_INTEL, NULL},
    {CL_DEVICE_FEATURE_CAPABILITIES_INTEL, NULL},
    {CL_DEVICE_PROFILING_TIMER_OFFSET_AMD, NULL},
    {CL_DEVICE_TOPOLOGY_AMD, NULL},
    {CL_DEVICE_BOARD_NAME_AMD, NULL},
    {CL_DEVICE_SIMD_PER_COMPUTE_UNIT_AMD, NULL},
    {CL_DEVICE_SIMD_WIDTH_AMD, NULL},
    {CL_DEVICE_SIMD_INSTRUCTION_WIDTH_AMD, NULL},
    {CL_DEVICE_WAVEFRONT_WIDTH_AMD, NULL},
    {CL_DEVICE_GLOBAL_MEM_CHANNELS_AMD, NULL},
    {CL_DEVICE_GLOBAL_MEM_CHANNEL_BANKS_AMD, NULL},
    {CL_DEVICE_GLOBAL_MEM_CHANNEL_BANK_WIDTH_AMD, NULL},
    {CL_DEVICE_LOCAL_MEM_SIZE_PER_COMPUTE_UNIT_AMD, NULL},
    {CL_DEVICE_LOCAL_MEM_BANKS_AMD, NULL},
    {CL_DEVICE_THREAD_TRACE_SUPPORTED_AMD, NULL},
    {CL_DEVICE_GFXIP_MAJOR_AMD, NULL},
    {CL_DEVICE_GFXIP_MINOR_AMD, NULL},
    {CL_DEVICE_AVAILABLE_ASYNC_QUEUES_AMD, NULL},
    {CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_AMD, NULL},
    {CL_DEVICE_MAX_WORK_GROUP_SIZE_AMD, NULL},
    {CL_DEVICE_PREFERRED_CONSTANT_BUFFER_SIZE_AMD, NULL},
    {CL_DEVICE_PCIE_ID_AMD, NULL},
    {NV_ATTRIBUTE_ASYNC_ENGINE_COUNT, NULL},
    {NV_PCI_BUS_ID, NULL},
    {NV_PCI_SLOT_ID, NULL},
    {NV_PCI_DOMAIN_ID, NULL},
};

/* false: the driver does not answer this query. *ret_data is owned by the caller. */
static bool
device_ask(const struct device *d, cl_device_info param, uint8_t **ret_data,
           size_t *ret_len)
{
    _cleanup_free_ uint8_t *data = NULL;
    size_t len = 0;

    if (d->cl->clGetDeviceInfo(d->id, param, 0, NULL, &len) != CL_SUCCESS ||
        len > ANSWER_MAX)
        return false;
    data = calloc(1, len + sizeof(uint64_t));
    if (!data ||
        (len > 0 && d->cl->clGetDeviceInfo(d->id, param, len, data, NULL) != CL_SUCCESS))
        return false;
    *ret_data = take_ptr(data);
    *ret_len = len;
    return true;
}

/* No answer of the device, but of its platform: the guest's platform has none of its own. */
static void
describe_host_timer(const struct device *d, struct bytes *b)
{
    cl_ulong resolution = 0;

    if (d->version < CL_MAKE_VERSION(2, 1, 0) ||
        d->cl->clGetPlatformInfo(d->platform, CL_PLATFORM_HOST_TIMER_RESOLUTION,
                                 sizeof resolution, &resolution, NULL) != CL_SUCCESS)
        return;
    bytes_u64(b, CL_PLATFORM_HOST_TIMER_RESOLUTION);
    bytes_string(b, &resolution, sizeof resolution);
}

void
device_describe(const struct device *d, const struct device_limits *limits,
                struct bytes *b)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        _cleanup_free_ uint8_t *data = NULL;
        struct answer a = {.limits = limits, .device = d};

        if (!device_ask(d, table[i].param, &data, &a.len))
            continue;
        a.data = data;
        /* A change may look at the first byte, so an empty answer stays what it is. */
        if (table[i].change && a.len > 0)
            table[i].change(&a);
        bytes_u64(b, table[i].param);
        bytes_string(b, a.data, a.len);
    }
    describe_host_timer(d, b);
}
