/* SPDX-License-Identifier: MIT */
/* The trainer reads a data set's file. */
#include "train/idx.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure why = {{0}};
    struct idx idx;

    if (idx_parse(data, size, &idx, &why) < 0) {
        if (!why.text[0])
            abort();
        return 0;
    }
    if (idx.data < data || idx.len != (size_t)(data + size - idx.data) ||
        idx.len != (size_t)idx.dim[0] * idx.dim[1] * idx.dim[2])
        abort();
    return 0;
}
