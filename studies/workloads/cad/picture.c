/* SPDX-License-Identifier: MIT */
#include "cad/picture.h"

#include <errno.h>
#include <inttypes.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t
picture_checksum(const struct image *image)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (uint32_t y = 0; y < image->height; y++)
        for (uint32_t x = 0; x < image->width; x++) {
            const uint32_t pixel = image->pixels[(size_t)y * image->stride + x];

            for (int shift = 0; shift < 24; shift += 8)
                hash = (hash ^ (pixel >> shift & 0xff)) * UINT64_C(0x100000001b3);
        }
    return hash;
}

/* libpng's message is kept for the caller, who is returned to by longjmp. */
static void
note_error(png_structp png, png_const_charp text)
{
    failure_set(png_get_error_ptr(png), -EIO, "%s", text);
    png_longjmp(png, 1);
}

static void
ignore_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

/* The fourth byte of each pixel is left out. Returns false after an error. */
static bool
write_rows(png_structp png, png_infop info, const struct image *image, FILE *file)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_init_io(png, file);
    /* Frames wait for this one: speed before size. */
    png_set_compression_level(png, 1);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
    png_set_IHDR(png, info, image->width, image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    png_set_filler(png, 0, PNG_FILLER_AFTER);
    for (uint32_t y = 0; y < image->height; y++)
        png_write_row(png, (png_const_bytep)(image->pixels + (size_t)y * image->stride));
    png_write_end(png, NULL);
    return true;
}

static int
write_file(const struct image *image, FILE *file, struct failure *why)
{
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, why, note_error, ignore_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int r = 0;

    if (!info)
        r = failure_set(why, -ENOMEM, "out of memory");
    else if (!write_rows(png, info, image, file))
        r = -EIO;
    png_destroy_write_struct(&png, &info);
    return r;
}

int
picture_write_png(const struct image *image, const char *path, struct failure *why)
{
    struct failure inner = {0};
    FILE *const file = fopen(path, "we");
    int r;

    if (!file)
        return failure_set(why, -errno, "%s: %s", path, strerror(errno));
    r = write_file(image, file, &inner);
    if (fclose(file) && r >= 0)
        r = failure_set(&inner, -EIO, "%s", strerror(errno));
    if (r < 0) {
        unlink(path);
        failure_set(why, r, "%s: %s", path, inner.text);
    }
    return r;
}

bool
picture_is_numbered(const char *pattern)
{
    return strstr(pattern, "%d");
}

int
picture_path(const char *pattern, uint64_t number, char *ret_path, size_t size,
             struct failure *why)
{
    const char *const mark = strstr(pattern, "%d");
    const int before = mark ? (int)(mark - pattern) : (int)strlen(pattern);
    int length;

    if (mark)
        length = snprintf(ret_path, size, "%.*s%05" PRIu64 "%s", before, pattern, number,
                          mark + 2);
    else
        length = snprintf(ret_path, size, "%s", pattern);
    if (length < 0 || (size_t)length >= size)
        return failure_set(why, -ENAMETOOLONG, "%s: path too long", pattern);
    return 0;
}
