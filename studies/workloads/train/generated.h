/* SPDX-License-Identifier: MIT */
/*
 * generated.h - images to learn from where there is no CIFAR-10: as many and as large,
 * with ten patterns in noise for classes. They are there to measure a machine: what a
 * network reaches on them says nothing of photographs.
 */
#ifndef TRAIN_GENERATED_H
#define TRAIN_GENERATED_H

#include "train/dataset.h"

/*
 * The first `count` images of the stream that the seed defines, in CIFAR-10's shape.
 * More of them begin with the same ones. On failure some of it may be allocated.
 */
int generated_samples(struct samples *samples, uint32_t count, uint64_t seed,
                      struct failure *why);

/* As many as CIFAR-10 has; those to test with are others. */
int generated_load(struct dataset *data, uint64_t seed, struct failure *why);

#endif
