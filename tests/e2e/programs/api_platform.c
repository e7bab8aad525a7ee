/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 4.1 to 4.3: platforms, devices, timers, sub-devices. */
#include "api_use.h"

#include <stdio.h>

/* ---- 4.1 platforms ----------------------------------------------------------------- */

static bool
platforms_are_listed(const struct use *u)
{
    cl_platform_id all[8] = {NULL};
    cl_uint n = 0;

    return clGetPlatformIDs(0, NULL, &n) == CL_SUCCESS && n >= 1 && n <= 8 &&
           clGetPlatformIDs(8, all, NULL) == CL_SUCCESS && all[0] == u->platform;
}

/* CL_PLATFORM_EXTENSIONS and …_WITH_VERSION list the same names. */
static bool
extensions_agree(query_fn get, void *object, cl_uint words, cl_uint versions)
{
    static char text[8192], padded[8196];
    static cl_name_version list[128];
    size_t size = 0, n = 0;

    if (get(object, words, sizeof text, text, NULL) != CL_SUCCESS ||
        get(object, versions, sizeof list, list, &size) != CL_SUCCESS)
        return false;
    snprintf(padded, sizeof padded, " %s ", text);
    for (size_t i = 0; i < size / sizeof *list; i++) {
        char name[CL_NAME_VERSION_MAX_NAME_SIZE + 2];

        snprintf(name, sizeof name, " %s ", list[i].name);
        if (!strstr(padded, name))
            return false;
    }
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
        n++;
    return n == size / sizeof *list;
}

static bool
platform_strings_are_told(const struct use *u)
{
    static const cl_platform_info strings[] = {
        CL_PLATFORM_PROFILE, CL_PLATFORM_VERSION,    CL_PLATFORM_NAME,
        CL_PLATFORM_VENDOR,  CL_PLATFORM_EXTENSIONS,
    };

    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        char text[4096];
        size_t size = 0;

        if (clGetPlatformInfo(u->platform, strings[i], sizeof text, text, &size) !=
                CL_SUCCESS ||
            size != strlen(text) + 1)
            return false;
    }
    return true;
}

static void
platforms(struct use *u)
{
    cl_platform_id p;
    cl_uint n;

    RIGHT("clGetPlatformIDs", "the count, then the list", platforms_are_listed(u));
    WRONG("clGetPlatformIDs", "room for none", CL_INVALID_VALUE,
          clGetPlatformIDs(0, &p, &n));
    WRONG("clGetPlatformIDs", "nothing asked for", CL_INVALID_VALUE,
          clGetPlatformIDs(1, NULL, NULL));
    RIGHT("clGetPlatformInfo", "every string ends where it says",
          platform_strings_are_told(u));
    RIGHT("clGetPlatformInfo", "version 3.0",
          NUMBER(clGetPlatformInfo, u->platform, CL_PLATFORM_NUMERIC_VERSION) >> 12 ==
              CL_MAKE_VERSION(3, 0, 0) >> 12);
    RIGHT("clGetPlatformInfo", "extensions and their versions agree",
          extensions_agree((query_fn)clGetPlatformInfo, u->platform,
                           CL_PLATFORM_EXTENSIONS, CL_PLATFORM_EXTENSIONS_WITH_VERSION));
    WRONG_KIND(
        "clGetPlatformInfo", "an object of another kind", CL_INVALID_PLATFORM,
        clGetPlatformInfo((cl_platform_id)u->buffer, CL_PLATFORM_NAME, 0, NULL, NULL));
    WRONG("clGetPlatformInfo", "a parameter that there is not", CL_INVALID_VALUE,
          clGetPlatformInfo(u->platform, 0x7ffffff0, 0, NULL, NULL));
    WRONG("clGetPlatformInfo", "room one byte too small", CL_INVALID_VALUE,
          clGetPlatformInfo(u->platform, CL_PLATFORM_NUMERIC_VERSION, 3, &n, NULL));
}

/* ---- 4.2 devices ------------------------------------------------------------------- */

static bool
devices_are_listed(const struct use *u)
{
    cl_device_id all[64] = {NULL};
    cl_uint n = 0;

    return clGetDeviceIDs(u->platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n) == CL_SUCCESS &&
           n >= 1 && n <= 64 &&
           clGetDeviceIDs(u->platform, CL_DEVICE_TYPE_ALL, 64, all, NULL) == CL_SUCCESS &&
           all[u->at] == u->device;
}

static bool
default_device_is_one(const struct use *u)
{
    cl_device_id d = NULL;
    cl_uint n = 0;

    return clGetDeviceIDs(u->platform, CL_DEVICE_TYPE_DEFAULT, 1, &d, &n) == CL_SUCCESS &&
           n == 1 && d != NULL;
}

/* Table 5 of section 4.2, without those that an extension or a feature adds. */
static const cl_device_info always[] = {
    CL_DEVICE_TYPE,
    CL_DEVICE_VENDOR_ID,
    CL_DEVICE_MAX_COMPUTE_UNITS,
    CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS,
    CL_DEVICE_MAX_WORK_ITEM_SIZES,
    CL_DEVICE_MAX_WORK_GROUP_SIZE,
    CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR,
    CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT,
    CL_DEVICE_PREFERRED_VECTOR_WIDTH_INT,
    CL_DEVICE_PREFERRED_VECTOR_WIDTH_LONG,
    CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT,
    CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE,
    CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_SHORT,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_INT,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_LONG,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF,
    CL_DEVICE_MAX_CLOCK_FREQUENCY,
    CL_DEVICE_ADDRESS_BITS,
    CL_DEVICE_MAX_MEM_ALLOC_SIZE,
    CL_DEVICE_IMAGE_SUPPORT,
    CL_DEVICE_MAX_READ_IMAGE_ARGS,
    CL_DEVICE_MAX_WRITE_IMAGE_ARGS,
    CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS,
    CL_DEVICE_IL_VERSION,
    CL_DEVICE_ILS_WITH_VERSION,
    CL_DEVICE_IMAGE2D_MAX_WIDTH,
    CL_DEVICE_IMAGE2D_MAX_HEIGHT,
    CL_DEVICE_IMAGE3D_MAX_WIDTH,
    CL_DEVICE_IMAGE3D_MAX_HEIGHT,
    CL_DEVICE_IMAGE3D_MAX_DEPTH,
    CL_DEVICE_IMAGE_MAX_BUFFER_SIZE,
    CL_DEVICE_IMAGE_MAX_ARRAY_SIZE,
    CL_DEVICE_MAX_SAMPLERS,
    CL_DEVICE_IMAGE_PITCH_ALIGNMENT,
    CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT,
    CL_DEVICE_MAX_PIPE_ARGS,
    CL_DEVICE_PIPE_MAX_ACTIVE_RESERVATIONS,
    CL_DEVICE_PIPE_MAX_PACKET_SIZE,
    CL_DEVICE_MAX_PARAMETER_SIZE,
    CL_DEVICE_MEM_BASE_ADDR_ALIGN,
    CL_DEVICE_SINGLE_FP_CONFIG,
    CL_DEVICE_DOUBLE_FP_CONFIG,
    CL_DEVICE_GLOBAL_MEM_CACHE_TYPE,
    CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE,
    CL_DEVICE_GLOBAL_MEM_CACHE_SIZE,
    CL_DEVICE_GLOBAL_MEM_SIZE,
    CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE,
    CL_DEVICE_MAX_CONSTANT_ARGS,
    CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE,
    CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE,
    CL_DEVICE_LOCAL_MEM_TYPE,
    CL_DEVICE_LOCAL_MEM_SIZE,
    CL_DEVICE_ERROR_CORRECTION_SUPPORT,
    CL_DEVICE_HOST_UNIFIED_MEMORY,
    CL_DEVICE_PROFILING_TIMER_RESOLUTION,
    CL_DEVICE_ENDIAN_LITTLE,
    CL_DEVICE_AVAILABLE,
    CL_DEVICE_COMPILER_AVAILABLE,
    CL_DEVICE_LINKER_AVAILABLE,
    CL_DEVICE_EXECUTION_CAPABILITIES,
    CL_DEVICE_QUEUE_ON_HOST_PROPERTIES,
    CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES,
    CL_DEVICE_QUEUE_ON_DEVICE_PREFERRED_SIZE,
    CL_DEVICE_QUEUE_ON_DEVICE_MAX_SIZE,
    CL_DEVICE_MAX_ON_DEVICE_QUEUES,
    CL_DEVICE_MAX_ON_DEVICE_EVENTS,
    CL_DEVICE_BUILT_IN_KERNELS,
    CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION,
    CL_DEVICE_PLATFORM,
    CL_DEVICE_NAME,
    CL_DEVICE_VENDOR,
    CL_DRIVER_VERSION,
    CL_DEVICE_PROFILE,
    CL_DEVICE_VERSION,
    CL_DEVICE_NUMERIC_VERSION,
    CL_DEVICE_OPENCL_C_VERSION,
    CL_DEVICE_OPENCL_C_ALL_VERSIONS,
    CL_DEVICE_OPENCL_C_FEATURES,
    CL_DEVICE_EXTENSIONS,
    CL_DEVICE_EXTENSIONS_WITH_VERSION,
    CL_DEVICE_PRINTF_BUFFER_SIZE,
    CL_DEVICE_PREFERRED_INTEROP_USER_SYNC,
    CL_DEVICE_PARENT_DEVICE,
    CL_DEVICE_PARTITION_MAX_SUB_DEVICES,
    CL_DEVICE_PARTITION_PROPERTIES,
    CL_DEVICE_PARTITION_AFFINITY_DOMAIN,
    CL_DEVICE_PARTITION_TYPE,
    CL_DEVICE_REFERENCE_COUNT,
    CL_DEVICE_SVM_CAPABILITIES,
    CL_DEVICE_PREFERRED_PLATFORM_ATOMIC_ALIGNMENT,
    CL_DEVICE_PREFERRED_GLOBAL_ATOMIC_ALIGNMENT,
    CL_DEVICE_PREFERRED_LOCAL_ATOMIC_ALIGNMENT,
    CL_DEVICE_MAX_NUM_SUB_GROUPS,
    CL_DEVICE_SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS,
    CL_DEVICE_ATOMIC_MEMORY_CAPABILITIES,
    CL_DEVICE_ATOMIC_FENCE_CAPABILITIES,
    CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT,
    CL_DEVICE_WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT,
    CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT,
    CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES,
    CL_DEVICE_PIPE_SUPPORT,
    CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE,
    CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED,
};

static bool
device_answers_all(const struct use *u)
{
    bool good = true;

    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        size_t size = 0;
        cl_int rc = clGetDeviceInfo(u->device, always[i], 0, NULL, &size);

        if (rc != CL_SUCCESS)
            printf("# device info %#x: %d\n", always[i], rc);
        good &= rc == CL_SUCCESS;
    }
    return good;
}

/* The least that table 5 lets a device of the full profile report. */
static const struct {
    cl_device_info param;
    uint64_t least;
} minima[] = {
    {CL_DEVICE_MAX_COMPUTE_UNITS, 1},     {CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, 3},
    {CL_DEVICE_MAX_WORK_GROUP_SIZE, 1},   {CL_DEVICE_MAX_MEM_ALLOC_SIZE, 1 << 20},
    {CL_DEVICE_MAX_PARAMETER_SIZE, 1024}, {CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, 65536},
    {CL_DEVICE_MAX_CONSTANT_ARGS, 8},     {CL_DEVICE_LOCAL_MEM_SIZE, 32768},
    {CL_DEVICE_AVAILABLE, CL_TRUE},       {CL_DEVICE_PRINTF_BUFFER_SIZE, 1 << 20},
};

static bool
device_meets_minima(const struct use *u)
{
    for (size_t i = 0; i < sizeof minima / sizeof *minima; i++) {
        if (device_number(u, minima[i].param) < minima[i].least)
            return false;
    }
    return true;
}

/* What a device without a feature reports beside it (section 4.2, appendix G). */
static bool
absent_features_are_zero(const struct use *u)
{
    if (!device_number(u, CL_DEVICE_PIPE_SUPPORT) &&
        (device_number(u, CL_DEVICE_MAX_PIPE_ARGS) ||
         device_number(u, CL_DEVICE_PIPE_MAX_PACKET_SIZE)))
        return false;
    if (!device_number(u, CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES) &&
        (device_number(u, CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES) ||
         device_number(u, CL_DEVICE_MAX_ON_DEVICE_QUEUES)))
        return false;
    if (!device_number(u, CL_DEVICE_IMAGE_SUPPORT) &&
        device_number(u, CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS))
        return false;
    return true;
}

static void
devices(struct use *u)
{
    const struct query q = {
        "clGetDeviceInfo", (query_fn)clGetDeviceInfo,   u->device,      u->buffer,
        CL_INVALID_DEVICE, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(cl_uint)};
    cl_device_id d;
    cl_uint n;

    RIGHT("clGetDeviceIDs", "the count, then the list", devices_are_listed(u));
    RIGHT("clGetDeviceIDs", "one default device", default_device_is_one(u));
    WRONG_KIND("clGetDeviceIDs", "a platform that is a buffer", CL_INVALID_PLATFORM,
               clGetDeviceIDs((cl_platform_id)u->buffer, CL_DEVICE_TYPE_ALL, 1, &d, &n));
    WRONG_DIFFERS("device-type", CL_DEVICE_NOT_FOUND, "clGetDeviceIDs", "no type",
                  CL_INVALID_DEVICE_TYPE, clGetDeviceIDs(u->platform, 0, 1, &d, &n));
    WRONG_DIFFERS("device-type", CL_DEVICE_NOT_FOUND, "clGetDeviceIDs",
                  "a type that there is not", CL_INVALID_DEVICE_TYPE,
                  clGetDeviceIDs(u->platform, 1 << 20, 1, &d, &n));
    WRONG("clGetDeviceIDs", "room for none", CL_INVALID_VALUE,
          clGetDeviceIDs(u->platform, CL_DEVICE_TYPE_ALL, 0, &d, &n));
    WRONG("clGetDeviceIDs", "nothing asked for", CL_INVALID_VALUE,
          clGetDeviceIDs(u->platform, CL_DEVICE_TYPE_ALL, 1, NULL, NULL));
    WRONG("clGetDeviceIDs", "a type that no device has", CL_DEVICE_NOT_FOUND,
          clGetDeviceIDs(u->platform, CL_DEVICE_TYPE_CUSTOM, 1, &d, &n));
    use_query(&q);
    RIGHT("clGetDeviceInfo", "every query of the table is answered",
          device_answers_all(u));
    RIGHT("clGetDeviceInfo", "the full profile's minima", device_meets_minima(u));
    RIGHT("clGetDeviceInfo", "features that are absent are zero everywhere",
          absent_features_are_zero(u));
    RIGHT("clGetDeviceInfo", "its platform",
          device_number(u, CL_DEVICE_PLATFORM) == (uintptr_t)u->platform);
    RIGHT("clGetDeviceInfo", "extensions and their versions agree",
          extensions_agree((query_fn)clGetDeviceInfo, u->device, CL_DEVICE_EXTENSIONS,
                           CL_DEVICE_EXTENSIONS_WITH_VERSION));
}

/* ---- 4.2 timers -------------------------------------------------------------------- */

static bool
timers_run(const struct use *u)
{
    cl_ulong device[2] = {0}, host[2] = {0}, alone = 0;

    return clGetDeviceAndHostTimer(u->device, &device[0], &host[0]) == CL_SUCCESS &&
           clGetHostTimer(u->device, &alone) == CL_SUCCESS &&
           clGetDeviceAndHostTimer(u->device, &device[1], &host[1]) == CL_SUCCESS &&
           host[0] && host[0] <= alone && alone <= host[1] && device[0] <= device[1];
}

static void
timers(struct use *u)
{
    bool has =
        NUMBER(clGetPlatformInfo, u->platform, CL_PLATFORM_HOST_TIMER_RESOLUTION) != 0;
    cl_device_id wrong = (cl_device_id)u->buffer;
    cl_ulong d, h;

    if (has) {
        RIGHT("clGetDeviceAndHostTimer", "time goes on", timers_run(u));
        RIGHT("clGetHostTimer", "it is between two of the former's", timers_run(u));
    } else {
        REFUSED("clGetDeviceAndHostTimer", "no host timer is reported",
                CL_INVALID_OPERATION, clGetDeviceAndHostTimer(u->device, &d, &h));
        REFUSED("clGetHostTimer", "no host timer is reported", CL_INVALID_OPERATION,
                clGetHostTimer(u->device, &h));
    }
    WRONG("clGetHostTimer", "no device", CL_INVALID_DEVICE, clGetHostTimer(NULL, &h));
    /* Without a host timer that is wrong too. */
    WRONG_KIND_OR("clGetHostTimer", "a device that is a buffer", CL_INVALID_DEVICE,
                  has ? NO_STATUS : CL_INVALID_OPERATION, clGetHostTimer(wrong, &h));
    WRONG_OR("clGetHostTimer", "nowhere to put it", CL_INVALID_VALUE,
             has ? NO_STATUS : CL_INVALID_OPERATION, clGetHostTimer(u->device, NULL));
    WRONG("clGetDeviceAndHostTimer", "no device", CL_INVALID_DEVICE,
          clGetDeviceAndHostTimer(NULL, &d, &h));
    WRONG_KIND_OR("clGetDeviceAndHostTimer", "a device that is a buffer",
                  CL_INVALID_DEVICE, has ? NO_STATUS : CL_INVALID_OPERATION,
                  clGetDeviceAndHostTimer(wrong, &d, &h));
    WRONG_OR("clGetDeviceAndHostTimer", "nowhere to put the host's", CL_INVALID_VALUE,
             has ? NO_STATUS : CL_INVALID_OPERATION,
             clGetDeviceAndHostTimer(u->device, &d, NULL));
    WRONG_OR("clGetDeviceAndHostTimer", "nowhere to put the device's", CL_INVALID_VALUE,
             has ? NO_STATUS : CL_INVALID_OPERATION,
             clGetDeviceAndHostTimer(u->device, NULL, &h));
}

/* ---- 4.3 sub-devices --------------------------------------------------------------- */

static cl_int
sub_devices(cl_device_id d, cl_device_partition_property name, intptr_t value, cl_uint n,
            cl_device_id *out, cl_uint *ret)
{
    const cl_device_partition_property p[] = {name, value, 0};

    return clCreateSubDevices(d, p, n, out, ret);
}

static bool
partitions_equally(const struct use *u)
{
    cl_uint units = (cl_uint)device_number(u, CL_DEVICE_MAX_COMPUTE_UNITS), n = 0;
    cl_device_id subs[256] = {NULL};
    bool good;

    if (sub_devices(u->device, CL_DEVICE_PARTITION_EQUALLY, 1, 0, NULL, &n) !=
            CL_SUCCESS ||
        n != units || n > 256)
        return false;
    if (sub_devices(u->device, CL_DEVICE_PARTITION_EQUALLY, 1, n, subs, NULL) !=
        CL_SUCCESS)
        return false;
    good = true;
    for (cl_uint i = 0; i < n; i++) {
        good &= NUMBER(clGetDeviceInfo, subs[i], CL_DEVICE_MAX_COMPUTE_UNITS) == 1 &&
                NUMBER(clGetDeviceInfo, subs[i], CL_DEVICE_PARENT_DEVICE) ==
                    (uintptr_t)u->device &&
                NUMBER(clGetDeviceInfo, subs[i], CL_DEVICE_REFERENCE_COUNT) == 1;
        good &= clReleaseDevice(subs[i]) == CL_SUCCESS;
    }
    return good;
}

/* A sub-device by the partition that the device has; NULL where it cannot be parted. */
static cl_device_id
any_sub_device(const struct use *u)
{
    cl_device_id subs[256];
    cl_uint n = 0;

    if (sub_devices(u->device, CL_DEVICE_PARTITION_EQUALLY, 1, 256, subs, &n) !=
        CL_SUCCESS)
        return NULL;
    for (cl_uint i = 1; i < n; i++)
        MUST(clReleaseDevice(subs[i]));
    return subs[0];
}

static void
sub_device_counts(struct use *u)
{
    cl_device_id sub = any_sub_device(u);
    const struct counted core = {"clRetainDevice",
                                 "clReleaseDevice",
                                 (count_fn)clRetainDevice,
                                 (count_fn)clReleaseDevice,
                                 {"", (query_fn)clGetDeviceInfo, sub ? sub : u->device,
                                  u->buffer, CL_INVALID_DEVICE, CL_DEVICE_REFERENCE_COUNT,
                                  sizeof(cl_uint)}};

    RIGHT("clRetainDevice", "of a root device nothing is counted",
          clRetainDevice(u->device) == CL_SUCCESS &&
              device_number(u, CL_DEVICE_REFERENCE_COUNT) == 1);
    RIGHT("clReleaseDevice", "of a root device nothing is counted",
          clReleaseDevice(u->device) == CL_SUCCESS &&
              device_number(u, CL_DEVICE_REFERENCE_COUNT) == 1);
    if (sub) {
        use_counts(&core);
        MUST(clReleaseDevice(sub));
    } else {
        WRONG_KIND("clRetainDevice", "an object of another kind", CL_INVALID_DEVICE,
                   clRetainDevice((cl_device_id)u->buffer));
        WRONG_KIND("clReleaseDevice", "an object of another kind", CL_INVALID_DEVICE,
                   clReleaseDevice((cl_device_id)u->buffer));
    }
}

static void
sub_devices_refused(struct use *u)
{
    cl_uint n;

    REFUSED_OR("clCreateSubDevices", "the device cannot be parted", CL_INVALID_VALUE,
               CL_DEVICE_PARTITION_FAILED,
               sub_devices(u->device, CL_DEVICE_PARTITION_EQUALLY, 1, 0, NULL, &n));
}

static void
sub_devices_right_and_wrong(struct use *u)
{
    intptr_t units = (intptr_t)device_number(u, CL_DEVICE_MAX_COMPUTE_UNITS);
    const cl_device_partition_property too_many[] = {
        CL_DEVICE_PARTITION_BY_COUNTS, units + 1, CL_DEVICE_PARTITION_BY_COUNTS_LIST_END,
        0};
    cl_device_id subs[2];
    cl_uint n;

    RIGHT("clCreateSubDevices", "one unit each", partitions_equally(u));
    if (units > 1)
        WRONG("clCreateSubDevices", "room for fewer than there are", CL_INVALID_VALUE,
              sub_devices(u->device, CL_DEVICE_PARTITION_EQUALLY, 1, 1, subs, &n));
    /* Nothing is wrong with the value but that the device has fewer. */
    WRONG_OR("clCreateSubDevices", "more units each than the device has",
             CL_DEVICE_PARTITION_FAILED, CL_INVALID_VALUE,
             sub_devices(u->device, CL_DEVICE_PARTITION_EQUALLY, units + 1, 0, NULL, &n));
    WRONG("clCreateSubDevices", "counts above the device's units",
          CL_INVALID_DEVICE_PARTITION_COUNT,
          clCreateSubDevices(u->device, too_many, 0, NULL, &n));
}

static void
sub_device_calls(struct use *u)
{
    cl_device_partition_property parts[8] = {0};
    cl_uint n;

    MUST(clGetDeviceInfo(u->device, CL_DEVICE_PARTITION_PROPERTIES, sizeof parts, parts,
                         NULL));
    if (parts[0])
        sub_devices_right_and_wrong(u);
    else
        sub_devices_refused(u);
    WRONG("clCreateSubDevices", "no device", CL_INVALID_DEVICE,
          sub_devices(NULL, CL_DEVICE_PARTITION_EQUALLY, 1, 0, NULL, &n));
    WRONG_KIND("clCreateSubDevices", "a device that is a buffer", CL_INVALID_DEVICE,
               sub_devices((cl_device_id)u->buffer, CL_DEVICE_PARTITION_EQUALLY, 1, 0,
                           NULL, &n));
    WRONG("clCreateSubDevices", "no properties", CL_INVALID_VALUE,
          clCreateSubDevices(u->device, NULL, 0, NULL, &n));
    WRONG("clCreateSubDevices", "a partition that there is not", CL_INVALID_VALUE,
          sub_devices(u->device, 0x7ffffff0, 1, 0, NULL, &n));
    sub_device_counts(u);
}

/* ---- cl_ext_device_fission: the same under older names ----------------------------- */

static void
fission(struct use *u)
{
    const struct _cl_icd_dispatch *table = *(struct _cl_icd_dispatch **)u->platform;
    const cl_device_partition_property_ext p[] = {CL_DEVICE_PARTITION_EQUALLY_EXT, 1, 0};
    cl_device_id wrong = (cl_device_id)u->buffer;
    cl_uint n = 0;

    /* Not reported: the entry may be missing, or answers that there is nothing to part. */
    if (!device_text_has(u, CL_DEVICE_EXTENSIONS, "cl_ext_device_fission"))
        REFUSED_OR("clCreateSubDevicesEXT", "cl_ext_device_fission is not reported",
                   CL_INVALID_VALUE, CL_INVALID_OPERATION,
                   table->clCreateSubDevicesEXT
                       ? table->clCreateSubDevicesEXT(u->device, p, 0, NULL, &n)
                       : CL_INVALID_OPERATION);
    else
        RIGHT("clCreateSubDevicesEXT", "one unit each",
              table->clCreateSubDevicesEXT(u->device, p, 0, NULL, &n) == CL_SUCCESS &&
                  n == device_number(u, CL_DEVICE_MAX_COMPUTE_UNITS));
    RIGHT("clRetainDeviceEXT", "of a root device nothing is counted",
          table->clRetainDeviceEXT(u->device) == CL_SUCCESS);
    RIGHT("clReleaseDeviceEXT", "of a root device nothing is counted",
          table->clReleaseDeviceEXT(u->device) == CL_SUCCESS &&
              device_number(u, CL_DEVICE_REFERENCE_COUNT) == 1);
    WRONG_KIND("clRetainDeviceEXT", "an object of another kind", CL_INVALID_DEVICE,
               table->clRetainDeviceEXT(wrong));
    WRONG_KIND("clReleaseDeviceEXT", "an object of another kind", CL_INVALID_DEVICE,
               table->clReleaseDeviceEXT(wrong));
}

/* ---- extension functions (Extension Specification 1.3) ----------------------------- */

/* The function of an extension is there if the device reports the extension. */
static const struct {
    const char *extension, *function;
} functions[] = {
    {"cl_khr_command_buffer", "clCreateCommandBufferKHR"},
    {"cl_khr_suggested_local_work_size", "clGetKernelSuggestedLocalWorkSizeKHR"},
    {"cl_khr_create_command_queue", "clCreateCommandQueueWithPropertiesKHR"},
    {"cl_khr_il_program", "clCreateProgramWithILKHR"},
    {"cl_ext_device_fission", "clCreateSubDevicesEXT"},
};

static bool
reported_functions_are_there(const struct use *u)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (device_text_has(u, CL_DEVICE_EXTENSIONS, functions[i].extension) &&
            !clGetExtensionFunctionAddressForPlatform(u->platform, functions[i].function))
            return false;
    }
    return true;
}

/* By its own table the platform answers what the loader's function would ask of it. */
static void *
address_by_table(const struct use *u, const char *name)
{
    const struct _cl_icd_dispatch *table = *(struct _cl_icd_dispatch **)u->platform;

    return table->clGetExtensionFunctionAddress(name);
}

static void
extension_functions(struct use *u)
{
    RIGHT("clGetExtensionFunctionAddressForPlatform", "there where the device reports it",
          reported_functions_are_there(u));
    WRONG("clGetExtensionFunctionAddressForPlatform", "a function that there is not", 0,
          clGetExtensionFunctionAddressForPlatform(u->platform, "clNoSuchFunctionXYZ")
              ? CL_INVALID_VALUE
              : 0);
    RIGHT("clGetExtensionFunctionAddress", "the loader's way to the platforms",
          address_by_table(u, "clIcdGetPlatformIDsKHR") != NULL);
    WRONG("clGetExtensionFunctionAddress", "a function that there is not", 0,
          clGetExtensionFunctionAddress("clNoSuchFunctionXYZ") ||
                  address_by_table(u, "clNoSuchFunctionXYZ")
              ? CL_INVALID_VALUE
              : 0);
}

void
api_platform(struct use *u)
{
    platforms(u);
    devices(u);
    timers(u);
    sub_device_calls(u);
    fission(u);
    extension_functions(u);
}
