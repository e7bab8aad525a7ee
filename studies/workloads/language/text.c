/* SPDX-License-Identifier: MIT */
/* Two passes over the text: who is frequent is known at the end of the first. */
#include "language/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "language/vocabulary.h"

/* The Penn Treebank's text is 6 MB, all of WikiText-103 540 MB. */
static const size_t max_file_bytes = (size_t)1 << 30;

/* Returns 0 or -ENOMEM. */
static int
count_words(struct vocabulary *v, const uint8_t *bytes, size_t size, uint32_t *ret_count)
{
    uint32_t count = 0;
    size_t at = 0;

    for (;;) {
        const struct token token = token_next(bytes, size, &at);

        if (!token.len)
            break;
        if (vocabulary_count(v, &token) < 0)
            return -ENOMEM;
        count++;
    }
    *ret_count = count;
    return 0;
}

/* Returns 0 or -ENOMEM. */
static int
number_words(struct text *text, struct vocabulary *v, const uint8_t *bytes, size_t size,
             uint32_t max)
{
    const int ids = vocabulary_rank(v, max);
    size_t at = 0;

    text->words = calloc(text->count, sizeof *text->words);
    if (ids < 0 || !text->words)
        return -ENOMEM;
    text->vocabulary = (uint32_t)ids;
    for (uint32_t i = 0; i < text->count; i++) {
        const struct token token = token_next(bytes, size, &at);

        text->words[i] = (uint16_t)vocabulary_id(v, &token);
    }
    return 0;
}

int
text_parse(const uint8_t *bytes, size_t size, uint32_t vocabulary, struct text *ret_text,
           struct failure *why)
{
    const uint8_t *const zero = size ? memchr(bytes, 0, size) : NULL;
    struct vocabulary v = {0};
    struct text text = {0};
    int r;

    if (zero)
        return failure_set(why, -EBADMSG, "a zero byte at %td: not a text", zero - bytes);

    r = count_words(&v, bytes, size, &text.count);
    if (r >= 0 && text.count)
        r = number_words(&text, &v, bytes, size, vocabulary);
    vocabulary_fini(&v);
    if (r < 0) {
        text_fini(&text);
        return failure_set(why, r, "out of memory");
    }
    if (!text.count)
        return failure_set(why, -ENODATA, "no words in it");
    *ret_text = text;
    return 0;
}

int
text_load(const char *path, uint32_t vocabulary, struct text *ret_text,
          struct failure *why)
{
    struct failure detail = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    int r;

    r = file_load(path, max_file_bytes, &bytes, &size, why);
    if (r < 0)
        return r;
    r = text_parse(bytes, size, vocabulary, ret_text, &detail);
    free(bytes);
    if (r < 0)
        return failure_set(why, r, "%s: %s", path, detail.text);
    return 0;
}

void
text_fini(struct text *text)
{
    free(text->words);
    *text = (struct text){0};
}
