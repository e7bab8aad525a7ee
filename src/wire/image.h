/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of images that guest and worker must agree on: how long an element is, how far an
 * image reaches, how many bytes a region takes (OpenCL 3.0, sections 5.3.1 and 5.3.3).
 *
 * A region has three dimensions whatever the image is; those an image does not have are 1 long. The
 * second one of a 1D image array, and the third one of a 2D image array, count its images.
 */
#ifndef TESSERA_WIRE_IMAGE_H
#define TESSERA_WIRE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Places in clCreateImage's `sizes`. */
enum { IMAGE_WIDTH, IMAGE_HEIGHT, IMAGE_DEPTH, IMAGE_ARRAY_SIZE, IMAGE_SIZES };

/*
 * Bytes of one element (table 17 and 18: channel order, channel data type); 0 when the two are no
 * format: one of them is unknown, or they do not go together.
 */
uint32_t image_element_bytes(uint64_t channel_order, uint64_t channel_type);

/*
 * How far an image of that type (cl_mem_object_type) reaches in each dimension. false: it is no
 * type of image, or a size that the type has is 0.
 */
bool image_extent(uint64_t image_type, const uint64_t sizes[IMAGE_SIZES],
                  uint64_t ret[3]);

/* Is the region not empty, and inside the extent? */
bool image_region_ok(const uint64_t extent[3], const uint64_t origin[3],
                     const uint64_t region[3]);

/* A region packed tight. false: more bytes than a number holds. */
bool image_region_bytes(uint32_t element, const uint64_t region[3], uint64_t *ret);

#endif
