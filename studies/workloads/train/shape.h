/* SPDX-License-Identifier: MIT */
/* shape.h - the extent of an image, and of what a layer puts out. */
#ifndef TRAIN_SHAPE_H
#define TRAIN_SHAPE_H

struct shape {
    int h, w, c;
};

static inline int
shape_size(struct shape s)
{
    return s.h * s.w * s.c;
}

#endif
