/* SPDX-License-Identifier: MIT */
/*
 * cifar.h - CIFAR-10's binary version: a batch is 10,000 records of a byte, the label,
 * and 32 x 32 pixels, first all red ones, then the green and the blue ones, each row by
 * row (defined on the CIFAR-10 page of A. Krizhevsky).
 */
#ifndef TRAIN_CIFAR_H
#define TRAIN_CIFAR_H

#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"

enum {
    CIFAR_SIDE = 32,
    CIFAR_IMAGE_BYTES = 3 * CIFAR_SIDE * CIFAR_SIDE,
    CIFAR_RECORD_BYTES = 1 + CIFAR_IMAGE_BYTES,
    CIFAR_BATCH = 10000,
    CIFAR_TRAIN_BATCHES = 5,
};

/*
 * Takes `count` records apart, into count * CIFAR_IMAGE_BYTES of pixels and count
 * labels. Returns 0, -EMSGSIZE when the size is not that of so many records, or -EBADMSG
 * when a label is none; then what is written means nothing. Reads bytes[0..size) only.
 */
int cifar_parse(const uint8_t *bytes, size_t size, uint32_t count, uint8_t *ret_images,
                uint8_t *ret_labels, struct failure *why);

#endif
