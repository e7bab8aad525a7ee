/* SPDX-License-Identifier: MIT */
#include "guest/opencl/device.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "guest/opencl/clock.h"
#include "guest/opencl/find.h"
#include "guest/opencl/session.h"
#include "guest/opencl/vm.h"
#include "wire/device_info.h"

#include <stdio.h>
#include <string.h>

#define DEVICES_MAX 64

static struct _cl_platform_id the_platform;
static struct device *all_devices[DEVICES_MAX];
static unsigned n_devices;
static struct vm_vgpu vgpus_of_vm[DEVICES_MAX];
static pthread_once_t devices_once = PTHREAD_ONCE_INIT;

static void
never_destroyed(struct object *o)
{
    (void)o;
}

static struct device *
device_new(void)
{
    struct device *d = n_devices < DEVICES_MAX ? calloc(1, sizeof *d) : NULL;

    if (!d)
        return NULL;
    object_init(&d->handle.o, KIND_device, NULL, never_destroyed);
    d->handle.o.id.v = ROOT_DEVICE_ID;
    d->handle.d = d;
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

static void
device_add_of_vm(const struct vm_vgpu *v)
{
    struct device *d = device_new();

    if (d) {
        d->route.vm = v;
        all_devices[n_devices++] = d;
    }
}

static void
device_add_socket(const char *folder)
{
    struct device *d = device_new();

    if (!d)
        return;
    d->route.socket_path = str_printf("%s/socket", folder);
    if (d->route.socket_path)
        all_devices[n_devices++] = d;
    else
        free(d);
}

static void
devices_find_in_vm(void)
{
    const unsigned n = vm_find(vgpus_of_vm, DEVICES_MAX);

    for (unsigned i = 0; i < n; i++)
        device_add_of_vm(&vgpus_of_vm[i]);
}

static void
devices_find_in_folders(char **folders, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (vm_find_mounted(folders[i], &vgpus_of_vm[i]))
            device_add_of_vm(&vgpus_of_vm[i]);
        else
            device_add_socket(folders[i]);
        free(folders[i]);
    }
}

static void
devices_find(void)
{
    const char *named = getenv("TESSERA_VGPU");
    char *folders[DEVICES_MAX];
    unsigned n;

    object_init(&the_platform.o, KIND_platform, NULL, never_destroyed);
    /* A worker of ours that finds this library: the driver behind it would be itself. */
    if (getenv("TESSERA_WORKER"))
        return;
    n = find_vgpus(named, FIND_FOLDER, folders, DEVICES_MAX);
    devices_find_in_folders(folders, n);
    if (!named && n == 0)
        devices_find_in_vm();
}

struct device *const *
devices_all(unsigned *ret_n)
{
    pthread_once(&devices_once, devices_find);
    *ret_n = n_devices;
    return all_devices;
}

cl_platform_id
platform_get(void)
{
    pthread_once(&devices_once, devices_find);
    return &the_platform;
}

void
device_take_info(struct device *d, uint8_t *info, size_t len)
{
    if (d->info) {
        free(info);
        return;
    }
    d->info = info;
    d->info_len = len;
    device_info_index(&d->index, info, len);
    d->type = device_number(d, CL_DEVICE_TYPE, CL_DEVICE_TYPE_DEFAULT);
}

/* Lock held. The interface has an error code alone. */
static void
device_print(struct device *d, const char *reason)
{
    if (!d->told && d->route.vm)
        fprintf(stderr, "tessera: vGPU '%s': %s\n", d->route.vm->name, reason);
    else if (!d->told)
        fprintf(stderr, "tessera: vGPU at %s: %s\n", d->route.socket_path, reason);
    d->told = true;
}

void
device_tell(struct device *d, const char *reason)
{
    pthread_mutex_lock(&d->lock);
    device_print(d, reason);
    pthread_mutex_unlock(&d->lock);
}

cl_int
device_session(struct device *d, struct session **ret)
{
    char reason[CONNECTION_REASON_BYTES];
    cl_int rc = CL_SUCCESS;

    pthread_mutex_lock(&d->lock);
    if (d->session && session_is_dead(d->session)) {
        session_unhold(d->session);
        d->session = NULL;
    }
    if (!d->session && session_connect(d, &d->session, reason) < 0) {
        device_print(d, reason);
        rc = CL_OUT_OF_RESOURCES;
    }
    if (rc == CL_SUCCESS) {
        session_hold(d->session);
        *ret = d->session;
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

const void *
device_bytes(const struct device *d, cl_device_info param, size_t *ret_len)
{
    return device_info_get(&d->index, param, ret_len);
}

static uint64_t
number_of(const void *bytes, size_t len, uint64_t otherwise)
{
    uint64_t v = 0;

    if (!bytes || len > sizeof v)
        return otherwise;
    memcpy(&v, bytes, len);
    return v;
}

uint64_t
device_number(const struct device *d, cl_device_info param, uint64_t otherwise)
{
    size_t len = 0;
    const void *p = device_bytes(d, param, &len);

    return number_of(p, len, otherwise);
}

const void *
device_handle_bytes(cl_device_id device, cl_device_info param, size_t *ret_len)
{
    if (!device->parent)
        return device_bytes(device->d, param, ret_len);
    return device_info_find(device->info, device->info_len, param, ret_len);
}

uint64_t
device_handle_number(cl_device_id device, cl_device_info param, uint64_t otherwise)
{
    size_t len = 0;
    const void *p = device_handle_bytes(device, param, &len);

    return number_of(p, len, otherwise);
}

bool
device_has_extension(const struct device *d, const char *name)
{
    size_t len, n = strlen(name);
    const char *text = device_bytes(d, CL_DEVICE_EXTENSIONS, &len);
    const char *end = text ? text + len : NULL;

    for (const char *at = text; at && at < end; at++) {
        at = memmem(at, (size_t)(end - at), name, n);
        if (!at)
            return false;
        if ((at == text || at[-1] == ' ') && at + n < end &&
            (at[n] == ' ' || at[n] == '\0'))
            return true;
    }
    return false;
}

void
device_lock_all(void)
{
    for (unsigned i = 0; i < n_devices; i++)
        pthread_mutex_lock(&all_devices[i]->lock);
}

void
device_unlock_all(void)
{
    for (unsigned i = 0; i < n_devices; i++)
        pthread_mutex_unlock(&all_devices[i]->lock);
}

/* ---- OpenCL 3.0, sections 4.1 and 4.2 ---------------------------------------------- */

/* Section 4.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetPlatformIDs(cl_uint num_entries, cl_platform_id *platforms,
                     cl_uint *num_platforms)
{
    unsigned n;

    if ((num_entries == 0 && platforms) || (!platforms && !num_platforms))
        return CL_INVALID_VALUE;
    devices_all(&n);
    if (num_platforms)
        *num_platforms = n > 0;
    if (n == 0)
        return CL_PLATFORM_NOT_FOUND_KHR;
    if (platforms)
        platforms[0] = platform_get();
    return CL_SUCCESS;
}

static const cl_name_version platform_extensions[] = {
    {CL_MAKE_VERSION(1, 0, 0), "cl_khr_icd"},
};

/* Section 4.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetPlatformInfo(cl_platform_id platform, cl_platform_info param_name,
                      size_t param_value_size, void *param_value,
                      size_t *param_value_size_ret)
{
    static const struct {
        cl_platform_info name;
        const char *value;
    } strings[] = {
        {CL_PLATFORM_PROFILE, "FULL_PROFILE"},
        {CL_PLATFORM_VERSION, "OpenCL 3.0 Tessera " TESSERA_VERSION},
        {CL_PLATFORM_NAME, "Tessera"},
        {CL_PLATFORM_VENDOR, "Tessera"},
        {CL_PLATFORM_EXTENSIONS, "cl_khr_icd"},
        {CL_PLATFORM_ICD_SUFFIX_KHR, "TSR"},
    };

    if (platform && !object_is(platform, KIND_platform))
        return CL_INVALID_PLATFORM;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        if (strings[i].name == param_name)
            return info_string(strings[i].value, param_value_size, param_value,
                               param_value_size_ret);
    }
    if (param_name == CL_PLATFORM_NUMERIC_VERSION)
        return INFO_VALUE(cl_version, CL_MAKE_VERSION(3, 0, 0));
    if (param_name == CL_PLATFORM_HOST_TIMER_RESOLUTION)
        return INFO_VALUE(cl_ulong, platform_timer_resolution());
    if (param_name == CL_PLATFORM_EXTENSIONS_WITH_VERSION)
        return info_put(platform_extensions, sizeof platform_extensions, param_value_size,
                        param_value, param_value_size_ret);
    return CL_INVALID_VALUE;
}

/* Does this device answer to that type? Connects, since only then its type is known. */
static cl_int
device_matches(struct device *d, cl_device_type wanted, bool first, bool *ret)
{
    struct session *s;
    cl_int rc;

    if (!d->info) {
        rc = device_session(d, &s);
        if (rc != CL_SUCCESS)
            return rc;
        session_unhold(s);
    }
    *ret = wanted == CL_DEVICE_TYPE_ALL || (d->type & wanted) ||
           ((wanted & CL_DEVICE_TYPE_DEFAULT) && first);
    return CL_SUCCESS;
}

/* Section 4.2. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetDeviceIDs(cl_platform_id platform, cl_device_type device_type,
                   cl_uint num_entries, cl_device_id *devices, cl_uint *num_devices)
{
    const cl_device_type known = CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU |
                                 CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR |
                                 CL_DEVICE_TYPE_CUSTOM;
    struct device *const *all;
    unsigned n, found = 0;

    if (platform && !object_is(platform, KIND_platform))
        return CL_INVALID_PLATFORM;
    if (device_type != CL_DEVICE_TYPE_ALL && (device_type == 0 || (device_type & ~known)))
        return CL_INVALID_DEVICE_TYPE;
    if ((num_entries == 0 && devices) || (!devices && !num_devices))
        return CL_INVALID_VALUE;
    all = devices_all(&n);
    for (unsigned i = 0; i < n; i++) {
        bool matches;
        cl_int rc = device_matches(all[i], device_type, found == 0, &matches);

        if (rc != CL_SUCCESS)
            return rc;
        if (!matches)
            continue;
        if (devices && found < num_entries)
            devices[found] = &all[i]->handle;
        found++;
    }
    if (num_devices)
        *num_devices = found;
    return found ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

/* Section 4.2. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetDeviceInfo(cl_device_id device, cl_device_info param_name,
                    size_t param_value_size, void *param_value,
                    size_t *param_value_size_ret)
{
    size_t len;
    const void *bytes;

    if (!object_is(device, KIND_device))
        return CL_INVALID_DEVICE;
    switch (param_name) {
    case CL_PLATFORM_HOST_TIMER_RESOLUTION: /* told beside the device's own words */
        return CL_INVALID_VALUE;
    case CL_DEVICE_PLATFORM:
        return INFO_VALUE(cl_platform_id, platform_get());
    case CL_DEVICE_PARENT_DEVICE:
        return INFO_VALUE(cl_device_id, device->parent);
    case CL_DEVICE_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, device->parent ? atomic_load(&device->o.refs) : 1);
    case CL_DEVICE_PARTITION_TYPE:
        if (!device->parent)
            break;
        return info_put(device->partition,
                        device->n_partition * sizeof *device->partition, param_value_size,
                        param_value, param_value_size_ret);
    default:
        break;
    }
    bytes = device_handle_bytes(device, param_name, &len);
    if (!bytes)
        return CL_INVALID_VALUE;
    return info_put(bytes, len, param_value_size, param_value, param_value_size_ret);
}

/* Root devices are not counted (section 4.3): retain and release succeed and do nothing. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainDevice(cl_device_id device)
{
    if (object_is(device, KIND_device) && !device->parent)
        return CL_SUCCESS;
    return object_retain_call(device, KIND_device, CL_INVALID_DEVICE);
}

/* Section 4.3. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseDevice(cl_device_id device)
{
    if (object_is(device, KIND_device) && !device->parent)
        return CL_SUCCESS;
    return object_release_call(device, KIND_device, CL_INVALID_DEVICE);
}

/* cl_ext_device_fission. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainDeviceEXT(cl_device_id device)
{
    return tsr_clRetainDevice(device);
}

/* cl_ext_device_fission. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseDeviceEXT(cl_device_id device)
{
    return tsr_clReleaseDevice(device);
}

/* ---- how the loader finds everything (cl_khr_icd) ---------------------------------- */

/* An extension's functions are there when a device has it. Connects, to know. */
static bool
extension_present(const char *name)
{
    struct device *const *all;
    unsigned n;

    all = devices_all(&n);
    for (unsigned i = 0; i < n; i++) {
        bool matches;

        if (device_matches(all[i], CL_DEVICE_TYPE_ALL, false, &matches) == CL_SUCCESS &&
            device_has_extension(all[i], name))
            return true;
    }
    return false;
}

/* OpenCL 3.0 Extension Specification, section 1.3. */
CL_API_ENTRY void *CL_API_CALL
tsr_clGetExtensionFunctionAddress(const char *func_name)
{
    if (!func_name)
        return NULL;
    if (strcmp(func_name, "clIcdGetPlatformIDsKHR") == 0)
        return (void *)tsr_clGetPlatformIDs;
    for (const struct opencl_function *f = opencl_functions; f->name; f++) {
        if (strcmp(f->name, func_name) == 0)
            return !f->extension || extension_present(f->extension) ? f->address : NULL;
    }
    return NULL;
}

/* OpenCL 3.0 Extension Specification, section 1.3. */
CL_API_ENTRY void *CL_API_CALL
tsr_clGetExtensionFunctionAddressForPlatform(cl_platform_id platform,
                                             const char *func_name)
{
    if (!object_is(platform, KIND_platform))
        return NULL;
    return tsr_clGetExtensionFunctionAddress(func_name);
}

__attribute__((visibility("default"))) CL_API_ENTRY void *CL_API_CALL
clGetExtensionFunctionAddress(const char *func_name)
{
    return tsr_clGetExtensionFunctionAddress(func_name);
}

__attribute__((visibility("default"))) CL_API_ENTRY cl_int CL_API_CALL
clIcdGetPlatformIDsKHR(cl_uint num_entries, cl_platform_id *platforms,
                       cl_uint *num_platforms)
{
    return tsr_clGetPlatformIDs(num_entries, platforms, num_platforms);
}
