/* SPDX-License-Identifier: MIT */
/* What the manager says of a vGPU in a VM, and what QEMU is told. */
#include "base/cleanup.h"
#include "base/io.h"
#include "vm/qemu_args.h"
#include "vm/vgpu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* An answer as docs/control-api.md has it; the caller changes it. */
static json_t *
answer(void)
{
    json_t *ports = json_array();

    for (unsigned i = 0; i < VM_PORTS; i++) {
        _cleanup_free_ char *path = str_printf("/run/tessera/vm/a/port%u", i);

        json_array_append_new(ports, json_string(path));
    }
    return json_pack("{ss s{ss sn ss sI so si}}", "name", "a", "vm", "domain", "vm1",
                     "uid", "memory", "/dev/shm/tessera-a", "memory_bytes",
                     (json_int_t)1 << 30, "ports", ports, "connected", 3);
}

static void
refused(json_t *a, const char *word)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vm_vgpu v;

    assert_int_equal(vm_vgpu_parse(a, &v, &e), -EPROTO);
    assert_non_null(strstr(err_msg(&e), word));
    json_decref(a);
}

/* An answer whose vm has another member. */
static json_t *
with(const char *key, json_t *value)
{
    json_t *a = answer();

    json_object_set_new(json_object_get(a, "vm"), key, value);
    return a;
}

static void
a_vgpu_has_its_name_or_a_label(void **state)
{
    _cleanup_vm_vgpu_ struct vm_vgpu v = {0}, copied = {0};
    json_t *a = answer(), *b = with("label", json_string("old"));

    (void)state;
    assert_int_equal(vm_vgpu_parse(a, &v, NULL), 0);
    assert_string_equal(v.label, "a");
    assert_int_equal(vm_vgpu_parse(b, &copied, NULL), 0);
    assert_string_equal(copied.label, "old");
    refused(with("label", json_string("../x")), "label");
    json_decref(a);
    json_decref(b);
}

static void
an_answer_is_taken_whole(void **state)
{
    _cleanup_vm_vgpu_ struct vm_vgpu v = {0};
    json_t *a = answer();

    (void)state;
    assert_int_equal(vm_vgpu_parse(a, &v, NULL), 0);
    json_decref(a);
    assert_string_equal(v.name, "a");
    assert_string_equal(v.domain, "vm1");
    assert_string_equal(v.memory, "/dev/shm/tessera-a");
    assert_string_equal(v.ports[15], "/run/tessera/vm/a/port15");
    assert_int_equal(v.memory_bytes, 1 << 30);
    assert_int_equal(v.connected, 3);
}

static void
what_qemu_could_not_take_is_refused(void **state)
{
    json_t *none = answer();

    (void)state;
    json_object_set_new(none, "vm", json_null());
    refused(none, "nothing of a VM");
    refused(with("memory", json_string("/tmp/x")), "/dev/shm");
    refused(with("memory", json_string("/dev/shm/a,b")), "/dev/shm");
    refused(with("memory", json_string("/dev/shm/../x")), "/dev/shm");
    refused(with("memory_bytes", json_integer(3 << 20)), "power of two");
    refused(with("memory_bytes", json_integer(1 << 10)), "power of two");
    refused(with("ports", json_array()), "0 ports");
}

static void
a_port_that_is_no_path_is_refused(void **state)
{
    json_t *relative = answer(), *control = answer();

    (void)state;
    json_array_set_new(json_object_get(json_object_get(relative, "vm"), "ports"), 7,
                       json_string("port7"));
    json_array_set_new(json_object_get(json_object_get(control, "vm"), "ports"), 8,
                       json_string("/run/\a"));
    refused(relative, "port 7");
    refused(control, "port 8");
}

static void
names_are_the_managers(void **state)
{
    (void)state;
    assert_true(vm_name_is_good("a"));
    assert_true(vm_name_is_good("train-0"));
    assert_false(vm_name_is_good(""));
    assert_false(vm_name_is_good("-a"));
    assert_false(vm_name_is_good("a,b"));
    assert_false(vm_name_is_good("A"));
}

static void
qemu_gets_one_argument_a_line(void **state)
{
    _cleanup_vm_vgpu_ struct vm_vgpu v = {0};
    _cleanup_free_ char *lines = NULL;
    json_t *a = answer();
    unsigned n = 0;

    (void)state;
    assert_int_equal(vm_vgpu_parse(a, &v, NULL), 0);
    json_decref(a);
    assert_int_equal(qemu_args_lines(&v, &lines, NULL), 0);
    for (const char *p = lines; (p = strchr(p, '\n')); p++)
        n++;
    assert_int_equal(n, 2 * (2 + VM_SERIALS + 2 * VM_PORTS));
    assert_null(strchr(lines, ' '));
    assert_non_null(strstr(lines,
                           "-object\nmemory-backend-file,id=tessera-a,mem-path=/dev/shm/"
                           "tessera-a,size=1073741824,share=on\n"));
    assert_non_null(strstr(lines, "-device\nvirtserialport,bus=tessera-a-serial1.0,nr=8,"
                                  "chardev=tessera-a-port15,name=tessera.a.15\n"));
}

static void
odd_paths_are_escaped_or_refused(void **state)
{
    _cleanup_vm_vgpu_ struct vm_vgpu v = {0};
    _cleanup_free_ char *lines = NULL, *whole = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *a = answer(), *args;

    (void)state;
    json_array_set_new(json_object_get(json_object_get(a, "vm"), "ports"), 0,
                       json_string("/a,b"));
    json_array_set_new(json_object_get(json_object_get(a, "vm"), "ports"), 1,
                       json_string("/a b"));
    assert_int_equal(vm_vgpu_parse(a, &v, NULL), 0);
    json_decref(a);
    assert_int_equal(qemu_args_lines(&v, &lines, &e), -EINVAL);
    assert_non_null(strstr(err_msg(&e), "-o json"));
    args = qemu_args_json(&v);
    whole = json_dumps(args, 0);
    assert_non_null(strstr(whole, "path=/a,,b,reconnect=1"));
    json_decref(args);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_taken_whole),
        cmocka_unit_test(a_vgpu_has_its_name_or_a_label),
        cmocka_unit_test(what_qemu_could_not_take_is_refused),
        cmocka_unit_test(a_port_that_is_no_path_is_refused),
        cmocka_unit_test(names_are_the_managers),
        cmocka_unit_test(qemu_gets_one_argument_a_line),
        cmocka_unit_test(odd_paths_are_escaped_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
