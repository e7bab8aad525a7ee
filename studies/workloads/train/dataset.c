/* SPDX-License-Identifier: MIT */
#include "train/dataset.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "train/idx.h"

/* MNIST is 47 MB; a file of a few bytes must not unpack to all memory. */
static const size_t max_file_bytes = (size_t)1 << 30;

static int
find_file(char *path, size_t size, const char *dir, const char *name, struct failure *why)
{
    static const char *const suffixes[] = {"", ".gz"};

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const int n = snprintf(path, size, "%s/%s%s", dir, name, suffixes[i]);

        if (n < 0 || (size_t)n >= size)
            return failure_set(why, -ENAMETOOLONG, "%s: path too long", dir);
        if (!access(path, R_OK))
            return 0;
        if (errno != ENOENT)
            return failure_set(why, -errno, "%s: %s", path, strerror(errno));
    }
    return failure_set(why, -ENOENT, "%s: no %s or %s.gz there", dir, name, name);
}

/* Loads dir/name into *ret_file (owned by the caller) and parses it. */
static int
idx_load(const char *dir, const char *name, uint8_t **ret_file, struct idx *ret_idx,
         struct failure *why)
{
    struct failure detail = {0};
    char path[PATH_MAX];
    size_t size = 0;
    int r;

    r = find_file(path, sizeof path, dir, name, why);
    if (r < 0)
        return r;
    r = file_load(path, max_file_bytes, ret_file, &size, why);
    if (r < 0)
        return r;
    r = idx_parse(*ret_file, size, ret_idx, &detail);
    if (r < 0)
        return failure_set(why, r, "%s: %s", path, detail.text);
    return 0;
}

static int
check_samples(const struct idx *images, const struct idx *labels, const char *set,
              struct failure *why)
{
    if (images->dims != 3 || images->dim[1] != IMAGE_SIDE || images->dim[2] != IMAGE_SIDE)
        return failure_set(why, -EINVAL,
                           "%s images: %u dimensions of %u x %u x %u, but the models "
                           "take images of %d x %d",
                           set, images->dims, images->dim[0], images->dim[1],
                           images->dim[2], IMAGE_SIDE, IMAGE_SIDE);
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

static void
samples_fini(struct samples *samples)
{
    free(samples->image_file);
    free(samples->label_file);
    *samples = (struct samples){0};
}

static int
samples_load(struct samples *samples, const char *dir, const char *set,
             struct failure *why)
{
    struct idx images = {0}, labels = {0};
    char name[32];
    int r;

    snprintf(name, sizeof name, "%s-images-idx3-ubyte", set);
    r = idx_load(dir, name, &samples->image_file, &images, why);
    if (r < 0)
        return r;
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", set);
    r = idx_load(dir, name, &samples->label_file, &labels, why);
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

int
dataset_load(struct dataset *ret_data, const char *dir, struct failure *why)
{
    struct dataset data = {0};
    int r;

    r = samples_load(&data.train, dir, "train", why);
    if (r >= 0)
        r = samples_load(&data.test, dir, "t10k", why);
    if (r < 0) {
        dataset_fini(&data);
        return r;
    }
    *ret_data = data;
    return 0;
}

void
dataset_fini(struct dataset *data)
{
    samples_fini(&data->train);
    samples_fini(&data->test);
}
