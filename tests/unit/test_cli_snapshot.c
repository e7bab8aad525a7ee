/* SPDX-License-Identifier: MIT */
/* tessera snapshot, as a function: on a snapshot of two sessions, whole, cut and changed. */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define HEAD                                                                             \
    "{\"version\":1,\"number\":\"00000000000000aa\",\"name\":\"train-0\","               \
    "\"type\":\"cpu-512m\",\"framebuffer_bytes\":536870912,\"gpu\":\"gpu0\","            \
    "\"sessions\":[{\"program\":\"first\",\"guest_pid\":17,\"container\":true},"         \
    "{\"program\":\"second\",\"guest_pid\":18,\"vm_port\":3}]}"

static char folder[] = "/tmp/test-cli-snapshot-XXXXXX";
static char path[sizeof folder + 16], said_path[sizeof folder + 16];
static char *bytes, *said;
static size_t nbytes;

static void
put_stream(int fd, uint32_t kind, const char *content)
{
    struct snapshot_writer *w;

    assert_int_equal(snapshot_writer_new(fd, true, &w, NULL), 0);
    assert_int_equal(snapshot_begin(w, kind, 0, NULL), 0);
    assert_int_equal(snapshot_put(w, content, strlen(content), NULL), 0);
    assert_int_equal(snapshot_finish(w, NULL), 0);
    snapshot_writer_free(w);
}

static void
put_snapshot(const char *head, unsigned sessions)
{
    _cleanup_close_ int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    assert_true(fd >= 0);
    put_stream(fd, 1, head);
    for (unsigned i = 0; i < sessions; i++)
        put_stream(fd, 7, "what a worker wrote of its session");
}

static void
put_bytes(const char *buf, size_t len)
{
    _cleanup_close_ int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write_all(fd, buf, len), 0);
}

/* The command's exit status; what it prints is in said. */
static int
run(char *option)
{
    char title[] = "tessera snapshot", *argv[] = {title, path, option, NULL};
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    const int fd = open(said_path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    size_t len;
    int rc;

    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    rc = cmd_snapshot(option ? 3 : 2, argv);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(fd);
    close(out);
    close(err);
    free(said);
    assert_int_equal(read_file(said_path, 1 << 20, &said, &len), 0);
    return rc;
}

static void
assert_said(const char *words)
{
    if (!strstr(said, words))
        fail_msg("'%s' is not in: %s", words, said);
}

static int
begin(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/snapshot", folder);
    snprintf(said_path, sizeof said_path, "%s/said", folder);
    put_snapshot(HEAD, 2);
    return read_file(path, 1 << 20, &bytes, &nbytes);
}

static int
end(void **state)
{
    (void)state;
    free(bytes);
    free(said);
    return remove_tree(folder);
}

static void
a_whole_one_is_shown(void **state)
{
    (void)state;
    put_bytes(bytes, nbytes);
    assert_int_equal(run(NULL), 0);
    assert_said("vGPU Name    : train-0");
    assert_said("Framebuffer  : 512 MiB");
    assert_said("Sessions     : 2");
    assert_said("container");
    assert_said("virtual machine");
}

static void
programs_get_the_same_as_json(void **state)
{
    const json_t *sessions;
    char option[] = "-ojson";
    json_t *o;

    (void)state;
    put_bytes(bytes, nbytes);
    assert_int_equal(run(option), 0);
    o = json_loads(said, 0, NULL);
    sessions = json_object_get(o, "sessions");
    assert_string_equal(json_text_of(o, "number", ""), "00000000000000aa");
    assert_int_equal(json_u64_of(o, "stored_bytes"), nbytes);
    assert_int_equal(json_array_size(sessions), 2);
    assert_int_equal(json_u64_of(json_array_get(sessions, 0), "sections"), 1);
    assert_true(json_u64_of(json_array_get(sessions, 1), "stored_bytes") > 0);
    json_decref(o);
}

static void
each_cut_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < nbytes; len++) {
        put_bytes(bytes, len);
        assert_int_equal(run(NULL), EXIT_FAILED);
        assert_said("the snapshot is cut");
    }
}

static void
each_changed_byte_is_refused(void **state)
{
    (void)state;
    for (size_t at = 0; at < nbytes; at++) {
        bytes[at] ^= 0x20;
        put_bytes(bytes, nbytes);
        bytes[at] ^= 0x20;
        assert_int_equal(run(NULL), EXIT_FAILED);
    }
}

static void
the_damaged_section_is_named(void **state)
{
    (void)state;
    put_bytes(bytes, nbytes - 1);
    assert_int_equal(run(NULL), EXIT_FAILED);
    assert_said(
        "session 2 of 2 ('second'): the snapshot is cut in section 1 (kind 7, id 0)");
}

static void
what_is_no_snapshot_or_has_too_few_or_too_many_sessions_is_refused(void **state)
{
    (void)state;
    put_snapshot(HEAD, 1);
    assert_int_equal(run(NULL), EXIT_FAILED);
    assert_said("session 2 of 2 ('second'): the snapshot is cut");
    put_snapshot(HEAD, 3);
    assert_int_equal(run(NULL), EXIT_FAILED);
    assert_said("more follows");
    put_snapshot("{\"name\":17,\"sessions\":[]}", 0);
    assert_int_equal(run(NULL), EXIT_FAILED);
    assert_said("makes no sense");
    put_snapshot("no JSON", 0);
    assert_int_equal(run(NULL), EXIT_FAILED);
    put_bytes("#!/bin/sh\necho something else\n", 30);
    assert_int_equal(run(NULL), EXIT_FAILED);
    assert_said("no snapshot of Tessera's");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one_is_shown),
        cmocka_unit_test(programs_get_the_same_as_json),
        cmocka_unit_test(each_cut_is_refused),
        cmocka_unit_test(each_changed_byte_is_refused),
        cmocka_unit_test(the_damaged_section_is_named),
        cmocka_unit_test(
            what_is_no_snapshot_or_has_too_few_or_too_many_sessions_is_refused),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
