/* SPDX-License-Identifier: MIT */
#include "guest/opencl/find.h"

#include "base/io.h"
#include "base/sock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX 8

struct found {
    char *folders[MAX];
    unsigned n;
};

static int
make_folder(void **state)
{
    char *folder = strdup("/tmp/tessera-test-XXXXXX");

    *state = folder;
    return folder && mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    int rc = remove_tree(*state);

    free(*state);
    return rc;
}

static void
make_vgpu(const char *in, const char *name, bool with_socket)
{
    char *folder = str_printf("%s/%s", in, name);
    char *socket = str_printf("%s/socket", folder);

    assert_int_equal(mkdir_parents(folder, 0700), 0);
    if (with_socket) {
        int fd = sock_listen(socket, 0600, 1);

        assert_true(fd >= 0);
        close(fd);
    }
    free(folder);
    free(socket);
}

static struct found
find(const char *named, const char *folder, unsigned max)
{
    struct found f = {0};

    f.n = find_vgpus(named, folder, f.folders, max);
    return f;
}

/* Are they these, below `in`? Frees them. */
static void
assert_found(struct found *f, const char *in, unsigned n, const char *const *names)
{
    assert_int_equal(f->n, n);
    for (unsigned i = 0; i < n; i++) {
        char *want = str_printf("%s/%s", in, names[i]);

        assert_string_equal(f->folders[i], want);
        free(want);
        free(f->folders[i]);
    }
}

static void
folders_with_a_socket_are_found_by_name(void **state)
{
    static const char *const want[] = {"10", "B", "a", "b"};
    struct found f;

    for (unsigned i = 4; i-- > 0;)
        make_vgpu(*state, want[i], true);
    f = find(NULL, *state, MAX);
    assert_found(&f, *state, 4, want);
}

static void
what_holds_no_socket_is_no_vgpu(void **state)
{
    static const char *const want[] = {"live"};
    char *file = str_printf("%s/file", (const char *)*state);
    char *fake = str_printf("%s/fake/socket", (const char *)*state);
    struct found f;

    make_vgpu(*state, "live", true);
    make_vgpu(*state, "deleted", false);
    make_vgpu(*state, "fake", false);
    make_vgpu(*state, ".hidden", true);
    assert_int_equal(write_file_atomic(file, "", 0, 0600), 0);
    assert_int_equal(write_file_atomic(fake, "", 0, 0600), 0);
    f = find(NULL, *state, MAX);
    assert_found(&f, *state, 1, want);
    free(file);
    free(fake);
}

/* In a container of a virtual machine. */
static void
what_holds_memory_is_a_vgpu(void **state)
{
    static const char *const want[] = {"a", "vm"};
    char *memory = str_printf("%s/vm/memory", (const char *)*state);
    struct found f;

    make_vgpu(*state, "a", true);
    make_vgpu(*state, "vm", false);
    assert_int_equal(write_file_atomic(memory, "", 0, 0600), 0);
    f = find(NULL, *state, MAX);
    assert_found(&f, *state, 2, want);
    free(memory);
}

/* Root may look into every folder. */
static void
a_folder_that_may_not_be_entered_counts(void **state)
{
    static const char *const want[] = {"closed"};
    char *folder = str_printf("%s/closed", (const char *)*state);
    struct found f;

    make_vgpu(*state, "closed", true);
    if (geteuid() == 0) {
        assert_int_equal(chmod(*state, 0755), 0);
        assert_int_equal(seteuid(65534), 0);
        f = find(NULL, *state, MAX);
        assert_int_equal(seteuid(0), 0);
    } else {
        assert_int_equal(chmod(folder, 0), 0);
        f = find(NULL, *state, MAX);
        assert_int_equal(chmod(folder, 0700), 0);
    }
    assert_found(&f, *state, 1, want);
    free(folder);
}

static void
no_folder_at_all_is_no_vgpu(void **state)
{
    struct found f = find(NULL, "/nonexistent/tessera", MAX);

    (void)state;
    assert_int_equal(f.n, 0);
}

static void
named_folders_come_in_their_order_and_nothing_else_is_looked_at(void **state)
{
    static const char *const want[] = {"b", "a"};
    struct found f;

    make_vgpu(*state, "c", true);
    f = find("/vgpus/b:/vgpus/a", *state, MAX);
    assert_found(&f, "/vgpus", 2, want);
    f = find("", *state, MAX);
    assert_int_equal(f.n, 0);
}

static void
no_more_are_found_than_there_is_room_for(void **state)
{
    static const char *const want[] = {"a", "b"};
    struct found f;

    make_vgpu(*state, "a", true);
    make_vgpu(*state, "b", true);
    make_vgpu(*state, "c", true);
    f = find(NULL, *state, 2);
    assert_found(&f, *state, 2, want);
    f = find("/v/a:/v/b:/v/c", *state, 2);
    assert_found(&f, "/v", 2, want);
}

int
main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(folders_with_a_socket_are_found_by_name),
        IN_FOLDER(what_holds_no_socket_is_no_vgpu),
        IN_FOLDER(what_holds_memory_is_a_vgpu),
        IN_FOLDER(a_folder_that_may_not_be_entered_counts),
        cmocka_unit_test(no_folder_at_all_is_no_vgpu),
        IN_FOLDER(named_folders_come_in_their_order_and_nothing_else_is_looked_at),
        IN_FOLDER(no_more_are_found_than_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
