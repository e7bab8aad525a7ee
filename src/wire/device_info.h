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

#endif
