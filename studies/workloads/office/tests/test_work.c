/* SPDX-License-Identifier: MIT */
/* Pictures, and the plan of what is done when. */
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
#include "office/desk.h"
#include "office/folder.h"
#include "office/plan.h"

enum { ROW = PAGE_WIDTH * PAGE_CHANNELS, VIEW_BYTES = VIEW_HEIGHT * ROW };

static struct picture
draw(void)
{
    struct rng rng = {.state = 2};
    struct failure why = {0};
    struct picture p;

    assert_int_equal(picture_init(&p, &rng, &why), 0);
    return p;
}

static uint8_t *
scale(const struct picture *p, struct view view)
{
    uint8_t *const pixels = malloc(VIEW_BYTES);

    assert_non_null(pixels);
    picture_scale(p, &view, pixels);
    return pixels;
}

static void
full_size_is_a_copy(void **state)
{
    struct picture p = draw();
    uint8_t *const pixels = scale(&p, (struct view){123, PAGE_WIDTH, VIEW_HEIGHT});

    (void)state;
    assert_memory_equal(pixels, p.pixels + (size_t)123 * ROW, VIEW_BYTES);
    free(pixels);
    picture_fini(&p);
}

static void
half_size_is_the_mean_of_four(void **state)
{
    struct picture p = draw();
    uint8_t *const pixels = scale(&p, (struct view){0, PAGE_WIDTH / 2, VIEW_HEIGHT / 2});

    (void)state;
    for (size_t y = 0; y < VIEW_HEIGHT / 2; y++)
        for (size_t x = 0; x < PAGE_WIDTH / 2; x++) {
            const uint8_t *const a = p.pixels + 2 * y * ROW + 2 * x * PAGE_CHANNELS;
            const unsigned sum =
                a[0] + a[PAGE_CHANNELS] + a[ROW] + a[ROW + PAGE_CHANNELS];

            assert_int_equal(pixels[(y * PAGE_WIDTH / 2 + x) * PAGE_CHANNELS],
                             (sum + 2) / 4);
        }
    free(pixels);
    picture_fini(&p);
}

/* Of an odd size: every value as summed over its area alone. */
static void
any_size_is_the_mean_of_the_area(void **state)
{
    const struct view view = {.top = 31, .width = 401, .height = 307};
    struct picture p = draw();
    uint8_t *const pixels = scale(&p, view);
    size_t at = 0;

    (void)state;
    for (unsigned y = 0; y < view.height; y++)
        for (unsigned x = 0; x < view.width; x++)
            for (unsigned c = 0; c < PAGE_CHANNELS; c++)
                assert_int_equal(pixels[at++], picture_value(&p, &view, x, y, c));
    free(pixels);
    picture_fini(&p);
}

static void
white_stays_white(void **state)
{
    struct picture p = draw();
    uint8_t *pixels;

    (void)state;
    memset(p.pixels, 0xff, (size_t)PAGE_HEIGHT * ROW);
    pixels = scale(&p, (struct view){PAGE_HEIGHT - VIEW_HEIGHT, 313, 227});
    for (size_t i = 0; i < (size_t)313 * 227 * PAGE_CHANNELS; i++)
        assert_int_equal(pixels[i], 0xff);
    free(pixels);
    picture_fini(&p);
}

static void
same_seed_plans_the_same(void **state)
{
    struct plan one, two, other;
    int differ = 0;

    (void)state;
    plan_init(&one, 42, 2.0);
    plan_init(&two, 42, 2.0);
    plan_init(&other, 43, 2.0);
    for (int i = 0; i < 1000; i++) {
        const struct task a = plan_next(&one), b = plan_next(&two), c = plan_next(&other);

        assert_int_equal(a.kind, b.kind);
        assert_int_equal(a.rng.state, b.rng.state);
        assert_true(a.think_s == b.think_s);
        differ += a.kind != c.kind;
    }
    assert_true(differ > 500);
}

static void
pauses_do_not_change_the_work(void **state)
{
    struct plan with, without;

    (void)state;
    plan_init(&with, 42, 2.0);
    plan_init(&without, 42, 0.0);
    for (int i = 0; i < 100; i++) {
        const struct task a = plan_next(&with), b = plan_next(&without);

        assert_int_equal(a.kind, b.kind);
        assert_int_equal(a.rng.state, b.rng.state);
        assert_true(a.think_s > 0.0 && b.think_s == 0.0);
    }
}

/* 10,000 pauses of an exponential: the mean within 4 of its deviations, the median ln 2. */
static void
pauses_are_exponential(void **state)
{
    const int count = 10000;
    struct plan plan;
    double sum = 0.0;
    int short_ones = 0;

    (void)state;
    plan_init(&plan, 1, 2.0);
    for (int i = 0; i < count; i++) {
        const double think_s = plan_next(&plan).think_s;

        assert_true(think_s > 0.0 && think_s <= 20.0);
        sum += think_s;
        short_ones += think_s < 2.0 * 0.693147;
    }
    assert_true(sum / count > 1.92 && sum / count < 2.08);
    assert_true(short_ones > 4800 && short_ones < 5200);
}

static void
kinds_come_by_their_weight(void **state)
{
    const int count = 14000; /* a thousand for each weight of 14 in all */
    int times[OPERATIONS] = {0};
    unsigned weights = 0;
    struct plan plan;

    (void)state;
    plan_init(&plan, 9, 0.0);
    for (int i = 0; i < count; i++)
        times[plan_next(&plan).kind]++;
    for (int i = 0; i < OPERATIONS; i++) {
        const int expected = (int)operations[i].weight * 1000;

        assert_true(abs(times[i] - expected) < 200);
        weights += operations[i].weight;
    }
    assert_int_equal(weights, 14);
}

/* All kinds in the order of a plan, twice: what they answer, too, is the same. */
static void
same_seed_gives_the_same_answers(void **state)
{
    enum { COUNT = 60 };
    static struct desk desk;
    uint64_t answers[2][COUNT];
    unsigned seen = 0;

    (void)state;
    for (int run = 0; run < 2; run++) {
        struct failure why = {0};
        struct plan plan;

        plan_init(&plan, 5, 0.0);
        unlink("sheet.db");
        assert_int_equal(desk_init(&desk, 5, NULL, &why), 0);
        for (int i = 0; i < COUNT; i++) {
            struct task task = plan_next(&plan);

            seen |= 1u << task.kind;
            assert_int_equal(
                operations[task.kind].run(&desk, &task.rng, &answers[run][i], &why), 0);
        }
        desk_fini(&desk);
    }
    assert_int_equal(seen, (1u << OPERATIONS) - 1);
    assert_memory_equal(answers[0], answers[1], sizeof answers[0]);
}

static void
folder_is_removed_with_all_in_it(void **state)
{
    struct failure why = {0};
    struct folder f;

    (void)state;
    assert_int_equal(folder_make(&f, ".", &why), 0);
    fixture_write("file", 0, "x", 1);
    assert_int_equal(symlink("../file", "link"), 0);
    assert_int_equal(chdir(f.path), 0);
    fixture_write("inside", 0, "x", 1);
    assert_int_equal(symlink("..", "up"), 0);
    assert_int_equal(chdir(".."), 0);
    assert_int_equal(folder_remove(&f, &why), 0);
    assert_int_equal(f.path[0], '\0');
    assert_int_equal(access("file", F_OK), 0);
    assert_int_equal(folder_remove(&f, &why), 0);
}

static void
folder_that_cannot_be_made_is_told(void **state)
{
    struct failure why = {0};
    struct folder f;

    (void)state;
    assert_int_equal(folder_make(&f, "/nonexistent", &why), -ENOENT);
    assert_non_null(strstr(why.text, "cannot make a folder in /nonexistent: No such"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_size_is_a_copy),
        cmocka_unit_test(half_size_is_the_mean_of_four),
        cmocka_unit_test(any_size_is_the_mean_of_the_area),
        cmocka_unit_test(white_stays_white),
        cmocka_unit_test(same_seed_plans_the_same),
        cmocka_unit_test(pauses_do_not_change_the_work),
        cmocka_unit_test(pauses_are_exponential),
        cmocka_unit_test(kinds_come_by_their_weight),
        FOLDER_TEST(same_seed_gives_the_same_answers),
        FOLDER_TEST(folder_is_removed_with_all_in_it),
        cmocka_unit_test(folder_that_cannot_be_made_is_told),
    };

    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
