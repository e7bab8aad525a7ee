/* SPDX-License-Identifier: MIT */
/* The words that settings have in the control API and in state files. */
#ifndef TESSERA_MANAGER_WORDS_H
#define TESSERA_MANAGER_WORDS_H

#include "policy/placement.h"

#include <stddef.h>

/* Static words: "equal-size", "mixed-size"; "spread", "pack". */
const char *gpu_mode_word(enum gpu_mode mode);
const char *placement_order_word(enum placement_order order);

/* 0, or -EINVAL when the word is none of those. */
int gpu_mode_parse(const char *word, enum gpu_mode *ret);
int placement_order_parse(const char *word, enum placement_order *ret);

/* Copies text, cut off where the room ends; always ends out. */
void text_copy(char *out, size_t cap, const char *in);

/*
 * Copies text of unknown origin as printable ASCII, everything else as '?'; reads at most
 * cap - 1 bytes and always ends out.
 */
void printable_copy(char *out, const char *in, size_t cap);

#endif
