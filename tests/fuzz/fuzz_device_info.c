/* SPDX-License-Identifier: MIT */
/*
 * The guest looks up what a worker said of its device. The first byte picks the answer; the
 * index of all says the same.
 */
#include "wire/device_info.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *info = data + 1, *value;
    static struct device_info index;
    size_t len = 0, indexed_len = 0;

    if (size == 0)
        return 0;
    value = device_info_find(info, size - 1, data[0], &len);
    if (value &&
        (value < info || len > size - 1 || (size_t)(value - info) > size - 1 - len))
        abort();
    device_info_index(&index, info, size - 1);
    if (device_info_get(&index, data[0], &indexed_len) != value || indexed_len != len)
        abort();
    return 0;
}
