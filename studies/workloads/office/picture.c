/* SPDX-License-Identifier: MIT */
/*
 * The source has S pixels where the view has D. On a common scale a source pixel is D
 * units wide and one of the view S; how many units two of them share is the weight.
 *
 *   source  |---D---|---D---|---D---|
 *   view    |-----S-----|-----S-----|      S = 3, D = 2
 */
#include "office/picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    ROW = PAGE_WIDTH * PAGE_CHANNELS,
    CHECKED_PIXELS = 16,
    LETTER_WIDTH = 4,
    LINE_HEIGHT = 12,
    LETTER_HEIGHT = 8,
};

/* Lines of grey letters on paper, some of them in a colour. */
int
picture_init(struct picture *ret_picture, struct rng *rng, struct failure *why)
{
    uint8_t *const pixels = malloc((size_t)PAGE_HEIGHT * ROW);

    if (!pixels)
        return failure_set(why, -ENOMEM, "out of memory");
    memset(pixels, 0xf8, (size_t)PAGE_HEIGHT * ROW);
    for (unsigned y = 0; y < PAGE_HEIGHT; y++)
        for (unsigned x = 0; x < PAGE_WIDTH && y % LINE_HEIGHT < LETTER_HEIGHT; x++) {
            uint8_t *const pixel = pixels + (size_t)y * ROW + (size_t)x * PAGE_CHANNELS;

            if (x % LETTER_WIDTH && rng_below(rng, 2))
                memset(pixel, (int)rng_below(rng, 96), PAGE_CHANNELS);
            if (y / LINE_HEIGHT % 8 == 0)
                pixel[y / LINE_HEIGHT % PAGE_CHANNELS] = 0xd0;
        }
    ret_picture->pixels = pixels;
    return 0;
}

void
picture_fini(struct picture *p)
{
    free(p->pixels);
}

/* The source pixels that a pixel of the view covers. */
struct span {
    unsigned first, last;
};

static struct span
span_of(unsigned at, unsigned source, unsigned target)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a view has pixels. */
    return (struct span){at * source / target, ((at + 1) * source - 1) / target};
}

/* The units that pixel i of the source and pixel `at` of the view share. */
static uint32_t
shared(unsigned i, unsigned at, unsigned source, unsigned target)
{
    const unsigned begin = i * target > at * source ? i * target : at * source;
    const unsigned end =
        (i + 1) * target < (at + 1) * source ? (i + 1) * target : (at + 1) * source;

    return end - begin;
}

/* The area of a pixel of the view, and the largest sum is 255 times that: below 2^27. */
static const uint32_t area = PAGE_WIDTH * VIEW_HEIGHT;

static uint8_t
mean(uint32_t sum)
{
    return (uint8_t)((sum + area / 2) / area);
}

/* Columns of the page, summed over the height of row y of the view. */
static void
sum_rows(const struct picture *p, const struct view *view, unsigned y, uint32_t *ret_sums)
{
    const struct span rows = span_of(y, VIEW_HEIGHT, view->height);

    memset(ret_sums, 0, ROW * sizeof *ret_sums);
    for (unsigned i = rows.first; i <= rows.last; i++) {
        const uint8_t *const row = p->pixels + (size_t)(view->top + i) * ROW;
        const uint32_t weight = shared(i, y, VIEW_HEIGHT, view->height);

        for (unsigned x = 0; x < ROW; x++)
            ret_sums[x] += weight * row[x];
    }
}

static void
sum_columns(const uint32_t *sums, unsigned width, uint8_t *ret_row)
{
    for (unsigned x = 0; x < width; x++) {
        const struct span columns = span_of(x, PAGE_WIDTH, width);
        uint32_t sum[PAGE_CHANNELS] = {0};

        for (unsigned i = columns.first; i <= columns.last; i++) {
            const uint32_t weight = shared(i, x, PAGE_WIDTH, width);

            for (unsigned c = 0; c < PAGE_CHANNELS; c++)
                sum[c] += weight * sums[i * PAGE_CHANNELS + c];
        }
        for (unsigned c = 0; c < PAGE_CHANNELS; c++)
            ret_row[x * PAGE_CHANNELS + c] = mean(sum[c]);
    }
}

void
picture_scale(const struct picture *p, const struct view *view, uint8_t *ret_pixels)
{
    const size_t row = (size_t)view->width * PAGE_CHANNELS;
    uint32_t sums[ROW];

    for (unsigned y = 0; y < view->height; y++) {
        sum_rows(p, view, y, sums);
        sum_columns(sums, view->width, ret_pixels + y * row);
    }
}

uint8_t
picture_value(const struct picture *p, const struct view *view, unsigned x, unsigned y,
              unsigned channel)
{
    const struct span rows = span_of(y, VIEW_HEIGHT, view->height);
    const struct span columns = span_of(x, PAGE_WIDTH, view->width);
    uint32_t sum = 0;

    for (unsigned i = rows.first; i <= rows.last; i++) {
        const uint8_t *const row = p->pixels + (size_t)(view->top + i) * ROW;

        for (unsigned k = columns.first; k <= columns.last; k++)
            sum += shared(i, y, VIEW_HEIGHT, view->height) *
                   shared(k, x, PAGE_WIDTH, view->width) *
                   row[k * PAGE_CHANNELS + channel];
    }
    return mean(sum);
}

static int
check(const struct picture *p, const struct view *view, const uint8_t *pixels,
      struct rng *rng, struct failure *why)
{
    for (int n = 0; n < CHECKED_PIXELS; n++) {
        const unsigned x = rng_below(rng, view->width), y = rng_below(rng, view->height);

        for (unsigned c = 0; c < PAGE_CHANNELS; c++) {
            const unsigned got =
                pixels[((size_t)y * view->width + x) * PAGE_CHANNELS + c];
            const unsigned expected = picture_value(p, view, x, y, c);

            if (got != expected)
                return failure_set(why, -EBADMSG, "pixel %u, %u is %u, not %u", x, y, got,
                                   expected);
        }
    }
    return 0;
}

int
picture_scroll(const struct picture *p, struct rng *rng, uint64_t *ret_answer,
               struct failure *why)
{
    /* Half the size to the full one, its shape kept. */
    const unsigned percent = 50 + rng_below(rng, 51);
    const struct view view = {.top = rng_below(rng, PAGE_HEIGHT - VIEW_HEIGHT + 1),
                              .width = PAGE_WIDTH * percent / 100,
                              .height = VIEW_HEIGHT * percent / 100};
    const size_t size = (size_t)view.width * view.height * PAGE_CHANNELS;
    uint8_t *const pixels = malloc(size);
    int r;

    if (!pixels)
        return failure_set(why, -ENOMEM, "out of memory");
    picture_scale(p, &view, pixels);
    r = check(p, &view, pixels, rng, why);
    if (r == 0)
        *ret_answer = crc32_z(0, pixels, size);
    free(pixels);
    return r;
}
