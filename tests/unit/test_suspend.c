/* SPDX-License-Identifier: MIT */
/* A worker's session is paused, saved, left and made again: in every order, cut off anywhere. */
#include "suspend_world.h"

#include <sys/sendfile.h>

#define BYTES UINT64_C(65536)
#define VALUE UINT64_C(0x0123456789abcdef)
#define OTHER UINT64_C(0x5555aaaa5555aaaa)
#define EVENTS 40000u
#define PART_MAX (8u << 20)
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

static void
send_message(unsigned op, uint64_t tag, const struct bytes *fields)
{
    send_words(op, tag, (unsigned)(fields->len / 8), (const uint64_t *)fields->data);
}

enum { PROGRAM_ID = 6, KERNEL_ID = 7 };

static void
program_make(void)
{
    static const char source[] = "kernel void fill(global uint *p, uint value) {}";
    _cleanup_bytes_ struct bytes m = {0};

    bytes_u64(&m, PROGRAM_ID);
    bytes_u64(&m, CONTEXT_ID);
    bytes_u64(&m, EXTENT_NONE);
    bytes_u64(&m, 0);
    bytes_string(&m, source, strlen(source));
    send_message(OP_clCreateProgramWithSource, 0, &m);
}

static int64_t
program_build(const char *options)
{
    _cleanup_bytes_ struct bytes m = {0};

    bytes_u64(&m, PROGRAM_ID);
    bytes_u64(&m, 1);
    bytes_u64(&m, ROOT_DEVICE_ID);
    bytes_string(&m, options, strlen(options) + 1);
    bytes_u64(&m, EXTENT_NONE);
    bytes_u64(&m, 0);
    bytes_string(&m, "", 0);
    bytes_u64(&m, w.c.heap_bytes - BYTES);
    bytes_u64(&m, BYTES);
    send_message(OP_clBuildProgram, 8, &m);
    return reply_to(8);
}

static void
kernel_make(void)
{
    _cleanup_bytes_ struct bytes m = {0};

    bytes_u64(&m, KERNEL_ID);
    bytes_u64(&m, PROGRAM_ID);
    bytes_string(&m, "fill", 5);
    send_message(OP_clCreateKernel, 9, &m);
    assert_int_equal(reply_to(9), 0);
}

/* The driver refuses that: the kernel is of the build before. */
static void
a_kernel_lives_on_whose_program_could_not_be_built_again(void **state)
{
    _cleanup_close_ int fd = new_file(), again = new_file();

    (void)state;
    guest_world();
    program_make();
    assert_int_equal(program_build("-DFIRST"), 0);
    kernel_make();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(program_build("-DSECOND"), -59);
    suspend(fd);
    resume(fd, false);
    assert_int_equal(program_build("-DSECOND"), -59);
    suspend(again);
    resume(again, false);
    SEND(OP_tessera_release, 0, KERNEL_ID);
    assert_int_equal(program_build("-DSECOND"), 0);
    kernel_make();
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
    /* By the account the vGPU is suspended as before, until the resume counts. */
    restore(fd);
    atomic_store(&w.account->suspended, 1);
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

/* ---- snapshots that lie ------------------------------------------------------------------- */

struct part {
    uint32_t kind;
    uint64_t id;
    uint8_t *bytes; /* owned */
    size_t len;
};

static struct part parts[32];
static unsigned n_parts;

static void
parts_free(void)
{
    while (n_parts > 0)
        free(parts[--n_parts].bytes);
}

static void
parts_read(int fd)
{
    struct snapshot_reader *r;
    struct snapshot_section section;

    lseek(fd, 0, SEEK_SET);
    assert_int_equal(snapshot_reader_new(fd, &r, NULL), 0);
    while (snapshot_next(r, &section, NULL) == 0 && section.kind != 0) {
        struct part *p = &parts[n_parts++];

        *p = (struct part){section.kind, section.id, malloc(PART_MAX), 0};
        p->len = (size_t)snapshot_get(r, p->bytes, PART_MAX, NULL);
    }
    snapshot_reader_free(r);
}

/* With all checksums as they should be. */
static void
parts_write(int fd)
{
    struct snapshot_writer *s;

    lseek(fd, 0, SEEK_SET);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(snapshot_writer_new(fd, true, &s, NULL), 0);
    for (unsigned i = 0; i < n_parts; i++) {
        snapshot_begin(s, parts[i].kind, parts[i].id, NULL);
        snapshot_put(s, parts[i].bytes, parts[i].len, NULL);
    }
    assert_int_equal(snapshot_finish(s, NULL), 0);
    snapshot_writer_free(s);
}

/* It is refused in words, or taken: the worker lives until it is told to end. */
static enum control_op
outcome(int fd)
{
    enum control_op op;

    lseek(fd, 0, SEEK_SET);
    worker_start(-1);
    say(CONTROL_RESTORE, 0, fd);
    assert_int_equal(hear(), 0);
    op = w.heard.op;
    if (op == CONTROL_FAILED)
        assert_true(w.heard.words[0] != '\0');
    else
        kill(w.pid, SIGTERM);
    assert_int_equal(worker_end(), 1);
    return op;
}

static void
saved_session(int fd)
{
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    SEND(OP_clCreateUserEvent, 0, EVENT_ID, CONTEXT_ID);
    buffer_fill(BUFFER_ID, BYTES / 2, OTHER, EVENT_ID);
    SEND(OP_clWaitForEvents, 5, 1, EVENT_ID);
    SEND(OP_tessera_event_status, 7, EVENT_ID);
    assert_int_equal(reply_to(7), 0);
    suspend(fd);
}

/*
 * tests/state/v1/session.stream was written by the version that was the first to write one. KEEP
 * names a file to write the like into.
 */
static void
a_session_of_an_earlier_version_is_restored(void **state)
{
    const char *path = getenv("OLD_SESSION"), *keep = getenv("KEEP");
    _cleanup_close_ int fd = new_file(),
                        old = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    (void)state;
    if (keep) {
        _cleanup_close_ int to =
            open(keep, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        saved_session(fd);
        lseek(fd, 0, SEEK_SET);
        assert_true(sendfile(to, fd, NULL, 1u << 30) > 0);
    }
    if (!path)
        skip();
    assert_true(old >= 0);
    restore(old);
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    IS_TOLD(CONTROL_SAVE, 0, fd, CONTROL_SAVED);
    /* A buffer of so many bytes, channel and log. */
    assert_true(w.heard.a > BYTES);
    kill(w.pid, SIGTERM);
    assert_int_equal(worker_end(), 1);
}

static void
a_snapshot_that_is_damaged_or_cut_is_refused(void **state)
{
    _cleanup_close_ int fd = new_file();
    uint8_t byte;
    off_t len;

    (void)state;
    saved_session(fd);
    len = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < len; at += len / 40 + 1) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x20;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(outcome(fd), CONTROL_FAILED);
        byte ^= 0x20;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_int_equal(outcome(fd), CONTROL_RESTORED);
    for (unsigned i = 1; i < 20; i++) {
        assert_int_equal(ftruncate(fd, len - (off_t)i * len / 20), 0);
        assert_int_equal(outcome(fd), CONTROL_FAILED);
    }
}

static void
words_that_lie_end_the_restore_and_nothing_else(void **state)
{
    static const uint64_t lies[] = {0,          1,   UINT64_MAX, UINT64_C(1) << 63,
                                    0xffffffff, 4096};
    _cleanup_close_ int fd = new_file(), lie = new_file();

    (void)state;
    saved_session(fd);
    parts_read(fd);
    for (unsigned i = 0; i < n_parts; i++) {
        const struct part *p = &parts[i];
        const size_t words = p->len / 8, step = words / 30 + 1;

        for (size_t at = 0; at < words; at += p->kind == SAVED_LOG ? 1 : step) {
            uint64_t was;

            memcpy(&was, p->bytes + 8 * at, 8);
            memcpy(p->bytes + 8 * at, &lies[at % 6], 8);
            parts_write(lie);
            outcome(lie);
            memcpy(p->bytes + 8 * at, &was, 8);
        }
    }
    parts_free();
}

static void
entry(struct bytes *log, enum saved_kind kind, uint64_t moment, struct bytes *body)
{
    bytes_u64(log, kind);
    bytes_u64(log, moment);
    bytes_string(log, body->data, body->len);
    bytes_fini(body);
}

/* An object of a message with a few words. */
static void
object_entry(struct bytes *log, uint64_t serial, uint64_t id, uint64_t kind,
             const uint64_t *frame)
{
    struct bytes body = {0};

    bytes_u64(&body, serial);
    bytes_u64(&body, id);
    bytes_u64(&body, kind);
    bytes_string(&body, frame, frame[0] & UINT32_MAX);
    bytes_string(&body, "", 0);
    entry(log, ENTRY_OBJECT, serial, &body);
}

#define FRAME(op, ...)                                                                   \
    (const uint64_t[])                                                                   \
    {                                                                                    \
        (16 + sizeof((uint64_t[]){__VA_ARGS__})) | (uint64_t)(op) << 32, 0, __VA_ARGS__  \
    }

/* In place of what makes an object one message releases another, which is named then. */
static void
an_object_that_is_gone_cannot_be_named(void **state)
{
    _cleanup_close_ int fd = new_file();
    struct bytes log = {0}, body = {0};

    (void)state;
    saved_session(fd);
    parts_read(fd);
    object_entry(&log, 1, CONTEXT_ID, KIND_context,
                 FRAME(OP_clCreateContext, CONTEXT_ID, 1, ROOT_DEVICE_ID));
    object_entry(&log, 2, BUFFER_ID, KIND_mem,
                 FRAME(OP_clCreateBuffer, BUFFER_ID, CONTEXT_ID, 1, BYTES, EXTENT_NONE, 0,
                       0, EXTENT_NONE, 0));
    object_entry(&log, 3, CONTEXT_ID, KIND_context, FRAME(OP_tessera_release, BUFFER_ID));
    bytes_u64(&body, 2);
    bytes_u64(&body, 77);
    entry(&log, ENTRY_WATCHED, 0, &body);
    for (unsigned i = 0; i < n_parts; i++) {
        if (parts[i].kind == SAVED_LOG) {
            free(parts[i].bytes);
            parts[i].bytes = take_ptr(log.data);
            parts[i].len = log.len;
        }
        if (parts[i].kind == SAVED_CONTENT)
            free(parts[--n_parts].bytes);
    }
    parts_write(fd);
    parts_free();
    assert_int_equal(outcome(fd), CONTROL_FAILED);
}

/* ---- guests that lie ---------------------------------------------------------------------- */

static int
rejoins_with(int channel, int heap)
{
    struct rejoin r;
    int was[2] = {w.memory[0], w.memory[1]}, rc;

    w.memory[0] = channel;
    w.memory[1] = heap;
    rejoin_begin(&r);
    say(CONTROL_GUEST, 0, r.theirs);
    assert_int_equal(hear(), 0);
    rc = rejoin_end(&r);
    assert_int_equal(w.heard.op, rc == 0 ? CONTROL_JOINED : CONTROL_FAILED);
    memcpy(w.memory, was, sizeof was);
    return rc;
}

/* As large as the other, sealed or not. */
static int
memory_like(int fd, int seals)
{
    const int other = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const off_t len = lseek(fd, 0, SEEK_END);

    assert_int_equal(ftruncate(other, len), 0);
    assert_int_equal(fcntl(other, F_ADD_SEALS, seals), 0);
    return other;
}

static void
memory_that_is_not_the_sessions_is_refused(void **state)
{
    _cleanup_close_ int fd = new_file(), short_one = new_file(),
                        zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    _cleanup_close_ int loose = -1, read_only = -1;
    struct rejoin r;

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    buffer_fill(BUFFER_ID, BYTES, VALUE, 0);
    suspend(fd);
    loose = memory_like(w.memory[1], F_SEAL_GROW);
    read_only =
        memory_like(w.memory[1], F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE);
    restore(fd);
    say(CONTROL_CONTINUE, 0, -1);
    assert_int_equal(rejoins_with(w.memory[1], w.memory[0]), -EPROTO);
    assert_int_equal(rejoins_with(short_one, w.memory[1]), -EPROTO);
    assert_int_equal(rejoins_with(w.memory[0], zero), -EPROTO);
    assert_int_equal(rejoins_with(w.memory[0], loose), -EPROTO);
    assert_int_not_equal(rejoins_with(w.memory[0], read_only), 0);
    w.welcome.token[0] ^= 1;
    assert_int_equal(rejoins_with(w.memory[0], w.memory[1]), -ESTALE);
    w.welcome.token[0] ^= 1;
    rejoin_begin(&r);
    IS_TOLD(CONTROL_GUEST, 0, r.theirs, CONTROL_JOINED);
    assert_int_equal(rejoin_end(&r), 0);
    buffer_is(BUFFER_ID, BYTES, VALUE);
}

/* Its page is its own to write: what it says there harms its own session alone. */
static void
a_page_that_lies_ends_its_session_or_nothing(void **state)
{
    _cleanup_close_ int fd = new_file();
    struct channel_page *page;

    (void)state;
    guest_world();
    buffer_make(BUFFER_ID, BYTES, 0);
    page = w.c.page;
    /* A copy that never ends keeps the pause up for a moment. */
    atomic_store(&page->copying, 7);
    suspend(fd);
    atomic_store(&page->copying, UINT32_MAX);
    atomic_store(&page->credit_bytes, UINT64_MAX);
    atomic_store(&page->state, CHANNEL_RUNNING);
    memset(page->waiters, 0xff, sizeof page->waiters);
    resume(fd, false);
    assert_int_equal(finish(), 0);
    suspend(fd);
    atomic_store(&page->replies.head, 3);
    restore(fd);
    say(CONTROL_CONTINUE, 0, -1);
    assert_int_equal(rejoins_with(w.memory[0], w.memory[1]), -EPROTO);
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
        BOTH(a_kernel_lives_on_whose_program_could_not_be_built_again),
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
        BOTH(a_session_of_an_earlier_version_is_restored),
        BOTH(a_snapshot_that_is_damaged_or_cut_is_refused),
        BOTH(words_that_lie_end_the_restore_and_nothing_else),
        BOTH(an_object_that_is_gone_cannot_be_named),
        BOTH(memory_that_is_not_the_sessions_is_refused),
        BOTH(a_page_that_lies_ends_its_session_or_nothing),
    };

    if (argc < 2)
        return 2;
    w.worker = argv[1];
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
