/* SPDX-License-Identifier: MIT */
#include "language/vocabulary.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { ROOM_AT_FIRST = 1024 };

static uint8_t
fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* FNV-1a. */
static uint32_t
hash(const struct token *t)
{
    uint32_t h = 0x811c9dc5;

    for (size_t i = 0; i < t->len; i++)
        h = (h ^ fold(t->bytes[i])) * 0x01000193;
    return h;
}

static bool
same(const struct token *a, const struct token *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (fold(a->bytes[i]) != fold(b->bytes[i]))
            return false;
    return true;
}

/* The token's slot, or the empty one that it would have. */
static uint32_t *
find_slot(const struct vocabulary *v, const struct token *token)
{
    const uint32_t mask = 2 * v->room - 1;
    uint32_t i = hash(token) & mask;

    while (v->slots[i] && !same(&v->words[v->slots[i] - 1].token, token))
        i = (i + 1) & mask;
    return &v->slots[i];
}

static int
grow(struct vocabulary *v)
{
    const uint32_t room = v->room ? v->room * 2 : ROOM_AT_FIRST;
    struct vocabulary_word *const words =
        reallocarray(v->words, room, sizeof v->words[0]);

    if (!words)
        return -ENOMEM;
    v->words = words;
    free(v->slots);
    v->slots = calloc((size_t)room * 2, sizeof v->slots[0]);
    if (!v->slots)
        return -ENOMEM;
    v->room = room;
    for (uint32_t i = 0; i < v->count; i++)
        *find_slot(v, &words[i].token) = i + 1;
    return 0;
}

int
vocabulary_count(struct vocabulary *v, const struct token *token)
{
    uint32_t *slot;

    if (v->count == v->room && grow(v) < 0)
        return -ENOMEM;
    slot = find_slot(v, token);
    if (!*slot) {
        v->words[v->count] = (struct vocabulary_word){.token = *token};
        *slot = ++v->count;
    }
    v->words[*slot - 1].count++;
    return 0;
}

/* Of two indices of words: the more frequent one first, of equals the earlier one. */
static int
compare(const void *a, const void *b, void *words)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const uint32_t x_count = ((const struct vocabulary_word *)words)[x].count;
    const uint32_t y_count = ((const struct vocabulary_word *)words)[y].count;

    if (x_count != y_count)
        return x_count > y_count ? -1 : 1;
    return (x > y) - (x < y);
}

int
vocabulary_rank(struct vocabulary *v, uint32_t max)
{
    uint32_t *const order = calloc(v->count + !v->count, sizeof *order);
    uint32_t ids = 1;

    if (!order)
        return -ENOMEM;
    for (uint32_t i = 0; i < v->count; i++)
        order[i] = i;
    qsort_r(order, v->count, sizeof *order, compare, v->words);
    for (uint32_t i = 0; i < v->count; i++)
        v->words[order[i]].id = ids < max ? ids++ : WORD_UNKNOWN;
    free(order);
    return (int)ids;
}

uint32_t
vocabulary_id(const struct vocabulary *v, const struct token *token)
{
    return v->words[*find_slot(v, token) - 1].id;
}

void
vocabulary_fini(struct vocabulary *v)
{
    free(v->words);
    free(v->slots);
    *v = (struct vocabulary){0};
}
