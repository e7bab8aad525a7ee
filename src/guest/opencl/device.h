/* SPDX-License-Identifier: MIT */
/*
 * The platform and its devices: one device per vGPU that is found (find.h, in a virtual machine
 * vm.h). A device connects when somebody first wants to know something of it; after its session
 * died (or in a forked child) the next context connects anew.
 */
#ifndef TESSERA_GUEST_OPENCL_DEVICE_H
#define TESSERA_GUEST_OPENCL_DEVICE_H

#include "guest/opencl/connection.h"
#include "guest/opencl/object.h"
#include "wire/device_info.h"

#include <pthread.h>

struct _cl_platform_id {
    struct object o;
};

/* The vGPU itself, or a part of it (subdevice.c): that one belongs to a session. */
struct _cl_device_id {
    struct object o;
    struct device *d;
    /* Of a part only: */
    cl_device_id parent; /* held */
    uint8_t *info;       /* immutable */
    size_t info_len;
    cl_device_partition_property *partition; /* as given, with the final 0 */
    size_t n_partition;
};

struct device {
    struct _cl_device_id handle;
    struct route route;
    pthread_mutex_t lock;
    struct session *session; /* may be dead */
    bool told;               /* on stderr why it cannot be used */
    uint8_t *info;           /* as told at the first connection; immutable then */
    size_t info_len;
    struct device_info index; /* of info */
    cl_device_type type;
};

/* All devices, found once per process. None where no vGPU is found. */
struct device *const *devices_all(unsigned *ret_n);
cl_platform_id platform_get(void);

/* Keeps info (malloc'ed, ownership passes) if it is the first, else frees it. */
void device_take_info(struct device *d, uint8_t *info, size_t len);

/*
 * A live session, held for the caller; connects if need be. CL_OUT_OF_RESOURCES when it cannot: the
 * reason is on stderr, the first time.
 */
cl_int device_session(struct device *d, struct session **ret);

/* Why it cannot be used any more, on stderr. Once per device: programs ask again. */
void device_tell(struct device *d, const char *reason);

/* What the handle's own information says; the vGPU must have been connected once. */
const void *device_handle_bytes(cl_device_id device, cl_device_info param,
                                size_t *ret_len);
uint64_t device_handle_number(cl_device_id device, cl_device_info param,
                              uint64_t otherwise);

/* A number of the device's information, or `otherwise` when it is not known. */
uint64_t device_number(const struct device *d, cl_device_info param, uint64_t otherwise);
const void *device_bytes(const struct device *d, cl_device_info param, size_t *ret_len);

/* Is the extension among CL_DEVICE_EXTENSIONS? */
bool device_has_extension(const struct device *d, const char *name);

/* For fork: no device is half connected while it happens. */
void device_lock_all(void);
void device_unlock_all(void);

#endif
