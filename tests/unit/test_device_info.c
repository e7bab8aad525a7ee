/* SPDX-License-Identifier: MIT */
#include "wire/device_info.h"

#include "wire/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NAME 0x102b
#define UNITS 0x1002

struct info {
    uint64_t bytes[64];
    size_t len;
};

static void
info_add(struct info *i, uint64_t param, const void *value, uint64_t len)
{
    struct enc e = {(uint8_t *)i->bytes + i->len};

    enc_u64(&e, param);
    enc_bytes(&e, value, len);
    i->len = (size_t)(e.p - (uint8_t *)i->bytes);
}

static const void *
find(const struct info *i, uint64_t param, size_t *ret_len)
{
    return device_info_find((const uint8_t *)i->bytes, i->len, param, ret_len);
}

static void
each_answer_is_found_with_its_length(void **state)
{
    struct info i = {.len = 0};
    uint32_t units = 12;
    size_t len;

    (void)state;
    info_add(&i, NAME, "a device", 9);
    info_add(&i, UNITS, &units, sizeof units);
    assert_memory_equal(find(&i, NAME, &len), "a device", 9);
    assert_int_equal(len, 9);
    assert_memory_equal(find(&i, UNITS, &len), &units, sizeof units);
    assert_int_equal(len, sizeof units);
}

static void
an_empty_answer_is_found(void **state)
{
    struct info i = {.len = 0};
    size_t len = 7;

    (void)state;
    info_add(&i, NAME, "", 0);
    assert_non_null(find(&i, NAME, &len));
    assert_int_equal(len, 0);
}

static void
what_is_not_there_is_not_found(void **state)
{
    struct info i = {.len = 0};
    size_t len = 7;

    (void)state;
    assert_null(find(&i, NAME, &len));
    info_add(&i, NAME, "a device", 9);
    assert_null(find(&i, UNITS, &len));
    assert_int_equal(len, 7);
}

static void
a_value_is_not_mistaken_for_a_name(void **state)
{
    struct info i = {.len = 0};
    uint64_t value[2] = {UNITS, 0};
    size_t len;

    (void)state;
    info_add(&i, NAME, value, sizeof value);
    assert_null(find(&i, UNITS, &len));
}

static void
information_cut_short_at_any_byte_is_not_read_past_its_end(void **state)
{
    struct info i = {.len = 0};
    size_t len;

    (void)state;
    info_add(&i, UNITS, "1234", 4);
    info_add(&i, NAME, "a device", 9);
    for (size_t cut = 0; cut < i.len; cut++) {
        uint8_t *some = malloc(cut + 1);

        memcpy(some, i.bytes, cut);
        assert_null(device_info_find(some, cut, NAME, &len));
        free(some);
    }
}

static void
an_overlong_value_hides_what_follows(void **state)
{
    const uint64_t bytes[] = {UNITS, UINT64_MAX, NAME, 8, 1};
    size_t len;

    (void)state;
    assert_null(device_info_find((const uint8_t *)bytes, sizeof bytes, UNITS, &len));
    assert_null(device_info_find((const uint8_t *)bytes, sizeof bytes, NAME, &len));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_is_found_with_its_length),
        cmocka_unit_test(an_empty_answer_is_found),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(a_value_is_not_mistaken_for_a_name),
        cmocka_unit_test(information_cut_short_at_any_byte_is_not_read_past_its_end),
        cmocka_unit_test(an_overlong_value_hides_what_follows),
    };

    return cmocka_run_group_tests_name("device information", tests, NULL, NULL);
}
