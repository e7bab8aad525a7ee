/* SPDX-License-Identifier: MIT */
/* A worker's session is paused, saved, left and made again: in every order, and cut off anywhere. */
#include "suspend_world.h"

#define BYTES UINT64_C(65536)
#define VALUE UINT64_C(0x0123456789abcdef)
#define OTHER UINT64_C(0x5555aaaa5555aaaa)
#define EVENTS 40000u
/* A look at each of them for each takes several times as long, on any machine. */
#define SOON_NS UINT64_C(4000000000)

static uint64_t
used_bytes(void)
{
    return atomic_load(&w.account->slot[0].used_bytes);
}

/* ---- there and back ----------------------------------------------------------------------- */

/*
 * A buffer with bytes; a fill that waits for the guest's event, and the guest for the fill; and a
 * message that the worker has not looked at yet.
 */
static void
goes_on(bool early)
{
    _cleanup_close_ int fd = new_file();

    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    SEND(OP_clCreateUserEvent, 0, EVENT_ID, CONTEXT_ID);
    buffer_fill(BUFFER_ID, BYTES / 2, OTHER, EVENT_ID);
    SEND(OP_clWaitForEvents, 5, 1, EVENT_ID);
    SEND(OP_clFinish, 6, QUEUE_ID);
    SEND(OP_tessera_event_status, 7, EVENT_ID);
    assert_int_equal(reply_to(7), 0);
    suspend(fd);
    SEND(OP_clSetUserEventStatus, 0, EVENT_ID, 0);
    resume(fd, early);
    assert_int_equal(reply_to(5), 0);
    assert_int_equal(reply_to(6), 0);
    buffer_is(BUFFER_ID, BYTES / 2, OTHER);
    assert_int_equal(used_bytes(), BYTES);
    SEND(OP_tessera_release, 0, BUFFER_ID);
    assert_int_equal(finish(), 0);
    guest_leaves();
    assert_int_equal(worker_end(), 0);
}

static void
a_session_goes_on(void **state)
{
    (void)state;
    goes_on(false);
}

static void
a_session_goes_on_in_the_memory_that_its_guest_brings(void **state)
{
    (void)state;
    goes_on(true);
}

static void
a_session_without_objects_goes_on(void **state)
{
    _cleanup_close_ int fd = new_file();

    (void)state;
    guest_enters();
    suspend(fd);
    resume(fd, false);
    SEND(OP_tessera_credit, 1, BYTES);
    assert_int_equal(reply_to(1), 0);
}

/* It is saved from the state in which it waits for its guest, too. */
static void
a_session_goes_on_after_several_rounds(void **state)
{
    _cleanup_close_ int first = new_file(), second = new_file();

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    SEND(OP_clCreateUserEvent, 0, EVENT_ID, CONTEXT_ID);
    SEND(OP_clWaitForEvents, 5, 1, EVENT_ID);
    assert_int_equal(finish(), 0);
    suspend(first);
    restore(first);
    say(CONTROL_CONTINUE, 0, -1);
    suspend(second);
    resume(second, true);
    buffer_is(BUFFER_ID, BYTES, VALUE);
    SEND(OP_clSetUserEventStatus, 0, EVENT_ID, 0);
    assert_int_equal(reply_to(5), 0);
}

static void
a_pause_alone_changes_nothing(void **state)
{
    (void)state;
    guest_world();
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    SEND(OP_clFinish, 2, QUEUE_ID);
    usleep(20000);
    assert_false(has_frame());
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    say(CONTROL_CONTINUE, 0, -1);
    assert_int_equal(reply_to(2), 0);
    say(CONTROL_CONTINUE, 0, -1);
    assert_int_equal(finish(), 0);
}

/* A driver keeps a buffer for a moment after its commands: what is given back then is not lost. */
static void
a_buffer_that_the_driver_still_keeps_is_given_back(void **state)
{
    _cleanup_close_ int fd = new_file();
    const struct reply_header *r;

    (void)state;
    setenv("TESSERA_FAKE_FAULT", "late:300000", 1);
    guest_world();
    buffer_make(BUFFER_ID, BYTES, BYTES);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    SEND(OP_tessera_release, 0, BUFFER_ID);
    assert_int_equal(finish(), 0);
    assert_int_equal(used_bytes(), BYTES);
    suspend(fd);
    resume(fd, false);
    assert_int_equal(used_bytes(), 0);
    assert_int_equal(atomic_load(&w.account->slot[0].reserved_bytes),
                     atomic_load(&w.c.page->credit_bytes));
    if (w.discrete)
        return;
    r = next_frame();
    assert_int_equal(r->frame.op, FRAME_RECLAIM);
    assert_int_equal(r->frame.tag, BYTES);
}

/* As many as a program that is hung up on its events has. */
static void
a_session_with_many_callbacks_is_saved_soon(void **state)
{
    _cleanup_close_ int fd = new_file();
    uint64_t began;

    (void)state;
    guest_world();
    for (uint64_t i = 0; i < EVENTS; i++) {
        SEND(OP_clCreateUserEvent, 0, FREE_ID + i, CONTEXT_ID);
        SEND(OP_clSetEventCallback, 100 + i, FREE_ID + i, 0);
    }
    assert_int_equal(finish(), 0);
    began = now_ns();
    suspend(fd);
    assert_true(now_ns() - began < SOON_NS);
    resume(fd, false);
    for (uint64_t i = 0; i < EVENTS; i++)
        SEND(OP_clSetUserEventStatus, 0, FREE_ID + i, 0);
    for (uint64_t i = 0; i < EVENTS; i++)
        assert_int_equal(reply_to(100 + i), 0);
}

/* ---- a copy ------------------------------------------------------------------------------- */

static void
a_session_runs_while_its_copy_is_written(void **state)
{
    _cleanup_close_ int fd = new_file();

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    assert_int_equal(finish(), 0);
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    IS_TOLD(CONTROL_SAVE, CONTROL_SAVE_COPY, fd, CONTROL_COPIED);
    say(CONTROL_CONTINUE, 0, -1);
    HEARS(CONTROL_SAVED);
    buffer_fill(BUFFER_ID, BYTES, OTHER, 0);
    buffer_is(BUFFER_ID, BYTES, OTHER);
    guest_leaves();
    assert_int_equal(worker_end(), 0);
    restore(fd);
    assert_int_equal(used_bytes(), BYTES);
}

/* The manager's CONTINUE comes while the copy is written, whoever waits for whom. */
static void
a_session_that_waits_can_be_copied(void **state)
{
    _cleanup_close_ int fd = new_file(), copy = new_file();

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    suspend(fd);
    restore(fd);
    say(CONTROL_CONTINUE, 0, -1);
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    say(CONTROL_SAVE, CONTROL_SAVE_COPY, copy);
    say(CONTROL_CONTINUE, 0, -1);
    HEARS(CONTROL_COPIED);
    HEARS(CONTROL_SAVED);
}

/* ---- wrong orders ------------------------------------------------------------------------- */

static void
what_comes_at_a_wrong_time_is_refused(void **state)
{
    _cleanup_close_ int fd = new_file();

    (void)state;
    guest_world();
    IS_REFUSED(CONTROL_SAVE, 0, fd, "not paused");
    IS_REFUSED(CONTROL_LEAVE, 0, -1, "not paused");
    IS_REFUSED(CONTROL_RESTORE, 0, fd, "already");
    IS_REFUSED(CONTROL_GUEST, 0, fd, "has its guest");
    IS_REFUSED(CONTROL_GUEST, 0, -1, "has its guest");
    IS_REFUSED(99, 0, -1, "no such message");
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    IS_REFUSED(CONTROL_SAVE, 0, -1, "descriptor");
    IS_REFUSED(CONTROL_RESTORE, 0, fd, "already");
    IS_REFUSED(CONTROL_GUEST, 0, fd, "has its guest");
    say(CONTROL_CONTINUE, 0, -1);
    assert_int_equal(finish(), 0);
}

static void
what_a_worker_without_a_session_cannot_do_is_refused(void **state)
{
    _cleanup_close_ int fd = new_file();

    (void)state;
    guest_world();
    suspend(fd);
    worker_start(-1);
    IS_REFUSED(CONTROL_PAUSE, 0, -1, "no session");
    IS_REFUSED(CONTROL_SAVE, 0, fd, "not paused");
    IS_REFUSED(CONTROL_LEAVE, 0, -1, "not paused");
    IS_REFUSED(CONTROL_RESTORE, 0, -1, "descriptor");
    say(CONTROL_CONTINUE, 0, -1);
    lseek(fd, 0, SEEK_SET);
    IS_TOLD(CONTROL_RESTORE, 0, fd, CONTROL_RESTORED);
    IS_REFUSED(CONTROL_RESTORE, 0, fd, "already");
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
}

/* ---- saves that fail ---------------------------------------------------------------------- */

static void
a_save_that_fails_leaves_the_session_as_it_was(void **state)
{
    _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC), fd = new_file();
    int pipe_fds[2];

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    close(pipe_fds[0]);
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    IS_REFUSED(CONTROL_SAVE, 0, pipe_fds[1], "Broken pipe");
    close(pipe_fds[1]);
    IS_REFUSED(CONTROL_SAVE, 0, full, "No space left");
    /* The copy was made before. */
    IS_TOLD(CONTROL_SAVE, CONTROL_SAVE_COPY, full, CONTROL_COPIED);
    HEARS(CONTROL_FAILED);
    say(CONTROL_CONTINUE, 0, -1);
    buffer_is(BUFFER_ID, BYTES, VALUE);
    suspend(fd);
    resume(fd, false);
    buffer_is(BUFFER_ID, BYTES, VALUE);
}

/* ---- who hangs up ------------------------------------------------------------------------- */

static void
a_session_whose_manager_hangs_up_goes_on(void **state)
{
    (void)state;
    guest_world();
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    manager_hangs_up();
    assert_int_equal(finish(), 0);
    manager_connect();
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
}

/* No byte more finds room. */
static void
stop_up(int fd)
{
    static const uint8_t bytes[4096];

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, bytes, sizeof bytes) > 0)
        ;
    while (write(fd, bytes, 1) > 0)
        ;
    fcntl(fd, F_SETFL, 0);
}

/* A reader that reads no more. */
static void
a_save_that_is_stuck_ends_with_its_manager(void **state)
{
    int fds[2];

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    stop_up(fds[1]);
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    say(CONTROL_SAVE, 0, fds[1]);
    usleep(50000);
    manager_hangs_up();
    assert_int_equal(finish(), 0);
    manager_connect();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    stop_up(fds[1]);
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    say(CONTROL_SAVE, 0, fds[1]);
    usleep(50000);
    say(CONTROL_CONTINUE, 0, -1);
    HEARS(CONTROL_FAILED);
    assert_int_equal(finish(), 0);
    close(fds[0]);
    close(fds[1]);
}

static void
a_restore_that_is_stuck_ends_with_its_manager(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    worker_start(-1);
    say(CONTROL_RESTORE, 0, fds[0]);
    usleep(50000);
    manager_hangs_up();
    assert_int_equal(worker_end(), 1);
    close(fds[0]);
    close(fds[1]);
}

static void
a_suspend_that_counts_is_ended_without_its_manager(void **state)
{
    _cleanup_close_ int fd = new_file();

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    IS_TOLD(CONTROL_SAVE, 0, fd, CONTROL_SAVED);
    atomic_store(&w.account->suspended, 1);
    manager_hangs_up();
    assert_int_equal(worker_end(), 0);
    assert_int_equal(atomic_load(&w.c.page->state), CHANNEL_SUSPENDED);
    resume(fd, true);
    buffer_is(BUFFER_ID, BYTES, VALUE);
}

/* What is restored is no session before all of its vGPU's are. */
static void
a_resume_that_is_not_complete_ends_with_its_manager(void **state)
{
    _cleanup_close_ int fd = new_file();

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    suspend(fd);
    worker_start(-1);
    manager_hangs_up();
    assert_int_equal(worker_end(), 1);
    restore(fd);
    manager_hangs_up();
    assert_int_equal(worker_end(), 1);
    restore(fd);
    say(CONTROL_CONTINUE, 0, -1);
    manager_hangs_up();
    manager_connect();
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    kill(w.pid, SIGTERM);
    assert_int_equal(worker_end(), 1);
    resume(fd, false);
    buffer_is(BUFFER_ID, BYTES, VALUE);
}

/* Its program ends meanwhile: that is no reason for the others of the vGPU to go on. */
static void
a_session_whose_guest_leaves_is_saved(void **state)
{
    _cleanup_close_ int fd = new_file();

    (void)state;
    guest_world();
    assert_int_equal(finish(), 0);
    usleep(50000);
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    guest_leaves();
    usleep(50000);
    IS_TOLD(CONTROL_SAVE, 0, fd, CONTROL_SAVED);
    say(CONTROL_CONTINUE, 0, -1);
    assert_int_equal(worker_end(), 0);
    restore(fd);
}

static void
a_guest_that_leaves_before_its_welcome_ends_its_session(void **state)
{
    _cleanup_close_ int fd = new_file();
    struct rejoin r;

    (void)state;
    guest_world();
    suspend(fd);
    restore(fd);
    say(CONTROL_CONTINUE, 0, -1);
    rejoin_begin(&r);
    say(CONTROL_GUEST, 0, r.theirs);
    assert_int_equal(rejoin_end(&r), 0);
    guest_leaves();
    assert_int_equal(worker_end(), 0);
}

int
main(int argc, char **argv)
{
#define BOTH(test)                                                                       \
    {#test, test, setup_shared, teardown, NULL},                                         \
    {                                                                                    \
#test " (discrete)", test, setup_discrete, teardown, NULL                        \
    }
    const struct CMUnitTest tests[] = {
        BOTH(a_session_goes_on),
        BOTH(a_session_goes_on_in_the_memory_that_its_guest_brings),
        BOTH(a_session_without_objects_goes_on),
        BOTH(a_session_goes_on_after_several_rounds),
        BOTH(a_pause_alone_changes_nothing),
        BOTH(a_buffer_that_the_driver_still_keeps_is_given_back),
        BOTH(a_session_with_many_callbacks_is_saved_soon),
        BOTH(a_session_runs_while_its_copy_is_written),
        BOTH(a_session_that_waits_can_be_copied),
        BOTH(what_comes_at_a_wrong_time_is_refused),
        BOTH(what_a_worker_without_a_session_cannot_do_is_refused),
        BOTH(a_save_that_fails_leaves_the_session_as_it_was),
        BOTH(a_session_whose_manager_hangs_up_goes_on),
        BOTH(a_save_that_is_stuck_ends_with_its_manager),
        BOTH(a_restore_that_is_stuck_ends_with_its_manager),
        BOTH(a_suspend_that_counts_is_ended_without_its_manager),
        BOTH(a_resume_that_is_not_complete_ends_with_its_manager),
        BOTH(a_session_whose_guest_leaves_is_saved),
        BOTH(a_guest_that_leaves_before_its_welcome_ends_its_session),
    };

    if (argc < 2)
        return 2;
    w.worker = argv[1];
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
