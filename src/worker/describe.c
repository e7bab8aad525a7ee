/* SPDX-License-Identifier: MIT */
/*
 * What a vGPU says of itself: the device's own answers, but for its framebuffer and for what
 * does not reach the device through a channel yet (images, shared virtual memory, pipes,
 * sub-devices, device-side queues). A query that the driver does not answer is left out, so the
 * guest refuses it as the driver would.
 */
#include "base/cleanup.h"
#include "worker/device.h"

#include <CL/cl_ext.h>
#include <string.h>

/* The longest answer that is believed. */
#define ANSWER_MAX (64u << 10)

struct answer {
    uint8_t *data; /* len bytes; may be shortened in place */
    size_t len;
    const struct device_limits *limits;
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

/* A list of properties that ends at once. */
static void
be_end_of_list(struct answer *a)
{
    be_zero(a);
    a->len = min_u64(a->len, sizeof(cl_device_partition_property));
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

/* Extensions that need nothing but the kernel language, or queries answered from this table. */
static const char *const forwarded_extensions[] = {
    "cl_khr_byte_addressable_store",
    "cl_khr_global_int32_base_atomics",
    "cl_khr_global_int32_extended_atomics",
    "cl_khr_local_int32_base_atomics",
    "cl_khr_local_int32_extended_atomics",
    "cl_khr_int64_base_atomics",
    "cl_khr_int64_extended_atomics",
    "cl_khr_fp16",
    "cl_khr_fp64",
    "cl_khr_select_fprounding_mode",
    "cl_khr_expect_assume",
    "cl_khr_extended_bit_ops",
    "cl_khr_work_group_uniform_arithmetic",
    "cl_khr_il_program",
    "cl_khr_spirv_linkonce_odr",
    "cl_khr_spirv_no_integer_wrap_decoration",
    "cl_khr_subgroups",
    "cl_khr_subgroup_extended_types",
    "cl_khr_subgroup_non_uniform_vote",
    "cl_khr_subgroup_ballot",
    "cl_khr_subgroup_non_uniform_arithmetic",
    "cl_khr_subgroup_shuffle",
    "cl_khr_subgroup_shuffle_relative",
    "cl_khr_subgroup_clustered_reduce",
    "cl_khr_subgroup_rotate",
    "cl_khr_device_uuid",
    "cl_khr_pci_bus_info",
    "cl_khr_extended_versioning",
    "cl_khr_icd",
    "cl_nv_device_attribute_query",
    "cl_nv_compiler_options",
    "cl_nv_pragma_unroll",
};

/* Features of OpenCL C that need what is not forwarded. */
static const char *const missing_features[] = {
    "__opencl_c_images", "__opencl_c_3d_image_writes", "__opencl_c_read_write_images",
    "__opencl_c_pipes",  "__opencl_c_device_enqueue",
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

static void
be_forwarded_extensions(struct answer *a)
{
    char *text = (char *)a->data, *to = text, *save = NULL;

    text[a->len - 1] = '\0';
    for (char *word = strtok_r(text, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        size_t len = strlen(word);

        if (!NAME_IN(word, len, forwarded_extensions))
            continue;
        if (to != text)
            *to++ = ' ';
        memmove(to, word, len); /* never past the word itself: to only falls behind */
        to += len;
    }
    *to++ = '\0';
    a->len = (size_t)(to - text);
}

/* Keeps those entries of a cl_name_version list that are in the list, or that are not. */
static void
filter_versions(struct answer *a, const char *const *list, size_t n, bool keep)
{
    cl_name_version entry;
    size_t kept = 0;

    for (size_t at = 0; at + sizeof entry <= a->len; at += sizeof entry) {
        memcpy(&entry, a->data + at, sizeof entry);
        if (name_in(entry.name, strnlen(entry.name, sizeof entry.name), list, n) != keep)
            continue;
        memmove(a->data + kept, &entry, sizeof entry);
        kept += sizeof entry;
    }
    a->len = kept;
}

static void
be_forwarded_versions(struct answer *a)
{
    filter_versions(a, forwarded_extensions,
                    sizeof forwarded_extensions / sizeof *forwarded_extensions, true);
}

static void
be_present_features(struct answer *a)
{
    filter_versions(a, missing_features,
                    sizeof missing_features / sizeof *missing_features, false);
}

/* ---- the table --------------------------------------------------------------------- */

/* Left out: CL_DEVICE_PLATFORM and CL_DEVICE_PARENT_DEVICE, which are handles. */
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
    {CL_DEVICE_IMAGE_SUPPORT, be_zero},
    {CL_DEVICE_MAX_READ_IMAGE_ARGS, be_zero},
    {CL_DEVICE_MAX_WRITE_IMAGE_ARGS, be_zero},
    {CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS, be_zero},
    {CL_DEVICE_IMAGE2D_MAX_WIDTH, be_zero},
    {CL_DEVICE_IMAGE2D_MAX_HEIGHT, be_zero},
    {CL_DEVICE_IMAGE3D_MAX_WIDTH, be_zero},
    {CL_DEVICE_IMAGE3D_MAX_HEIGHT, be_zero},
    {CL_DEVICE_IMAGE3D_MAX_DEPTH, be_zero},
    {CL_DEVICE_IMAGE_MAX_BUFFER_SIZE, be_zero},
    {CL_DEVICE_IMAGE_MAX_ARRAY_SIZE, be_zero},
    {CL_DEVICE_IMAGE_PITCH_ALIGNMENT, be_zero},
    {CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, be_zero},
    {CL_DEVICE_MAX_SAMPLERS, be_zero},
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
    {CL_DEVICE_BUILT_IN_KERNELS, NULL},
    {CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION, NULL},
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
    {CL_DEVICE_PARTITION_MAX_SUB_DEVICES, be_zero},
    {CL_DEVICE_PARTITION_PROPERTIES, be_end_of_list},
    {CL_DEVICE_PARTITION_AFFINITY_DOMAIN, be_zero},
    {CL_DEVICE_PARTITION_TYPE, be_end_of_list},
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
    {CL_DEVICE_IL_VERSION, NULL},
    {CL_DEVICE_ILS_WITH_VERSION, NULL},
    {CL_DEVICE_MAX_NUM_SUB_GROUPS, NULL},
    {CL_DEVICE_SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS, NULL},
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

void
device_describe(const struct device *d, const struct device_limits *limits,
                struct bytes *b)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        _cleanup_free_ uint8_t *data = NULL;
        struct answer a = {.limits = limits};

        if (!device_ask(d, table[i].param, &data, &a.len))
            continue;
        a.data = data;
        /* A change may look at the first byte, so an empty answer stays what it is. */
        if (table[i].change && a.len > 0)
            table[i].change(&a);
        bytes_u64(b, table[i].param);
        bytes_string(b, a.data, a.len);
    }
}
