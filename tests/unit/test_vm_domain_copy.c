/* SPDX-License-Identifier: MIT */
/* What a copied domain is called, and has of its own. */
#include "base/cleanup.h"
#include "vm/domain_copy.h"
#include "vm_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define DOMAIN(OS, DEVICES)                                                              \
    "<domain type='kvm' id='7'><name>vm1</name>"                                         \
    "<uuid>00000000-0000-4000-8000-000000000001</uuid>"                                  \
    "<genid>11111111-0000-4000-8000-000000000001</genid>"                                \
    "<sysinfo type='smbios'><system><entry name='serial'>vm1</entry>"                    \
    "<entry name='uuid'>00000000-0000-4000-8000-000000000001</entry></system></sysinfo>" \
    "<os><type>hvm</type>" OS "</os><devices>" DEVICES "</devices></domain>"

/* The text of the copy, which is called vm2; the caller's. */
static char *
copied(const char *xml, struct domain_copy *c)
{
    _cleanup_err_ struct err e = ERR_INIT;
    char *ret = NULL;

    assert_int_equal(domain_copy_init(c, "vm1", "vm2", NULL), 0);
    if (domain_copy_look(c, xml, &e) < 0 || domain_copy_apply(c, xml, &ret, &e) < 0)
        fail_msg("%s", err_msg(&e));
    return ret;
}

static void
assert_copied(const char *os, const char *devices, const char *expected)
{
    _cleanup_free_ char *xml = str_printf(DOMAIN("%s", "%s"), os, devices), *copy = NULL;
    struct domain_copy c;

    copy = copied(xml, &c);
    if (!strstr(copy, expected))
        fail_msg("'%s' is not in '%s'", expected, copy);
    domain_copy_fini(&c);
}

static void
it_is_called_otherwise(void **state)
{
    _cleanup_free_ char *copy = NULL;
    struct domain_copy c;

    (void)state;
    copy = copied(DOMAIN("", ""), &c);
    assert_non_null(strstr(copy, "<domain type=\"kvm\"><name>vm2</name>"));
    assert_int_equal(world_count(copy, c.uuid), 2);
    assert_int_equal(strlen(c.uuid), 36);
    assert_true(c.uuid[14] == '4' && strchr("89ab", c.uuid[19]));
    assert_non_null(strstr(copy, "<genid/>"));
    assert_non_null(strstr(copy, "<entry name=\"serial\">vm1</entry>"));
    domain_copy_fini(&c);
}

static void
a_file_gets_the_name_in_its_own(void **state)
{
    static const char *const rows[][2] = {
        {"/images/vm1.qcow2", "/images/vm2.qcow2"},
        {"/vm1/disk.img", "/vm1/disk-vm2.img"},
        {"/x.y/disk", "/x.y/disk-vm2"},
        {"/images/vm10.img", "/images/vm10-vm2.img"},
        {"/images/vm1_a&amp;vm1.img", "/images/vm2_a&amp;vm2.img"},
        {"/images/.disk", "/images/.disk-vm2"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        _cleanup_free_ char *from =
            str_printf("<disk type='file'><source file='%s'/></disk>", rows[i][0]);
        _cleanup_free_ char *to = str_printf("<source file=\"%s\"/>", rows[i][1]);

        assert_copied("", from, to);
    }
}

static void
what_only_reads_is_shared(void **state)
{
    static const char *const rows[] = {
        "<disk type=\"file\" device=\"cdrom\"><source file=\"/vm1.iso\"/></disk>",
        "<disk type=\"file\"><source file=\"/vm1.img\"/><readonly/></disk>",
        "<disk type=\"block\"><source dev=\"/dev/vm1\"/><shareable/></disk>",
        "<disk type=\"file\" device=\"floppy\"><target dev=\"fda\"/></disk>",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_copied("<kernel>/vm1/vmlinuz</kernel>", rows[i], rows[i]);
    assert_copied("<kernel>/vm1/vmlinuz</kernel>", "", "<kernel>/vm1/vmlinuz</kernel>");
}

static void
the_firmwares_variables_are_copied(void **state)
{
    (void)state;
    assert_copied("<nvram>/nvram/vm1_VARS.fd</nvram>", "",
                  "<nvram>/nvram/vm2_VARS.fd</nvram>");
    assert_copied("<nvram type='file'><source file='/nvram/vm1.fd'/></nvram>", "",
                  "<source file=\"/nvram/vm2.fd\"/></nvram>");
    assert_copied("<nvram template='/usr/share/vm1.fd'/>", "",
                  "<nvram template=\"/usr/share/vm1.fd\"/>");
}

static void
what_listens_does_so_elsewhere(void **state)
{
    (void)state;
    assert_copied(
        "", "<channel type='unix'><source mode='bind' path='/run/vm1/agent'/></channel>",
        "path=\"/run/vm2/agent\"");
    assert_copied("", "<serial type='pty'><log file='/log/vm1.log'/></serial>",
                  "<log file=\"/log/vm2.log\"/>");
    assert_copied("",
                  "<channel type='unix'><source mode='connect' path='/vm1'/></channel>",
                  "path=\"/vm1\"");
    assert_copied("", "<graphics type='vnc' port='5901'/>",
                  "<graphics type=\"vnc\" autoport=\"yes\"/>");
    assert_copied("", "<graphics type='vnc' socket='/run/vm1.sock'/>", "/run/vm2.sock");
}

static void
a_network_device_has_its_own_address_in_both_texts(void **state)
{
    static const char xml[] =
        DOMAIN("", "<interface type='bridge'><mac address='52:54:00:00:00:01'/>"
                   "<target dev='tap0'/></interface>"
                   "<interface type='ethernet'><mac address='52:54:00:00:00:02'/>"
                   "<target dev='tap1' managed='no'/></interface>");
    _cleanup_free_ char *one = NULL, *two = NULL;
    struct domain_copy c;

    (void)state;
    one = copied(xml, &c);
    assert_int_equal(domain_copy_look(&c, xml, NULL), 0);
    assert_int_equal(domain_copy_apply(&c, xml, &two, NULL), 0);
    assert_string_equal(one, two);
    assert_int_equal(c.nmacs, 2);
    assert_non_null(strstr(one, c.macs[0].to));
    assert_null(strstr(one, "52:54:00:00:00:01"));
    assert_null(strstr(one, "tap0"));
    assert_non_null(strstr(one, "tap1"));
    domain_copy_fini(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_called_otherwise),
        cmocka_unit_test(a_file_gets_the_name_in_its_own),
        cmocka_unit_test(what_only_reads_is_shared),
        cmocka_unit_test(the_firmwares_variables_are_copied),
        cmocka_unit_test(what_listens_does_so_elsewhere),
        cmocka_unit_test(a_network_device_has_its_own_address_in_both_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
