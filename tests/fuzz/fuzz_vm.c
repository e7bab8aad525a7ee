/* SPDX-License-Identifier: MIT */
/*
 * A domain's XML, which others wrote: what is attached is there, a second time nothing changes, and
 * what is detached is gone.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "vm/dac.h"
#include "vm/domain.h"
#include "vm/domain_copy.h"
#include "vm/live.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pci_list device = {.items = {{0, 1, 0, 0}}, .n = 1};

static const struct vm_vgpu *
vgpu(void)
{
    static struct vm_vgpu v;

    if (!v.name) {
        v = (struct vm_vgpu){
            .name = strdup("a"), .label = strdup("a"), .memory_bytes = UINT64_C(1) << 30};
        v.memory = strdup("/dev/shm/tessera-a");
        for (unsigned i = 0; i < VM_PORTS; i++)
            v.ports[i] = str_printf("/run/tessera/vm/a/port%u", i);
    }
    return &v;
}

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static bool
has_vgpu(const char *xml)
{
    struct domain_parts p;
    bool has;

    must(domain_parts(xml, &p, NULL) == 0);
    has = domain_has_vgpu(&p, "a");
    domain_parts_fini(&p);
    return has;
}

static void
attach_and_detach(const char *xml)
{
    _cleanup_free_ char *once = NULL, *twice = NULL, *none = NULL, *still = NULL;
    _cleanup_err_ struct err e = ERR_INIT;

    if (domain_attach_vgpu(xml, vgpu(), &once, &e) < 0) {
        must(e.msg != NULL);
        return;
    }
    must(has_vgpu(once));
    must(domain_attach_vgpu(once, vgpu(), &twice, NULL) == 0);
    must(domain_detach_vgpu(once, "a", &none, NULL) == 1);
    must(!has_vgpu(none));
    must(domain_detach_vgpu(none, "a", &still, NULL) == 0);
}

static void
pass_through(const char *xml)
{
    _cleanup_free_ char *once = NULL, *twice = NULL, *none = NULL;

    if (domain_attach_pci(xml, &device, &once, NULL) != 1) {
        domain_detach_pci(xml, &device, &none, NULL);
        return;
    }
    must(domain_attach_pci(once, &device, &twice, NULL) == 0);
    must(domain_detach_pci(once, &device, &none, NULL) == 1);
}

static void
plug_in(const char *xml)
{
    struct live_plan p = {.n = 0};

    live_plan_vgpu(xml, vgpu(), &p, NULL);
    live_plan_fini(&p);
    live_plan_pci(xml, &device, &p, NULL);
    live_plan_fini(&p);
    live_plan_remove_vgpu(xml, "a", &p, NULL);
    live_plan_fini(&p);
    live_plan_remove_pci(xml, &device, &p, NULL);
    live_plan_fini(&p);
}

static void
lead(const char *xml)
{
    _cleanup_free_ char *once = NULL, *twice = NULL;

    if (domain_lead_to(xml, vgpu(), 1, &once, NULL) < 0)
        return;
    must(domain_lead_to(once, vgpu(), 1, &twice, NULL) == 0);
}

/* The name is in most texts of the corpus. */
static void
copy(const char *xml)
{
    _cleanup_free_ char *text = NULL, *name = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    struct domain_copy c;

    must(domain_copy_init(&c, "vm1", "vm2", NULL) == 0);
    if (domain_copy_look(&c, xml, &e) < 0 || domain_copy_apply(&c, xml, &text, &e) < 0) {
        must(e.msg != NULL);
    } else {
        must(domain_name(text, &name, NULL) == 0 && strcmp(name, "vm2") == 0);
        must(domain_is_same(text, text) && !domain_is_same(text, xml));
    }
    domain_copy_fini(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *xml = strndup((const char *)data, size), *fragment = NULL;

    if (!xml)
        return 0;
    attach_and_detach(xml);
    pass_through(xml);
    plug_in(xml);
    lead(xml);
    copy(xml);
    dac_uid(xml, xml);
    domain_slot_hint(xml);
    fragment = domain_fragment(vgpu(), (unsigned)size);
    must(fragment != NULL);
    return 0;
}
