/* SPDX-License-Identifier: MIT */
#include "guest/opencl/heap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define NONE UINT64_MAX
#define GRANULE ((uint64_t)HEAP_GRANULE)
#define GRANULES 4096u
#define BYTES (GRANULES * GRANULE)

static int
setup(void **state)
{
    struct heap *h = calloc(1, sizeof *h);

    assert_int_equal(heap_init(h, NULL, BYTES), 0);
    *state = h;
    return 0;
}

static int
teardown(void **state)
{
    heap_fini(*state);
    free(*state);
    return 0;
}

/* The heap is whole again: one block, as large as all of it. */
static void
assert_whole(struct heap *h)
{
    uint64_t off;

    assert_int_equal(h->used_bytes, 0);
    off = heap_alloc(h, BYTES);
    assert_int_equal(off, 0);
    heap_free(h, off);
}

static void
blocks_are_aligned_and_apart(void **state)
{
    struct heap *h = *state;
    uint64_t a = heap_alloc(h, 1), b = heap_alloc(h, GRANULE + 1), c = heap_alloc(h, 300);

    assert_int_equal(a % GRANULE, 0);
    assert_int_equal(b % GRANULE, 0);
    assert_int_equal(c % GRANULE, 0);
    assert_int_equal(h->used_bytes, 5 * GRANULE);
    assert_true(a != b && b != c && a != c);
}

static void
the_heap_can_be_filled_to_the_last_byte(void **state)
{
    struct heap *h = *state;

    for (unsigned i = 0; i < GRANULES; i++)
        assert_int_not_equal(heap_alloc(h, GRANULE), NONE);
    assert_int_equal(heap_alloc(h, 1), NONE);
    assert_int_equal(h->used_bytes, BYTES);
}

static void
a_block_that_fits_exactly_is_found(void **state)
{
    struct heap *h = *state;

    /* 33 granules: no class of its own, so rounding up would pass over it. */
    for (uint64_t size = 17; size < 1100; size = size * 2 - 1) {
        uint64_t a = heap_alloc(h, BYTES - size * GRANULE);

        assert_int_not_equal(a, NONE);
        assert_int_not_equal(heap_alloc(h, size * GRANULE), NONE);
        assert_int_equal(heap_alloc(h, 1), NONE);
        heap_fini(h);
        assert_int_equal(heap_init(h, NULL, BYTES), 0);
    }
}

static void
what_cannot_be_is_refused(void **state)
{
    struct heap *h = *state;

    assert_int_equal(heap_alloc(h, BYTES + 1), NONE);
    assert_int_equal(heap_alloc(h, UINT64_MAX), NONE);
    assert_int_equal(heap_alloc(h, UINT64_MAX - GRANULE), NONE);
    assert_whole(h);
}

static void
an_empty_heap_has_nothing_to_give(void **state)
{
    struct heap h;

    (void)state;
    assert_int_equal(heap_init(&h, NULL, GRANULE - 1), 0);
    assert_int_equal(heap_alloc(&h, 1), NONE);
    heap_free(&h, 0);
    heap_fini(&h);
}

static void
freed_neighbours_become_one_block_again(void **state)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2},
                                         {0, 2, 1}, {2, 0, 1}, {1, 2, 0}};
    struct heap *h = *state;

    for (unsigned o = 0; o < 6; o++) {
        uint64_t off[3];

        for (unsigned i = 0; i < 3; i++)
            off[i] = heap_alloc(h, (i + 1) * 700ull);
        for (unsigned i = 0; i < 3; i++)
            heap_free(h, off[orders[o][i]]);
        assert_whole(h);
    }
}

static void
a_second_free_is_ignored(void **state)
{
    struct heap *h = *state;
    uint64_t a = heap_alloc(h, 1000), b = heap_alloc(h, 1000), c = heap_alloc(h, 1000);

    heap_free(h, a);
    heap_free(h, a);
    heap_free(h, b); /* now part of a's block */
    heap_free(h, b);
    assert_int_equal(h->used_bytes, 1024);
    heap_free(h, c);
    heap_free(h, c);
    assert_whole(h);
}

static void
an_offset_that_is_no_block_is_ignored(void **state)
{
    struct heap *h = *state;
    uint64_t a = heap_alloc(h, 4 * GRANULE);

    heap_free(h, a + GRANULE);
    heap_free(h, a + 1);
    heap_free(h, BYTES);
    heap_free(h, UINT64_MAX);
    heap_free(h, UINT64_MAX - GRANULE + 1);
    assert_int_equal(h->used_bytes, 4 * GRANULE);
    heap_free(h, a);
    assert_whole(h);
}

/* ---- against a model ----------------------------------------------------------------------- */

#define LIVE 200

struct model {
    uint64_t rng;
    uint8_t owner[GRANULES]; /* whose granule: index of the block + 1, 0 = nobody's */
    uint64_t off[LIVE], granules[LIVE];
    uint64_t used;
};

static uint64_t
random_next(struct model *m)
{
    m->rng ^= m->rng << 13;
    m->rng ^= m->rng >> 7;
    m->rng ^= m->rng << 17;
    return m->rng;
}

static bool
model_has_gap(const struct model *m, uint64_t granules)
{
    uint64_t run = 0;

    for (unsigned i = 0; i < GRANULES; i++) {
        run = m->owner[i] ? 0 : run + 1;
        if (run >= granules)
            return true;
    }
    return false;
}

static void
model_mark(struct model *m, unsigned i, uint8_t from, uint8_t to)
{
    for (uint64_t g = 0; g < m->granules[i]; g++) {
        uint8_t *owner = &m->owner[m->off[i] / GRANULE + g];

        if (*owner != from)
            fail_msg("two blocks overlap at granule %u", (unsigned)(owner - m->owner));
        *owner = to;
    }
}

static void
model_alloc(struct model *m, struct heap *h, unsigned i)
{
    uint64_t most = random_next(m) % 8 == 0 ? 400 : 12;
    uint64_t granules = 1 + random_next(m) % most;
    uint64_t len = granules * GRANULE - random_next(m) % GRANULE;
    uint64_t off = heap_alloc(h, len);

    if (off == NONE) {
        /* Good fit may pass over a gap only when its class is rounded: at most 1/16 larger. */
        assert_false(model_has_gap(m, granules + granules / 16 + 1));
        return;
    }
    assert_true(off % GRANULE == 0 && off + len <= BYTES);
    m->off[i] = off;
    m->granules[i] = granules;
    m->used += granules;
    model_mark(m, i, 0, (uint8_t)(i + 1));
}

static void
model_free(struct model *m, struct heap *h, unsigned i)
{
    heap_free(h, m->off[i]);
    model_mark(m, i, (uint8_t)(i + 1), 0);
    m->used -= m->granules[i];
    m->granules[i] = 0;
}

static void
blocks_never_overlap_whatever_the_order(void **state)
{
    struct model *m = calloc(1, sizeof *m);
    struct heap *h = *state;

    m->rng = 4711;
    for (unsigned step = 0; step < 100000; step++) {
        unsigned i = (unsigned)(random_next(m) % LIVE);

        if (m->granules[i])
            model_free(m, h, i);
        else
            model_alloc(m, h, i);
        assert_int_equal(h->used_bytes, m->used * GRANULE);
    }
    for (unsigned i = 0; i < LIVE; i++) {
        if (m->granules[i])
            model_free(m, h, i);
    }
    assert_whole(h);
    free(m);
}

static uint64_t
pages_of(int fd)
{
    uint64_t pages = 0;
    off_t at = 0;

    while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
        off_t end = lseek(fd, at, SEEK_HOLE);

        pages += (uint64_t)(end - at) / 4096;
        at = end;
    }
    return pages;
}

static void
large_blocks_give_their_pages_back_once_much_is_idle(void **state)
{
    const uint64_t block = 16u << 20, bytes = 20 * block;
    int fd = memfd_create("heap", MFD_CLOEXEC);
    struct heap h;
    uint8_t *base;
    uint64_t off[20];

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    assert_ptr_not_equal(base, MAP_FAILED);
    assert_int_equal(heap_init(&h, base, bytes), 0);
    for (unsigned i = 0; i < 20; i++) {
        off[i] = heap_alloc(&h, block);
        base[off[i]] = 1; /* one page stands for all */
    }
    for (unsigned i = 0; i < 20; i++)
        heap_free(&h, off[i]);
    assert_true(pages_of(fd) <= (256u << 20) / block);
    heap_fini(&h);
    munmap(base, bytes);
    close(fd);
}

/* ---- in parts ------------------------------------------------------------------------------ */

#define PART (GRANULES / 8 * GRANULE)

static void
nothing_comes_from_outside_of_the_parts(void **state)
{
    struct heap h;
    uint64_t off;

    (void)state;
    assert_int_equal(heap_init_empty(&h, NULL, BYTES), 0);
    assert_int_equal(heap_alloc(&h, 1), NONE);
    assert_int_equal(heap_add(&h, 2 * PART, PART), 0);
    assert_int_equal(heap_add(&h, 3 * PART, PART), 0);
    assert_int_equal(heap_alloc(&h, PART + 1), NONE);
    for (unsigned i = 0; i < 2 * PART / GRANULE; i++) {
        off = heap_alloc(&h, GRANULE);
        assert_in_range(off, 2 * PART, 4 * PART - GRANULE);
    }
    assert_int_equal(heap_alloc(&h, 1), NONE);
    heap_fini(&h);
}

static void
a_part_that_cannot_be_is_refused(void **state)
{
    struct heap h;

    (void)state;
    assert_int_equal(heap_init_empty(&h, NULL, BYTES), 0);
    assert_int_equal(heap_add(&h, 1, PART), -EINVAL);
    assert_int_equal(heap_add(&h, 0, GRANULE - 1), -EINVAL);
    assert_int_equal(heap_add(&h, BYTES - PART + GRANULE, PART), -EINVAL);
    assert_int_equal(heap_add(&h, PART, UINT64_MAX - GRANULE), -EINVAL);
    heap_fini(&h);
}

static void
only_parts_that_nobody_uses_are_given_back(void **state)
{
    struct heap h;
    uint64_t off[3], gone;

    (void)state;
    assert_int_equal(heap_init_empty(&h, NULL, BYTES), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(heap_add(&h, i * PART, PART), 0);
    for (unsigned i = 0; i < 3; i++)
        off[i] = heap_alloc(&h, PART);
    assert_false(heap_remove(&h, 0, &gone));
    heap_free(&h, off[1]);
    assert_false(heap_remove(&h, 1, &gone));
    assert_true(heap_remove(&h, 0, &gone));
    assert_int_equal(gone, off[1]);
    assert_false(heap_remove(&h, 0, &gone));
    assert_int_equal(heap_alloc(&h, GRANULE), NONE);
    heap_free(&h, off[0]);
    heap_free(&h, off[2]);
    assert_true(heap_remove(&h, PART, &gone));
    assert_false(heap_remove(&h, PART, &gone));
    /* It may come again. */
    assert_int_equal(heap_add(&h, gone, PART), 0);
    assert_int_equal(heap_add(&h, off[1], PART), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(heap_alloc(&h, PART), NONE);
    heap_fini(&h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_aligned_and_apart),
        TEST(the_heap_can_be_filled_to_the_last_byte),
        TEST(a_block_that_fits_exactly_is_found),
        TEST(what_cannot_be_is_refused),
        cmocka_unit_test(an_empty_heap_has_nothing_to_give),
        TEST(freed_neighbours_become_one_block_again),
        TEST(a_second_free_is_ignored),
        TEST(an_offset_that_is_no_block_is_ignored),
        TEST(blocks_never_overlap_whatever_the_order),
        cmocka_unit_test(nothing_comes_from_outside_of_the_parts),
        cmocka_unit_test(a_part_that_cannot_be_is_refused),
        cmocka_unit_test(only_parts_that_nobody_uses_are_given_back),
        cmocka_unit_test(large_blocks_give_their_pages_back_once_much_is_idle),
    };

    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
