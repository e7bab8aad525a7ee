/* SPDX-License-Identifier: MIT */
/* libvirt itself, by its test driver: a hypervisor inside this process. */
#include "base/cleanup.h"
#include "vm/domain.h"
#include "vm/host.h"
#include "vm_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct host *host;

static int
connect_host(void **state)
{
    (void)state;
    return host_open("test:///default", &host, NULL);
}

static int
close_host(void **state)
{
    (void)state;
    host_close(host);
    return 0;
}

static char *
xml_of(const char *name)
{
    _cleanup_host_domain_ struct host_domain *d = NULL;
    char *xml = NULL;

    assert_int_equal(host_find(host, name, &d, NULL), 0);
    assert_int_equal(host_xml(d, false, &xml, NULL), 0);
    return xml;
}

static char *
define_with(const char *xml, const char *name)
{
    struct vm_vgpu v = world_vgpu(name);
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *more = NULL;

    assert_int_equal(domain_attach_vgpu(xml, &v, &more, &e), 1);
    if (host_define(host, more, &e) < 0)
        fail_msg("%s", err_msg(&e));
    vm_vgpu_fini(&v);
    return xml_of("test");
}

static void
libvirt_takes_what_we_add_and_gives_it_back(void **state)
{
    _cleanup_free_ char *before = xml_of("test"), *a = define_with(before, "a");
    _cleanup_free_ char *ab = define_with(a, "b"), *only_b = NULL, *none = NULL;
    _cleanup_free_ char *same = NULL, *after = NULL;
    struct vm_vgpu v = world_vgpu("a");
    struct domain_parts p;

    (void)state;
    assert_int_equal(domain_parts(ab, &p, NULL), 0);
    assert_int_equal(p.nvgpus, 2);
    domain_parts_fini(&p);
    assert_int_equal(domain_attach_vgpu(ab, &v, &same, NULL), 0);
    assert_int_equal(domain_detach_vgpu(ab, "a", &only_b, NULL), 1);
    assert_int_equal(domain_detach_vgpu(only_b, "b", &none, NULL), 1);
    assert_int_equal(host_define(host, none, NULL), 0);
    after = xml_of("test");
    assert_string_equal(after, before);
    vm_vgpu_fini(&v);
}

static void
what_libvirt_refuses_is_said_in_its_words(void **state)
{
    _cleanup_err_ struct err e = ERR_INIT;

    (void)state;
    assert_true(host_define(host, "<domain type='test'><name>x</name></domain>", &e) < 0);
    assert_non_null(strstr(err_msg(&e), "libvirt refuses"));
}

static void
an_unknown_domain_is_said_with_how_to_see_all(void **state)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct host_domain *d;

    (void)state;
    assert_int_equal(host_find(host, "nope", &d, &e), -ENOENT);
    assert_string_equal(err_msg(&e),
                        "there is no domain 'nope': 'virsh -c test:///default "
                        "list --all' shows what there is");
}

static void
power_is_switched(void **state)
{
    _cleanup_host_domain_ struct host_domain *d = NULL;

    (void)state;
    assert_int_equal(host_find(host, "test", &d, NULL), 0);
    assert_true(host_runs(d) && host_is_persistent(d));
    assert_string_equal(host_state(d), "running");
    assert_int_equal(host_shutdown(d, NULL), 0);
    assert_false(host_runs(d));
    assert_string_equal(host_state(d), "shut off");
    assert_int_equal(host_start(d, NULL), 0);
    assert_int_equal(host_power_off(d, NULL), 0);
    assert_int_equal(host_start(d, NULL), 0);
    assert_true(host_runs(d));
}

static void
all_domains_are_listed(void **state)
{
    struct host_domain **all;
    unsigned n;

    (void)state;
    assert_int_equal(host_all(host, &all, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_string_equal(host_name(all[0]), "test");
    host_all_free(all, n);
}

static void
another_machines_libvirt_is_refused(void **state)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct host *h;

    (void)state;
    assert_int_equal(host_open("qemu+ssh://there/system", &h, &e), -EINVAL);
    assert_non_null(strstr(err_msg(&e), "another machine"));
}

static void
a_libvirt_that_is_not_there_is_said(void **state)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct host *h;

    (void)state;
    assert_true(host_open("test:///no/such/file", &h, &e) < 0);
    assert_non_null(strstr(err_msg(&e), "cannot reach libvirt at test:///no/such/file"));
}

static void
the_environment_names_a_libvirt(void **state)
{
    struct host *h;

    (void)state;
    setenv("LIBVIRT_DEFAULT_URI", "test:///default", 1);
    assert_int_equal(host_open(NULL, &h, NULL), 0);
    assert_string_equal(host_uri(h), "test:///default");
    host_close(h);
    unsetenv("LIBVIRT_DEFAULT_URI");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libvirt_takes_what_we_add_and_gives_it_back),
        cmocka_unit_test(what_libvirt_refuses_is_said_in_its_words),
        cmocka_unit_test(an_unknown_domain_is_said_with_how_to_see_all),
        cmocka_unit_test(power_is_switched),
        cmocka_unit_test(all_domains_are_listed),
        cmocka_unit_test(another_machines_libvirt_is_refused),
        cmocka_unit_test(a_libvirt_that_is_not_there_is_said),
        cmocka_unit_test(the_environment_names_a_libvirt),
    };

    return cmocka_run_group_tests(tests, connect_host, close_host);
}
