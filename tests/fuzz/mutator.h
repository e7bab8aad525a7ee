/* SPDX-License-Identifier: MIT */
/* libFuzzer's own hooks. */
#ifndef TESSERA_FUZZ_MUTATOR_H
#define TESSERA_FUZZ_MUTATOR_H

#include <stddef.h>
#include <stdint.h>

/* The family of calls that a target is about: enum family of frames.h. */
extern const unsigned fuzz_family;

#define FRAME_SWITCHES 8u /* bytes before the first frame */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
                                 uint8_t *out, size_t max_out, unsigned seed);

#endif
