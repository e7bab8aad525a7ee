/* SPDX-License-Identifier: MIT */
#include "wire/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 1024u
#define MAX_FRAME (SIZE / 4)
#define OP 7

/* Both ends of a ring over memory of our own. */
struct ends {
    struct ring_shared shared;
    struct ring w, r;
    uint64_t buf[MAX_FRAME / 8];
    _Alignas(64) uint8_t data[SIZE];
};

static int
setup(void **state)
{
    struct ends *e = aligned_alloc(64, sizeof *e);

    memset(e, 0, sizeof *e);
    ring_init(&e->w, &e->shared, e->data, SIZE);
    ring_init(&e->r, &e->shared, e->data, SIZE);
    *state = e;
    return 0;
}

static int
teardown(void **state)
{
    free(*state);
    return 0;
}

static bool
put(struct ring *w, uint32_t len, uint64_t tag)
{
    struct frame_header h = {.size = len, .op = OP, .tag = tag};
    uint8_t *p;
    int err;

    p = ring_reserve(w, len, &err);
    if (!p)
        return false;
    memcpy(p, &h, sizeof h);
    memset(p + sizeof h, (int)tag, len - sizeof h);
    ring_commit(w, len);
    return true;
}

static void
assert_gets(struct ends *e, uint32_t len, uint64_t tag)
{
    struct frame_header h;

    assert_int_equal(ring_read(&e->r, e->buf, sizeof e->buf), len);
    memcpy(&h, e->buf, sizeof h);
    assert_int_equal(h.size, len);
    assert_int_equal(h.tag, tag);
    for (uint32_t i = sizeof h; i < len; i++)
        assert_int_equal(((uint8_t *)e->buf)[i], tag & 0xff);
}

/* Brings both counters to `at` by frames that are read at once. */
static void
advance(struct ends *e, uint32_t at)
{
    while (e->w.cur < at) {
        uint32_t len = at - e->w.cur;

        if (len > MAX_FRAME)
            len = len - MAX_FRAME < 16 ? MAX_FRAME - 16 : MAX_FRAME;
        assert_true(put(&e->w, len, 1));
        assert_gets(e, len, 1);
    }
    assert_int_equal(e->r.cur, at);
}

/* A hostile writer: a frame's first bytes and a tail of its choice. */
static void
forge(struct ends *e, uint32_t size, uint16_t op, uint32_t tail)
{
    struct frame_header h = {.size = size, .op = op};

    memcpy(e->data, &h, sizeof h);
    atomic_store(&e->shared.tail, tail);
}

static void
assert_refused(struct ends *e)
{
    assert_int_equal(ring_read(&e->r, e->buf, sizeof e->buf), -EPROTO);
    assert_int_equal(atomic_load(&e->shared.head), 0);
}

static void
a_frame_comes_out_as_it_went_in(void **state)
{
    struct ends *e = *state;

    assert_true(put(&e->w, 40, 0x1122334455));
    assert_true(put(&e->w, 16, 2));
    assert_gets(e, 40, 0x1122334455);
    assert_gets(e, 16, 2);
    assert_int_equal(ring_read(&e->r, e->buf, sizeof e->buf), 0);
}

static void
nothing_is_visible_before_the_commit(void **state)
{
    struct ends *e = *state;
    int err;

    assert_non_null(ring_reserve(&e->w, 16, &err));
    assert_false(ring_readable(&e->r));
    assert_int_equal(ring_read(&e->r, e->buf, sizeof e->buf), 0);
}

static void
a_frame_that_would_wrap_goes_behind_a_pad(void **state)
{
    struct ends *e = *state;

    advance(e, SIZE - 56);
    assert_true(put(&e->w, 128, 9));
    assert_int_equal(e->w.cur, SIZE + 128);
    assert_gets(e, 128, 9);
    assert_int_equal(e->r.cur, SIZE + 128);
}

static void
a_gap_of_eight_bytes_at_the_end_is_skipped(void **state)
{
    struct ends *e = *state;

    advance(e, SIZE - 8);
    assert_true(put(&e->w, 16, 9));
    assert_int_equal(e->w.cur, SIZE + 16);
    assert_gets(e, 16, 9);
}

static void
a_pad_alone_reads_as_nothing(void **state)
{
    struct ends *e = *state;

    forge(e, 64, FRAME_PAD, 64);
    assert_int_equal(ring_read(&e->r, e->buf, sizeof e->buf), 0);
    assert_int_equal(atomic_load(&e->shared.head), 64);
}

static void
a_full_ring_has_no_room_until_a_frame_is_read(void **state)
{
    struct ends *e = *state;

    for (unsigned i = 0; i < 4; i++)
        assert_true(put(&e->w, MAX_FRAME, i));
    assert_false(put(&e->w, 16, 4));
    assert_gets(e, MAX_FRAME, 0);
    assert_true(put(&e->w, 16, 4));
}

static void
room_for_a_frame_includes_its_pad(void **state)
{
    struct ends *e = *state;

    advance(e, SIZE - 56);
    for (unsigned i = 0; i < 3; i++)
        assert_true(put(&e->w, MAX_FRAME, i)); /* from 0, behind a pad of 56 */
    assert_true(put(&e->w, 200, 3));
    assert_false(put(&e->w, 16, 4));
    assert_gets(e, MAX_FRAME, 0);
    assert_true(put(&e->w, 16, 4));
}

static void
counters_run_over_2_to_the_32(void **state)
{
    struct ends *e = *state;

    e->w.cur = e->w.seen = e->r.cur = e->r.seen = UINT32_MAX - SIZE + 1;
    atomic_store(&e->shared.tail, e->w.cur);
    atomic_store(&e->shared.head, e->w.cur);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(put(&e->w, 104, i));
        assert_true(put(&e->w, 16, i));
        assert_gets(e, 104, i);
        assert_gets(e, 16, i);
    }
    assert_true(e->w.cur < 100 * SIZE);
}

static void
forged_head_is_refused(void **state)
{
    static const uint32_t heads[] = {8, 4, UINT32_MAX - 7, 1u << 31, (uint32_t)-SIZE};
    struct ends *e = *state;
    int err;

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        ring_init(&e->w, &e->shared, e->data, SIZE);
        atomic_store(&e->shared.head, 0);
        for (unsigned f = 0; f < 4; f++)
            assert_true(put(&e->w, MAX_FRAME, f));
        atomic_store(&e->shared.head, heads[i] > SIZE ? heads[i] : heads[i] + SIZE);
        assert_null(ring_reserve(&e->w, 16, &err));
        assert_int_equal(err, -EPROTO);
    }
}

static void
a_writer_that_saw_a_forged_head_stays_refused(void **state)
{
    struct ends *e = *state;
    int err;

    for (unsigned f = 0; f < 4; f++)
        assert_true(put(&e->w, MAX_FRAME, f));
    atomic_store(&e->shared.head, SIZE + 8);
    for (unsigned tries = 0; tries < 3; tries++) {
        assert_null(ring_reserve(&e->w, 16, &err));
        assert_int_equal(err, -EPROTO);
    }
}

static void
forged_tail_is_refused(void **state)
{
    static const uint32_t tails[] = {SIZE + 8, 4, 20, 1u << 31, UINT32_MAX, (uint32_t)-8};
    struct ends *e = *state;

    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        ring_init(&e->r, &e->shared, e->data, SIZE);
        forge(e, 16, OP, tails[i]);
        assert_refused(e);
        assert_refused(e); /* and again: the reader does not get past it */
    }
}

static void
forged_size_is_refused(void **state)
{
    static const uint32_t sizes[] = {
        0, 1, 8, 12, 17, 31, 72, SIZE, UINT32_MAX, UINT32_MAX - 7, 1u << 31};
    struct ends *e = *state;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ring_init(&e->r, &e->shared, e->data, SIZE);
        forge(e, sizes[i], OP, 64);
        assert_refused(e);
    }
}

static void
a_frame_longer_than_the_readers_buffer_is_refused(void **state)
{
    struct ends *e = *state;

    forge(e, MAX_FRAME + 8, OP, MAX_FRAME + 8);
    assert_refused(e);
}

static void
a_frame_that_reaches_past_the_tail_is_refused(void **state)
{
    struct ends *e = *state;

    forge(e, 64, OP, 56);
    assert_refused(e);
}

static void
a_frame_that_reaches_past_the_end_is_refused(void **state)
{
    struct frame_header h = {.size = 64, .op = OP};
    struct ends *e = *state;

    advance(e, SIZE - 32);
    memcpy(e->data + SIZE - 32, &h, sizeof h);
    atomic_store(&e->shared.tail, SIZE + 32);
    assert_int_equal(ring_read(&e->r, e->buf, sizeof e->buf), -EPROTO);
}

static void
a_pad_of_a_forged_size_is_refused(void **state)
{
    static const uint32_t sizes[] = {0, 4, 12, 72, SIZE + 8, 1u << 20, UINT32_MAX - 7};
    struct ends *e = *state;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ring_init(&e->r, &e->shared, e->data, SIZE);
        forge(e, sizes[i], FRAME_PAD, 64);
        assert_refused(e);
    }
}

static void
a_sleeping_reader_is_woken_once(void **state)
{
    struct ends *e = *state;
    int err;

    assert_true(ring_may_sleep(&e->r));
    assert_non_null(ring_reserve(&e->w, 16, &err));
    assert_true(ring_commit(&e->w, 16));
    assert_non_null(ring_reserve(&e->w, 16, &err));
    assert_false(ring_commit(&e->w, 16));
}

static void
a_reader_that_is_awake_is_not_woken(void **state)
{
    struct ends *e = *state;
    int err;

    assert_true(ring_may_sleep(&e->r));
    ring_awake(&e->r);
    assert_non_null(ring_reserve(&e->w, 16, &err));
    assert_false(ring_commit(&e->w, 16));
}

static void
a_reader_with_something_to_read_does_not_sleep(void **state)
{
    struct ends *e = *state;

    assert_true(put(&e->w, 16, 1));
    assert_false(ring_may_sleep(&e->r));
    assert_int_equal(atomic_load(&e->shared.sleeping), 0);
}

/* ---- two threads ------------------------------------------------------------------------ */

#define FRAMES 1000000u

static uint64_t
random_next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Mostly short, sometimes the longest: 16 to MAX_FRAME bytes. */
static uint32_t
random_len(uint64_t *x)
{
    uint64_t v = random_next(x);
    uint32_t most = v % 16 == 0 ? MAX_FRAME : 96;

    return 16 + (uint32_t)(v >> 32) % ((most - 16) / 8 + 1) * 8;
}

static void *
writer_main(void *arg)
{
    struct ring *w = arg;
    uint64_t lens = 1, bytes = 2;

    for (uint32_t i = 0; i < FRAMES; i++) {
        struct frame_header h = {.size = random_len(&lens), .op = OP, .tag = i};
        uint8_t *p;
        int err;

        while (!(p = ring_reserve(w, h.size, &err))) {
            if (err)
                return "the writer saw a forged head";
            sched_yield();
        }
        memcpy(p, &h, sizeof h);
        for (uint32_t at = sizeof h; at < h.size; at += 8) {
            uint64_t v = random_next(&bytes);

            memcpy(p + at, &v, sizeof v);
        }
        ring_commit(w, h.size);
    }
    return NULL;
}

static void
read_one(struct ends *e, uint32_t i, uint64_t *lens, uint64_t *bytes)
{
    uint32_t len = random_len(lens);
    struct frame_header h;
    int n;

    while ((n = ring_read(&e->r, e->buf, sizeof e->buf)) == 0)
        sched_yield();
    memcpy(&h, e->buf, sizeof h);
    if (n != (int)len || h.size != len || h.op != OP || h.tag != i)
        fail_msg("frame %u has size %d, not %u", i, n, len);
    for (uint32_t at = 2; at < len / 8; at++) {
        if (e->buf[at] != random_next(bytes))
            fail_msg("frame %u differs at byte %u", i, at * 8);
    }
}

static void
a_million_frames_cross_two_threads_unharmed(void **state)
{
    struct ends *e = *state;
    uint64_t lens = 1, bytes = 2;
    pthread_t writer;
    void *problem;

    assert_int_equal(pthread_create(&writer, NULL, writer_main, &e->w), 0);
    for (uint32_t i = 0; i < FRAMES; i++)
        read_one(e, i, &lens, &bytes);
    pthread_join(writer, &problem);
    assert_null(problem);
    assert_false(ring_readable(&e->r));
}

static void
a_ring_is_crowded_once_more_than_half_is_unread(void **state)
{
    struct ends *e = *state;

    assert_false(ring_crowded(&e->w));
    for (unsigned i = 0; i < 2; i++)
        assert_true(put(&e->w, MAX_FRAME, i));
    assert_false(ring_crowded(&e->w)); /* the half */
    assert_true(put(&e->w, 16, 2));
    assert_true(ring_crowded(&e->w));
}

static void
a_crowded_ring_that_was_read_meanwhile_is_not_crowded(void **state)
{
    struct ends *e = *state;

    for (unsigned i = 0; i < 3; i++)
        assert_true(put(&e->w, MAX_FRAME, i));
    assert_true(ring_crowded(&e->w));
    assert_int_equal(ring_read(&e->r, e->buf, sizeof e->buf), MAX_FRAME);
    assert_false(ring_crowded(&e->w));
}

static void
a_forged_head_leaves_a_crowded_ring_crowded(void **state)
{
    struct ends *e = *state;

    for (unsigned i = 0; i < 3; i++)
        assert_true(put(&e->w, MAX_FRAME, i));
    atomic_store(&e->shared.head, 3 * MAX_FRAME + 8);
    assert_true(ring_crowded(&e->w));
    atomic_store(&e->shared.head, 4);
    assert_true(ring_crowded(&e->w));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_comes_out_as_it_went_in),
        TEST(nothing_is_visible_before_the_commit),
        TEST(a_frame_that_would_wrap_goes_behind_a_pad),
        TEST(a_gap_of_eight_bytes_at_the_end_is_skipped),
        TEST(a_pad_alone_reads_as_nothing),
        TEST(a_full_ring_has_no_room_until_a_frame_is_read),
        TEST(room_for_a_frame_includes_its_pad),
        TEST(counters_run_over_2_to_the_32),
        TEST(forged_head_is_refused),
        TEST(a_writer_that_saw_a_forged_head_stays_refused),
        TEST(forged_tail_is_refused),
        TEST(forged_size_is_refused),
        TEST(a_frame_longer_than_the_readers_buffer_is_refused),
        TEST(a_frame_that_reaches_past_the_tail_is_refused),
        TEST(a_frame_that_reaches_past_the_end_is_refused),
        TEST(a_pad_of_a_forged_size_is_refused),
        TEST(a_sleeping_reader_is_woken_once),
        TEST(a_reader_that_is_awake_is_not_woken),
        TEST(a_reader_with_something_to_read_does_not_sleep),
        TEST(a_ring_is_crowded_once_more_than_half_is_unread),
        TEST(a_crowded_ring_that_was_read_meanwhile_is_not_crowded),
        TEST(a_forged_head_leaves_a_crowded_ring_crowded),
        TEST(a_million_frames_cross_two_threads_unharmed),
    };

    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
