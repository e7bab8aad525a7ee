/* SPDX-License-Identifier: MIT */
/*
 * vocabulary.h - the words that a model knows: of all that a text has the most frequent
 * ones. Upper and lower case of ASCII's letters are the same.
 */
#ifndef LANGUAGE_VOCABULARY_H
#define LANGUAGE_VOCABULARY_H

#include "language/token.h"

/* The id of all words that are not among the most frequent. */
enum { WORD_UNKNOWN = 0 };

struct vocabulary_word {
    struct token token; /* within the text */
    uint32_t count;
    uint32_t id;
};

/* An open hash table: slots hold the index of a word and 1, or 0. */
struct vocabulary {
    struct vocabulary_word *words; /* owned; in the order in which they were met */
    uint32_t *slots;               /* owned */
    uint32_t count, room;          /* of words; twice as many slots, a power of two */
};

/* Counts the token, whose bytes must outlive the vocabulary. Returns 0 or -ENOMEM. */
int vocabulary_count(struct vocabulary *v, const struct token *token);

/*
 * Gives out ids from 1 on, the most frequent word first and the earlier one of two that
 * are as frequent; WORD_UNKNOWN when max ids, with that one, are given. Returns how many
 * there are, or -ENOMEM.
 */
int vocabulary_rank(struct vocabulary *v, uint32_t max);

/* The id of a token that has been counted, after vocabulary_rank. */
uint32_t vocabulary_id(const struct vocabulary *v, const struct token *token);

void vocabulary_fini(struct vocabulary *v);

#endif
