/* SPDX-License-Identifier: MIT */
#include "base/source_text.h"

#include <string.h>

struct line {
    const char *text;
    size_t at, end;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

/* Blanks, and comments that end on this line. */
static void
skip_blanks(struct line *l)
{
    while (l->at < l->end) {
        const char *close;

        if (is_blank(l->text[l->at])) {
            l->at++;
            continue;
        }
        if (l->end - l->at < 4 || memcmp(l->text + l->at, "/*", 2) != 0)
            return;
        close = memmem(l->text + l->at + 2, l->end - l->at - 2, "*/", 2);
        if (!close)
            return;
        l->at = (size_t)(close - l->text) + 2;
    }
}

static bool
take_char(struct line *l, char c)
{
    skip_blanks(l);
    if (l->at == l->end || l->text[l->at] != c)
        return false;
    l->at++;
    return true;
}

/* The identifier that stands here; its length, 0 if none. */
static size_t
take_word(struct line *l, size_t *ret_off)
{
    skip_blanks(l);
    *ret_off = l->at;
    while (l->at < l->end && is_word(l->text[l->at]))
        l->at++;
    return l->at - *ret_off;
}

static bool
word_is(const struct line *l, size_t off, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(l->text + off, word, len) == 0;
}

/* "name", <name>, or with `macro` an identifier. */
static bool
take_name(struct line *l, bool macro, struct include_name *ret)
{
    const char *close;
    char delimiter;

    skip_blanks(l);
    if (l->at == l->end)
        return false;
    delimiter = l->text[l->at] == '<' ? '>' : l->text[l->at];
    if (delimiter != '>' && delimiter != '"') {
        ret->kind = INCLUDE_MACRO;
        ret->len = macro ? take_word(l, &ret->off) : 0;
        return ret->len > 0;
    }
    ret->kind = delimiter == '>' ? INCLUDE_ANGLED : INCLUDE_QUOTED;
    ret->off = l->at + 1;
    close = memchr(l->text + ret->off, delimiter, l->end - ret->off);
    if (!close)
        return false;
    ret->len = (size_t)(close - l->text) - ret->off;
    l->at = (size_t)(close - l->text) + 1;
    return ret->len > 0;
}

/* The next __has_include of a line whose `#if` was read. */
static bool
take_has_include(struct line *l, struct include_name *ret)
{
    static const char word[] = "__has_include";
    const char *found;

    while ((found = memmem(l->text + l->at, l->end - l->at, word, sizeof word - 1))) {
        size_t off;

        l->at = (size_t)(found - l->text);
        take_word(l, &off); /* __has_include_next too */
        if (take_char(l, '(') && take_name(l, false, ret))
            return true;
    }
    return false;
}

static bool
take_define(struct line *l, struct include_name *ret)
{
    size_t off;

    if (take_word(l, &off) == 0 || !take_name(l, false, ret))
        return false;
    ret->kind = INCLUDE_DEFINE;
    return true;
}

/* What a line has to say that was not read before. */
static bool
line_next(struct line *l, bool begun, struct include_name *ret)
{
    size_t off, len;

    if (begun)
        return take_has_include(l, ret);
    if (!take_char(l, '#'))
        return false;
    len = take_word(l, &off);
    if (word_is(l, off, len, "include") || word_is(l, off, len, "include_next") ||
        word_is(l, off, len, "import"))
        return take_name(l, true, ret);
    if (word_is(l, off, len, "define"))
        return take_define(l, ret);
    if (word_is(l, off, len, "if") || word_is(l, off, len, "elif"))
        return take_has_include(l, ret);
    return false;
}

void
include_scan_init(struct include_scan *s, const char *text, size_t len)
{
    *s = (struct include_scan){.text = text, .len = len};
}

bool
include_scan_next(struct include_scan *s, struct include_name *ret)
{
    while (s->line < s->len) {
        const char *newline = memchr(s->text + s->line, '\n', s->len - s->line);
        struct line l = {.text = s->text, .at = s->at ? s->at : s->line};

        l.end = newline ? (size_t)(newline - s->text) : s->len;
        if (line_next(&l, s->at != 0, ret)) {
            s->at = l.at;
            return true;
        }
        s->line = l.end + 1;
        s->at = 0;
    }
    return false;
}

/* ---- options ----------------------------------------------------------------------- */

static bool
option_blank(char c)
{
    return is_blank(c) || c == '\n';
}

/* Moves over one word, quotes included. */
static size_t
word_end(const char *options, size_t at)
{
    bool quoted = false;

    for (; options[at] && (quoted || !option_blank(options[at])); at++) {
        if (options[at] == '"')
            quoted = !quoted;
    }
    return at;
}

static size_t
blanks_end(const char *options, size_t at)
{
    while (option_blank(options[at]))
        at++;
    return at;
}

bool
build_option_next(const char *options, size_t *at, struct build_option *ret)
{
    size_t end;

    *at = blanks_end(options, *at);
    if (!options[*at])
        return false;
    end = word_end(options, *at);
    *ret = (struct build_option){.off = *at, .len = end - *at};
    ret->is_include = strncmp(options + *at, "-I", 2) == 0;
    if (ret->is_include) {
        if (ret->len == 2) {
            ret->dir_off = blanks_end(options, end);
            end = word_end(options, ret->dir_off);
        } else {
            ret->dir_off = *at + 2;
        }
        ret->len = end - *at;
        ret->dir_len = end - ret->dir_off;
        if (ret->dir_len >= 2 && options[ret->dir_off] == '"' &&
            options[end - 1] == '"') {
            ret->dir_off++;
            ret->dir_len -= 2;
        }
    }
    *at = end;
    return true;
}

bool
build_option_is(const char *options, const struct build_option *o, const char *word)
{
    return strlen(word) == o->len && memcmp(options + o->off, word, o->len) == 0;
}
