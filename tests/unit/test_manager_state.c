/* SPDX-License-Identifier: MIT */
#include "manager/vgpu_state.h"

#include "base/io.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct vgpu_state sample = {
    .name = "train-0",
    .uuid = "30d1ac7f-d93a-482f-83c5-632fc3ed7af6",
    .gpu = "gpu0",
    .type = "cpu-512m",
    .framebuffer_bytes = 536870912,
    .start_bytes = 1073741824,
    .max_instances = 4,
    .owner_uid = 1000,
    .created_unix = 1750000000,
    .owner = {.pid = 77, .start_ticks = 123456789},
    .vm = {.attached = true, .domain = "vm2", .label = "train"},
    .suspended = {.number = 0xfedcba9876543210, .file = "/somewhere/train"},
};

static void
assert_same(const struct vgpu_state *a, const struct vgpu_state *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->uuid, b->uuid);
    assert_string_equal(a->gpu, b->gpu);
    assert_string_equal(a->type, b->type);
    assert_int_equal(a->passthrough, b->passthrough);
    assert_int_equal(a->framebuffer_bytes, b->framebuffer_bytes);
    assert_int_equal(a->start_bytes, b->start_bytes);
    assert_int_equal(a->max_instances, b->max_instances);
    assert_int_equal(a->owner_uid, b->owner_uid);
    assert_int_equal(a->created_unix, b->created_unix);
    assert_int_equal(a->owner.pid, b->owner.pid);
    assert_int_equal(a->owner.start_ticks, b->owner.start_ticks);
    assert_int_equal(a->vm.attached, b->vm.attached);
    assert_string_equal(a->vm.domain, b->vm.domain);
    assert_string_equal(a->vm.label, b->vm.label);
    assert_int_equal(a->suspended.number, b->suspended.number);
    assert_int_equal(a->suspended.own, b->suspended.own);
    assert_string_equal(a->suspended.file, b->suspended.file);
}

static void
what_is_written_is_read_back(void **state)
{
    char *text = vgpu_state_format(&sample);
    struct vgpu_state s;
    struct err e = ERR_INIT;

    (void)state;
    assert_non_null(text);
    assert_int_equal(vgpu_state_parse(text, strlen(text), &s, &e), 0);
    assert_same(&s, &sample);
    free(text);
    err_fini(&e);
}

static void
every_cut_off_file_is_refused(void **state)
{
    char *text = vgpu_state_format(&sample);

    (void)state;
    for (size_t len = 0; len < strlen(text); len++) {
        struct vgpu_state s = {.name = "untouched"};
        struct err e = ERR_INIT;

        assert_int_equal(vgpu_state_parse(text, len, &s, &e), -EINVAL);
        assert_string_equal(s.name, "untouched");
        err_fini(&e);
    }
    free(text);
}

/* The sample's text with the first `from` replaced. */
static char *
sample_with(const char *from, const char *to)
{
    char *text = vgpu_state_format(&sample), *at = strstr(text, from);
    char *other;

    assert_non_null(at);
    other = str_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    free(text);
    return other;
}

static void
values_out_of_range_are_refused(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"\"train-0\"", "\"../../etc\""},
        {"\"train-0\"", "\"\""},
        {"30d1ac7f-", ""},
        {"\"gpu0\"", "\"\""},
        {"\"version\": 1", "\"version\": 2"},
        {"\"version\": 1,", ""},
        {"536870912", "0"},
        {"536870912", "-1"},
        {"1073741824", "9223372036854775807"},
        {"\"max_instances\": 4", "\"max_instances\": 0"},
        {"\"max_instances\": 4", "\"max_instances\": 4.5"},
        {"\"owner_uid\": 1000", "\"owner_uid\": 4294967296"},
        {"77", "99999999999"},
        {"false", "\"no\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = sample_with(rows[i].from, rows[i].to);
        struct vgpu_state s;
        struct err e = ERR_INIT;

        assert_int_equal(vgpu_state_parse(text, strlen(text), &s, &e), -EINVAL);
        assert_true(strlen(err_msg(&e)) > 0);
        free(text);
        err_fini(&e);
    }
}

static void
members_of_a_later_version_are_skipped(void **state)
{
    char *text = sample_with("\"uuid\"", "\"colour\": \"blue\", \"uuid\"");
    struct vgpu_state s;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(vgpu_state_parse(text, strlen(text), &s, &e), 0);
    assert_same(&s, &sample);
    free(text);
    err_fini(&e);
}

/* Files. */

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
    static const char *const files[] = {"train-0.json", "train-0.json.damaged",
                                        "other.json", "other.json.damaged"};
    char path[128];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", (char *)*state, files[i]);
        unlink(path);
    }
    rmdir(*state);
    free(*state);
    return 0;
}

static void
a_saved_file_is_loaded_and_removed(void **state)
{
    struct vgpu_state s;
    struct err e = ERR_INIT;

    assert_int_equal(vgpu_state_save(*state, &sample, &e), 0);
    assert_int_equal(vgpu_state_load(*state, "train-0.json", &s, &e), 0);
    assert_same(&s, &sample);
    vgpu_state_remove(*state, "train-0");
    assert_int_equal(vgpu_state_load(*state, "train-0.json", &s, &e), -ENOENT);
    err_fini(&e);
}

static void
assert_set_aside(const char *folder, const char *file)
{
    struct vgpu_state s;
    struct err e = ERR_INIT;
    char path[128];

    assert_int_equal(vgpu_state_load(folder, file, &s, &e), -EINVAL);
    assert_non_null(strstr(err_msg(&e), file));
    snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/%s.damaged", folder, file);
    assert_int_equal(access(path, F_OK), 0);
    err_fini(&e);
}

static void
a_file_cut_in_half_is_set_aside(void **state)
{
    char *text = vgpu_state_format(&sample), path[128];

    snprintf(path, sizeof path, "%s/train-0.json", (char *)*state);
    assert_int_equal(write_file_atomic(path, text, strlen(text) / 2, 0600), 0);
    assert_set_aside(*state, "train-0.json");
    free(text);
}

static void
a_file_under_anothers_name_is_set_aside(void **state)
{
    char *text = vgpu_state_format(&sample), path[128];

    snprintf(path, sizeof path, "%s/other.json", (char *)*state);
    assert_int_equal(write_file_atomic(path, text, strlen(text), 0600), 0);
    assert_set_aside(*state, "other.json");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(every_cut_off_file_is_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(members_of_a_later_version_are_skipped),
        cmocka_unit_test_setup_teardown(a_saved_file_is_loaded_and_removed, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_file_cut_in_half_is_set_aside, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_file_under_anothers_name_is_set_aside,
                                        make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
