/* SPDX-License-Identifier: MIT */
#include "manager/snapshot_head.h"

#include "base/io.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A head of two sessions; the caller's. */
static struct snapshot_head *
sample(void)
{
    struct snapshot_head *h = calloc(1, sizeof *h);

    *h = (struct snapshot_head){.number = 0xfedcba9876543210,
                                .name = "train-0",
                                .uuid = "30d1ac7f-d93a-482f-83c5-632fc3ed7af6",
                                .type = "cpu-512m",
                                .gpu = "gpu0",
                                .device = "a device",
                                .driver = "5.0",
                                .framebuffer_bytes = 536870912,
                                .software = true,
                                .nsessions = 2,
                                .nextents = 2,
                                .extents = {{3, 1, 32}, {0, 40, 4056}}};
    h->sessions[0] = (struct snapshot_session){.token = {1, 2, 3},
                                               .program = "python3",
                                               .guest = {77, 123456},
                                               .boot_id = "of-some-boot",
                                               .slot = 3};
    h->sessions[1] =
        (struct snapshot_session){.token = {9}, .container = true, .vm_port = 16};
    return h;
}

static void
what_is_written_is_read_back(void **state)
{
    struct snapshot_head *h = sample(), *got = calloc(1, sizeof *got);
    char *text = snapshot_head_format(h);
    struct err e = ERR_INIT;

    (void)state;
    assert_non_null(text);
    assert_int_equal(snapshot_head_parse(text, strlen(text), got, &e), 0);
    assert_memory_equal(got, h, sizeof *h);
    free(text);
    free(h);
    free(got);
}

static void
every_cut_off_head_is_refused(void **state)
{
    struct snapshot_head *h = sample(), *got = calloc(1, sizeof *got);
    char *text = snapshot_head_format(h);

    (void)state;
    for (size_t len = 0; len < strlen(text); len++) {
        struct err e = ERR_INIT;

        assert_int_equal(snapshot_head_parse(text, len, got, &e), -EINVAL);
        assert_int_equal(got->number, 0);
        err_fini(&e);
    }
    free(text);
    free(h);
    free(got);
}

/* The sample's text with the first `from` replaced is refused. */
static void
is_refused_with(const char *from, const char *to)
{
    struct snapshot_head *h = sample();
    char *text = snapshot_head_format(h), *at = strstr(text, from), *other;
    struct err e = ERR_INIT;

    assert_non_null(at);
    other = str_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_int_equal(snapshot_head_parse(other, strlen(other), h, &e), -EINVAL);
    assert_non_null(e.msg);
    err_fini(&e);
    free(other);
    free(text);
    free(h);
}

static void
values_out_of_range_are_refused(void **state)
{
    static const char *const rows[][2] = {
        {"\"version\":1", "\"version\":2"},
        {"\"version\":1,", ""},
        {"train-0", "../etc"},
        {"fedcba9876543210", "0000000000000000"},
        {"fedcba9876543210", "FEDCBA9876543210"},
        {"fedcba9876543210", "fedcba987654321"},
        {"536870912", "0"},
        {"01020300000000000000000000000000", "00000000000000000000000000000000"},
        {"01020300000000000000000000000000", "0102030000000000000000000000000g"},
        {"01020300000000000000000000000000", "09000000000000000000000000000000"},
        {"\"guest_pid\":77", "\"guest_pid\":2147483648"},
        {"\"guest_pid\":77", "\"guest_pid\":-1"},
        {"\"slot\":3", "\"slot\":64"},
        {"\"vm_port\":15", "\"vm_port\":2147483647"},
        {"\"sessions\":[", "\"sessions\":[1,"},
        {"\"sessions\":[", "\"others\":["},
        {"[3,1,32]", "[64,1,32]"},
        {"[3,1,32]", "[3,0,32]"},
        {"[3,1,32]", "[3,1,40]"},
        {"[3,1,32]", "[3,1,0]"},
        {"[3,1,32]", "[3,1]"},
        {"[0,40,4056]", "[0,40,4057]"},
        {"\"bar\":", "\"bar\":1,\"x\":"},
        {"[3,1,32]", "\"3,1,32\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        is_refused_with(rows[i][0], rows[i][1]);
}

static void
more_sessions_than_a_vgpu_has_are_refused(void **state)
{
    struct snapshot_head *h = sample();
    char *text, *many;
    struct err e = ERR_INIT;
    char sessions[65 * 2 + 1];

    (void)state;
    h->nsessions = 0;
    text = snapshot_head_format(h);
    for (size_t i = 0; i < 65; i++)
        memcpy(sessions + 2 * i, "1,", 2);
    sessions[65 * 2 - 1] = '\0';
    many = str_printf("%.*s%s]}", (int)strlen(text) - 2, text, sessions);
    assert_int_equal(snapshot_head_parse(many, strlen(many), h, &e), -EINVAL);
    assert_non_null(strstr(err_msg(&e), "at most 64"));
    err_fini(&e);
    free(many);
    free(text);
    free(h);
}

static void
what_sessions_have_of_a_machines_memory_is_theirs_again(void **state)
{
    struct snapshot_head *h = sample();
    struct bar_map *before = malloc(sizeof *before), *after = malloc(sizeof *after);
    uint64_t off, bytes;

    (void)state;
    bar_map_clear(before);
    bar_map_clear(after);
    assert_int_equal(bar_map_take(before, 1, 3, 32, &off, &bytes), 0);
    assert_int_equal(bar_map_take(before, 1, 3, 8, &off, &bytes), 0);
    assert_int_equal(bar_map_take(before, 1, 0, 4, &off, &bytes), 0);
    snapshot_bar_take(h, before);
    assert_int_equal(h->nextents, 3);
    snapshot_bar_put(h, 3, after, 63);
    assert_int_equal(bar_map_extent(after, 1, 63, 1), 32);
    assert_int_equal(bar_map_extent(after, 1, 63, 33), 8);
    assert_int_equal(bar_map_take(after, 1, 5, 4, &off, &bytes), 0);
    assert_int_equal(off, 41);
    free(before);
    free(after);
    free(h);
}

static void
words_of_others_are_written_printable(void **state)
{
    struct snapshot_head *h = sample();
    struct err e = ERR_INIT;
    char *text;

    (void)state;
    memcpy(h->sessions[0].program, "\xff\x01", 3);
    memcpy(h->driver, "\xc3", 2);
    text = snapshot_head_format(h);
    assert_non_null(text);
    assert_int_equal(snapshot_head_parse(text, strlen(text), h, &e), 0);
    assert_string_equal(h->sessions[0].program, "??");
    assert_string_equal(h->driver, "?");
    free(text);
    free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(every_cut_off_head_is_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(more_sessions_than_a_vgpu_has_are_refused),
        cmocka_unit_test(what_sessions_have_of_a_machines_memory_is_theirs_again),
        cmocka_unit_test(words_of_others_are_written_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
