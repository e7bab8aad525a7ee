/* SPDX-License-Identifier: MIT */
/*
 * The language model reads a text. The first byte says how many words its vocabulary may
 * have.
 */
#include "language/text.h"
#include "language/token.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Tokens are not empty, get on with the text, and are as many as the text has words. */
static void
check_tokens(const uint8_t *bytes, size_t size, uint32_t expected)
{
    uint32_t count = 0;
    size_t at = 0;

    for (;;) {
        const size_t before = at;
        const struct token token = token_next(bytes, size, &at);

        if (at > size || (token.len && at == before) || token.len > TOKEN_BYTES_MAX)
            abort();
        if (!token.len)
            break;
        count++;
    }
    if (count != expected)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure why = {{0}};
    struct text text = {0};
    uint32_t vocabulary;

    if (size == 0)
        return 0;
    vocabulary = data[0] + 1U;
    if (text_parse(data + 1, size - 1, vocabulary, &text, &why) < 0) {
        if (!why.text[0])
            abort();
        return 0;
    }
    if (text.vocabulary > vocabulary)
        abort();
    for (uint32_t i = 0; i < text.count; i++)
        if (text.words[i] >= text.vocabulary)
            abort();
    check_tokens(data + 1, size - 1, text.count);
    text_fini(&text);
    return 0;
}
