/* SPDX-License-Identifier: MIT */
/* words.h - text that nobody wrote: words, sentences and paragraphs. */
#ifndef OFFICE_WORDS_H
#define OFFICE_WORDS_H

#include <stddef.h>

#include "common/rng.h"

/*
 * Fills text with size bytes, the last of them a newline; no NUL follows. Some words are
 * much more common than others, as in a language, so that it can be compressed.
 */
void words_fill(char *text, size_t size, struct rng *rng);

#endif
