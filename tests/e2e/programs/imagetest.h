/* SPDX-License-Identifier: MIT */
/* What the programs about images share: images of every type, and what must be in them. */
#ifndef TESSERA_TESTS_IMAGETEST_H
#define TESSERA_TESTS_IMAGETEST_H

#include "cltest.h"

/* An image, and in `want` what must be in it: packed tight. */
struct subject {
    cl_image_format format;
    cl_image_desc desc;
    size_t element, extent[3], bytes;
    cl_mem image, buffer; /* buffer: of a 1D image buffer */
    uint8_t *want, *got;
};

/* Several formats, and one shape of each type. */
#define IMAGE_FORMATS 6
#define IMAGE_TYPES 6
extern const cl_image_format formats[IMAGE_FORMATS];
struct image_shape {
    const char *name;
    cl_image_desc desc;
};
enum { LINE, LINES, LINE_IN_BUFFER, FLAT, FLATS, DEEP };
extern const struct image_shape types[IMAGE_TYPES];

extern struct cl c; /* the program's only one */
static const size_t zero[3] = {0};

void done(const char *name);
void random_bytes(uint8_t *p, size_t n, uint32_t seed);
cl_mem image_new(cl_mem_flags flags, const cl_image_format *format,
                 const cl_image_desc *desc, void *host);

/* format and desc are given; makes the rest, or all but the image. */
void subject_make(struct subject *s);
void subject_extent(struct subject *s);
void subject_free(struct subject *s);

/* Writes random elements; reads all, and compares with what must be there. */
void subject_write(struct subject *s, uint32_t seed);
void subject_compare(struct subject *s, const char *what);

#endif
