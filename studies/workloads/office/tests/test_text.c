/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "office/compress.h"
#include "office/disk.h"
#include "office/search.h"
#include "office/words.h"

enum { SIZE = 20000 };

static struct rng rng;

static struct document
make(size_t size)
{
    struct failure why = {0};
    struct document d;

    rng = (struct rng){.state = 11};
    assert_int_equal(document_make(&d, "letter.txt", size, &rng, &why), 0);
    return d;
}

static char *
load(const struct document *d)
{
    struct failure why = {0};
    char *bytes = NULL;

    assert_int_equal(document_load(d, &bytes, &why), 0);
    assert_non_null(bytes);
    return bytes;
}

static void
text_has_lines_of_words(void **state)
{
    static char text[SIZE];
    size_t line = 0;

    (void)state;
    rng = (struct rng){.state = 3};
    words_fill(text, sizeof text, &rng);
    assert_null(memchr(text, '\0', sizeof text));
    assert_int_equal(text[sizeof text - 1], '\n');
    for (size_t i = 0; i < sizeof text; i++) {
        line = text[i] == '\n' ? 0 : line + 1;
        assert_true(line <= 72);
    }
}

static void
edit_inserts_a_paragraph(void **state)
{
    struct document d = make(SIZE);
    char *const before = load(&d), *after;
    struct failure why = {0};
    uint64_t answer = 0;
    size_t same = 0;

    (void)state;
    assert_int_equal(document_edit(&d, &rng, &answer, &why), 0);
    assert_int_equal(answer, d.crc);
    assert_int_equal(d.size, SIZE + 600);
    after = load(&d);
    while (same < SIZE && before[same] == after[same])
        same++;
    assert_true(same < SIZE);
    assert_memory_equal(before + same, after + same + 600, SIZE - same);
    free(before);
    free(after);
}

static void
edited_document_keeps_its_size_at_last(void **state)
{
    struct document d = make(DOCUMENT_BYTES_MAX - 100);
    struct failure why = {0};
    uint64_t answer;

    (void)state;
    assert_int_equal(document_edit(&d, &rng, &answer, &why), 0);
    assert_int_equal(d.size, DOCUMENT_BYTES_MAX);
    assert_int_equal(document_edit(&d, &rng, &answer, &why), 0);
    assert_int_equal(d.size, DOCUMENT_BYTES_MAX);
}

/* All three operations on a document begin with loading it. */
static void
assert_all_fail(const struct document *d, int code, const char *text)
{
    for (int kind = 0; kind < 3; kind++) {
        struct document copy = *d;
        struct failure why = {0};
        uint64_t answer;
        const int r = kind == 0   ? document_edit(&copy, &rng, &answer, &why)
                      : kind == 1 ? compress_run(&copy, "letter.txt.gz", &answer, &why)
                                  : search_run(&copy, &rng, &answer, &why);

        assert_int_equal(r, code);
        assert_string_equal(why.text, text);
    }
}

static void
damaged_document_is_refused(void **state)
{
    const struct document d = make(SIZE);

    (void)state;
    fixture_write("letter.txt", 5000, "#", 1);
    assert_all_fail(&d, -EBADMSG,
                    "letter.txt: damaged: 20000 bytes, not the 20000 that were written");
}

static void
document_cut_short_is_refused(void **state)
{
    const struct document d = make(SIZE);

    (void)state;
    assert_int_equal(truncate("letter.txt", SIZE - 1), 0);
    assert_all_fail(&d, -EBADMSG,
                    "letter.txt: damaged: 19999 bytes, not the 20000 that were written");
}

static void
missing_document_is_named(void **state)
{
    const struct document d = make(SIZE);

    (void)state;
    unlink("letter.txt");
    assert_all_fail(&d, -ENOENT, "letter.txt: No such file or directory");
}

static void
file_too_large_is_refused(void **state)
{
    struct failure why = {0};
    size_t size;
    char *bytes;

    (void)state;
    fixture_write("large", 4096, "x", 1);
    assert_int_equal(disk_load("large", 4096, &bytes, &size, &why), -EFBIG);
    assert_string_equal(why.text, "large: larger than 4 KiB");
}

static void
compressed_document_is_the_same_after_it(void **state)
{
    const struct document d = make(SIZE);
    struct failure why = {0};
    uint64_t answer = 0;
    size_t size;
    char *packed;

    (void)state;
    assert_int_equal(compress_run(&d, "letter.txt.gz", &answer, &why), 0);
    assert_int_equal(answer, d.crc);
    assert_int_equal(disk_load("letter.txt.gz", SIZE, &packed, &size, &why), 0);
    assert_true(size > SIZE / 10 && size < SIZE * 2 / 3);
    free(packed);
}

static void
assert_not_unpacked(const char *text, size_t size)
{
    struct failure why = {0};

    assert_int_equal(compress_check("text.gz", text, size, &why), -EBADMSG);
    assert_string_equal(why.text, "text.gz: does not unpack to what was packed");
}

/* Cut anywhere, or with one byte another: the sum at its end tells. */
static void
damaged_archive_is_refused(void **state)
{
    static const char text[] = "a text that is packed, a text that is unpacked";
    struct failure why = {0};
    char *packed;
    size_t size;

    (void)state;
    assert_int_equal(compress_pack("text.gz", text, sizeof text, &why), 0);
    assert_int_equal(compress_check("text.gz", text, sizeof text, &why), 0);
    assert_not_unpacked(text, sizeof text - 1);
    assert_int_equal(disk_load("text.gz", 4096, &packed, &size, &why), 0);
    for (size_t i = size - 1; i >= 10; i--) {
        const char other = (char)(packed[i] ^ 1);

        fixture_write("text.gz", (long)i, &other, 1);
        assert_not_unpacked(text, sizeof text);
        assert_int_equal(truncate("text.gz", (off_t)i), 0);
        assert_not_unpacked(text, sizeof text);
        fixture_write("text.gz", 0, packed, size);
    }
    free(packed);
}

static void
assert_found(struct search s, char *text, size_t size, uint64_t expected)
{
    struct failure why = {0};
    uint64_t count = 0;

    assert_int_equal(search_count(&s, text, size, &count, &why), 0);
    assert_int_equal(count, expected);
    assert_int_equal(search_count_naively(&s, text, size), expected);
}

static void
known_words_are_counted(void **state)
{
    static char text[] = "the The THE_ theme the\nbreathe the-the 1the\n\nthe";
    const size_t size = sizeof text - 1;

    (void)state;
    assert_found((struct search){.word = "the"}, text, size, 5);
    assert_found((struct search){.word = "the", .any_case = true}, text, size, 6);
    assert_found((struct search){.word = "the", .beginning = true}, text, size, 6);
    assert_found((struct search){"the", true, true}, text, size, 8);
    assert_found((struct search){.word = "absent"}, text, size, 0);
    assert_found((struct search){.word = "the"}, text, 0, 0);
}

/* Not text at all: zeros, bytes beyond ASCII, no newline. */
static void
words_in_binary_data_are_counted(void **state)
{
    static char bytes[] = "ab\0ab\xff"
                          "ab\x80 abc\r\n\0\0ab";

    (void)state;
    assert_found((struct search){.word = "ab"}, bytes, sizeof bytes - 1, 4);
    assert_found((struct search){"ab", true, false}, bytes, sizeof bytes - 1, 5);
}

static void
drawn_searches_agree_and_find_something(void **state)
{
    static char text[SIZE + 1], copy[SIZE + 1];

    (void)state;
    rng = (struct rng){.state = 5};
    words_fill(text, SIZE, &rng);
    memcpy(copy, text, sizeof text);
    for (int i = 0; i < 200; i++) {
        struct failure why = {0};
        struct search s;
        uint64_t count;

        assert_int_equal(search_draw(&s, text, SIZE, &rng, &why), 0);
        count = search_count_naively(&s, text, SIZE);
        assert_true(count > 0);
        assert_found(s, text, SIZE, count);
    }
    assert_memory_equal(text, copy, sizeof text);
}

static void
text_without_words_cannot_be_searched(void **state)
{
    struct failure none = {0}, empty = {0};
    struct search s;

    (void)state;
    assert_int_equal(search_draw(&s, "... \n", 5, &rng, &none), -ENODATA);
    assert_int_equal(search_draw(&s, "", 0, &rng, &empty), -ENODATA);
    assert_string_equal(empty.text, "no words to search for");
}

static void
very_long_word_is_searched_by_its_beginning(void **state)
{
    struct failure why = {0};
    struct search s;
    char text[200] = "";
    const size_t size = sizeof text - 1;

    (void)state;
    memset(text, 'x', size);
    assert_int_equal(search_draw(&s, text, size, &rng, &why), 0);
    assert_true(s.beginning && strlen(s.word) <= SEARCH_WORD_MAX);
    assert_found(s, text, size, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_lines_of_words),
        FOLDER_TEST(edit_inserts_a_paragraph),
        FOLDER_TEST(edited_document_keeps_its_size_at_last),
        FOLDER_TEST(damaged_document_is_refused),
        FOLDER_TEST(document_cut_short_is_refused),
        FOLDER_TEST(missing_document_is_named),
        FOLDER_TEST(file_too_large_is_refused),
        FOLDER_TEST(compressed_document_is_the_same_after_it),
        FOLDER_TEST(damaged_archive_is_refused),
        cmocka_unit_test(known_words_are_counted),
        cmocka_unit_test(words_in_binary_data_are_counted),
        cmocka_unit_test(drawn_searches_agree_and_find_something),
        cmocka_unit_test(text_without_words_cannot_be_searched),
        cmocka_unit_test(very_long_word_is_searched_by_its_beginning),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
