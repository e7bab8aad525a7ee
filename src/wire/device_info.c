/* SPDX-License-Identifier: MIT */
#include "wire/device_info.h"

#include "wire/codec.h"

const void *
device_info_find(const uint8_t *info, size_t info_len, uint64_t param, size_t *ret_len)
{
    struct dec d;

    dec_init(&d, info, info_len);
    while (d.p < d.end && !d.bad) {
        uint64_t name = dec_u64(&d, "param"), len;
        const uint8_t *value = dec_bytes(&d, "value", &len);

        if (!d.bad && name == param) {
            *ret_len = len;
            return value;
        }
    }
    return NULL;
}
