/* SPDX-License-Identifier: MIT */
/* Containers in a virtual machine: a vGPU is a file to map and devices there. */
#include "container/container.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY "/sys/devices/pci0000:00/0000:00:03.0/resource2_wc"

/* With ports 0 and 2. */
static json_t *
vgpus(const char *name)
{
    return json_pack("[{ss ss s{ss ss ss ss s[{ss si si} n {ss si si}]}}]", "name", name,
                     "state", "idle", "container", "memory", MEMORY, "icd_folder",
                     "/usr/lib/tessera/icd", "library", "/usr/lib/tessera/lib.so",
                     "library_in_container", "/usr/lib/tessera/lib.so", "ports", "path",
                     "/dev/vport2p1", "major", 244, "minor", 1, "path", "/dev/vport3p1",
                     "major", 244, "minor", 17);
}

static json_t *
edits_of(const char *name)
{
    json_t *list = vgpus(name), *edits = NULL;

    assert_int_equal(container_edits(list, &edits, NULL), 0);
    json_decref(list);
    return edits;
}

static const json_t *
item(const json_t *o, const char *key, size_t i)
{
    return json_array_get(json_object_get(o, key), i);
}

static const char *
member(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void
the_memory_is_mounted_writable_and_ports_keep_their_numbers(void **state)
{
    json_t *edits = edits_of("a");
    const json_t *memory = item(edits, "mounts", 3);

    (void)state;
    assert_string_equal(member(memory, "hostPath"), MEMORY);
    assert_string_equal(member(memory, "containerPath"), "/run/tessera-guest/a/memory");
    assert_string_equal(json_string_value(item(memory, "options", 1)), "rw");
    assert_int_equal(json_array_size(json_object_get(edits, "deviceNodes")), 2);
    assert_string_equal(member(item(edits, "deviceNodes", 0), "path"),
                        "/run/tessera-guest/a/port0");
    assert_string_equal(member(item(edits, "deviceNodes", 1), "path"),
                        "/run/tessera-guest/a/port2");
    assert_string_equal(member(item(edits, "deviceNodes", 1), "hostPath"),
                        "/dev/vport3p1");
    json_decref(edits);
}

static void
a_spec_names_devices_and_no_numbers(void **state)
{
    json_t *list = vgpus("a"), *spec = NULL;
    const json_t *edits, *node;

    (void)state;
    assert_int_equal(container_cdi_spec(list, &spec, NULL), 0);
    assert_string_equal(member(spec, "cdiVersion"), "0.5.0");
    for (size_t i = 0; i < 2; i++) { /* a, all */
        edits = json_object_get(item(spec, "devices", i), "containerEdits");
        node = item(edits, "deviceNodes", 1);
        assert_string_equal(member(node, "hostPath"), "/dev/vport3p1");
        assert_null(json_object_get(node, "major"));
        assert_int_equal(json_array_size(json_object_get(edits, "mounts")), 1);
    }
    json_decref(spec);
    json_decref(list);
}

static const char sample[] =
    "{\"ociVersion\": \"1.0\", \"process\": {}, \"linux\": {\"resources\": {\"devices\": "
    "["
    "{\"allow\": false, \"access\": \"rwm\"},"
    "{\"allow\": true, \"type\": \"c\", \"major\": 1, \"minor\": 3, \"access\": \"rw\"}"
    "]}}}";

static json_t *
edited(const char *text, const json_t *edits, char **ret_text)
{
    json_t *o;

    assert_int_equal(container_oci_edit(text, strlen(text), edits, ret_text, NULL), 0);
    o = json_loads(*ret_text, 0, NULL);
    assert_non_null(o);
    return o;
}

static void
a_bundle_may_open_the_devices_and_no_others(void **state)
{
    json_t *edits = edits_of("a"), *after;
    const json_t *rules;
    char *once, *twice;

    (void)state;
    after = edited(sample, edits, &once);
    rules = json_object_get(json_object_get(json_object_get(after, "linux"), "resources"),
                            "devices");
    assert_int_equal(json_array_size(rules), 4);
    assert_true(json_is_false(json_object_get(json_array_get(rules, 0), "allow")));
    assert_int_equal(
        json_integer_value(json_object_get(json_array_get(rules, 1), "minor")), 3);
    assert_int_equal(
        json_integer_value(json_object_get(json_array_get(rules, 3), "minor")), 17);
    assert_int_equal(json_array_size(json_object_get(after, "mounts")), 6);
    assert_string_equal(member(item(after, "mounts", 5), "destination"),
                        "/run/tessera-guest/a/port2");
    json_decref(after);
    json_decref(edited(once, edits, &twice));
    assert_string_equal(once, twice);
    json_decref(edits);
    free(once);
    free(twice);
}

static void
a_bundle_with_other_things_in_these_places_is_refused(void **state)
{
    static const struct {
        const char *text, *word;
    } rows[] = {
        {"{\"ociVersion\": \"1\", \"process\": {}, \"linux\": []}", "'linux'"},
        {"{\"ociVersion\": \"1\", \"process\": {}, \"linux\": {\"resources\": 1}}",
         "'resources'"},
        {"{\"ociVersion\": \"1\", \"process\": {}, \"linux\": {\"resources\": "
         "{\"devices\": {}}}}",
         "'devices'"},
    };
    json_t *edits = edits_of("a");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = ERR_INIT;
        char *made = NULL;

        assert_int_equal(
            container_oci_edit(rows[i].text, strlen(rows[i].text), edits, &made, &e),
            -EINVAL);
        assert_non_null(strstr(err_msg(&e), rows[i].word));
        err_fini(&e);
    }
    json_decref(edits);
}

static void
options_name_the_memory_and_each_device(void **state)
{
    json_t *edits = edits_of("a"), *words = NULL;
    char *line;

    (void)state;
    assert_int_equal(container_options(edits, &words, NULL), 0);
    line = container_shell_words(words);
    assert_non_null(strstr(line, "--mount type=bind,source=" MEMORY
                                 ",target=/run/tessera-guest/a/memory "
                                 "--device /dev/vport2p1:/run/tessera-guest/a/port0 "
                                 "--device /dev/vport3p1:/run/tessera-guest/a/port2 "));
    free(line);
    json_decref(words);
    json_decref(edits);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_memory_is_mounted_writable_and_ports_keep_their_numbers),
        cmocka_unit_test(a_spec_names_devices_and_no_numbers),
        cmocka_unit_test(a_bundle_may_open_the_devices_and_no_others),
        cmocka_unit_test(a_bundle_with_other_things_in_these_places_is_refused),
        cmocka_unit_test(options_name_the_memory_and_each_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
