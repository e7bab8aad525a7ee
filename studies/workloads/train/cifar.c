/* SPDX-License-Identifier: MIT */
#include "train/cifar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/dataset.h"

int
cifar_parse(const uint8_t *bytes, size_t size, uint32_t count, uint8_t *ret_images,
            uint8_t *ret_labels, struct failure *why)
{
    const size_t expected = (size_t)count * CIFAR_RECORD_BYTES;

    if (size != expected)
        return failure_set(why, -EMSGSIZE,
                           "%s: %zu bytes instead of %zu: %u images of 1 + %d bytes",
                           size < expected ? "truncated" : "too long", size, expected,
                           count, CIFAR_IMAGE_BYTES);

    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *const record = bytes + (size_t)i * CIFAR_RECORD_BYTES;

        if (record[0] >= CLASSES)
            return failure_set(why, -EBADMSG, "label %u of image %u: there are 0 to %d",
                               record[0], i, CLASSES - 1);
        ret_labels[i] = record[0];
        memcpy(ret_images + (size_t)i * CIFAR_IMAGE_BYTES, record + 1, CIFAR_IMAGE_BYTES);
    }
    return 0;
}

/* The images of a file, as those of that batch of the samples. */
static int
batch_load(struct samples *samples, uint32_t batch, const char *dir, const char *name,
           struct failure *why)
{
    const size_t first = (size_t)batch * CIFAR_BATCH;
    struct dataset_file file = {0};
    struct failure detail = {0};
    int r;

    r = dataset_file_load(&file, dir, name, (size_t)CIFAR_BATCH * CIFAR_RECORD_BYTES,
                          why);
    if (r < 0)
        return r;
    r = cifar_parse(file.bytes, file.size, CIFAR_BATCH,
                    samples->owned[0] + first * CIFAR_IMAGE_BYTES,
                    samples->owned[1] + first, &detail);
    free(file.bytes);
    if (r < 0)
        return failure_set(why, r, "%s: %s", file.path, detail.text);
    return 0;
}

static int
train_load(struct samples *train, const char *dir, struct failure *why)
{
    int r =
        samples_alloc(train, CIFAR_TRAIN_BATCHES * CIFAR_BATCH, CIFAR_IMAGE_BYTES, why);

    for (uint32_t i = 0; i < CIFAR_TRAIN_BATCHES && r >= 0; i++) {
        char name[32];

        snprintf(name, sizeof name, "data_batch_%u.bin", i + 1);
        r = batch_load(train, i, dir, name, why);
    }
    return r;
}

static int
cifar_load(struct dataset *data, const char *dir, struct failure *why)
{
    int r = train_load(&data->train, dir, why);

    if (r >= 0)
        r = samples_alloc(&data->test, CIFAR_BATCH, CIFAR_IMAGE_BYTES, why);
    if (r >= 0)
        r = batch_load(&data->test, 0, dir, "test_batch.bin", why);
    return r;
}

const struct dataset_format dataset_cifar = {
    .name = "cifar-10",
    .image = {CIFAR_SIDE, CIFAR_SIDE, 3},
    .load = cifar_load,
};
