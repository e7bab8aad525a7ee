/* SPDX-License-Identifier: MIT */
#include "link/bar_map.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define CHUNK UINT64_C(65536)
#define ALL (BAR_MAP_CHUNKS * CHUNK)

static int
setup(void **state)
{
    struct bar_map *m = calloc(1, sizeof *m);

    bar_map_clear(m);
    *state = m;
    return 0;
}

static int
teardown(void **state)
{
    free(*state);
    return 0;
}

static uint64_t
taken(const struct bar_map *m, unsigned slot)
{
    uint64_t off = 0, bytes, sum = 0;

    while (bar_map_next(m, CHUNK, slot, &off, &bytes)) {
        sum += bytes;
        off += bytes;
    }
    return sum;
}

static void
extents_are_whole_chunks_and_apart(void **state)
{
    struct bar_map *m = *state;
    uint64_t a, b, na, nb;

    assert_int_equal(bar_map_take(m, CHUNK, 3, 1, &a, &na), 0);
    assert_int_equal(bar_map_take(m, CHUNK, 4, CHUNK + 1, &b, &nb), 0);
    assert_int_equal(na, CHUNK);
    assert_int_equal(nb, 2 * CHUNK);
    assert_true(a >= CHUNK && b >= a + na);
    assert_int_equal(bar_map_extent(m, CHUNK, 4, b), nb);
    assert_int_equal(bar_map_extent(m, CHUNK, 3, b), 0);
    assert_int_equal(bar_map_extent(m, CHUNK, 4, b + CHUNK), 0);
    assert_int_equal(bar_map_extent(m, CHUNK, 4, b + 1), 0);
    assert_int_equal(bar_map_extent(m, CHUNK, 4, UINT64_MAX), 0);
}

static void
neighbours_of_one_slot_stay_two(void **state)
{
    struct bar_map *m = *state;
    uint64_t a, b, n;

    assert_int_equal(bar_map_take(m, CHUNK, 3, CHUNK, &a, &n), 0);
    assert_int_equal(bar_map_take(m, CHUNK, 3, CHUNK, &b, &n), 0);
    assert_int_equal(b, a + CHUNK);
    assert_int_equal(bar_map_extent(m, CHUNK, 3, a), CHUNK);
    bar_map_give(m, CHUNK, a, CHUNK);
    assert_int_equal(bar_map_extent(m, CHUNK, 3, a), 0);
    assert_int_equal(bar_map_extent(m, CHUNK, 3, b), CHUNK);
}

static void
the_header_is_nobodys(void **state)
{
    struct bar_map *m = *state;
    uint64_t off, n;

    assert_int_equal(bar_map_take(m, CHUNK, 0, ALL, &off, &n), -ENOSPC);
    assert_int_equal(bar_map_take(m, CHUNK, 0, 0, &off, &n), -ENOSPC);
    assert_int_equal(bar_map_take(m, CHUNK, 0, UINT64_MAX, &off, &n), -ENOSPC);
    assert_int_equal(bar_map_take(m, CHUNK, 0, ALL - CHUNK, &off, &n), 0);
    assert_int_equal(off, CHUNK);
    assert_int_equal(bar_map_take(m, CHUNK, 1, 1, &off, &n), -ENOSPC);
}

static void
gaps_are_found(void **state)
{
    struct bar_map *m = *state;
    uint64_t first, off, n;

    assert_int_equal(bar_map_take(m, CHUNK, 0, 4 * CHUNK, &first, &n), 0);
    assert_int_equal(bar_map_take(m, CHUNK, 1, ALL - 5 * CHUNK, &off, &n), 0);
    bar_map_give(m, CHUNK, first, 4 * CHUNK);
    assert_int_equal(bar_map_take(m, CHUNK, 2, 5 * CHUNK, &off, &n), -ENOSPC);
    assert_int_equal(taken(m, 2), 0);
    assert_int_equal(bar_map_take(m, CHUNK, 2, 4 * CHUNK, &off, &n), 0);
    assert_int_equal(off, first);
}

#define ROUNDS 2000

struct taker {
    struct bar_map *m;
    unsigned slot;
    bool overlapped;
};

/* Takes, looks whether it is its own, gives. */
static void *
taker_main(void *arg)
{
    struct taker *t = arg;
    unsigned seed = t->slot;

    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint64_t want = (1 + (unsigned)rand_r(&seed) % 1500) * CHUNK;
        uint64_t off, n;

        if (bar_map_take(t->m, CHUNK, t->slot, want, &off, &n) < 0)
            continue;
        if (bar_map_extent(t->m, CHUNK, t->slot, off) != n || n != want)
            t->overlapped = true;
        bar_map_give(t->m, CHUNK, off, n);
    }
    return NULL;
}

static void
who_takes_at_once_never_gets_the_same(void **state)
{
    struct taker t[4];
    pthread_t thread[4];

    for (unsigned i = 0; i < 4; i++) {
        t[i] = (struct taker){.m = *state, .slot = i};
        assert_int_equal(pthread_create(&thread[i], NULL, taker_main, &t[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        assert_false(t[i].overlapped);
        assert_int_equal(taken(*state, i), 0);
    }
}

static void
it_is_free_when_all_is_given_back(void **state)
{
    struct bar_map *m = *state;
    uint64_t off, bytes;

    assert_true(bar_map_is_free(m));
    assert_int_equal(bar_map_take(m, CHUNK, 63, ALL - CHUNK, &off, &bytes), 0);
    bar_map_give(m, CHUNK, off, bytes - CHUNK);
    assert_false(bar_map_is_free(m));
    bar_map_give(m, CHUNK, off + bytes - CHUNK, CHUNK);
    assert_true(bar_map_is_free(m));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(extents_are_whole_chunks_and_apart),
        TEST(neighbours_of_one_slot_stay_two),
        TEST(the_header_is_nobodys),
        TEST(gaps_are_found),
        TEST(it_is_free_when_all_is_given_back),
        TEST(who_takes_at_once_never_gets_the_same),
    };

    return cmocka_run_group_tests_name("bar-map", tests, NULL, NULL);
}
