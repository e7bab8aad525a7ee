/* SPDX-License-Identifier: MIT */
/* dataset.h - images and their labels: loaded and checked, or generated. */
#ifndef TRAIN_DATASET_H
#define TRAIN_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"
#include "train/shape.h"

enum { CLASSES = 10 };

/* One half of a data set. */
struct samples {
    uint32_t count;
    const uint8_t *images; /* one after another: channel by channel, row by row */
    const uint8_t *labels; /* count, each below CLASSES */
    uint8_t *owned[2];     /* what they lie in */
};

struct dataset {
    struct samples train, test;
};

/* Room for so many, for a loader to fill: owned[0] for images, owned[1] for labels. */
int samples_alloc(struct samples *samples, uint32_t count, size_t image_bytes,
                  struct failure *why);

/* A kind of data set. */
struct dataset_format {
    const char *name;        /* NULL: there are many, each known by its folder */
    const char *default_dir; /* NULL: without a folder images are generated */
    struct shape image;
    /* Into *data, which is empty; after a failure some of it may be there. */
    int (*load)(struct dataset *data, const char *dir, struct failure *why);
};

/* {train,t10k}-{images-idx3,labels-idx1}-ubyte, as of MNIST: 28 x 28, grey. */
extern const struct dataset_format dataset_mnist;

/* CIFAR-10's binary version: 32 x 32, in colour. */
extern const struct dataset_format dataset_cifar;

/*
 * Loads from dir, or generates images from the seed when dir is NULL (of dataset_cifar
 * alone). On failure nothing stays allocated.
 */
int dataset_load(struct dataset *ret_data, const struct dataset_format *format,
                 const char *dir, uint64_t seed, struct failure *why);
void dataset_fini(struct dataset *data);

/* What to call the images in a report: the format, its folder, or "generated". */
const char *dataset_name(const struct dataset_format *format, const char *dir);

/* The file dir/name or dir/name.gz, with its path for messages. */
struct dataset_file {
    uint8_t *bytes; /* the caller's to free */
    size_t size;
    char path[4096];
};

/* Refuses what is, or unpacks to, more than max bytes. */
int dataset_file_load(struct dataset_file *ret_file, const char *dir, const char *name,
                      size_t max, struct failure *why);

#endif
