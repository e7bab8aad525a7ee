/* SPDX-License-Identifier: MIT */
#include "vm/live.h"

#include "base/cleanup.h"
#include "vm/devices.h"
#include "vm/domain.h"
#include "vm/room.h"

#include <errno.h>
#include <string.h>

/* ---- plans ------------------------------------------------------------------------------- */

void
live_plan_fini(struct live_plan *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        free(p->items[i].alias);
        free(p->items[i].xml);
    }
    p->n = 0;
}

/* node NULL: the alias is all that matters. */
static int
plan_add(struct live_plan *p, const char *alias, xmlNode *node, struct err *e)
{
    struct live_device d = {.alias = strdup(alias)};

    if (node)
        d.xml = xml_node_text(node);
    if (!d.alias || (node && !d.xml) || p->n == LIVE_MOST) {
        free(d.alias);
        free(d.xml);
        return err_set(e, -ENOMEM, "out of memory");
    }
    p->items[p->n++] = d;
    return 0;
}

/* A plan that is being made. */
struct draft {
    xmlDoc *doc;
    struct edit ed;
    struct live_plan plan;
};

static int
draft_begin(const char *xml, struct draft *ret, struct err *e)
{
    *ret = (struct draft){0};
    return domain_open(xml, &ret->doc, &ret->ed.devices, e);
}

/* What was made so far is the caller's, or gone. */
static int
draft_end(struct draft *d, int rc, struct live_plan *ret)
{
    xmlFreeDoc(d->doc);
    if (rc < 0)
        live_plan_fini(&d->plan);
    else
        *ret = d->plan;
    return rc;
}

static int
plan_memory(struct live_plan *p, struct edit *ed, const struct vm_vgpu *v,
            const char *xml, struct err *e)
{
    char alias[ALIAS_BYTES];
    enum room_slot room;
    unsigned bus = 0;
    xmlNode *d;

    alias_of_memory(v->label, alias);
    if (device_find(ed->devices, "shmem", alias))
        return 0;
    room = room_pci_slot(ed->devices, &bus);
    if (room == ROOM_NONE)
        return err_set(e, -ENOSPC,
                       "the running domain has no free PCI slot, and libvirt adds buses "
                       "only when it starts one: attach without --live (from the next "
                       "start on), or %s and start it anew",
                       domain_slot_hint(xml));
    d = device_put_memory(ed, v);
    if (d && room == ROOM_PORT)
        device_put_slot(ed, d, bus, 0);
    return d ? plan_add(p, alias, d, e) : err_set(e, -ENOMEM, "out of memory");
}

static unsigned
ports_missing(const xmlNode *devices, const char *label)
{
    char alias[ALIAS_BYTES];
    unsigned n = 0;

    for (unsigned i = 0; i < VM_PORTS; i++) {
        alias_of_port(label, i, alias);
        n += device_find(devices, "channel", alias) == NULL;
    }
    return n;
}

/* As many as there is room for; *ret_n of them are new. */
static int
find_ports(const xmlNode *devices, const char *label, struct serial_port *ports,
           unsigned *ret_n, struct err *e)
{
    const unsigned missing = ports_missing(devices, label);
    const unsigned room = room_serial_ports(devices, ports, missing);
    const unsigned has = VM_PORTS - missing;

    *ret_n = room;
    if (has + room >= LIVE_LEAST_PORTS)
        return 0;
    return err_set(
        e, -ENOSPC,
        "the running domain has room for %u virtio-serial ports and a vGPU needs "
        "%d or more, and libvirt cannot add a virtio-serial controller to a "
        "running domain: attach without --live, which adds two from the next "
        "start on",
        has + room, LIVE_LEAST_PORTS);
}

static int
plan_ports(struct live_plan *p, struct edit *ed, const struct vm_vgpu *v, struct err *e)
{
    struct serial_port ports[VM_PORTS];
    unsigned n = 0, next = 0;
    int rc = find_ports(ed->devices, v->label, ports, &n, e);

    p->ports = VM_PORTS - ports_missing(ed->devices, v->label) + n;
    for (unsigned i = 0; i < VM_PORTS && next < n && rc == 0; i++) {
        char alias[ALIAS_BYTES];
        xmlNode *d;

        alias_of_port(v->label, i, alias);
        if (device_find(ed->devices, "channel", alias))
            continue;
        d = device_put_port(ed, v, i, &ports[next++]);
        rc = d ? plan_add(p, alias, d, e) : err_set(e, -ENOMEM, "out of memory");
    }
    return rc;
}

int
live_plan_vgpu(const char *xml, const struct vm_vgpu *v, struct live_plan *ret,
               struct err *e)
{
    struct draft d;
    int rc = draft_begin(xml, &d, e);

    if (rc == 0)
        rc = domain_check_free(d.ed.devices, v, e);
    if (rc == 0)
        rc = plan_ports(&d.plan, &d.ed, v, e);
    if (rc == 0)
        rc = plan_memory(&d.plan, &d.ed, v, xml, e);
    return draft_end(&d, rc, ret);
}

static bool
passed(const xmlNode *devices, const struct pci_address *a)
{
    struct pci_address has;

    for (const xmlNode *d = xml_child(devices, "hostdev"); d;
         d = xml_next(d, "hostdev")) {
        if (device_pci(d, &has) && pci_same(&has, a))
            return true;
    }
    return false;
}

int
live_plan_pci(const char *xml, const struct pci_list *l, struct live_plan *ret,
              struct err *e)
{
    struct draft d;
    int rc = draft_begin(xml, &d, e);

    for (unsigned i = 0; i < l->n && rc == 0; i++) {
        char alias[ALIAS_BYTES];
        xmlNode *dev;

        if (passed(d.ed.devices, &l->items[i]))
            continue;
        alias_of_pci(&l->items[i], alias);
        dev = device_put_pci(&d.ed, &l->items[i]);
        rc =
            dev ? plan_add(&d.plan, alias, dev, e) : err_set(e, -ENOMEM, "out of memory");
    }
    return draft_end(&d, rc, ret);
}

static int
plan_removal(struct draft *d, const char *element, const char *alias, struct err *e)
{
    return device_find(d->ed.devices, element, alias) ? plan_add(&d->plan, alias, NULL, e)
                                                      : 0;
}

int
live_plan_remove_vgpu(const char *xml, const char *name, struct live_plan *ret,
                      struct err *e)
{
    char alias[ALIAS_BYTES], label[VM_NAME_BYTES];
    struct draft d;
    int rc = draft_begin(xml, &d, e);

    if (rc == 0)
        device_label_of(d.ed.devices, name, label);
    for (unsigned i = VM_PORTS; i-- > 0 && rc == 0;) {
        alias_of_port(label, i, alias);
        rc = plan_removal(&d, "channel", alias, e);
    }
    if (rc == 0) {
        alias_of_memory(label, alias);
        rc = plan_removal(&d, "shmem", alias, e);
    }
    return draft_end(&d, rc, ret);
}

int
live_plan_remove_pci(const char *xml, const struct pci_list *l, struct live_plan *ret,
                     struct err *e)
{
    char alias[ALIAS_BYTES];
    struct draft d;
    int rc = draft_begin(xml, &d, e);

    for (unsigned i = 0; i < l->n && rc == 0; i++) {
        alias_of_pci(&l->items[i], alias);
        rc = plan_removal(&d, "hostdev", alias, e);
    }
    return draft_end(&d, rc, ret);
}

bool
live_plan_left(const char *xml, const struct live_device *device)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    const xmlNode *devices, *d;

    if (xml_parse(xml, &doc, NULL) < 0)
        return false;
    devices = xml_child(xmlDocGetRootElement(doc), "devices");
    d = xml_first_element(devices);
    while (d && !device_has_alias(d, device->alias))
        d = xml_next_element(d);
    return d != NULL;
}

/* ---- doing it ---------------------------------------------------------------------------- */

/* The last first; returns how many stayed. */
static unsigned
roll_back(const struct live_ops *ops, void *to, const struct live_plan *p, unsigned done)
{
    unsigned left = 0;

    while (done-- > 0)
        left += ops->detach(to, &p->items[done], NULL) < 0;
    return left;
}

int
live_attach(const struct live_ops *ops, void *to, const struct live_plan *p,
            struct err *e)
{
    for (unsigned i = 0; i < p->n; i++) {
        const int rc = ops->attach(to, &p->items[i], e);
        unsigned left;

        if (rc == 0)
            continue;
        err_wrap(e, "device %u of %u, %s", i + 1, p->n, p->items[i].alias);
        left = roll_back(ops, to, p, i);
        if (left > 0)
            err_wrap(e, "%u devices stayed ('tessera vm detach --live' takes them out)",
                     left);
        return rc;
    }
    return 0;
}

int
live_detach(const struct live_ops *ops, void *to, const struct live_plan *p,
            struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < p->n; i++) {
        const int one = ops->detach(to, &p->items[i], rc == 0 ? e : NULL);

        if (one < 0 && rc == 0) {
            err_wrap(e, "%s", p->items[i].alias);
            rc = one;
        }
    }
    return rc;
}
