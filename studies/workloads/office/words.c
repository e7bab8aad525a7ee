/* SPDX-License-Identifier: MIT */
#include "office/words.h"

#include <string.h>

enum {
    VOCABULARY = 4000,
    SPREAD = 13, /* between the numbers of two words, so that not all are short */
    LINE_BYTES = 72,
    SENTENCE_WORDS = 12, /* on average; so it is for the next */
    PARAGRAPH_SENTENCES = 6,
    WORD_MAX = 12,
};

/* The word of that number, of one to three syllables: common words are short. */
static size_t
spell(char *word, uint32_t number)
{
    static const char consonants[] = "bdfghklmnprstvwz", vowels[] = "aeiou";
    const uint32_t c = sizeof consonants - 1, v = sizeof vowels - 1;
    size_t len = 0;

    number *= SPREAD;
    do {
        word[len++] = consonants[number % c];
        word[len++] = vowels[number / c % v];
        number /= c * v;
    } while (number);
    word[len] = consonants[len];
    return len + 1;
}

/* The cube makes one word in 16 the first. */
static uint32_t
draw_word(struct rng *rng)
{
    const uint64_t x = rng_below(rng, VOCABULARY);

    return (uint32_t)(x * x * x / VOCABULARY / VOCABULARY);
}

struct writer {
    char *text;
    size_t size, at, line_began;
};

static void
put(struct writer *w, const char *bytes, size_t len)
{
    if (len > w->size - w->at)
        len = w->size - w->at;
    memcpy(w->text + w->at, bytes, len);
    w->at += len;
}

static void
put_word(struct writer *w, const char *word, size_t len)
{
    const size_t column = w->at - w->line_began;

    if (column && column + 1 + len >= LINE_BYTES) {
        put(w, "\n", 1);
        w->line_began = w->at;
    } else if (column) {
        put(w, " ", 1);
    }
    put(w, word, len);
}

void
words_fill(char *text, size_t size, struct rng *rng)
{
    struct writer w = {.text = text, .size = size};
    int capital = 1;

    while (w.at < size) {
        char word[WORD_MAX];
        const size_t len = spell(word, draw_word(rng));

        if (capital)
            word[0] = (char)(word[0] - 'a' + 'A');
        put_word(&w, word, len);
        capital = !rng_below(rng, SENTENCE_WORDS);
        if (capital)
            put(&w, ".", 1);
        if (capital && !rng_below(rng, PARAGRAPH_SENTENCES)) {
            put(&w, "\n\n", 2);
            w.line_began = w.at;
        }
    }
    text[size - 1] = '\n';
}
