/* SPDX-License-Identifier: MIT */
/* What the fake compiler reads in a source: #error, and the names after `kernel void`. */
#include "worker/fake_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static const char *
skip_space(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

static size_t
word_len(const char *s)
{
    size_t n = 0;

    while (is_word(s[n]))
        n++;
    return n;
}

static bool
word_is(const char *s, const char *word)
{
    const size_t n = strlen(word);

    return word_len(s) == n && memcmp(s, word, n) == 0;
}

/* Past "__attribute__ ((…))", if s is at one. */
static const char *
skip_attribute(const char *s)
{
    int depth = 0;

    s = skip_space(s);
    if (!word_is(s, "__attribute__"))
        return s;
    s = skip_space(s + word_len(s));
    do {
        depth += (*s == '(') - (*s == ')');
    } while (*s++ && depth > 0);
    return s[-1] ? skip_space(s) : s - 1;
}

/* s is behind the word kernel: its name, or NULL if this is no kernel. */
static const char *
kernel_name(const char *s)
{
    s = skip_attribute(s);
    if (!word_is(s, "void"))
        return NULL;
    s = skip_attribute(s + 4);
    return word_len(s) ? s : NULL;
}

char *
fake_parse_names(const char *source, cl_uint *ret_num)
{
    /* Every name stands in the source with a word and a space before it. */
    char *names = malloc(strlen(source) + 1), *end = names;
    cl_uint num = 0;

    if (!names)
        return NULL;
    for (const char *s = source; *s; s += is_word(*s) ? word_len(s) : 1) {
        const char *name = NULL;

        if (word_is(s, "kernel") || word_is(s, "__kernel"))
            name = kernel_name(s + word_len(s));
        if (!name)
            continue;
        if (num++)
            *end++ = ';';
        end = mempcpy(end, name, word_len(name));
    }
    *end = '\0';
    *ret_num = num;
    return names;
}

char *
fake_parse_error(const char *source)
{
    const char *at = strstr(source, "#error");
    unsigned line = 1;
    char *log;

    if (!at)
        return NULL;
    for (const char *s = source; s < at; s++)
        line += *s == '\n';
    if (asprintf(&log, "source:%u: error: %.*s\n", line, (int)strcspn(at, "\n"), at) < 0)
        return NULL;
    return log;
}
