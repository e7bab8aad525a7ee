/* SPDX-License-Identifier: MIT */
#include "office/search.h"

#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As the regular expressions' \< and \> see it in the C locale. */
static bool
in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

/* The next word of the text from *at on, and *at behind it; 0 when there is none. */
static size_t
next_word(const char *text, size_t size, size_t *at, const char **ret_word)
{
    size_t from = *at;

    while (from < size && !in_word(text[from]))
        from++;
    *at = from;
    while (*at < size && in_word(text[*at]))
        ++*at;
    *ret_word = text + from;
    return *at - from;
}

int
search_draw(struct search *ret_search, const char *text, size_t size, struct rng *rng,
            struct failure *why)
{
    struct search s = {0};
    size_t at = size ? rng_below(rng, (uint32_t)size) : 0, len;
    const char *word;

    while (at && in_word(text[at - 1]))
        at--;
    len = next_word(text, size, &at, &word);
    if (!len) {
        at = 0;
        len = next_word(text, size, &at, &word);
    }
    if (!len) {
        failure_set(why, -ENODATA, "no words to search for");
        return -ENODATA;
    }

    s.any_case = rng_below(rng, 2);
    s.beginning = rng_below(rng, 2) || len > SEARCH_WORD_MAX;
    if (s.beginning)
        len = len < 3 ? 1 : 2;
    memcpy(s.word, word, len);
    *ret_search = s;
    return 0;
}

/* REG_STARTEND, so that a match sees what is before it; a NUL in a line does not end it. */
static uint64_t
count_in_line(const regex_t *regex, const char *line, size_t size)
{
    regmatch_t match = {.rm_so = 0, .rm_eo = (regoff_t)size};
    uint64_t count = 0;

    while (!regexec(regex, line, 1, &match, REG_STARTEND)) {
        count++;
        match = (regmatch_t){.rm_so = match.rm_eo, .rm_eo = (regoff_t)size};
    }
    return count;
}

int
search_count(const struct search *s, char *text, size_t size, uint64_t *ret_count,
             struct failure *why)
{
    const char *const end = text + size;
    char pattern[SEARCH_WORD_MAX + 32], reason[128];
    regex_t regex;
    uint64_t count = 0;
    int code;

    snprintf(pattern, sizeof pattern, s->beginning ? "\\<%s[A-Za-z0-9_]*" : "\\<%s\\>",
             s->word);
    code = regcomp(&regex, pattern, REG_EXTENDED | (s->any_case ? REG_ICASE : 0));
    if (code) {
        regerror(code, &regex, reason, sizeof reason);
        return failure_set(why, -EINVAL, "regular expression %s: %s", pattern, reason);
    }
    while (text < end) {
        char *const newline = memchr(text, '\n', (size_t)(end - text));
        const size_t line = (size_t)((newline ? newline : end) - text);

        text[line] = '\0';
        count += count_in_line(&regex, text, line);
        if (newline)
            *newline = '\n';
        text += line + 1;
    }
    regfree(&regex);
    *ret_count = count;
    return 0;
}

uint64_t
search_count_naively(const struct search *s, const char *text, size_t size)
{
    const size_t wanted = strlen(s->word);
    size_t at = 0, len;
    const char *word;
    uint64_t count = 0;

    while ((len = next_word(text, size, &at, &word))) {
        if (s->beginning ? len < wanted : len != wanted)
            continue;
        count += s->any_case ? !strncasecmp(word, s->word, wanted)
                             : !memcmp(word, s->word, wanted);
    }
    return count;
}

int
search_run(const struct document *d, struct rng *rng, uint64_t *ret_answer,
           struct failure *why)
{
    struct search s;
    uint64_t count = 0, expected;
    char *text;
    int r = document_load(d, &text, why);

    if (r < 0)
        return r;
    r = search_draw(&s, text, d->size, rng, why);
    if (r == 0)
        r = search_count(&s, text, d->size, &count, why);
    if (r == 0) {
        expected = search_count_naively(&s, text, d->size);
        if (count != expected)
            r = failure_set(why, -EBADMSG,
                            "%s: \"%s\" found %" PRIu64 " times, not %" PRIu64, d->path,
                            s.word, count, expected);
    }
    free(text);
    if (r == 0)
        *ret_answer = count;
    return r;
}
