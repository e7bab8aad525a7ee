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
    uint64_t bytes[256];
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

/* ---- the index ----------------------------------------------------------------------------- */

#define FIRST_PARAM 0x1000u
#define PARAMS 0x200u /* all of core's and the vendors', and more */

/* For every param, there or not, the index answers what a search does. */
static void
assert_same_answers(const uint8_t *info, size_t info_len, const uint64_t *params,
                    size_t n)
{
    struct device_info *index = malloc(sizeof *index);

    device_info_index(index, info, info_len);
    for (size_t i = 0; i < n; i++) {
        size_t len = 4711, found_len = 4711;
        const void *value = device_info_get(index, params[i], &len);

        assert_ptr_equal(value, device_info_find(info, info_len, params[i], &found_len));
        assert_int_equal(len, found_len);
    }
    free(index);
}

static void
all_params(uint64_t params[PARAMS])
{
    for (unsigned i = 0; i < PARAMS; i++)
        params[i] = FIRST_PARAM + i;
}

static void
the_index_answers_as_a_search_for_every_param_there_or_not(void **state)
{
    struct info i = {.len = 0};
    uint64_t params[PARAMS];

    (void)state;
    for (uint32_t param = FIRST_PARAM; param < FIRST_PARAM + 0x60; param += 3)
        info_add(&i, param, "1234567890123456", param % 9);
    assert_true(i.len > 256);
    all_params(params);
    assert_same_answers((const uint8_t *)i.bytes, i.len, params, PARAMS);
    assert_same_answers((const uint8_t *)i.bytes, 0, params, PARAMS);
}

static void
params_of_one_slot_keep_their_own_answers(void **state)
{
    /* More names than slots: some share one, whatever the hash. */
    struct enc e;
    uint64_t *params = malloc(3 * DEVICE_INFO_SLOTS * sizeof *params);
    uint8_t *info = malloc(2 * DEVICE_INFO_SLOTS * 24);

    (void)state;
    e.p = info;
    for (uint64_t i = 0; i < 3 * DEVICE_INFO_SLOTS; i++) {
        params[i] = 0x1000 + i * i;
        if (i % 3 == 2)
            continue; /* not there */
        enc_u64(&e, params[i]);
        enc_bytes(&e, &i, sizeof i);
    }
    assert_same_answers(info, (size_t)(e.p - info), params, 3 * DEVICE_INFO_SLOTS);
    free(info);
    free(params);
}

static void
the_first_of_two_answers_counts(void **state)
{
    struct device_info *index = malloc(sizeof *index);
    struct info i = {.len = 0};
    const uint64_t params[] = {NAME, UNITS};
    size_t len;

    (void)state;
    info_add(&i, NAME, "first", 6);
    info_add(&i, UNITS, "", 0);
    info_add(&i, NAME, "second", 7);
    info_add(&i, UNITS, "1234", 4);
    device_info_index(index, (const uint8_t *)i.bytes, i.len);
    assert_string_equal(device_info_get(index, NAME, &len), "first");
    assert_int_equal(len, 6);
    assert_non_null(device_info_get(index, UNITS, &len));
    assert_int_equal(len, 0);
    assert_same_answers((const uint8_t *)i.bytes, i.len, params, 2);
    free(index);
}

static void
the_index_of_information_cut_short_at_any_byte_answers_as_a_search(void **state)
{
    const uint64_t params[] = {NAME, UNITS, 0, UINT64_MAX};
    struct info i = {.len = 0};

    (void)state;
    info_add(&i, UNITS, "1234", 4);
    info_add(&i, NAME, "a device", 9);
    for (size_t cut = 0; cut <= i.len; cut++) {
        uint8_t *some = malloc(cut + 1);

        memcpy(some, i.bytes, cut);
        assert_same_answers(some, cut, params, 4);
        free(some);
    }
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
        cmocka_unit_test(the_index_answers_as_a_search_for_every_param_there_or_not),
        cmocka_unit_test(params_of_one_slot_keep_their_own_answers),
        cmocka_unit_test(the_first_of_two_answers_counts),
        cmocka_unit_test(
            the_index_of_information_cut_short_at_any_byte_answers_as_a_search),
    };

    return cmocka_run_group_tests_name("device information", tests, NULL, NULL);
}
