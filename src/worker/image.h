/* SPDX-License-Identifier: MIT */
/*
 * Images. Nothing of what the guest says of a shape is left to the driver to check: the worker
 * knows how far an image reaches, and how many bytes of an extent a region takes.
 */
#ifndef TESSERA_WORKER_IMAGE_H
#define TESSERA_WORKER_IMAGE_H

#include "worker/mem.h"

/*
 * Is the region inside the image, and how many bytes is it packed tight? 0, or a negative errno
 * that ends the session.
 */
int image_check_region(struct session *s, const struct mem *m, const uint64_t origin[3],
                       const uint64_t region[3], uint64_t *ret_bytes);

/* The same of a copy's two images, which must be of one element size. */
int image_check_copy(struct session *s, const struct mem *src, const struct mem *dst,
                     const uint64_t src_origin[3], const uint64_t dst_origin[3],
                     const uint64_t region[3]);

/* The same of a region that is packed tight at an offset of a buffer. */
int image_check_with_buffer(struct session *s, const struct mem *m,
                            const uint64_t origin[3], const uint64_t region[3],
                            const struct object *buffer, uint64_t offset);

/*
 * A fill color (OpenCL 3.0, section 5.3.4) as one element of that format. false: the conversion is
 * left to the driver (packed types, sRGB).
 */
bool image_color(uint64_t channel_order, uint64_t channel_type, const uint8_t color[16],
                 uint8_t ret[16]);

#endif
