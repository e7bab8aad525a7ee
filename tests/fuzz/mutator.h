/* SPDX-License-Identifier: MIT */
/* libFuzzer's own hooks; the family of calls that a target is about is FUZZ_FAMILY. */
#ifndef TESSERA_FUZZ_MUTATOR_H
#define TESSERA_FUZZ_MUTATOR_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_SWITCHES 8u /* bytes before the first frame */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
                                 uint8_t *out, size_t max_out, unsigned seed);

#endif
