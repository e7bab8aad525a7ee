/* SPDX-License-Identifier: MIT */
/*
 * What a device says of itself, carried in the welcome: answers to clGetDeviceInfo.
 *
 *   repeated:  u64 param_name | u64 length | bytes padded to 8
 *
 * The worker asks the driver, puts in what the vGPU changes (framebuffer, what is not
 * forwarded) and leaves out what it must not tell (handles); the guest answers from it
 * without asking.
 */
#ifndef TESSERA_WIRE_DEVICE_INFO_H
#define TESSERA_WIRE_DEVICE_INFO_H

#include <stddef.h>
#include <stdint.h>

/* The bytes for param, inside info; NULL when it is not there. */
const void *device_info_find(const uint8_t *info, size_t info_len, uint64_t param,
                             size_t *ret_len);

/*
 * Where the values are, by a hash of param: found once, looked up at every call. What
 * finds no slot is looked for in the bytes.
 */
#define DEVICE_INFO_SLOTS 512u
struct device_info {
    const uint8_t *bytes;
    size_t len;
    struct device_info_slot {
        uint64_t param;
        const void *value; /* NULL: an empty slot */
        size_t len;
    } slot[DEVICE_INFO_SLOTS];
};

/* Borrows the bytes, which stay as they are. */
void device_info_index(struct device_info *i, const uint8_t *info, size_t len);

/* As device_info_find(). */
const void *device_info_get(const struct device_info *i, uint64_t param, size_t *ret_len);

#endif
