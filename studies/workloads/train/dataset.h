/* SPDX-License-Identifier: MIT */
/* dataset.h - images and labels of an MNIST-like data set, loaded and checked. */
#ifndef TRAIN_DATASET_H
#define TRAIN_DATASET_H

#include <stdint.h>

#include "common/failure.h"

enum { IMAGE_SIDE = 28, IMAGE_PIXELS = IMAGE_SIDE * IMAGE_SIDE, CLASSES = 10 };

/* One half of a data set. The pixels lie image after image, row by row, 0 to 255. */
struct samples {
    uint32_t count;
    const uint8_t *images; /* count * IMAGE_PIXELS, within image_file */
    const uint8_t *labels; /* count, each below CLASSES, within label_file */
    uint8_t *image_file;   /* owned */
    uint8_t *label_file;   /* owned */
};

struct dataset {
    struct samples train, test;
};

/*
 * Loads {train,t10k}-{images-idx3,labels-idx1}-ubyte from dir, each as it is or with
 * ".gz". On failure nothing stays allocated.
 */
int dataset_load(struct dataset *ret_data, const char *dir, struct failure *why);

void dataset_fini(struct dataset *data);

#endif
