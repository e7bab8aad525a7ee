/* SPDX-License-Identifier: MIT */
/* The trainer reads a batch of CIFAR-10's. The first byte says how many images it expects. */
#include "train/cifar.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4 };

static void
check(const uint8_t *records, uint32_t count, const uint8_t *images,
      const uint8_t *labels)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *const record = records + (size_t)i * CIFAR_RECORD_BYTES;

        if (labels[i] > 9 || labels[i] != record[0] ||
            memcmp(images + (size_t)i * CIFAR_IMAGE_BYTES, record + 1, CIFAR_IMAGE_BYTES))
            abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure why = {{0}};
    uint8_t *images, *labels;
    uint32_t count;

    if (size == 0)
        return 0;
    /* Room for so many and no more, so that writing past it shows. */
    count = data[0] % (MOST + 1);
    images = malloc((size_t)count * CIFAR_IMAGE_BYTES);
    labels = malloc(count);
    if (cifar_parse(data + 1, size - 1, count, images, labels, &why) == 0)
        check(data + 1, count, images, labels);
    else if (!why.text[0])
        abort();
    free(images);
    free(labels);
    return 0;
}
