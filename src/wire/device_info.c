/* SPDX-License-Identifier: MIT */
#include "wire/device_info.h"

#include "wire/codec.h"

#include <string.h>

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

static unsigned
slot_of(uint64_t param)
{
    return (unsigned)(param * 0x9e3779b97f4a7c15ull >> 55); /* 9 bits */
}

/* The first of two entries of one name counts, as it does without an index. */
void
device_info_index(struct device_info *i, const uint8_t *info, size_t info_len)
{
    struct dec d;

    memset(i, 0, sizeof *i);
    i->bytes = info;
    i->len = info_len;
    dec_init(&d, info, info_len);
    while (d.p < d.end && !d.bad) {
        uint64_t name = dec_u64(&d, "param"), len;
        const uint8_t *value = dec_bytes(&d, "value", &len);
        struct device_info_slot *slot = &i->slot[slot_of(name)];

        if (!d.bad && !slot->value)
            *slot = (struct device_info_slot){name, value, len};
    }
}

const void *
device_info_get(const struct device_info *i, uint64_t param, size_t *ret_len)
{
    const struct device_info_slot *slot = &i->slot[slot_of(param)];

    if (!slot->value)
        return NULL;
    if (slot->param != param)
        return device_info_find(i->bytes, i->len, param, ret_len);
    *ret_len = slot->len;
    return slot->value;
}
