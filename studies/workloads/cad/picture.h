/* SPDX-License-Identifier: MIT */
/* picture.h - what to do with a frame's pixels. */
#ifndef CAD_PICTURE_H
#define CAD_PICTURE_H

#include <stddef.h>

#include "cad/render.h"
#include "common/failure.h"

/* FNV-1a, 64 bits, of red, green and blue of each pixel, row by row. */
uint64_t picture_checksum(const struct image *image);

/* Writes a PNG. Returns 0 or a negative errno; after a failure there is no file. */
int picture_write_png(const struct image *image, const char *path, struct failure *why);

/*
 * The pattern with its first %d as the number, of five digits or more; without one, the
 * pattern. Returns 0 or -ENAMETOOLONG.
 */
int picture_path(const char *pattern, uint64_t number, char *ret_path, size_t size,
                 struct failure *why);

/* Whether there is a %d in it. */
bool picture_is_numbered(const char *pattern);

#endif
