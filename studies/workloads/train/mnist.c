/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "train/dataset.h"
#include "train/idx.h"

enum { SIDE = 28 };

/* MNIST is 47 MB; a file of a few bytes must not unpack to all memory. */
static const size_t max_file_bytes = (size_t)1 << 30;

/* Loads dir/name into *ret_bytes (owned by the caller) and parses it. */
static int
idx_load(const char *dir, const char *name, uint8_t **ret_bytes, struct idx *ret_idx,
         struct failure *why)
{
    struct dataset_file file = {0};
    struct failure detail = {0};
    int r;

    r = dataset_file_load(&file, dir, name, max_file_bytes, why);
    if (r < 0)
        return r;
    *ret_bytes = file.bytes;
    r = idx_parse(file.bytes, file.size, ret_idx, &detail);
    if (r < 0)
        return failure_set(why, r, "%s: %s", file.path, detail.text);
    return 0;
}

static int
check_samples(const struct idx *images, const struct idx *labels, const char *set,
              struct failure *why)
{
    if (images->dims != 3 || images->dim[1] != SIDE || images->dim[2] != SIDE)
        return failure_set(why, -EINVAL,
                           "%s images: %u dimensions of %u x %u x %u, but the models "
                           "take images of %d x %d",
                           set, images->dims, images->dim[0], images->dim[1],
                           images->dim[2], SIDE, SIDE);
    if (labels->dims != 1)
        return failure_set(why, -EINVAL, "%s labels: %u dimensions instead of 1", set,
                           labels->dims);
    if (images->dim[0] != labels->dim[0])
        return failure_set(why, -EINVAL, "%s set: %u images but %u labels", set,
                           images->dim[0], labels->dim[0]);
    if (!images->dim[0])
        return failure_set(why, -EINVAL, "%s set: no images", set);
    for (size_t i = 0; i < labels->len; i++)
        if (labels->data[i] >= CLASSES)
            return failure_set(why, -EINVAL,
                               "%s labels: label %u of image %zu: the "
                               "models know 0 to %d",
                               set, labels->data[i], i, CLASSES - 1);
    return 0;
}

static int
samples_load(struct samples *samples, const char *dir, const char *set,
             struct failure *why)
{
    struct idx images = {0}, labels = {0};
    char name[32];
    int r;

    snprintf(name, sizeof name, "%s-images-idx3-ubyte", set);
    r = idx_load(dir, name, &samples->owned[0], &images, why);
    if (r < 0)
        return r;
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", set);
    r = idx_load(dir, name, &samples->owned[1], &labels, why);
    if (r < 0)
        return r;
    r = check_samples(&images, &labels, set, why);
    if (r < 0)
        return r;

    samples->count = images.dim[0];
    samples->images = images.data;
    samples->labels = labels.data;
    return 0;
}

static int
mnist_load(struct dataset *data, const char *dir, struct failure *why)
{
    const int r = samples_load(&data->train, dir, "train", why);

    return r < 0 ? r : samples_load(&data->test, dir, "t10k", why);
}

const struct dataset_format dataset_mnist = {
    .default_dir = "/usr/share/datasets/fashion-mnist",
    .image = {SIDE, SIDE, 1},
    .load = mnist_load,
};
