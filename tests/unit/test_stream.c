/* SPDX-License-Identifier: MIT */
#include "guest/opencl/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE 64u
#define SHORT_BYTES 300u
#define GUARD 0xa5

/* Copies n bytes between offsets, and looks at all that is around the target. */
static void
check_copy(const uint8_t *from, size_t at_src, size_t at_dst, size_t n)
{
    const size_t room = at_dst + n + LINE;
    uint8_t *dst = aligned_alloc(LINE, (room + LINE - 1) / LINE * LINE);

    memset(dst, GUARD, room);
    stream_copy(dst + at_dst, from + at_src, n);
    if (n > 0 && memcmp(dst + at_dst, from + at_src, n) != 0)
        fail_msg("%zu bytes from %zu to %zu differ", n, at_src, at_dst);
    for (size_t i = 0; i < room; i++) {
        if ((i < at_dst || i >= at_dst + n) && dst[i] != GUARD)
            fail_msg("%zu bytes from %zu to %zu: byte %zu was touched", n, at_src, at_dst,
                     i);
    }
    free(dst);
}

/* Bytes no two lines of which are alike, in an allocation that ends with them. */
static uint8_t *
some_bytes(size_t n)
{
    uint8_t *p = aligned_alloc(LINE, (n + LINE - 1) / LINE * LINE);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 2654435761u >> 13);
    return p;
}

static void
every_alignment_and_short_length_is_copied_as_memcpy_does(void **state)
{
    uint8_t *from = some_bytes(SHORT_BYTES + LINE);

    (void)state;
    for (size_t at_dst = 0; at_dst < LINE; at_dst++) {
        for (size_t n = 0; n <= SHORT_BYTES; n++)
            check_copy(from, (at_dst * 7 + n) % LINE, at_dst, n);
    }
    for (size_t at_src = 0; at_src < LINE; at_src++) {
        for (size_t n = 0; n <= SHORT_BYTES; n += 37)
            check_copy(from, at_src, 64 - at_src, n);
    }
    free(from);
}

static void
large_pieces_are_copied_whole(void **state)
{
    static const size_t lengths[] = {4095, 4096, 65537, (1u << 20) - 1, (4u << 20) + 63};
    uint8_t *from = some_bytes((4u << 20) + 2 * LINE);

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        check_copy(from, 0, 0, lengths[i]);
        check_copy(from, 1, 0, lengths[i]);
        check_copy(from, 0, 63, lengths[i]);
        check_copy(from, 17, 16, lengths[i]);
    }
    free(from);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_alignment_and_short_length_is_copied_as_memcpy_does),
        cmocka_unit_test(large_pieces_are_copied_whole),
    };

    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
