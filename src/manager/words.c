/* SPDX-License-Identifier: MIT */
#include "manager/words.h"

#include <errno.h>
#include <string.h>

static const char *const mode_words[] = {
    [EQUAL_SIZE] = "equal-size", [MIXED_SIZE] = "mixed-size"};
static const char *const order_words[] = {[SPREAD] = "spread", [PACK] = "pack"};

static int
word_index(const char *const *words, unsigned n, const char *word)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(words[i], word) == 0)
            return (int)i;
    }
    return -EINVAL;
}

const char *
gpu_mode_word(enum gpu_mode mode)
{
    return mode_words[mode];
}

const char *
placement_order_word(enum placement_order order)
{
    return order_words[order];
}

int
gpu_mode_parse(const char *word, enum gpu_mode *ret)
{
    int i = word_index(mode_words, 2, word);

    if (i < 0)
        return i;
    *ret = (enum gpu_mode)i;
    return 0;
}

int
placement_order_parse(const char *word, enum placement_order *ret)
{
    int i = word_index(order_words, 2, word);

    if (i < 0)
        return i;
    *ret = (enum placement_order)i;
    return 0;
}

void
text_copy(char *out, size_t cap, const char *in)
{
    const size_t len = strnlen(in, cap - 1);

    memcpy(out, in, len);
    out[len] = '\0';
}

void
printable_copy(char *out, const char *in, size_t cap)
{
    size_t i = 0;

    for (; i + 1 < cap && in[i]; i++) {
        out[i] = '?';
        if (in[i] >= ' ' && in[i] <= '~')
            out[i] = in[i];
    }
    out[i] = '\0';
}
