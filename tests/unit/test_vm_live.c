/* SPDX-License-Identifier: MIT */
/* What is plugged into a running domain, with a libvirt that fails where it is told to. */
#include "base/cleanup.h"
#include "vm/domain.h"
#include "vm/live.h"
#include "vm_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- a libvirt -------------------------------------------------------------------------- */

struct fake {
    unsigned fail_at; /* the n-th attach fails, from 1; 0: none */
    bool stuck;       /* nothing can be taken out */
    unsigned attached, detached;
    char last_out[128];
};

static int
fake_attach(void *to, const struct live_device *d, struct err *e)
{
    struct fake *f = to;

    assert_non_null(d->xml);
    if (f->attached + 1 == f->fail_at)
        return err_set(e, -EIO, "no");
    f->attached++;
    return 0;
}

static int
fake_detach(void *to, const struct live_device *d, struct err *e)
{
    struct fake *f = to;

    if (f->stuck)
        return err_set(e, -EIO, "stuck");
    f->detached++;
    snprintf(f->last_out, sizeof f->last_out, "%s", d->alias);
    return 0;
}

static const struct live_ops fake_ops = {fake_attach, fake_detach};

static int
plan(const char *xml, const char *name, struct live_plan *ret, struct err *e)
{
    struct vm_vgpu v = world_vgpu(name);
    int rc = live_plan_vgpu(xml, &v, ret, e);

    vm_vgpu_fini(&v);
    return rc;
}

static void
plan_refused(const char *xml, const char *word)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct live_plan p = {.n = 0};

    assert_int_equal(plan(xml, "a", &p, &e), -ENOSPC);
    assert_non_null(strstr(err_msg(&e), word));
    assert_int_equal(p.n, 0);
}

/* ---- plans ------------------------------------------------------------------------------ */

#define TWO_SERIALS                                                                      \
    "    <controller type='virtio-serial' index='0'/>\n"                                 \
    "    <controller type='virtio-serial' index='1'/>\n"

/* More devices on one controller, and a guest would not find the last of them after a boot. */
static void
fifteen_of_a_controller_and_then_the_memory(void **state)
{
    _cleanup_live_plan_ struct live_plan p = {.n = 0};

    (void)state;
    assert_int_equal(plan(PC_DOMAIN, "a", &p, NULL), 0);
    assert_int_equal(p.n, 15);
    assert_int_equal(p.ports, 14);
    /* Port 1 has the guest agent. */
    assert_non_null(strstr(p.items[0].xml, "controller=\"0\" bus=\"0\" port=\"2\""));
    assert_non_null(strstr(p.items[13].xml, "port=\"15\""));
    assert_string_equal(p.items[14].alias, "ua-tessera-a");
    assert_non_null(strstr(p.items[14].xml, "<shmem name=\"tessera-a\""));
    assert_null(strstr(p.items[14].xml, "<address"));
}

static void
what_runs_already_is_not_planned(void **state)
{
    struct vm_vgpu v = world_vgpu("a");
    _cleanup_live_plan_ struct live_plan p = {.n = 0};
    _cleanup_free_ char *xml = NULL;

    (void)state;
    assert_int_equal(domain_attach_vgpu(PC_DOMAIN, &v, &xml, NULL), 1);
    assert_int_equal(plan(xml, "a", &p, NULL), 0);
    assert_int_equal(p.n, 0);
    vm_vgpu_fini(&v);
}

#define SERIAL TWO_SERIALS
#define USED_BY(BUS)                                                                     \
    "    <disk><address type='pci' domain='0x0000' bus='" BUS                            \
    "' slot='0x00' function='0x0'/></disk>\n"
#define PORT(N, MORE)                                                                    \
    "    <controller type='pci' index='" N "' model='pcie-root-port'>" MORE              \
    "</controller>\n"

static void
on_q35_a_free_port_is_named(void **state)
{
    static const char xml[] =
        Q35_DOMAIN(PORT("1", "") PORT("2", "") USED_BY("0x01") SERIAL);
    _cleanup_live_plan_ struct live_plan p = {.n = 0};

    (void)state;
    assert_int_equal(plan(xml, "a", &p, NULL), 0);
    assert_non_null(strstr(p.items[16].xml, "<address type=\"pci\" domain=\"0x0000\" "
                                            "bus=\"0x02\" slot=\"0x00\""));
}

static void
a_bridge_is_left_to_libvirt(void **state)
{
    static const char xml[] = Q35_DOMAIN(
        "    <controller type='pci' index='1' model='pcie-to-pci-bridge'/>\n" PORT(
            "2", "") SERIAL);
    _cleanup_live_plan_ struct live_plan p = {.n = 0};

    (void)state;
    assert_int_equal(plan(xml, "a", &p, NULL), 0);
    assert_null(strstr(p.items[16].xml, "<address"));
}

static void
without_a_slot_it_says_what_to_do(void **state)
{
    (void)state;
    plan_refused(Q35_DOMAIN(PORT("1", "") USED_BY("0x01") SERIAL), "pcie-root-port");
    plan_refused(Q35_DOMAIN(PORT("1", "<target hotplug='off'/>") SERIAL),
                 "without --live");
}

static void
a_full_pc_needs_a_bridge(void **state)
{
    _cleanup_free_ char *devices = strdup("");

    (void)state;
    for (unsigned slot = 1; slot < 32; slot++) {
        char *more = str_printf(
            "%s<sound><address type='pci' bus='0' slot='%u'/></sound>", devices, slot);

        free(devices);
        devices = more;
    }
    {
        _cleanup_free_ char *xml = str_printf(
            "<domain type='kvm'><os><type machine='pc-i440fx-7.2'/></os><devices>"
            "<controller type='pci' index='0' model='pci-root'/>" SERIAL
            "%s</devices></domain>",
            devices);

        plan_refused(xml, "pci-bridge");
    }
}

static void
without_eight_ports_it_says_what_to_do(void **state)
{
    (void)state;
    plan_refused("<domain type='kvm'><devices/></domain>",
                 "room for 0 virtio-serial ports");
    plan_refused("<domain type='kvm'><devices>"
                 "<controller type='virtio-serial' index='0' ports='8'/>"
                 "</devices></domain>",
                 "room for 7 virtio-serial ports and a vGPU needs 8 or more");
}

static void
ports_of_two_controllers_make_sixteen(void **state)
{
    static const char xml[] =
        "<domain type='kvm'><devices>"
        "<controller type='virtio-serial' index='0' ports='14'/>"
        "<controller type='virtio-serial' index='3' ports='4'/></devices></domain>";
    _cleanup_live_plan_ struct live_plan p = {.n = 0};

    (void)state;
    assert_int_equal(plan(xml, "a", &p, NULL), 0);
    assert_int_equal(p.ports, 16);
    assert_non_null(strstr(p.items[12].xml, "controller=\"0\" bus=\"0\" port=\"13\""));
    assert_non_null(strstr(p.items[15].xml, "controller=\"3\" bus=\"0\" port=\"3\""));
}

/* What was plugged in, and what of it there is no room for. */
static void
fewer_ports_are_enough_the_second_time_too(void **state)
{
    _cleanup_live_plan_ struct live_plan p = {.n = 0}, again = {.n = 0};
    char *xml = strdup(PC_DOMAIN);

    (void)state;
    assert_int_equal(plan(xml, "a", &p, NULL), 0);
    for (unsigned i = 0; i < p.n; i++) {
        char *end = strstr(xml, "</devices>");
        char *more = str_printf("%.*s%s%s", (int)(end - xml), xml, p.items[i].xml, end);

        free(xml);
        xml = more;
    }
    assert_int_equal(plan(xml, "a", &again, NULL), 0);
    assert_int_equal(again.n, 0);
    assert_int_equal(again.ports, 14);
    free(xml);
}

static void
pci_devices_are_planned_once(void **state)
{
    static const struct pci_list two = {.items = {{0, 1, 0, 0}, {0, 1, 0, 1}}, .n = 2};
    static const struct pci_list one = {.items = {{0, 1, 0, 0}}, .n = 1};
    _cleanup_live_plan_ struct live_plan p = {.n = 0}, out = {.n = 0};
    _cleanup_free_ char *xml = NULL;

    (void)state;
    assert_int_equal(domain_attach_pci(PC_DOMAIN, &one, &xml, NULL), 1);
    assert_int_equal(live_plan_pci(xml, &two, &p, NULL), 0);
    assert_int_equal(p.n, 1);
    assert_string_equal(p.items[0].alias, "ua-tessera-pci-0000-01-00-1");
    assert_int_equal(live_plan_remove_pci(xml, &two, &out, NULL), 0);
    assert_int_equal(out.n, 1);
    assert_string_equal(out.items[0].alias, "ua-tessera-pci-0000-01-00-0");
}

/* ---- doing it --------------------------------------------------------------------------- */

static void
all_are_plugged_in(void **state)
{
    _cleanup_live_plan_ struct live_plan p = {.n = 0};
    struct fake f = {0};

    (void)state;
    assert_int_equal(plan(PC_DOMAIN, "a", &p, NULL), 0);
    assert_int_equal(live_attach(&fake_ops, &f, &p, NULL), 0);
    assert_int_equal(f.attached, 15);
    assert_int_equal(f.detached, 0);
}

static void
a_failure_takes_out_what_was_plugged_in(void **state)
{
    _cleanup_live_plan_ struct live_plan p = {.n = 0};
    _cleanup_err_ struct err e = ERR_INIT;
    struct fake f = {.fail_at = 5};

    (void)state;
    assert_int_equal(plan(PC_DOMAIN, "a", &p, NULL), 0);
    assert_int_equal(live_attach(&fake_ops, &f, &p, &e), -EIO);
    assert_string_equal(err_msg(&e), "device 5 of 15, ua-tessera-a-port4: no");
    assert_int_equal(f.detached, 4);
    assert_string_equal(f.last_out, "ua-tessera-a-port0");
}

static void
what_cannot_be_taken_out_again_is_said(void **state)
{
    _cleanup_live_plan_ struct live_plan p = {.n = 0};
    _cleanup_err_ struct err e = ERR_INIT;
    struct fake f = {.fail_at = 3, .stuck = true};

    (void)state;
    assert_int_equal(plan(PC_DOMAIN, "a", &p, NULL), 0);
    assert_int_equal(live_attach(&fake_ops, &f, &p, &e), -EIO);
    assert_non_null(strstr(err_msg(&e), "2 devices stayed"));
}

static void
removal_is_ports_first_then_memory(void **state)
{
    struct vm_vgpu v = world_vgpu("a");
    _cleanup_live_plan_ struct live_plan p = {.n = 0}, other = {.n = 0};
    _cleanup_free_ char *xml = NULL;
    struct fake f = {0};

    (void)state;
    assert_int_equal(domain_attach_vgpu(PC_DOMAIN, &v, &xml, NULL), 1);
    assert_int_equal(live_plan_remove_vgpu(xml, "a", &p, NULL), 0);
    assert_int_equal(p.n, 17);
    assert_true(live_plan_left(xml, &p.items[0]));
    assert_false(live_plan_left(PC_DOMAIN, &p.items[0]));
    assert_int_equal(live_detach(&fake_ops, &f, &p, NULL), 0);
    assert_string_equal(f.last_out, "ua-tessera-a");
    assert_int_equal(live_plan_remove_vgpu(xml, "b", &other, NULL), 0);
    assert_int_equal(other.n, 0);
    vm_vgpu_fini(&v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifteen_of_a_controller_and_then_the_memory),
        cmocka_unit_test(what_runs_already_is_not_planned),
        cmocka_unit_test(on_q35_a_free_port_is_named),
        cmocka_unit_test(a_bridge_is_left_to_libvirt),
        cmocka_unit_test(without_a_slot_it_says_what_to_do),
        cmocka_unit_test(a_full_pc_needs_a_bridge),
        cmocka_unit_test(without_eight_ports_it_says_what_to_do),
        cmocka_unit_test(ports_of_two_controllers_make_sixteen),
        cmocka_unit_test(fewer_ports_are_enough_the_second_time_too),
        cmocka_unit_test(pci_devices_are_planned_once),
        cmocka_unit_test(all_are_plugged_in),
        cmocka_unit_test(a_failure_takes_out_what_was_plugged_in),
        cmocka_unit_test(what_cannot_be_taken_out_again_is_said),
        cmocka_unit_test(removal_is_ports_first_then_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
