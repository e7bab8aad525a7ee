/* SPDX-License-Identifier: MIT */
/*
 * token.h - a text taken apart, much as the Penn Treebank's is for language models:
 * words, any number as one token, the end of a sentence as another; nothing else counts.
 *
 * A word is a run of letters and digits, with apostrophes between them ("don't"). A
 * letter is one of ASCII, or any character of UTF-8 beyond it that is no punctuation or
 * symbol; a byte that is no UTF-8 separates, as a space does.
 */
#ifndef LANGUAGE_TOKEN_H
#define LANGUAGE_TOKEN_H

#include <stddef.h>
#include <stdint.h>

/* Longer runs are junk of some kind: their words are all the same one. */
enum { TOKEN_BYTES_MAX = 64 };

/* Within the text, or one of the tokens that stand for many. */
struct token {
    const uint8_t *bytes; /* case is as in the text */
    size_t len;           /* 0: the text is at its end */
};

/* The next token of bytes[0..size), from *at on, which moves behind it. */
struct token token_next(const uint8_t *bytes, size_t size, size_t *at);

#endif
