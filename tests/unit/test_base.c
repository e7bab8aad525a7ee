/* SPDX-License-Identifier: MIT */
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/copy.h"
#include "base/err.h"
#include "base/io.h"
#include "base/list.h"
#include "base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[64];

static int
setup(void **state)
{
    (void)state;
    umask(022);
    strcpy(folder, "/tmp/tessera-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int
teardown(void **state)
{
    char *command = str_printf("rm -rf '%s'", folder);
    int rc = system(command);

    (void)state;
    free(command);
    return rc;
}

/* FOLDER/name, for the caller to free. */
static char *
in_folder(const char *name)
{
    return str_printf("%s/%s", folder, name);
}

static int
open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- trees ----------------------------------------------------------------------- */

static void
a_tree_is_removed_but_not_what_its_links_name(void **state)
{
    char *tree = in_folder("tree"), *kept = in_folder("kept"), *link_at, *file, *closed;

    (void)state;
    link_at = str_printf("%s/link", tree);
    file = str_printf("%s/file", kept);
    closed = str_printf("%s/closed/deeper", tree);
    assert_int_equal(mkdir_parents(closed, 0700), 0);
    assert_int_equal(mkdir(kept, 0700), 0);
    assert_int_equal(write_file_atomic(file, "x", 1, 0600), 0);
    assert_int_equal(symlink(kept, link_at), 0);
    closed[strlen(closed) - strlen("/deeper")] = '\0';
    assert_int_equal(chmod(closed, 0), 0);
    assert_int_equal(remove_tree(tree), 0);
    assert_int_equal(access(tree, F_OK), -1);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(remove_tree(tree), 0);
    free(tree);
    free(kept);
    free(link_at);
    free(file);
    free(closed);
}

static void
a_tree_deeper_than_paths_and_descriptors_is_removed(void **state)
{
    char *tree = in_folder("deep");
    const int before = open_fds();
    int at;

    (void)state;
    assert_int_equal(mkdir(tree, 0700), 0);
    at = open(tree, O_PATH | O_CLOEXEC);
    for (unsigned i = 0; i < 3000; i++) {
        int next;

        assert_int_equal(mkdirat(at, "d", 0700), 0);
        next = openat(at, "d", O_PATH | O_CLOEXEC);
        close(at);
        at = next;
    }
    close(at);
    assert_int_equal(remove_tree(tree), 0);
    assert_int_equal(access(tree, F_OK), -1);
    assert_int_equal(open_fds(), before);
    free(tree);
}

/* ---- errors and ownership ------------------------------------------------------------------ */

static void
an_error_chain_reads_from_the_task_to_the_cause(void **state)
{
    _cleanup_err_ struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(err_set(&e, -ENOSPC, "no GPU has %d GiB free", 24), -ENOSPC);
    assert_int_equal(err_wrap(&e, "create '%s'", "train-0"), -ENOSPC);
    assert_string_equal(err_msg(&e), "create 'train-0': no GPU has 24 GiB free");
    assert_int_equal(e.code, -ENOSPC);
}

static void
a_new_error_replaces_the_old_one(void **state)
{
    _cleanup_err_ struct err e = ERR_INIT;

    (void)state;
    err_set(&e, -EIO, "first");
    err_set(&e, -EPERM, "second");
    assert_string_equal(err_msg(&e), "second");
    assert_int_equal(e.code, -EPERM);
}

static void
an_error_without_words_has_those_of_its_number(void **state)
{
    struct err e = {.code = -ENOENT};

    (void)state;
    assert_string_equal(err_msg(&e), "No such file or directory");
    err_wrap(&e, "open it");
    assert_string_equal(err_msg(&e), "open it: No such file or directory");
    err_fini(&e);
    assert_string_equal(err_msg(&e), "no error");
}

static void
who_wants_no_words_gets_the_code_alone(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, -EIO, "words"), -EIO);
    assert_int_equal(err_wrap(NULL, "words"), 0);
}

static void
what_is_taken_is_not_released(void **state)
{
    int a[2], left;
    char *kept;

    (void)state;
    assert_int_equal(pipe(a), 0);
    {
        _cleanup_close_ int r = a[0], w = a[1];
        _cleanup_free_ char *s = strdup("kept");

        left = take_fd(&w);
        kept = take_ptr(s);
        assert_int_equal(w, -1);
        assert_null(s);
        assert_true(r >= 0);
    }
    assert_int_equal(fcntl(a[0], F_GETFD), -1);
    assert_string_equal(kept, "kept");
    assert_int_equal(close(left), 0);
    free(kept);
}

/* ---- arithmetic and lists ------------------------------------------------------------------ */

static void
overflow_is_seen_and_changes_nothing(void **state)
{
    uint64_t v = 7;

    (void)state;
    assert_false(checked_add(UINT64_MAX, 1, &v));
    assert_false(checked_mul(1ull << 32, 1ull << 32, &v));
    assert_int_equal(v, 7);
    assert_true(checked_add(UINT64_MAX - 1, 1, &v));
    assert_int_equal(v, UINT64_MAX);
    assert_true(checked_mul(1ull << 32, (1ull << 32) - 1, &v));
}

static void
a_range_lies_inside_up_to_the_last_byte(void **state)
{
    (void)state;
    assert_true(range_inside(0, 10, 10));
    assert_true(range_inside(10, 0, 10));
    assert_false(range_inside(10, 1, 10));
    assert_false(range_inside(11, 0, 10));
    assert_false(range_inside(5, UINT64_MAX, 10));
    assert_false(range_inside(UINT64_MAX, 2, 10));
}

static void
aligning_goes_up_to_the_next_multiple(void **state)
{
    (void)state;
    assert_int_equal(align_up(0, 4096), 0);
    assert_int_equal(align_up(1, 4096), 4096);
    assert_int_equal(align_up(4096, 4096), 4096);
    assert_int_equal(align_up(4097, 4096), 8192);
}

struct item {
    int n;
    struct list node;
};

static void
a_list_keeps_order_and_forgets_what_is_removed(void **state)
{
    struct item items[4] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}};
    struct list head, *pos, *tmp;
    int sum = 0;

    (void)state;
    list_init(&head);
    assert_true(list_empty(&head));
    for (unsigned i = 0; i < 4; i++)
        list_add_tail(&head, &items[i].node);
    list_del(&items[1].node);
    list_del(&items[1].node); /* harmless */
    list_for_each_safe(pos, tmp, &head)
    {
        sum = sum * 10 + container_of(pos, struct item, node)->n;
        list_del(pos);
    }
    assert_int_equal(sum, 23);
    assert_true(list_empty(&head));
}

/* ---- files --------------------------------------------------------------------------------- */

static void
a_written_file_is_read_back(void **state)
{
    _cleanup_free_ char *path = in_folder("file"), *content = NULL;
    struct stat st;
    size_t len;

    (void)state;
    assert_int_equal(write_file_atomic(path, "a\0b", 3, 0640), 0);
    assert_int_equal(read_file(path, 100, &content, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(content, "a\0b", 4); /* and a NUL behind it */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void
a_file_is_replaced_as_a_whole(void **state)
{
    _cleanup_free_ char *path = in_folder("file"), *content = NULL;
    _cleanup_free_ char *tmp = in_folder("file.tmp");
    _cleanup_close_ int old = -1;
    char first[9] = {0};
    size_t len;

    (void)state;
    assert_int_equal(write_file_atomic(path, "the first", 9, 0600), 0);
    old = open(path, O_RDONLY);
    assert_int_equal(write_file_atomic(path, "second", 6, 0600), 0);
    assert_int_equal(read_file(path, 100, &content, &len), 0);
    assert_string_equal(content, "second");
    assert_int_equal(read_exact(old, first, 9), 0);
    assert_memory_equal(first, "the first", 9);
    assert_int_equal(access(tmp, F_OK), -1);
}

static void
a_replacement_that_fails_leaves_nothing_behind(void **state)
{
    _cleanup_free_ char *path = in_folder("occupied"), *inside = in_folder("occupied/x");
    _cleanup_free_ char *tmp = in_folder("occupied.tmp"), *none = in_folder("no/file");

    (void)state;
    assert_int_equal(mkdir_parents(inside, 0700), 0);
    assert_true(write_file_atomic(path, "x", 1, 0600) < 0);
    assert_int_equal(access(tmp, F_OK), -1);
    assert_int_equal(access(inside, F_OK), 0);
    assert_int_equal(write_file_atomic(none, "x", 1, 0600), -ENOENT);
}

static void
a_file_is_read_up_to_the_limit_and_no_more(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 10000};
    _cleanup_free_ char *path = in_folder("file"), *bytes = calloc(1, 10000);

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *content = NULL;
        size_t len = 7;

        assert_int_equal(write_file_atomic(path, bytes, sizes[i], 0600), 0);
        assert_int_equal(read_file(path, sizes[i], &content, &len), 0);
        assert_int_equal(len, sizes[i]);
        free(content);
        if (sizes[i] > 0)
            assert_int_equal(read_file(path, sizes[i] - 1, &content, &len), -EFBIG);
    }
}

static void
a_file_that_is_none_is_an_error(void **state)
{
    _cleanup_free_ char *path = in_folder("none");
    char *content = NULL;
    size_t len;

    (void)state;
    assert_int_equal(read_file(path, 10, &content, &len), -ENOENT);
    assert_int_equal(read_file(folder, 10, &content, &len), -EISDIR);
    assert_null(content);
}

static void
an_early_end_is_no_data(void **state)
{
    char buf[8];
    int a[2];

    (void)state;
    assert_int_equal(pipe(a), 0);
    assert_int_equal(write_all(a[1], "12345678", 8), 0);
    assert_int_equal(read_exact(a[0], buf, 6), 0);
    close(a[1]);
    assert_int_equal(read_exact(a[0], buf, 6), -ENODATA);
    close(a[0]);
}

static void
folders_are_made_with_their_parents(void **state)
{
    _cleanup_free_ char *path = in_folder("a/b/c"), *file = in_folder("a/f");
    _cleanup_free_ char *below = in_folder("a/f/g");
    struct stat st;

    (void)state;
    assert_int_equal(mkdir_parents(path, 0750), 0);
    assert_int_equal(mkdir_parents(path, 0750), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(write_file_atomic(file, "", 0, 0600), 0);
    assert_int_equal(mkdir_parents(below, 0750), -ENOTDIR);
}

/* ---- sockets ------------------------------------------------------------------------------- */

static void
descriptors_travel_with_the_first_byte(void **state)
{
    int pair[2], pipes[2], got[4], n = 0;
    char buf[5] = {0};

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(sock_send_fds(pair[0], "hello", 5, pipes, 2), 0);
    assert_int_equal(sock_recv_fds(pair[1], buf, 5, got, 4, &n), 0);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(n, 2);
    assert_int_equal(write_all(got[1], "x", 1), 0);
    assert_int_equal(read_exact(pipes[0], buf, 1), 0);
    assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(pipes[i]);
        close(got[i]);
    }
}

static void
surplus_descriptors_are_closed(void **state)
{
    int pair[2], fds[4] = {0, 0, 0, 0}, got[1], n = 0, before;
    char buf[1];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    before = open_fds();
    assert_int_equal(sock_send_fds(pair[0], "x", 1, fds, 4), 0);
    assert_int_equal(sock_recv_fds(pair[1], buf, 1, got, 1, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(open_fds(), before + 1);
    close(got[0]);
    close(pair[0]);
    close(pair[1]);
}

static void
descriptors_of_a_message_cut_short_are_closed(void **state)
{
    int pair[2], fds[2] = {0, 0}, got[2], n = 7, before;
    char buf[8];

    (void)state;
    before = open_fds();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(sock_send_fds(pair[0], "half", 4, fds, 2), 0);
    close(pair[0]);
    assert_int_equal(sock_recv_fds(pair[1], buf, 8, got, 2, &n), -ENODATA);
    close(pair[1]);
    assert_int_equal(open_fds(), before);
    assert_int_equal(n, 7);
    assert_int_equal(got[0], -1);
    assert_int_equal(got[1], -1);
}

static void
more_descriptors_than_allowed_are_not_sent(void **state)
{
    int fds[5] = {0};

    (void)state;
    assert_int_equal(sock_send_fds(-1, "x", 1, fds, SOCK_MAX_FDS + 1), -EINVAL);
    assert_int_equal(sock_send_fds(-1, "x", 1, fds, -1), -EINVAL);
}

static void
sending_to_the_dead_is_an_error_and_no_signal(void **state)
{
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[0]);
    assert_int_equal(sock_send_fds(pair[1], "x", 1, NULL, 0), -EPIPE);
    close(pair[1]);
}

/* Listens there and connects once. */
static void
assert_meets_at(const char *path)
{
    _cleanup_close_ int l = sock_listen(path, 0640, 4), c = -1, s = -1;
    struct stat st;
    char buf[1];

    assert_true(l >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    c = sock_connect(path);
    assert_true(c >= 0);
    s = accept(l, NULL, NULL);
    assert_true(s >= 0);
    assert_int_equal(write_all(c, "x", 1), 0);
    assert_int_equal(read_exact(s, buf, 1), 0);
}

static void
a_socket_in_the_way_is_made_anew(void **state)
{
    _cleanup_free_ char *path = in_folder("socket");
    int before = open_fds();

    (void)state;
    assert_meets_at(path);
    assert_int_equal(sock_connect(path), -ECONNREFUSED);
    assert_meets_at(path);
    assert_int_equal(open_fds(), before);
}

static void
a_file_in_the_way_is_left_alone(void **state)
{
    _cleanup_free_ char *path = in_folder("file");

    (void)state;
    assert_int_equal(write_file_atomic(path, "mine", 4, 0600), 0);
    assert_int_equal(sock_listen(path, 0600, 4), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
}

static void
a_socket_may_have_a_path_of_any_length(void **state)
{
    static const int lens[] = {105, 106, 107, 108, 109, 250};

    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        int digits = lens[i] - (int)strlen(folder) - (int)strlen("//socket");
        _cleanup_free_ char *dir = str_printf("%s/%0*d", folder, digits, 0);
        _cleanup_free_ char *path = str_printf("%s/socket", dir);

        assert_int_equal(strlen(path), lens[i]);
        assert_int_equal(mkdir_parents(dir, 0700), 0);
        assert_meets_at(path);
    }
}

static void
a_socket_that_is_not_there_is_an_error(void **state)
{
    _cleanup_free_ char *path = in_folder("none");
    _cleanup_free_ char *far = str_printf("%s/%0150d/socket", folder, 0);
    _cleanup_free_ char *name = str_printf("%s/%0200d", folder, 0);

    (void)state;
    assert_int_equal(sock_connect(path), -ENOENT);
    assert_int_equal(sock_connect(far), -ENOENT);
    assert_int_equal(sock_connect(name), -ENAMETOOLONG);
    assert_int_equal(sock_listen(name, 0600, 4), -ENAMETOOLONG);
}

static void
a_descriptor_of_stdio_is_moved_above_it(void **state)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10), moved, again;

    (void)state;
    assert_true(saved >= 10);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    moved = fd_above_stdio(STDIN_FILENO);
    assert_true(moved > STDERR_FILENO);
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
    assert_int_equal(fcntl(moved, F_GETFD), FD_CLOEXEC);
    again = fd_above_stdio(moved);
    assert_int_equal(again, moved);
    assert_int_equal(fd_above_stdio(-EMFILE), -EMFILE);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(moved);
    close(saved);
}

/* ---- copies ---------------------------------------------------------------------- */

#define COPIED_BYTES (3 << 20)

/* A megabyte of data, one that is a hole, and one that begins with a letter. */
static int
open_with_hole(const char *name)
{
    _cleanup_free_ char *path = in_folder(name);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    _cleanup_free_ char *data = malloc(1 << 20);

    memset(data, 'x', 1 << 20);
    assert_int_equal(pwrite(fd, data, 1 << 20, 0), 1 << 20);
    assert_int_equal(pwrite(fd, "y", 1, 2 << 20), 1);
    assert_int_equal(ftruncate(fd, COPIED_BYTES), 0);
    return fd;
}

static int
open_new(const char *name)
{
    _cleanup_free_ char *path = in_folder(name);

    return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static void
count_copied(void *user, uint64_t bytes)
{
    *(uint64_t *)user += bytes;
}

static void
a_copy_is_the_same_with_its_holes(void **state)
{
    _cleanup_close_ int from = open_with_hole("from"), to = open_new("to");
    _cleanup_free_ char *a = malloc(COPIED_BYTES), *b = malloc(COPIED_BYTES);
    uint64_t copied = 0;
    const struct copy_watch w = {-1, &copied, count_copied};
    struct stat st, of;

    (void)state;
    assert_int_equal(copy_file(from, to, &w), 0);
    assert_int_equal(copied, COPIED_BYTES);
    assert_int_equal(pread(from, a, COPIED_BYTES, 0), COPIED_BYTES);
    assert_int_equal(pread(to, b, COPIED_BYTES, 0), COPIED_BYTES);
    assert_memory_equal(a, b, COPIED_BYTES);
    assert_int_equal(fstat(from, &of) | fstat(to, &st), 0);
    assert_int_equal(st.st_size, COPIED_BYTES);
    assert_true(st.st_blocks <= of.st_blocks);
}

static void
a_copy_is_called_off(void **state)
{
    _cleanup_close_ int from = open_with_hole("from"), to = open_new("to");
    int off[2];

    (void)state;
    assert_int_equal(pipe(off), 0);
    assert_int_equal(close(off[1]), 0);
    assert_int_equal(copy_file(from, to, &(struct copy_watch){.cancel_fd = off[0]}),
                     -ECANCELED);
    close(off[0]);
}

static void
a_copy_that_cannot_be_written_is_an_error(void **state)
{
    _cleanup_close_ int from = open_with_hole("from"), full = open("/dev/full", O_RDWR);

    (void)state;
    assert_true(copy_file(from, full, &(struct copy_watch){.cancel_fd = -1}) < 0);
    assert_true(copy_file(-1, full, &(struct copy_watch){.cancel_fd = -1}) < 0);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_of_stdio_is_moved_above_it),
        cmocka_unit_test(an_error_chain_reads_from_the_task_to_the_cause),
        cmocka_unit_test(a_new_error_replaces_the_old_one),
        cmocka_unit_test(an_error_without_words_has_those_of_its_number),
        cmocka_unit_test(who_wants_no_words_gets_the_code_alone),
        cmocka_unit_test(what_is_taken_is_not_released),
        cmocka_unit_test(overflow_is_seen_and_changes_nothing),
        cmocka_unit_test(a_range_lies_inside_up_to_the_last_byte),
        cmocka_unit_test(aligning_goes_up_to_the_next_multiple),
        cmocka_unit_test(a_list_keeps_order_and_forgets_what_is_removed),
        IN_FOLDER(a_written_file_is_read_back),
        IN_FOLDER(a_file_is_replaced_as_a_whole),
        IN_FOLDER(a_replacement_that_fails_leaves_nothing_behind),
        IN_FOLDER(a_file_is_read_up_to_the_limit_and_no_more),
        IN_FOLDER(a_file_that_is_none_is_an_error),
        cmocka_unit_test(an_early_end_is_no_data),
        IN_FOLDER(folders_are_made_with_their_parents),
        cmocka_unit_test(descriptors_travel_with_the_first_byte),
        cmocka_unit_test(surplus_descriptors_are_closed),
        cmocka_unit_test(a_tree_is_removed_but_not_what_its_links_name),
        cmocka_unit_test(a_tree_deeper_than_paths_and_descriptors_is_removed),
        cmocka_unit_test(descriptors_of_a_message_cut_short_are_closed),
        cmocka_unit_test(more_descriptors_than_allowed_are_not_sent),
        cmocka_unit_test(sending_to_the_dead_is_an_error_and_no_signal),
        IN_FOLDER(a_socket_in_the_way_is_made_anew),
        IN_FOLDER(a_file_in_the_way_is_left_alone),
        IN_FOLDER(a_socket_may_have_a_path_of_any_length),
        IN_FOLDER(a_socket_that_is_not_there_is_an_error),
        IN_FOLDER(a_copy_is_the_same_with_its_holes),
        IN_FOLDER(a_copy_is_called_off),
        IN_FOLDER(a_copy_that_cannot_be_written_is_an_error),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
