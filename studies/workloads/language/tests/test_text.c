/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "common/file.h"
#include "language/model.h"
#include "language/text.h"
#include "language/token.h"

/* The tokens of a text, with a space between them, are these. */
static void
assert_tokens(const char *text, const char *expected)
{
    const uint8_t *const bytes = (const uint8_t *)text;
    const size_t size = strlen(text);
    size_t at = 0, len = 0;
    char got[256] = "";

    for (;;) {
        const struct token t = token_next(bytes, size, &at);

        if (!t.len)
            break;
        assert_true(len + t.len + 2 < sizeof got);
        if (len)
            got[len++] = ' ';
        memcpy(got + len, t.bytes, t.len);
        len += t.len;
    }
    got[len] = '\0';
    assert_string_equal(got, expected);
}

static void
words_are_runs_of_letters_and_digits(void **state)
{
    (void)state;
    assert_tokens("Hello, world: a (new) one\n\n\tx86_64", "Hello world a new one x86 #");
    assert_tokens("", "");
    assert_tokens(" -- ", "");
}

static void
apostrophes_within_a_word_are_part_of_it(void **state)
{
    (void)state;
    assert_tokens("'Don't' Godwin's x' '", "Don't Godwin's x");
    assert_tokens("it\xe2\x80\x99s \xe2\x80\x98up\xe2\x80\x99 .", "it\xe2\x80\x99s up .");
}

static void
any_number_is_the_same_token(void **state)
{
    (void)state;
    assert_tokens("42 3.14 1,000,000 7, 8", "# # # # #");
    assert_tokens("4th 2.x", "4th # x");
}

static void
sentences_end_once(void **state)
{
    (void)state;
    assert_tokens("Well... no?! Yes. (No.) 5.", "Well . no . Yes . No . # .");
    assert_tokens("main.c tessera.example", "main c tessera example");
}

static void
letters_beyond_ascii_are_letters(void **state)
{
    (void)state;
    assert_tokens("na\xc3\xafve \xd0\xb4\xd0\xb0 \xf0\x90\x90\x80",
                  "na\xc3\xafve \xd0\xb4\xd0\xb0 \xf0\x90\x90\x80");
    assert_tokens("\xe2\x80\x9cquoted\xe2\x80\x9d\xc2\xa0\xe2\x94\x80\xe2\x94\x80"
                  "3\xc3\x97"
                  "4",
                  "quoted # #");
}

/* Stray, overlong, a surrogate, past the end of Unicode, five bytes, cut off. */
static void
bytes_that_are_no_utf8_separate(void **state)
{
    (void)state;
    assert_tokens("a\x80z \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xf8\x88\x80\x80 b\xc3",
                  "a z b");
}

/* Each prefix is copied to its own allocation: reading past it shows under ASan. */
static void
text_may_end_anywhere(void **state)
{
    static const char text[] = "it\xe2\x80\x99s 3.5 na\xc3\xafve\xf0\x90\x90\x80 don't.";

    (void)state;
    for (size_t size = 0; size < sizeof text; size++) {
        uint8_t *const bytes = malloc(size + !size);
        size_t at = 0;

        assert_non_null(bytes);
        memcpy(bytes, text, size);
        while (token_next(bytes, size, &at).len)
            assert_true(at <= size);
        assert_int_equal(at, size);
        free(bytes);
    }
}

static void
assert_words(const char *text, uint32_t vocabulary, const char *expected)
{
    struct failure why = {0};
    struct text t;
    char got[256] = "";

    assert_int_equal(
        text_parse((const uint8_t *)text, strlen(text), vocabulary, &t, &why), 0);
    for (uint32_t i = 0; i < t.count; i++) {
        assert_true(t.words[i] < t.vocabulary);
        sprintf(got + strlen(got), i ? " %u" : "%u", t.words[i]);
    }
    assert_string_equal(got, expected);
    text_fini(&t);
}

static void
frequent_words_have_the_first_numbers(void **state)
{
    (void)state;
    assert_words("b a c a b a", 10, "2 1 3 1 2 1");
    assert_words("z y z y x", 10, "1 2 1 2 3");
}

static void
case_makes_no_difference(void **state)
{
    (void)state;
    assert_words("The THE the cat Cat", 10, "1 1 1 2 2");
}

static void
rare_words_are_unknown(void **state)
{
    (void)state;
    assert_words("a b a c a b d", 3, "1 2 1 0 1 2 0");
    assert_words("a b", 1, "0 0");
}

static void
endless_words_are_all_the_same(void **state)
{
    char text[256] = "";

    (void)state;
    memset(text, 'a', TOKEN_BYTES_MAX);
    assert_words(text, 10, "1");
    memset(text + TOKEN_BYTES_MAX, 'b', 1);
    memset(text + TOKEN_BYTES_MAX + 1, ' ', 1);
    memset(text + TOKEN_BYTES_MAX + 2, 'c', 100);
    assert_words(text, 10, "1 1");
}

/* More than the table of words begins with. */
static void
many_words_are_told_apart(void **state)
{
    static const size_t words = 5000, each = 7;
    char *const text = calloc(2 * words + 1, each);
    struct failure why = {0};
    struct text t;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < 2 * words; i++)
        sprintf(text + i * each, "w%05zu ", i % words);
    assert_int_equal(text_parse((const uint8_t *)text, 2 * words * each, 65536, &t, &why),
                     0);
    assert_int_equal(t.vocabulary, words + 1);
    for (uint32_t i = 0; i < t.count; i++)
        assert_int_equal(t.words[i], i % words + 1);
    text_fini(&t);
    free(text);
}

static void
assert_refused(const char *bytes, size_t size, int code, const char *text)
{
    struct failure why = {0};
    struct text t;

    assert_int_equal(text_parse((const uint8_t *)bytes, size, 10, &t, &why), code);
    assert_string_equal(why.text, text);
}

static void
what_is_no_text_is_refused(void **state)
{
    (void)state;
    assert_refused(NULL, 0, -ENODATA, "no words in it");
    assert_refused("\x80\xff -\n", 5, -ENODATA, "no words in it");
    assert_refused("\x7f"
                   "ELF\2\1\1\0",
                   8, -EBADMSG, "a zero byte at 7: not a text");
}

enum { PATH_BYTES = 64 };

/* Writes "a b a" to a file of its own, packed; keeps that many of its bytes. */
static void
write_packed(char *path, off_t keep)
{
    gzFile gz;
    int fd;

    snprintf(path, PATH_BYTES, "/tmp/language-text-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    gz = gzdopen(fd, "w");
    assert_int_equal(gzputs(gz, "a b a"), 5);
    assert_int_equal(gzclose(gz), Z_OK);
    assert_int_equal(truncate(path, keep), 0);
}

static void
packed_file_is_read(void **state)
{
    struct failure why = {0};
    struct text t;
    char path[PATH_BYTES];

    (void)state;
    write_packed(path, 25);
    assert_int_equal(text_load(path, 10, &t, &why), 0);
    unlink(path);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.words[2], 1);
    text_fini(&t);
}

static void
packed_file_cut_short_is_refused(void **state)
{
    struct failure why = {0};
    struct text t;
    char path[PATH_BYTES];

    (void)state;
    write_packed(path, 20);
    assert_int_equal(text_load(path, 10, &t, &why), -EIO);
    unlink(path);
    assert_non_null(strstr(why.text, "truncated or damaged"));
}

/* However few bytes they are packed into. */
static void
file_of_more_bytes_than_allowed_is_refused(void **state)
{
    struct failure why = {0};
    uint8_t *bytes = NULL;
    char path[PATH_BYTES];
    size_t size;

    (void)state;
    write_packed(path, 25);
    assert_int_equal(file_load(path, 5, &bytes, &size, &why), 0);
    assert_int_equal(size, 5);
    free(bytes);
    assert_int_equal(file_load(path, 4, &bytes, &size, &why), -EFBIG);
    unlink(path);
    assert_non_null(strstr(why.text, "larger than 4 bytes"));
}

static void
missing_file_is_named(void **state)
{
    struct failure why = {0};
    struct text t;

    (void)state;
    assert_int_equal(text_load("/nonexistent", 10, &t, &why), -ENOENT);
    assert_string_equal(why.text, "/nonexistent: No such file or directory");
}

static void
models_have_their_parameters(void **state)
{
    (void)state;
    assert_int_equal(model_parameters(model_spec_find("small"), 10000), 4651600);
    assert_int_equal(model_parameters(model_spec_find("medium"), 10000), 19775200);
    assert_int_equal(model_parameters(model_spec_find("large"), 10000), 66022000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_runs_of_letters_and_digits),
        cmocka_unit_test(apostrophes_within_a_word_are_part_of_it),
        cmocka_unit_test(any_number_is_the_same_token),
        cmocka_unit_test(sentences_end_once),
        cmocka_unit_test(letters_beyond_ascii_are_letters),
        cmocka_unit_test(bytes_that_are_no_utf8_separate),
        cmocka_unit_test(text_may_end_anywhere),
        cmocka_unit_test(frequent_words_have_the_first_numbers),
        cmocka_unit_test(case_makes_no_difference),
        cmocka_unit_test(rare_words_are_unknown),
        cmocka_unit_test(endless_words_are_all_the_same),
        cmocka_unit_test(many_words_are_told_apart),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(packed_file_is_read),
        cmocka_unit_test(packed_file_cut_short_is_refused),
        cmocka_unit_test(file_of_more_bytes_than_allowed_is_refused),
        cmocka_unit_test(missing_file_is_named),
        cmocka_unit_test(models_have_their_parameters),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
