/* SPDX-License-Identifier: MIT */
#include "language/token.h"

#include <stdbool.h>

/* They cannot be words, so that they are no word's. */
static const struct token number_token = {(const uint8_t *)"#", 1};
static const struct token sentence_end_token = {(const uint8_t *)".", 1};
static const struct token junk_token = {(const uint8_t *)"?", 1};

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool
is_ascii_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool
is_sentence_end(uint8_t c)
{
    return c == '.' || c == '!' || c == '?';
}

/* Blocks of Unicode that hold no letters, as far as texts use them. */
static bool
is_symbol(uint32_t code)
{
    static const uint32_t blocks[][2] = {
        {0x80, 0xbf},     /* Latin-1: no-break space, quotation marks, signs */
        {0xd7, 0xd7},     /* times */
        {0xf7, 0xf7},     /* divided by */
        {0x2000, 0x2bff}, /* dashes, quotation marks, arrows, mathematics, boxes */
        {0x3000, 0x303f}, /* punctuation of East Asia */
        {0xd800, 0xdfff}, /* surrogates, no characters */
        {0xfe00, 0xfe0f}, /* variation selectors */
        {0xfeff, 0xfeff}, /* byte order mark */
    };

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (code >= blocks[i][0] && code <= blocks[i][1])
            return true;
    return false;
}

/* The length of the character beyond ASCII that p begins with; 0 when it is none. */
static size_t
utf8_len(const uint8_t *p, size_t left, uint32_t *ret_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    uint32_t code = p[0] & (0x7fU >> len);

    if (!len || len > left || p[0] >= 0xf8)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (code < least[len] || code > 0x10ffff)
        return 0;
    *ret_code = code;
    return len;
}

/* The length of the letter or digit that p begins with; 0 when it is none. */
static size_t
letter_len(const uint8_t *p, size_t left)
{
    uint32_t code = 0;
    size_t len;

    if (!left)
        return 0;
    if (p[0] < 0x80)
        return is_ascii_letter(p[0]) || is_digit(p[0]);
    len = utf8_len(p, left, &code);
    return is_symbol(code) ? 0 : len;
}

/*
 * The length of what p begins with, if it joins two parts of a word, or of a number, as
 * its apostrophe or its point do.
 */
static size_t
joint_len(const uint8_t *p, size_t left, bool number)
{
    size_t len = 0;

    if (left >= 3 && p[0] == 0xe2 && p[1] == 0x80 && p[2] == 0x99) /* U+2019 */
        len = 3;
    else if (left >= 2 &&
             (p[0] == '\'' || (number && is_digit(p[1]) && (p[0] == '.' || p[0] == ','))))
        len = 1;
    return len && letter_len(p + len, left - len) ? len : 0;
}

/* The word or number that begins at *at. */
static struct token
take_word(const uint8_t *bytes, size_t size, size_t *at)
{
    const size_t begin = *at;
    bool number = true;
    size_t len, end = begin;

    while ((len = letter_len(bytes + end, size - end)) ||
           (len = joint_len(bytes + end, size - end, number))) {
        if (letter_len(bytes + end, size - end) && !is_digit(bytes[end]))
            number = false;
        end += len;
    }
    *at = end;
    if (number)
        return number_token;
    if (end - begin > TOKEN_BYTES_MAX)
        return junk_token;
    return (struct token){bytes + begin, end - begin};
}

struct token
token_next(const uint8_t *bytes, size_t size, size_t *at)
{
    while (*at < size) {
        const uint8_t c = bytes[*at];

        if (letter_len(bytes + *at, size - *at))
            return take_word(bytes, size, at);
        ++*at;
        /* "...": one end; "main.c": none. */
        if (is_sentence_end(c) && (*at == size || (!is_sentence_end(bytes[*at]) &&
                                                   !letter_len(bytes + *at, size - *at))))
            return sentence_end_token;
    }
    return (struct token){0};
}
