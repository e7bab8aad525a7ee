/* SPDX-License-Identifier: MIT */
/*
 * picture.h - a page that is scrolled: a part of it made smaller by the mean of the area
 * that each pixel covers, in whole numbers, so that any order of summing gives the same.
 */
#ifndef OFFICE_PICTURE_H
#define OFFICE_PICTURE_H

#include <stdint.h>

#include "common/failure.h"
#include "common/rng.h"

enum {
    PAGE_WIDTH = 600,
    PAGE_HEIGHT = 1200,
    PAGE_CHANNELS = 3,
    VIEW_HEIGHT = 450, /* how much of the page is seen at once */
};

struct picture {
    uint8_t *pixels; /* owned; PAGE_HEIGHT rows of PAGE_WIDTH times PAGE_CHANNELS */
};

/* What is seen: the page from the row top on, made width x height pixels large. */
struct view {
    unsigned top, width, height; /* from 1 to PAGE_WIDTH and VIEW_HEIGHT */
};

int picture_init(struct picture *ret_picture, struct rng *rng, struct failure *why);
void picture_fini(struct picture *p);

/* ret_pixels: height rows of width times PAGE_CHANNELS. */
void picture_scale(const struct picture *p, const struct view *view, uint8_t *ret_pixels);

/* One value of what picture_scale makes, summed over its area alone. */
uint8_t picture_value(const struct picture *p, const struct view *view, unsigned x,
                      unsigned y, unsigned channel);

/* Scrolls to a drawn place and scales, checking some pixels. The answer: a checksum. */
int picture_scroll(const struct picture *p, struct rng *rng, uint64_t *ret_answer,
                   struct failure *why);

#endif
