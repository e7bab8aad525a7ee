/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "vm/dac.h"
#include "vm/domain.h"
#include "vm_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- helpers ---------------------------------------------------------------------------- */

/* What attaching `name` makes of it; the caller's. */
static char *
attached(const char *xml, const char *name, int want)
{
    struct vm_vgpu v = world_vgpu(name);
    _cleanup_err_ struct err e = ERR_INIT;
    char *ret = NULL;

    assert_int_equal(domain_attach_vgpu(xml, &v, &ret, &e), want);
    vm_vgpu_fini(&v);
    return ret;
}

static char *
detached(const char *xml, const char *name, int want)
{
    char *ret = NULL;

    assert_int_equal(domain_detach_vgpu(xml, name, &ret, NULL), want);
    return ret;
}

static void
refuses(const char *xml, int want, const char *word)
{
    struct vm_vgpu v = world_vgpu("a");
    _cleanup_err_ struct err e = ERR_INIT;
    char *ret = NULL;

    assert_int_equal(domain_attach_vgpu(xml, &v, &ret, &e), want);
    assert_non_null(strstr(err_msg(&e), word));
    assert_null(ret);
    vm_vgpu_fini(&v);
}

/* The same document as libxml2 writes it, to compare with. */
static char *
rewritten(const char *xml)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;

    assert_int_equal(xml_parse(xml, &doc, NULL), 0);
    return xml_text(doc, xml);
}

/* ---- vGPUs ------------------------------------------------------------------------------ */

static void
a_vgpu_is_memory_two_controllers_and_sixteen_ports(void **state)
{
    _cleanup_free_ char *xml = attached(PC_DOMAIN, "a", 1);

    (void)state;
    assert_non_null(strstr(xml, "\n    <shmem name=\"tessera-a\" role=\"master\">\n"
                                "      <model type=\"ivshmem-plain\"/>\n"
                                "      <size unit=\"M\">1024</size>\n"
                                "      <alias name=\"ua-tessera-a\"/>\n"
                                "    </shmem>\n"));
    assert_non_null(strstr(xml, "<controller type=\"virtio-serial\" index=\"1\" "
                                "ports=\"9\">"));
    assert_non_null(strstr(xml, "<controller type=\"virtio-serial\" index=\"2\" "
                                "ports=\"9\">"));
    assert_int_equal(world_count(xml, "<channel "), 17);
    assert_non_null(strstr(xml,
                           "<source mode=\"connect\" path=\"/run/tessera/vm/a/port15\">\n"
                           "        <reconnect enabled=\"yes\" timeout=\"1\"/>"));
    assert_non_null(strstr(xml, "name=\"tessera.a.15\"/>\n"
                                "      <address type=\"virtio-serial\" controller=\"2\" "
                                "bus=\"0\" port=\"8\"/>\n"
                                "      <alias name=\"ua-tessera-a-port15\"/>"));
}

static void
what_others_put_there_stays(void **state)
{
    _cleanup_free_ char *xml = attached(PC_DOMAIN, "a", 1);

    (void)state;
    assert_non_null(strstr(xml, "<!-- mine -->\n<domain xmlns:qemu="));
    assert_non_null(strstr(xml, "    <!-- the guest agent -->\n"));
    assert_non_null(strstr(xml, "<qemu:arg value=\"-newarg\"/>"));
    assert_non_null(strstr(xml, "org.qemu.guest_agent.0"));
}

static void
a_second_time_nothing_changes(void **state)
{
    _cleanup_free_ char *once = attached(PC_DOMAIN, "a", 1);
    _cleanup_free_ char *twice = attached(once, "a", 0);

    (void)state;
    assert_string_equal(once, twice);
}

static void
detaching_undoes_attaching(void **state)
{
    _cleanup_free_ char *a = attached(PC_DOMAIN, "a", 1), *ab = attached(a, "b", 1);
    _cleanup_free_ char *b = detached(ab, "a", 1), *none = detached(b, "b", 1);
    _cleanup_free_ char *before = rewritten(PC_DOMAIN), *again = detached(none, "b", 0);

    (void)state;
    assert_non_null(strstr(ab, "index=\"3\""));
    assert_non_null(strstr(ab, "index=\"4\""));
    assert_null(strstr(b, "tessera-a"));
    assert_non_null(strstr(b, "ua-tessera-b-port15"));
    assert_string_equal(none, before);
    assert_string_equal(again, before);
}

/* As in a copy of a domain: the devices of a, which lead to b. */
static struct vm_vgpu
copied_vgpu(void)
{
    struct vm_vgpu v = world_vgpu("b");

    free(v.label);
    v.label = strdup("a");
    return v;
}

static void
a_copy_knows_its_vgpu_by_the_name_of_before(void **state)
{
    _cleanup_free_ char *a = attached(PC_DOMAIN, "a", 1), *b = NULL, *none = NULL;
    _cleanup_free_ char *before = rewritten(PC_DOMAIN);
    _cleanup_vm_vgpu_ struct vm_vgpu v = copied_vgpu();
    struct domain_parts p;

    (void)state;
    assert_int_equal(domain_attach_vgpu(PC_DOMAIN, &v, &b, NULL), 1);
    assert_int_equal(world_count(b, "\"ua-tessera-a"), 19);
    assert_int_equal(world_count(b, "/run/tessera/vm/b/port"), 16);
    assert_int_equal(domain_parts(b, &p, NULL), 0);
    assert_int_equal(p.nvgpus, 1);
    assert_string_equal(p.vgpus[0], "b");
    assert_string_equal(domain_label(&p, "b"), "a");
    assert_null(domain_label(&p, "a"));
    domain_parts_fini(&p);
    refuses(b, -EEXIST, "calls its vGPU 'b' by the name 'a'");
    none = detached(b, "b", 1);
    assert_string_equal(none, before);
}

static void
an_element_that_was_changed_is_made_right_and_keeps_its_place(void **state)
{
    _cleanup_free_ char *right = attached(PC_DOMAIN, "a", 1), *repaired = NULL;
    char *path = strstr(right, "/run/tessera/vm/a/port3");
    _cleanup_free_ char *want = strdup(right);

    (void)state;
    assert_non_null(path);
    path[1] = 'x';
    repaired = attached(right, "a", 1);
    assert_string_equal(repaired, want);
}

static void
a_slot_that_libvirt_chose_stays(void **state)
{
    static const char slot[] = "<address type=\"pci\" domain=\"0x0000\" bus=\"0x00\" "
                               "slot=\"0x09\" function=\"0x0\"/>";
    _cleanup_free_ char *xml = attached(PC_DOMAIN, "a", 1), *again = NULL;
    _cleanup_free_ char *with = NULL;
    char *at = strstr(xml, "<alias name=\"ua-tessera-a\"/>");

    (void)state;
    assert_non_null(at);
    with = str_printf("%.*s%s%s", (int)(at - xml), xml, slot, at);
    again = attached(with, "a", 0);
    assert_string_equal(again, with);
}

static void
a_controller_that_others_use_stays_theirs(void **state)
{
    static const char theirs[] =
        "<channel type=\"pty\"><target type=\"virtio\" name=\"x\"/>"
        "<address type=\"virtio-serial\" controller=\"1\" bus=\"0\" "
        "port=\"20\"/></channel>";
    _cleanup_free_ char *xml = attached(PC_DOMAIN, "a", 1), *with = NULL, *after = NULL;
    char *at = strstr(xml, "  </devices>");

    (void)state;
    with = str_printf("%.*s%s%s", (int)(at - xml), xml, theirs, at);
    after = detached(with, "a", 1);
    assert_non_null(strstr(after, "<controller type=\"virtio-serial\" index=\"1\""));
    assert_non_null(strstr(after, "port=\"20\""));
    assert_null(strstr(after, "ua-tessera"));
}

static void
devices_on_one_line_and_none_at_all_will_do(void **state)
{
    static const char flat[] = "<domain type='qemu'><devices><emulator>/q</emulator>"
                               "</devices></domain>\n";
    _cleanup_free_ char *xml = attached(flat, "a", 1), *back = detached(xml, "a", 1);
    _cleanup_free_ char *bare = attached("<domain type='qemu'/>", "a", 1);
    _cleanup_free_ char *want = rewritten(flat);

    (void)state;
    assert_string_equal(back, want);
    assert_int_equal(world_count(bare, "<channel "), 16);
}

static void
an_xml_declaration_stays(void **state)
{
    _cleanup_free_ char *xml =
        attached("<?xml version='1.0' encoding='ISO-8859-1'?>\n<domain type='kvm'>"
                 "<title>\xe4</title><devices/></domain>",
                 "a", 1);

    (void)state;
    assert_ptr_equal(strstr(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), xml);
    assert_non_null(strstr(xml, "<title>\xc3\xa4</title>"));
}

static void
what_is_no_domain_of_qemu_is_refused(void **state)
{
    (void)state;
    refuses("<domain", -EINVAL, "line 1");
    refuses("<network/>", -EINVAL, "no XML of a libvirt domain");
    refuses("<domain type='lxc'><devices/></domain>", -EINVAL, "type 'lxc'");
    refuses("<!DOCTYPE domain [<!ENTITY x 'y'>]><domain type='kvm'/>", -EINVAL,
            "document type");
    refuses("<domain type='kvm'><os><type machine='microvm'>hvm</type></os></domain>",
            -EINVAL, "no PCI bus");
    refuses("<domain type='kvm'><os><type arch='s390x' machine='s390-ccw-virtio'/></os>"
            "</domain>",
            -EINVAL, "no PCI bus");
}

static void
devices_put_there_by_hand_are_not_doubled(void **state)
{
    (void)state;
    refuses("<domain type='kvm'><devices><shmem name='tessera-a'/></devices></domain>",
            -EEXIST, "<shmem name='tessera-a'>");
    refuses("<domain type='kvm'><devices><channel type='unix'>"
            "<target type='virtio' name='tessera.a.3'/></channel></devices></domain>",
            -EEXIST, "'tessera.a.3'");
}

static void
names_that_would_meet_are_refused(void **state)
{
    _cleanup_free_ char *xml = attached(PC_DOMAIN, "a-port3", 1);

    (void)state;
    refuses(xml, -EEXIST, "ua-tessera-a-port3");
}

static void
parts_are_what_is_ours_and_every_pci_device(void **state)
{
    static const struct pci_list ours = {.items = {{0, 1, 0, 0}}, .n = 1};
    _cleanup_free_ char *a = attached(PC_DOMAIN, "a", 1), *ab = attached(a, "b-1", 1);
    _cleanup_free_ char *with = NULL;
    struct domain_parts p;

    (void)state;
    assert_int_equal(domain_attach_pci(ab, &ours, &with, NULL), 1);
    assert_int_equal(domain_parts(with, &p, NULL), 0);
    assert_int_equal(p.nvgpus, 2);
    assert_true(domain_has_vgpu(&p, "a") && domain_has_vgpu(&p, "b-1"));
    assert_false(domain_has_vgpu(&p, "b"));
    assert_int_equal(p.pci.n, 1);
    assert_true(p.ours[0]);
    domain_parts_fini(&p);
}

static void
a_fragment_is_what_a_domain_gets(void **state)
{
    struct vm_vgpu v = world_vgpu("a");
    _cleanup_free_ char *fragment = domain_fragment(&v, 1);
    _cleanup_free_ char *xml = attached(PC_DOMAIN, "a", 1);

    (void)state;
    assert_non_null(fragment);
    assert_ptr_equal(strstr(fragment, "    <shmem "), fragment);
    assert_non_null(strstr(xml, fragment));
    vm_vgpu_fini(&v);
}

/* ---- PCI devices ------------------------------------------------------------------------ */

static void
a_pci_device_is_a_managed_hostdev(void **state)
{
    static const struct pci_list two = {.items = {{0, 1, 0, 0}, {0x10, 0xaf, 0x1f, 7}},
                                        .n = 2};
    _cleanup_free_ char *xml = NULL, *again = NULL, *none = NULL;
    _cleanup_free_ char *before = rewritten(PC_DOMAIN);

    (void)state;
    assert_int_equal(domain_attach_pci(PC_DOMAIN, &two, &xml, NULL), 1);
    assert_non_null(strstr(xml,
                           "<hostdev mode=\"subsystem\" type=\"pci\" managed=\"yes\">\n"
                           "      <source>\n"
                           "        <address domain=\"0x0010\" bus=\"0xaf\" "
                           "slot=\"0x1f\" function=\"0x7\"/>\n"));
    assert_int_equal(domain_attach_pci(xml, &two, &again, NULL), 0);
    assert_int_equal(domain_detach_pci(xml, &two, &none, NULL), 1);
    assert_string_equal(none, before);
}

static void
a_hostdev_of_somebody_else_is_left_alone(void **state)
{
    static const char xml[] =
        "<domain type='kvm'><devices><hostdev mode='subsystem' type='pci'><source>"
        "<address domain='0' bus='1' slot='0' function='0'/></source></hostdev></devices>"
        "</domain>";
    static const struct pci_list one = {.items = {{0, 1, 0, 0}}, .n = 1};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *same = NULL;
    char *none = NULL;

    (void)state;
    assert_int_equal(domain_attach_pci(xml, &one, &same, NULL), 0);
    assert_int_equal(domain_detach_pci(xml, &one, &none, &e), -EEXIST);
    assert_non_null(strstr(err_msg(&e), "0000:01:00.0"));
}

/* ---- whom QEMU runs as -------------------------------------------------------------------- */

static void
the_domain_says_before_the_host_whom_qemu_runs_as(void **state)
{
    static const char caps[] =
        "<capabilities><host><secmodel><model>apparmor</model></secmodel><secmodel>"
        "<model>dac</model><baselabel "
        "type='kvm'>+64055:+106</baselabel></secmodel></host>"
        "</capabilities>";
    static const char labelled[] =
        "<domain type='kvm'><seclabel type='static' model='dac'><label>root:root</label>"
        "</seclabel></domain>";

    (void)state;
    assert_int_equal(dac_uid("<domain type='kvm'/>", caps), 64055);
    assert_int_equal(dac_uid(labelled, caps), 0);
    assert_int_equal(dac_uid("<domain type='xen'/>", caps), VM_NO_UID);
    assert_int_equal(dac_uid("<domain type='kvm'/>", "<capabilities/>"), VM_NO_UID);
    assert_int_equal(dac_uid("<domain type='kvm'/>", ""), VM_NO_UID);
    assert_int_equal(dac_uid("no XML", caps), VM_NO_UID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vgpu_is_memory_two_controllers_and_sixteen_ports),
        cmocka_unit_test(what_others_put_there_stays),
        cmocka_unit_test(a_second_time_nothing_changes),
        cmocka_unit_test(detaching_undoes_attaching),
        cmocka_unit_test(a_copy_knows_its_vgpu_by_the_name_of_before),
        cmocka_unit_test(an_element_that_was_changed_is_made_right_and_keeps_its_place),
        cmocka_unit_test(a_slot_that_libvirt_chose_stays),
        cmocka_unit_test(a_controller_that_others_use_stays_theirs),
        cmocka_unit_test(devices_on_one_line_and_none_at_all_will_do),
        cmocka_unit_test(an_xml_declaration_stays),
        cmocka_unit_test(what_is_no_domain_of_qemu_is_refused),
        cmocka_unit_test(devices_put_there_by_hand_are_not_doubled),
        cmocka_unit_test(names_that_would_meet_are_refused),
        cmocka_unit_test(parts_are_what_is_ours_and_every_pci_device),
        cmocka_unit_test(a_fragment_is_what_a_domain_gets),
        cmocka_unit_test(a_pci_device_is_a_managed_hostdev),
        cmocka_unit_test(a_hostdev_of_somebody_else_is_left_alone),
        cmocka_unit_test(the_domain_says_before_the_host_whom_qemu_runs_as),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
