/* SPDX-License-Identifier: MIT */
/* PCI devices out of a folder that looks like sysfs. */
#include "base/cleanup.h"
#include "base/io.h"
#include "vm/pci.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char sysfs[64];

/* A device of that class, in that group (NULL: in none). */
static void
device(const char *address, const char *class, const char *group)
{
    _cleanup_free_ char *folder = str_printf("%s/bus/pci/devices/%s", sysfs, address);
    _cleanup_free_ char *file = str_printf("%s/class", folder);
    _cleanup_free_ char *members = NULL, *member = NULL, *link = NULL;

    assert_int_equal(mkdir_parents(folder, 0700), 0);
    assert_int_equal(write_file_atomic(file, class, strlen(class), 0600), 0);
    if (!group)
        return;
    members = str_printf("%s/kernel/iommu_groups/%s/devices", sysfs, group);
    member = str_printf("%s/%s", members, address);
    link = str_printf("%s/iommu_group", folder);
    assert_int_equal(mkdir_parents(members, 0700), 0);
    assert_int_equal(symlink(folder, member), 0);
    *strrchr(members, '/') = '\0';
    assert_int_equal(symlink(members, link), 0);
}

static int
make_sysfs(void **state)
{
    (void)state;
    strcpy(sysfs, "/tmp/tessera-sysfs-XXXXXX");
    return mkdtemp(sysfs) ? 0 : -1;
}

static int
remove_sysfs(void **state)
{
    (void)state;
    return remove_tree(sysfs);
}

static int
check(const char *want, const char *also, const char *have, struct err *e)
{
    struct pci_list w = {.n = 1}, h = {.n = 0};

    assert_true(pci_parse(want, &w.items[0]));
    if (also)
        assert_true(pci_parse(also, &w.items[w.n++]));
    if (have)
        assert_true(pci_parse(have, &h.items[h.n++]));
    return pci_check(sysfs, &w, &h, e);
}

static void
refused(const char *want, int rc, const char *word)
{
    _cleanup_err_ struct err e = ERR_INIT;

    assert_int_equal(check(want, NULL, NULL, &e), rc);
    assert_non_null(strstr(err_msg(&e), want));
    assert_non_null(strstr(err_msg(&e), word));
}

static void
addresses_are_read_as_lspci_writes_them(void **state)
{
    static const char *const wrong[] = {
        "",         "01:00",    "01:00.8", "01:20.0",      "0:0:0:0.0", "10000:0:0.0",
        "01:00.0 ", " 01:00.0", "zz:00.0", "0000:100:0.0", "-1:00.0"};
    char text[PCI_TEXT_BYTES];
    struct pci_address a, b;

    (void)state;
    assert_true(pci_parse("00AF:b1:1f.7", &a));
    pci_format(&a, text);
    assert_string_equal(text, "00af:b1:1f.7");
    assert_true(pci_parse("b1:1f.7", &b));
    assert_false(pci_same(&a, &b));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(pci_parse(wrong[i], &a));
}

static void
a_card_in_a_group_of_its_own_can_be_passed(void **state)
{
    (void)state;
    device("0000:00:01.0", "0x060400\n", "1");
    device("0000:01:00.0", "0x030200\n", "1");
    assert_int_equal(check("0000:01:00.0", NULL, NULL, NULL), 0);
}

static void
the_whole_group_must_go(void **state)
{
    (void)state;
    device("0000:01:00.0", "0x030000\n", "1");
    device("0000:01:00.1", "0x040300\n", "1");
    refused("0000:01:00.0", -EBUSY, "add --pci 0000:01:00.1");
    assert_int_equal(check("0000:01:00.0", "0000:01:00.1", NULL, NULL), 0);
    assert_int_equal(check("0000:01:00.0", NULL, "0000:01:00.1", NULL), 0);
}

static void
what_cannot_be_passed_is_refused_in_words(void **state)
{
    (void)state;
    device("0000:00:01.0", "0x060400\n", "1");
    device("0000:02:00.0", "0x030200\n", NULL);
    refused("0000:00:01.0", -EINVAL, "is a bridge");
    refused("0000:02:00.0", -ENOTSUP, "intel_iommu=on");
    refused("0000:03:00.0", -ENODEV, "lspci -D");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_as_lspci_writes_them),
        cmocka_unit_test_setup_teardown(a_card_in_a_group_of_its_own_can_be_passed,
                                        make_sysfs, remove_sysfs),
        cmocka_unit_test_setup_teardown(the_whole_group_must_go, make_sysfs,
                                        remove_sysfs),
        cmocka_unit_test_setup_teardown(what_cannot_be_passed_is_refused_in_words,
                                        make_sysfs, remove_sysfs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
