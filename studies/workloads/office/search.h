/* SPDX-License-Identifier: MIT */
/*
 * search.h - how often a word, or a word that begins so, is in a text: by a regular
 * expression, and in plain C to check that.
 */
#ifndef OFFICE_SEARCH_H
#define OFFICE_SEARCH_H

#include <stdbool.h>

#include "office/document.h"

enum { SEARCH_WORD_MAX = 32 };

struct search {
    char word[SEARCH_WORD_MAX + 1]; /* letters, digits and underscores of ASCII */
    bool beginning;                 /* words that begin so, too */
    bool any_case;
};

/* Draws a word of the text; -ENODATA when it has none. */
int search_draw(struct search *ret_search, const char *text, size_t size, struct rng *rng,
                struct failure *why);

/*
 * By regcomp and regexec, line by line. A NUL follows the text, and is put at the end of
 * the line meanwhile.
 */
int search_count(const struct search *s, char *text, size_t size, uint64_t *ret_count,
                 struct failure *why);

/* By looking at each word. */
uint64_t search_count_naively(const struct search *s, const char *text, size_t size);

/* Loads the text and searches it for a word of its own. The answer: how often it is. */
int search_run(const struct document *d, struct rng *rng, uint64_t *ret_answer,
               struct failure *why);

#endif
