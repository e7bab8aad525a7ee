/* SPDX-License-Identifier: MIT */
/*
 * idx.h - the IDX container of MNIST and its relatives: two zero bytes, an element
 * type, the number of dimensions, then each dimension as a big-endian 32-bit number,
 * then the elements (defined on the MNIST page of Y. LeCun).
 */
#ifndef TRAIN_IDX_H
#define TRAIN_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"

enum { IDX_MAX_DIMS = 3 };

struct idx {
    uint32_t dims;
    uint32_t dim[IDX_MAX_DIMS]; /* outermost first; unused ones are 1 */
    const uint8_t *data;        /* borrowed from the parsed bytes */
    size_t len;                 /* bytes of data: the product of dim[] */
};

/*
 * Reads an IDX file of unsigned bytes with one to three dimensions, all of it in
 * memory. Returns 0, -EBADMSG when it is no such file, or -EMSGSIZE when its length
 * is not the one that its header promises. Reads nothing but bytes[0..size).
 */
int idx_parse(const uint8_t *bytes, size_t size, struct idx *ret_idx,
              struct failure *why);

#endif
