/* SPDX-License-Identifier: MIT */
/*
 * The GPU behind a session: found through the OpenCL loader once, then called through the driver's
 * own dispatch table, so that no loader stands in the way of a call.
 */
#ifndef TESSERA_WORKER_DEVICE_H
#define TESSERA_WORKER_DEVICE_H

#include "api/opencl_extensions.h"
#include "worker/bytes.h"

#include <CL/cl_icd.h>
#include <stdbool.h>

/* From cl_nv_device_attribute_query, missing in the headers. */
#define NV_ATTRIBUTE_ASYNC_ENGINE_COUNT 0x4007
#define NV_PCI_BUS_ID 0x4008
#define NV_PCI_SLOT_ID 0x4009 /* PCI device << 3 | function */
#define NV_PCI_DOMAIN_ID 0x400A

struct device_options {
    const char *platform;
    unsigned index;    /* among all devices of the platform, as --probe counts them */
    const char *cores; /* "0,2-3": where the driver's threads run; NULL: anywhere */
    unsigned threads;  /* of a software GPU; 0: as the driver likes */
    bool fake;
};

struct device {
    cl_platform_id platform;
    cl_device_id id;
    const struct _cl_icd_dispatch *cl;
    struct extension_functions ext;
    cl_version version;
    bool host_memory;    /* its memory is the host's */
    bool compiles_late;  /* machine code is made at a first launch (PoCL) */
    bool takes_any_size; /* clSetKernelArg does not refuse a value of a wrong length */
};

/* The loader's functions that finding a device takes. */
struct loader {
    cl_api_clGetPlatformIDs get_platform_ids;
    cl_api_clGetPlatformInfo get_platform_info;
    cl_api_clGetDeviceIDs get_device_ids;
    cl_api_clGetDeviceInfo get_device_info;
};

/* -ENOENT: there is no OpenCL loader. Stays loaded for good. */
int loader_open(struct loader *l);

/* A platform's devices (malloc'ed) in the order of their index; 0 when there are none. */
cl_uint loader_devices(const struct loader *l, cl_platform_id platform,
                       cl_device_id **ret);
cl_uint loader_platforms(const struct loader *l, cl_platform_id **ret);

/* Loads the driver. A negative errno with words in reason (160 bytes). */
int device_open(struct device *d, const struct device_options *o, char *reason);

/* Fills in ext: the functions of those extensions that the device has. */
void device_find_functions(struct device *d);

/* Has the driver all functions of that extension that a message calls? */
bool device_has_functions(const struct device *d, const char *extension, size_t len);

/* What a vGPU changes of a device's own words. */
struct device_limits {
    uint64_t framebuffer_bytes;
    bool host_unified; /* the guest shares storage with it */
};

/* The device's answers to clGetDeviceInfo (wire/device_info.h). */
void device_describe(const struct device *d, const struct device_limits *limits,
                     struct bytes *b);

#endif
