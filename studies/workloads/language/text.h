/* SPDX-License-Identifier: MIT */
/* text.h - a text as numbers: one for each word, as a language model reads it. */
#ifndef LANGUAGE_TEXT_H
#define LANGUAGE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"

struct text {
    uint16_t *words;     /* owned; each below vocabulary */
    uint32_t count;      /* of words */
    uint32_t vocabulary; /* ids that there are, with the one of unknown words */
};

/*
 * Reads bytes[0..size), at most 4 GiB, for a vocabulary of at most that many words, up to
 * 65536. Refused are bytes with a zero among them, which are no text, and a text without
 * a word.
 */
int text_parse(const uint8_t *bytes, size_t size, uint32_t vocabulary,
               struct text *ret_text, struct failure *why);

/* Reads a file, plain or packed by gzip. */
int text_load(const char *path, uint32_t vocabulary, struct text *ret_text,
              struct failure *why);

void text_fini(struct text *text);

#endif
