/* SPDX-License-Identifier: MIT */
/*
 * A class is one of five patterns in one of two colourings, at a random place. Cut out
 * or flipped it stays what it is, so that what the trainer does to images teaches
 * nothing wrong. Integers only: the same bits on every machine.
 *
 *   0  ########    1  ########    2  ##..##..    3  ####....    4  ###...##
 *      ########       ########       ##..##..       ####....       ###...##
 *      ........       ########       ##..##..       ####....       ###...##
 *      ........       ########       ##..##..       ####....       ...###..
 */
#include "train/generated.h"

#include "common/rng.h"
#include "train/cifar.h"

/* The noise is twice as strong as the pattern that it hides. */
enum { DARKEST = 4, CONTRAST = 80, NOISE = 168 };

/* Pixels of a stripe and of the gap after it, to the right and downwards; 0: none. */
static const struct pattern {
    uint8_t right, down;
} patterns[CLASSES / 2] = {{0, 2}, {0, 4}, {2, 0}, {4, 0}, {3, 3}};

static void
make_stripes(struct rng *rng, uint8_t width, uint8_t *ret_on)
{
    const uint32_t phase = width ? rng_below(rng, 2U * width) : 0;

    for (uint32_t i = 0; i < CIFAR_SIDE; i++)
        ret_on[i] = width && (i + phase) / width % 2;
}

/* Noise, and the pattern where the one or the other stripe is. */
static void
make_row(struct rng *rng, const uint8_t *right, uint8_t down, uint8_t *ret_pixels)
{
    uint64_t noise = 0;

    for (int i = 0; i < CIFAR_SIDE; i++) {
        noise = i % 8 ? noise >> 8 : rng_next(rng);
        ret_pixels[i] = (uint8_t)noise;
    }
    for (int i = 0; i < CIFAR_SIDE; i++)
        ret_pixels[i] = (uint8_t)(DARKEST + (right[i] ^ down) * CONTRAST +
                                  ret_pixels[i] * NOISE / 256);
}

static uint8_t
make_image(uint64_t seed, uint8_t *ret_pixels)
{
    struct rng rng = {seed};
    const uint8_t label = (uint8_t)rng_below(&rng, CLASSES);
    const struct pattern *const pattern = &patterns[label / 2];
    uint8_t right[CIFAR_SIDE], down[CIFAR_SIDE];

    make_stripes(&rng, pattern->right, right);
    make_stripes(&rng, pattern->down, down);
    for (int i = 0; i < 3 * CIFAR_SIDE; i++) {
        /* In the second colouring blue is where red and green are not. */
        const uint8_t inverted = label % 2 && i / CIFAR_SIDE == 2;

        make_row(&rng, right, down[i % CIFAR_SIDE] ^ inverted,
                 ret_pixels + (size_t)i * CIFAR_SIDE);
    }
    return label;
}

int
generated_samples(struct samples *samples, uint32_t count, uint64_t seed,
                  struct failure *why)
{
    struct rng seeds = {seed};
    const int r = samples_alloc(samples, count, CIFAR_IMAGE_BYTES, why);

    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        samples->owned[1][i] =
            make_image(rng_next(&seeds), samples->owned[0] + i * CIFAR_IMAGE_BYTES);
    return 0;
}

int
generated_load(struct dataset *data, uint64_t seed, struct failure *why)
{
    const int r =
        generated_samples(&data->train, CIFAR_TRAIN_BATCHES * CIFAR_BATCH, seed, why);

    return r < 0 ? r : generated_samples(&data->test, CIFAR_BATCH, ~seed, why);
}
