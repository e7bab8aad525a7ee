/* SPDX-License-Identifier: MIT */
/* Where mappings are: the extents of the heap, and who has them when. */
#include "world.h"

#include "guest/opencl/window.h"

#define MOST (HEAP_BYTES / 4) /* of all windows together */

/* Is the whole heap free, or can it be made so? */
static bool
heap_is_whole(struct session *s)
{
    const uint64_t all = session_heap_alloc(s, HEAP_BYTES);

    heap_free(&s->heap, all);
    return all != EXTENT_NONE;
}

static void
users_of_one_buffer_are_in_one_place(void **state)
{
    struct session *s = ((struct world *)*state)->s;
    struct window *w = NULL;
    uint64_t at;

    assert_true(window_use(s, &w, MOST));
    at = window_offset(w);
    assert_true(window_use(s, &w, MOST));
    assert_int_equal(window_offset(w), at);
    window_leave(w);
    assert_int_equal(window_offset(w), at);
    window_leave(w);
    window_release(w);
}

static void
it_is_there_for_the_next_map(void **state)
{
    struct session *s = ((struct world *)*state)->s;
    struct window *w = NULL;
    uint64_t at;

    assert_true(window_use(s, &w, 4096));
    at = window_offset(w);
    window_leave(w);
    heap_free(&s->heap,
              heap_alloc(&s->heap, 4096)); /* room elsewhere: nobody needs its */
    assert_true(window_use(s, &w, 4096));
    assert_int_equal(window_offset(w), at);
    window_leave(w);
    window_release(w);
}

static void
one_in_use_keeps_its_room(void **state)
{
    struct session *s = ((struct world *)*state)->s;
    struct window *w = NULL;

    assert_true(window_use(s, &w, 4096));
    assert_false(heap_is_whole(s));
    window_leave(w);
    window_release(w);
}

static void
one_that_is_idle_gives_its_room_to_a_transfer_and_gets_it_again(void **state)
{
    struct session *s = ((struct world *)*state)->s;
    struct window *w = NULL;

    assert_true(window_use(s, &w, 4096));
    window_leave(w);
    assert_true(heap_is_whole(s));
    assert_true(window_use(s, &w, 4096));
    assert_false(heap_is_whole(s));
    window_leave(w);
    window_release(w);
}

static void
all_together_take_a_part_of_the_heap(void **state)
{
    struct session *s = ((struct world *)*state)->s;
    struct window *large = NULL, *a = NULL, *b = NULL;

    assert_false(window_use(s, &large, MOST + HEAP_GRANULE));
    assert_true(window_use(s, &a, MOST));
    assert_false(window_use(s, &b, HEAP_GRANULE));
    window_leave(a);
    window_release(a);
    assert_true(window_use(s, &b, MOST));
    window_leave(b);
    window_release(b);
    window_release(large);
    assert_int_equal(s->windows.bytes, 0);
}

static void
the_longest_unused_one_makes_room_for_another(void **state)
{
    struct session *s = ((struct world *)*state)->s;
    struct window *a = NULL, *b = NULL, *c = NULL;
    uint64_t at_a, at_b;

    assert_true(window_use(s, &a, MOST / 2));
    assert_true(window_use(s, &b, MOST / 2));
    at_a = window_offset(a);
    at_b = window_offset(b);
    window_leave(b);
    window_leave(a);
    assert_true(window_use(s, &c, MOST / 2));
    assert_int_equal(window_offset(c), at_b);
    assert_int_equal(window_offset(a), at_a);
    window_leave(c);
    window_release(a);
    window_release(b);
    window_release(c);
    assert_true(heap_is_whole(s));
}

/* The buffer was released behind an unmap: the worker still reads what is there. */
static void
a_command_keeps_it_until_the_worker_has_answered(void **state)
{
    struct world *w = *state;
    struct window *win = NULL;
    struct frame_header h = {0};

    assert_true(window_use(w->s, &win, 4096));
    assert_int_equal(send_op(w->s, OP_clFinish, window_pending(win)), CL_SUCCESS);
    window_leave(win);
    window_release(win);
    assert_int_equal(heap_alloc(&w->s->heap, HEAP_BYTES), EXTENT_NONE);
    assert_true(worker_next(w, &h, true));
    worker_reply(w, h.tag, CL_SUCCESS);
    assert_true(heap_is_whole(w->s)); /* and waits for the answer, if need be */
}

static void
a_command_that_was_not_sent_keeps_nothing(void **state)
{
    struct session *s = ((struct world *)*state)->s;
    struct window *w = NULL;

    assert_true(window_use(s, &w, 4096));
    window_pending_free(window_pending(w));
    window_leave(w);
    window_release(w);
    assert_int_equal(s->reclaims_due, 0);
    assert_true(heap_is_whole(s));
}

static void
a_session_that_dies_gives_up_its_commands(void **state)
{
    struct session *s = ((struct world *)*state)->s;
    struct window *w = NULL;

    assert_true(window_use(s, &w, 4096));
    assert_int_equal(send_op(s, OP_clFinish, window_pending(w)), CL_SUCCESS);
    session_die(s);
    window_leave(w);
    window_release(w);
    assert_int_equal(s->windows.bytes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(users_of_one_buffer_are_in_one_place),
        TEST(it_is_there_for_the_next_map),
        TEST(one_in_use_keeps_its_room),
        TEST(one_that_is_idle_gives_its_room_to_a_transfer_and_gets_it_again),
        TEST(all_together_take_a_part_of_the_heap),
        TEST(the_longest_unused_one_makes_room_for_another),
        TEST(a_command_keeps_it_until_the_worker_has_answered),
        TEST(a_command_that_was_not_sent_keeps_nothing),
        TEST(a_session_that_dies_gives_up_its_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
