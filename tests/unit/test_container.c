/* SPDX-License-Identifier: MIT */
#include "container/container.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIBRARY "/usr/lib/tessera/libtessera-opencl.so"
#define VENDORS "OCL_ICD_VENDORS=/etc/tessera/icd"

static json_t *
vgpu(const char *name)
{
    char folder[128];

    snprintf(folder, sizeof folder, "/run/tessera/vgpus/%s/container", name);
    return json_pack("{ss ss sn sn s{ss ss ss ss}}", "name", name, "state", "idle",
                     "unavailable", "passthrough", "container", "folder", folder,
                     "icd_folder", "/run/tessera/container-icd", "library",
                     "/usr/local/lib/libtessera-opencl.so", "library_in_container",
                     LIBRARY);
}

static json_t *
vgpus(const char *first, const char *second)
{
    json_t *list = json_array();

    json_array_append_new(list, vgpu(first));
    if (second)
        json_array_append_new(list, vgpu(second));
    return list;
}

static json_t *
edits_of(const char *first, const char *second)
{
    json_t *list = vgpus(first, second), *edits = NULL;

    assert_int_equal(container_edits(list, &edits, NULL), 0);
    json_decref(list);
    return edits;
}

static const char *
member(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* The same on a GPU that has CUDA. */
static json_t *
vgpu_with_cuda(const char *name)
{
    json_t *v = vgpu(name);

    json_object_set_new(
        json_object_get(v, "container"), "cuda",
        json_pack("{ss ss ss sn ss sI}", "library", "/ours/libtessera-cuda.so", "driver",
                  "/usr/lib64/libcuda.so.5.1", "nvml_library", "/ours/libtessera-nvml.so",
                  "nvml_driver", "dmem_region", "nvidia/0000:01:00.0", "dmem_bytes",
                  (json_int_t)1 << 30));
    return v;
}

/* Where the i-th mount goes. */
static const char *
target(const json_t *edits, size_t i)
{
    return member(json_array_get(json_object_get(edits, "mounts"), i), "containerPath");
}

/* Ends in this error, and in words that name `word`. Frees vgpu. */
static void
assert_refused(json_t *v, int code, const char *word)
{
    struct err e = ERR_INIT;

    assert_int_equal(container_check(v, &e), code);
    assert_non_null(strstr(err_msg(&e), word));
    err_fini(&e);
    json_decref(v);
}

/* The description. */

/* Tessera's library is where the host has NVIDIA's, whichever vGPU of them has CUDA. */
static void
with_cuda_it_gets_our_library_in_the_place_of_the_drivers(void **state)
{
    json_t *list = vgpus("a", NULL), *edits = NULL;
    const json_t *env;

    (void)state;
    json_array_append_new(list, vgpu_with_cuda("b"));
    assert_int_equal(container_edits(list, &edits, NULL), 0);
    assert_string_equal(target(edits, 3), "/usr/lib/tessera/nvidia/libcuda.so");
    assert_string_equal(target(edits, 4), "/usr/lib64/libcuda.so.5.1");
    assert_string_equal(target(edits, 5), "/run/tessera-guest/a");
    assert_string_equal(
        member(json_array_get(json_object_get(edits, "mounts"), 4), "hostPath"),
        "/ours/libtessera-cuda.so");
    env = json_object_get(edits, "env");
    assert_int_equal(json_array_size(env), 2);
    assert_string_equal(json_string_value(json_array_get(env, 1)),
                        "TESSERA_CUDA_DRIVER=/usr/lib/tessera/nvidia/libcuda.so");
    json_decref(edits);
    json_decref(list);
}

static void
a_container_gets_library_loader_file_and_a_folder_per_vgpu(void **state)
{
    json_t *edits = edits_of("a", "b");
    const json_t *mounts = json_object_get(edits, "mounts");

    (void)state;
    assert_int_equal(json_array_size(mounts), 5);
    assert_string_equal(target(edits, 0), LIBRARY);
    assert_string_equal(target(edits, 1), "/etc/tessera/icd");
    assert_string_equal(target(edits, 2), "/etc/OpenCL/vendors/tessera.icd");
    assert_string_equal(target(edits, 3), "/run/tessera-guest/a");
    assert_string_equal(target(edits, 4), "/run/tessera-guest/b");
    assert_string_equal(member(json_array_get(mounts, 0), "hostPath"),
                        "/usr/local/lib/libtessera-opencl.so");
    assert_string_equal(member(json_array_get(mounts, 4), "hostPath"),
                        "/run/tessera/vgpus/b/container");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(edits, "env"), 0)), VENDORS);
    json_decref(edits);
}

static void
nothing_is_mounted_writable(void **state)
{
    json_t *edits = edits_of("a", NULL);
    const json_t *mounts = json_object_get(edits, "mounts");

    (void)state;
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *options = json_object_get(json_array_get(mounts, i), "options");

        assert_string_equal(json_string_value(json_array_get(options, 0)), "bind");
        assert_string_equal(json_string_value(json_array_get(options, 1)), "ro");
    }
    json_decref(edits);
}

static void
what_a_container_cannot_use_is_refused_with_the_reason(void **state)
{
    json_t *v = vgpu("gone");

    (void)state;
    json_object_set_new(v, "state", json_string("unavailable"));
    json_object_set_new(v, "unavailable", json_string("gpu0 is not there any more"));
    assert_refused(v, -ENODEV, "gpu0 is not there");
    v = vgpu("whole");
    json_object_set_new(v, "container", json_null());
    json_object_set_new(v, "passthrough", json_pack("{ss}", "cores", "0-1"));
    assert_refused(v, -ENOTSUP, "--cpuset-cpus 0-1");
    v = vgpu("card");
    json_object_set_new(v, "container", json_null());
    json_object_set_new(v, "passthrough", json_pack("{sn}", "cores"));
    assert_refused(v, -ENOTSUP, "nvidia.com/gpu");
    v = vgpu("ends");
    json_object_set_new(v, "state", json_string("deleting"));
    assert_refused(v, -ENODEV, "'ends'");
    v = vgpu("old");
    json_object_del(v, "container");
    assert_refused(v, -EPROTO, "tessera shutdown");
}

static void
one_vgpu_that_cannot_be_used_spoils_the_edits(void **state)
{
    json_t *list = vgpus("a", "b"), *edits = NULL;
    struct err e = ERR_INIT;

    (void)state;
    json_object_set_new(json_array_get(list, 1), "state", json_string("deleting"));
    assert_int_equal(container_edits(list, &edits, &e), -ENODEV);
    assert_null(edits);
    err_fini(&e);
    json_decref(list);
}

/* CDI. */

static json_t *
spec_of(const char *first, const char *second)
{
    json_t *list = vgpus(first, second), *spec = NULL;

    assert_int_equal(container_cdi_spec(list, &spec, NULL), 0);
    json_decref(list);
    return spec;
}

static void
a_spec_has_each_vgpu_and_all_of_them(void **state)
{
    static const char *const names[] = {"a", "b", "all"};
    json_t *spec = spec_of("a", "b");
    const json_t *devices = json_object_get(spec, "devices"), *all;

    (void)state;
    assert_string_equal(member(spec, "cdiVersion"), "0.3.0");
    assert_string_equal(member(spec, "kind"), "tessera.dev/vgpu");
    assert_string_equal(target(json_object_get(spec, "containerEdits"), 0), LIBRARY);
    assert_int_equal(json_array_size(devices), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(member(json_array_get(devices, i), "name"), names[i]);
    all = json_object_get(json_array_get(devices, 2), "containerEdits");
    assert_int_equal(json_array_size(json_object_get(all, "mounts")), 2);
    assert_string_equal(target(all, 0), "/run/tessera-guest/a");
    assert_string_equal(target(all, 1), "/run/tessera-guest/b");
    json_decref(spec);
}

/* One variable that two devices set would be the second's. */
static void
devices_set_no_variables(void **state)
{
    json_t *spec = spec_of("a", "b");
    const json_t *devices = json_object_get(spec, "devices");

    (void)state;
    for (size_t i = 0; i < json_array_size(devices); i++)
        assert_null(json_object_get(
            json_object_get(json_array_get(devices, i), "containerEdits"), "env"));
    json_decref(spec);
}

static void
a_name_that_begins_with_a_digit_needs_a_later_version(void **state)
{
    json_t *spec = spec_of("a", "7b");

    (void)state;
    assert_string_equal(member(spec, "cdiVersion"), "0.5.0");
    json_decref(spec);
}

/* OCI bundles. */

static const char sample[] =
    "{\"ociVersion\": \"1.0.0\","
    " \"process\": {\"env\": [\"PATH=/bin\", \"OCL_ICD_VENDORS=/elsewhere\"], \"cwd\": "
    "\"/\"},"
    " \"mounts\": [{\"destination\": \"/proc\", \"type\": \"proc\", \"source\": "
    "\"proc\"},"
    "             {\"destination\": \"/run/tessera-guest/a/\", \"source\": \"/old\"}],"
    " \"x.odd\": {\"deep\": [1, 2.5, null, true, \"\\u00e9\"]}}";

/* The edited text as JSON. */
static json_t *
edited(const char *text, const json_t *edits, char **ret_text)
{
    char *made = NULL;
    json_t *o;

    assert_int_equal(container_oci_edit(text, strlen(text), edits, &made, NULL), 0);
    o = json_loads(made, 0, NULL);
    assert_non_null(o);
    if (ret_text)
        *ret_text = made;
    else
        free(made);
    return o;
}

static void
what_a_bundle_has_is_kept(void **state)
{
    json_t *before = json_loads(sample, 0, NULL), *edits = edits_of("a", NULL);
    json_t *after = edited(sample, edits, NULL);
    const json_t *mounts = json_object_get(after, "mounts");

    (void)state;
    assert_true(
        json_equal(json_object_get(before, "x.odd"), json_object_get(after, "x.odd")));
    assert_true(json_equal(json_array_get(json_object_get(before, "mounts"), 0),
                           json_array_get(mounts, 0)));
    assert_string_equal(member(json_object_get(after, "process"), "cwd"), "/");
    json_decref(before);
    json_decref(edits);
    json_decref(after);
}

/* By the group's file; two vGPUs of one card have what both have. */
static void
the_kernel_holds_it_to_its_framebuffers(void **state)
{
    static const char more[] = "{\"ociVersion\": \"1.0.0\", \"process\": {}, \"linux\": "
                               "{\"resources\": {\"unified\": {\"a\": \"b\", "
                               "\"dmem.max\": \"drm/1 5\\nnvidia/0000:01:00.0 7\"}}}}";
    json_t *list = json_array(), *edits = NULL, *after;
    const json_t *unified;

    (void)state;
    json_array_append_new(list, vgpu_with_cuda("a"));
    json_array_append_new(list, vgpu_with_cuda("b"));
    json_array_append_new(list, vgpu("c"));
    assert_int_equal(container_edits(list, &edits, NULL), 0);
    after = edited(more, edits, NULL);
    unified = json_object_get(
        json_object_get(json_object_get(after, "linux"), "resources"), "unified");
    assert_string_equal(member(unified, "dmem.max"),
                        "drm/1 5\nnvidia/0000:01:00.0 2147483648");
    assert_string_equal(member(unified, "a"), "b");
    json_decref(after);
    json_decref(edits);
    json_decref(list);
}

static void
ours_take_the_place_of_what_stood_there(void **state)
{
    json_t *edits = edits_of("a", NULL), *after = edited(sample, edits, NULL);
    const json_t *env = json_object_get(json_object_get(after, "process"), "env");
    const json_t *mounts = json_object_get(after, "mounts");

    (void)state;
    assert_int_equal(json_array_size(env), 2);
    assert_string_equal(json_string_value(json_array_get(env, 0)), "PATH=/bin");
    assert_string_equal(json_string_value(json_array_get(env, 1)), VENDORS);
    assert_int_equal(json_array_size(mounts), 5);
    assert_string_equal(member(json_array_get(mounts, 4), "destination"),
                        "/run/tessera-guest/a");
    assert_string_equal(member(json_array_get(mounts, 4), "type"), "bind");
    assert_string_equal(member(json_array_get(mounts, 4), "source"),
                        "/run/tessera/vgpus/a/container");
    json_decref(edits);
    json_decref(after);
}

static void
editing_twice_is_editing_once(void **state)
{
    json_t *edits = edits_of("a", "b");
    char *once, *twice;

    (void)state;
    json_decref(edited(sample, edits, &once));
    json_decref(edited(once, edits, &twice));
    assert_string_equal(once, twice);
    json_decref(edits);
    free(once);
    free(twice);
}

static void
a_second_vgpu_comes_beside_the_first(void **state)
{
    json_t *a = edits_of("a", NULL), *b = edits_of("b", NULL), *after;
    char *once;

    (void)state;
    json_decref(edited(sample, a, &once));
    after = edited(once, b, NULL);
    assert_int_equal(json_array_size(json_object_get(after, "mounts")), 6);
    json_decref(a);
    json_decref(b);
    json_decref(after);
    free(once);
}

static void
a_bundle_without_mounts_and_variables_gets_them(void **state)
{
    json_t *edits = edits_of("a", NULL);
    json_t *after =
        edited("{\"ociVersion\": \"1.0\", \"process\": {\"env\": null}}", edits, NULL);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(after, "mounts")), 4);
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(after, "process"), "env")), 1);
    json_decref(edits);
    json_decref(after);
}

static void
what_is_no_configuration_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text, *word;
    } rows[] = {
        {"", "line 1"},
        {"{\"ociVersion\": \"1.0\",\n\"process\": }", "line 2"},
        {"[]", "ociVersion"},
        {"{}", "ociVersion"},
        {"{\"ociVersion\": 1}", "ociVersion"},
        {"{\"ociVersion\": \"1\", \"ociVersion\": \"2\"}", "duplicate"},
        {"{\"ociVersion\": \"1\"}", "process"},
        {"{\"ociVersion\": \"1\", \"process\": []}", "process"},
        {"{\"ociVersion\": \"1\", \"process\": {\"env\": {}}}", "'env'"},
        {"{\"ociVersion\": \"1\", \"process\": {\"env\": [\"A=\", 7]}}", "number 2"},
        {"{\"ociVersion\": \"1\", \"process\": {}, \"mounts\": \"no\"}", "'mounts'"},
        {"{\"ociVersion\": \"1\", \"process\": {}, \"mounts\": [{}]}", "number 1"},
        {"{\"ociVersion\": \"1\", \"process\": {}, \"mounts\": [3]}", "number 1"},
    };
    json_t *edits = edits_of("a", NULL);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = ERR_INIT;
        char *made = NULL;

        assert_int_equal(
            container_oci_edit(rows[i].text, strlen(rows[i].text), edits, &made, &e),
            -EINVAL);
        assert_non_null(strstr(err_msg(&e), rows[i].word));
        assert_null(made);
        err_fini(&e);
    }
    json_decref(edits);
}

/* Options. */

static void
options_name_each_mount_and_variable(void **state)
{
    json_t *edits = edits_of("a", NULL), *words = NULL;
    char *line;

    (void)state;
    assert_int_equal(container_options(edits, &words, NULL), 0);
    line = container_shell_words(words);
    assert_string_equal(line, "-v /usr/local/lib/libtessera-opencl.so:" LIBRARY ":ro "
                              "-v /run/tessera/container-icd:/etc/tessera/icd:ro "
                              "-v /run/tessera/container-icd/tessera.icd:"
                              "/etc/OpenCL/vendors/tessera.icd:ro "
                              "-v /run/tessera/vgpus/a/container:/run/tessera-guest/a:ro "
                              "-e " VENDORS);
    free(line);
    json_decref(words);
    json_decref(edits);
}

static void
a_path_with_a_colon_is_said_in_the_longer_way(void **state)
{
    json_t *edits = json_pack("{s[{ss ss s[s]}]}", "mounts", "hostPath", "/a:b",
                              "containerPath", "/c", "options", "ro");
    json_t *words = NULL;

    (void)state;
    assert_int_equal(container_options(edits, &words, NULL), 0);
    assert_string_equal(json_string_value(json_array_get(words, 0)), "--mount");
    assert_string_equal(json_string_value(json_array_get(words, 1)),
                        "type=bind,source=/a:b,target=/c,readonly");
    json_decref(words);
    json_decref(edits);
}

static void
a_path_with_a_colon_and_a_comma_is_refused(void **state)
{
    json_t *edits =
        json_pack("{s[{ss ss}]}", "mounts", "hostPath", "/a:b,c", "containerPath", "/c");
    json_t *words = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(container_options(edits, &words, &e), -EINVAL);
    assert_non_null(strstr(err_msg(&e), "/a:b,c"));
    assert_null(words);
    err_fini(&e);
    json_decref(edits);
}

/* A shell is asked what it reads. */
static void
a_shell_reads_the_words_as_they_were(void **state)
{
    json_t *words = json_pack("[ssssss]", "-v", "/a b/$HOME:/c", "it's", "",
                              "*\\\"`;&|<>\n", "\xc3\xa9 ~");
    char *line = container_shell_words(words), command[512], got[256] = "",
         want[256] = "";
    FILE *shell;

    (void)state;
    for (size_t i = 0; i < json_array_size(words); i++)
        snprintf(want + strlen(want), sizeof want - strlen(want), "[%s]",
                 json_string_value(json_array_get(words, i)));
    snprintf(command, sizeof command, "printf '[%%s]' %s", line);
    shell = popen(command, "r");
    assert_non_null(shell);
    assert_true(fread(got, 1, sizeof got - 1, shell) > 0);
    assert_int_equal(pclose(shell), 0);
    assert_string_equal(got, want);
    free(line);
    json_decref(words);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_gets_library_loader_file_and_a_folder_per_vgpu),
        cmocka_unit_test(with_cuda_it_gets_our_library_in_the_place_of_the_drivers),
        cmocka_unit_test(nothing_is_mounted_writable),
        cmocka_unit_test(what_a_container_cannot_use_is_refused_with_the_reason),
        cmocka_unit_test(one_vgpu_that_cannot_be_used_spoils_the_edits),
        cmocka_unit_test(a_spec_has_each_vgpu_and_all_of_them),
        cmocka_unit_test(devices_set_no_variables),
        cmocka_unit_test(a_name_that_begins_with_a_digit_needs_a_later_version),
        cmocka_unit_test(what_a_bundle_has_is_kept),
        cmocka_unit_test(the_kernel_holds_it_to_its_framebuffers),
        cmocka_unit_test(ours_take_the_place_of_what_stood_there),
        cmocka_unit_test(editing_twice_is_editing_once),
        cmocka_unit_test(a_second_vgpu_comes_beside_the_first),
        cmocka_unit_test(a_bundle_without_mounts_and_variables_gets_them),
        cmocka_unit_test(what_is_no_configuration_is_refused_with_the_reason),
        cmocka_unit_test(options_name_each_mount_and_variable),
        cmocka_unit_test(a_path_with_a_colon_is_said_in_the_longer_way),
        cmocka_unit_test(a_path_with_a_colon_and_a_comma_is_refused),
        cmocka_unit_test(a_shell_reads_the_words_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
