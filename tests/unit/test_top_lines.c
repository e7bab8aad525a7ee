/* SPDX-License-Identifier: MIT */
/* The screen of `tessera top` as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/top_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 40

static struct vgpu_rates vgpus[] = {
    {.name = "train-0",
     .type = "cpu-512m",
     .state = "working",
     .asked = 0.5,
     .got = 0.25,
     .busy = 0.24,
     .waiting = 0.751,
     .kernels = 12345,
     .framebuffer_bytes = UINT64_C(512) << 20,
     .used_bytes = UINT64_C(12) << 20},
    {.name = "a-name-that-is-far-too-long-for-its-column",
     .type = "cpu-512m",
     .state = "stopped",
     .asked = NAN,
     .framebuffer_bytes = UINT64_C(512) << 20},
};

static struct gpu_rates gpus[] = {
    {.name = "gpu0",
     .model = "cpu",
     .policy = "equal-share",
     .slice_us = 2000,
     .memory_bytes = UINT64_C(2) << 30,
     .used = 0.998,
     .idle = 0.002,
     .turns = 480,
     .arbiter_cpu = 0.0042,
     .vgpus = vgpus,
     .nvgpus = 2},
    {.name = "gpu1", .model = "cpu", .policy = "best-effort"},
};

static const struct sample sample = {.gpus = gpus, .ngpus = 2};

static struct top_line lines[LINES_MAX];

static size_t
lay_out(unsigned width, unsigned height, unsigned skip)
{
    const struct top_view view = {.width = width,
                                  .height = height,
                                  .clock = "13:05:07",
                                  .delay_s = 1,
                                  .order = ORDER_GOT,
                                  .skip = skip};

    return top_lines(&sample, &view, lines);
}

static void
a_wide_screen_shows_every_column(void **state)
{
    (void)state;
    assert_int_equal(lay_out(160, LINES_MAX, 0), 2 + top_length(&sample));
    assert_string_equal(lines[2].text,
                        "gpu0  cpu, 2 GiB  equal-share, 2 ms  used 99.8 %  idle 0.2 %  "
                        "480 turns/s  arbiter 0.42 %");
    assert_string_equal(
        lines[3].text,
        " VGPU             TYPE           STATE       ASKED     GOT                 BUSY"
        "            MEMORY WAITING KERNELS/S COPIED B/S");
    assert_string_equal(
        lines[4].text,
        " train-0          cpu-512m       working    50.0 %  25.0 % ===..|......  24.0 %"
        "    12 MiB/512 MiB  75.1 %     12.3k          0");
    assert_ptr_equal(lines[4].vgpu, &vgpus[0]);
}

static void
a_narrow_screen_keeps_what_matters_most(void **state)
{
    (void)state;
    lay_out(80, LINES_MAX, 0);
    assert_non_null(strstr(lines[3].text, "ASKED"));
    assert_non_null(strstr(lines[3].text, "MEMORY"));
    assert_null(strstr(lines[3].text, "COPIED"));
    lay_out(26, LINES_MAX, 0);
    assert_string_equal(lines[4].text, " train-0           25.0 %");
}

static void
no_line_is_wider_than_the_screen(void **state)
{
    (void)state;
    for (unsigned width = 1; width <= TOP_WIDTH_MAX; width++) {
        const size_t n = lay_out(width, LINES_MAX, 0);

        for (size_t i = 0; i < n; i++)
            assert_true(strlen(lines[i].text) <= width);
    }
}

static void
long_names_are_cut_where_one_can_see_it(void **state)
{
    (void)state;
    lay_out(160, LINES_MAX, 0);
    assert_int_equal(strncmp(lines[5].text, " a-name-that-is-~ cpu-512m", 26), 0);
    assert_non_null(strstr(lines[5].text, " - "));
}

static void
a_gpu_without_vgpus_says_so(void **state)
{
    (void)state;
    lay_out(160, LINES_MAX, 0);
    assert_int_equal(lines[7].kind, TOP_GPU);
    assert_string_equal(lines[8].text, " no vGPUs");
}

static void
scrolling_leaves_the_title_in_place(void **state)
{
    (void)state;
    assert_int_equal(lay_out(160, 4, 2), 4);
    assert_int_equal(lines[0].kind, TOP_TITLE);
    assert_int_equal(lines[1].kind, TOP_BLANK);
    assert_ptr_equal(lines[2].vgpu, &vgpus[0]);
    assert_ptr_equal(lines[3].vgpu, &vgpus[1]);
}

static void
a_screen_without_height_has_no_lines(void **state)
{
    (void)state;
    assert_int_equal(lay_out(80, 0, 0), 0);
}

static void
rates_keep_to_four_digits(void **state)
{
    char text[TOP_CELL_BYTES];

    (void)state;
    top_rate_words(0, text, sizeof text);
    assert_string_equal(text, "0");
    top_rate_words(1.25, text, sizeof text);
    assert_string_equal(text, "1.2");
    top_rate_words(9999, text, sizeof text);
    assert_string_equal(text, "9999");
    top_rate_words(1234567890, text, sizeof text);
    assert_string_equal(text, "1234.6M");
    top_share_words(NAN, text, sizeof text);
    assert_string_equal(text, "-");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_screen_shows_every_column),
        cmocka_unit_test(a_narrow_screen_keeps_what_matters_most),
        cmocka_unit_test(no_line_is_wider_than_the_screen),
        cmocka_unit_test(long_names_are_cut_where_one_can_see_it),
        cmocka_unit_test(a_gpu_without_vgpus_says_so),
        cmocka_unit_test(scrolling_leaves_the_title_in_place),
        cmocka_unit_test(a_screen_without_height_has_no_lines),
        cmocka_unit_test(rates_keep_to_four_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
