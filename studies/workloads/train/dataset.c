/* SPDX-License-Identifier: MIT */
#include "train/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "train/generated.h"

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

int
dataset_file_load(struct dataset_file *ret_file, const char *dir, const char *name,
                  size_t max, struct failure *why)
{
    const int r = find_file(ret_file->path, sizeof ret_file->path, dir, name, why);

    if (r < 0)
        return r;
    return file_load(ret_file->path, max, &ret_file->bytes, &ret_file->size, why);
}

int
samples_alloc(struct samples *samples, uint32_t count, size_t image_bytes,
              struct failure *why)
{
    samples->owned[0] = malloc(count * image_bytes);
    samples->owned[1] = malloc(count);
    if (!samples->owned[0] || !samples->owned[1])
        return failure_set(why, -ENOMEM, "out of memory");
    samples->count = count;
    samples->images = samples->owned[0];
    samples->labels = samples->owned[1];
    return 0;
}

int
dataset_load(struct dataset *ret_data, const struct dataset_format *format,
             const char *dir, uint64_t seed, struct failure *why)
{
    struct dataset data = {0};
    const int r = dir ? format->load(&data, dir, why) : generated_load(&data, seed, why);

    if (r < 0) {
        dataset_fini(&data);
        return r;
    }
    *ret_data = data;
    return 0;
}

static void
samples_fini(struct samples *samples)
{
    free(samples->owned[0]);
    free(samples->owned[1]);
    *samples = (struct samples){0};
}

void
dataset_fini(struct dataset *data)
{
    samples_fini(&data->train);
    samples_fini(&data->test);
}

const char *
dataset_name(const struct dataset_format *format, const char *dir)
{
    if (!dir)
        return "generated";
    return format->name ? format->name : dir;
}
