/* SPDX-License-Identifier: MIT */
#include "worker/device.h"

#include "base/cleanup.h"
#include "link/account.h"
#include "worker/cores.h"
#include "worker/fake.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#define OPENCL_LOADER "libOpenCL.so.1"

int
loader_open(struct loader *l)
{
    void *so = dlopen(OPENCL_LOADER, RTLD_NOW | RTLD_LOCAL);

    if (!so)
        return -ENOENT;
    l->get_platform_ids = (cl_api_clGetPlatformIDs)dlsym(so, "clGetPlatformIDs");
    l->get_platform_info = (cl_api_clGetPlatformInfo)dlsym(so, "clGetPlatformInfo");
    l->get_device_ids = (cl_api_clGetDeviceIDs)dlsym(so, "clGetDeviceIDs");
    l->get_device_info = (cl_api_clGetDeviceInfo)dlsym(so, "clGetDeviceInfo");
    return l->get_platform_ids && l->get_platform_info && l->get_device_ids &&
                   l->get_device_info
               ? 0
               : -ENOENT;
}

cl_uint
loader_platforms(const struct loader *l, cl_platform_id **ret)
{
    cl_uint n = 0;

    *ret = NULL;
    if (l->get_platform_ids(0, NULL, &n) != CL_SUCCESS || n == 0)
        return 0;
    *ret = calloc(n, sizeof(cl_platform_id));
    if (!*ret || l->get_platform_ids(n, *ret, NULL) != CL_SUCCESS)
        return 0;
    return n;
}

cl_uint
loader_devices(const struct loader *l, cl_platform_id platform, cl_device_id **ret)
{
    cl_uint n = 0;

    *ret = NULL;
    if (l->get_device_ids(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n) != CL_SUCCESS ||
        n == 0)
        return 0;
    *ret = calloc(n, sizeof(cl_device_id));
    if (!*ret ||
        l->get_device_ids(platform, CL_DEVICE_TYPE_ALL, n, *ret, NULL) != CL_SUCCESS)
        return 0;
    return n;
}

static cl_platform_id
find_platform(const struct loader *l, const char *name)
{
    _cleanup_free_ cl_platform_id *all = NULL;
    cl_uint n = loader_platforms(l, &all);

    for (cl_uint i = 0; i < n; i++) {
        char found[256] = "";

        if (l->get_platform_info(all[i], CL_PLATFORM_NAME, sizeof found - 1, found,
                                 NULL) == CL_SUCCESS &&
            strcmp(found, name) == 0)
            return all[i];
    }
    return NULL;
}

static int
find_device(struct device *d, const struct device_options *o, char *reason)
{
    _cleanup_free_ cl_device_id *all = NULL;
    struct loader l;

    if (loader_open(&l) < 0) {
        snprintf(reason, ACCOUNT_REASON_BYTES, "the host has no OpenCL loader (%s)",
                 OPENCL_LOADER);
        return -ENOENT;
    }
    d->platform = find_platform(&l, o->platform);
    if (!d->platform) {
        snprintf(reason, ACCOUNT_REASON_BYTES, "the host has no OpenCL platform '%s'",
                 o->platform);
        return -ENODEV;
    }
    if (loader_devices(&l, d->platform, &all) <= o->index) {
        snprintf(reason, ACCOUNT_REASON_BYTES, "OpenCL platform '%s' has no device %u",
                 o->platform, o->index);
        return -ENODEV;
    }
    d->id = all[o->index];
    return 0;
}

/* "OpenCL 3.0 words" */
static cl_version
device_version(const struct device *d)
{
    char text[256] = "";
    unsigned major = 1, minor = 0;

    d->cl->clGetDeviceInfo(d->id, CL_DEVICE_VERSION, sizeof text - 1, text, NULL);
    if (sscanf(text, "OpenCL %u.%u", &major, &minor) != 2)
        return CL_MAKE_VERSION(1, 0, 0);
    return CL_MAKE_VERSION(major, minor, 0);
}

static int
device_learn(struct device *d, char *reason)
{
    cl_device_type type = 0;
    cl_bool unified = CL_FALSE;
    char platform[128] = "";

    d->version = device_version(d);
    if (d->version < CL_MAKE_VERSION(1, 2, 0)) {
        snprintf(reason, ACCOUNT_REASON_BYTES, "the driver is older than OpenCL 1.2");
        return -ENOTSUP;
    }
    d->cl->clGetDeviceInfo(d->id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    d->cl->clGetDeviceInfo(d->id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified,
                           NULL);
    d->host_memory = (type & CL_DEVICE_TYPE_CPU) || unified;
    device_find_functions(d);
    d->cl->clGetPlatformInfo(d->platform, CL_PLATFORM_NAME, sizeof platform - 1, platform,
                             NULL);
    d->takes_any_size = strcmp(platform, "Portable Computing Language") == 0;
    d->compiles_late = d->takes_any_size;
    return 0;
}

static int
device_load(struct device *d, const struct device_options *o, char *reason)
{
    int rc;

    if (o->fake) {
        d->cl = fake_driver(&d->platform, &d->id);
        if (d->cl)
            return 0;
        snprintf(reason, ACCOUNT_REASON_BYTES, "the fake driver refuses its faults");
        return -EINVAL;
    }
    rc = find_device(d, o, reason);
    /* cl_khr_icd: the first word of every handle is the driver's dispatch table. */
    if (rc == 0)
        memcpy(&d->cl, d->id, sizeof(void *));
    return rc;
}

int
device_open(struct device *d, const struct device_options *o, char *reason)
{
    struct cores_saved saved;
    char threads[16];
    int rc;

    *d = (struct device){0};
    snprintf(threads, sizeof threads, "%u", o->threads);
    if (o->threads > 0)
        setenv("POCL_MAX_PTHREAD_COUNT", threads, 1);
    /* The driver's threads inherit the cores; our own get theirs back. */
    rc = cores_pin(o->cores, &saved);
    if (rc < 0) {
        snprintf(reason, ACCOUNT_REASON_BYTES, "cannot run on cores %s: %s", o->cores,
                 strerror(-rc));
        return rc;
    }
    rc = device_load(d, o, reason);
    if (rc == 0)
        rc = device_learn(d, reason);
    cores_restore(&saved);
    return rc;
}
