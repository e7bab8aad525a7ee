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

/* What a plan function made so far is the caller's, or gone. */
static int
plan_done(struct live_plan *p, int rc, struct live_plan *ret)
{
    if (rc < 0)
        live_plan_fini(p);
    else
        *ret = *p;
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

    alias_of_memory(v->name, alias);
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
ports_missing(const xmlNode *devices, const char *name)
{
    char alias[ALIAS_BYTES];
    unsigned n = 0;

    for (unsigned i = 0; i < VM_PORTS; i++) {
        alias_of_port(name, i, alias);
        n += device_find(devices, "channel", alias) == NULL;
    }
    return n;
}

static int
find_ports(const xmlNode *devices, const char *name, struct serial_port *ports,
           struct err *e)
{
    const unsigned missing = ports_missing(devices, name);
    const unsigned room = room_serial_ports(devices, ports, missing);

    if (room == missing)
        return 0;
    return err_set(e, -ENOSPC,
                   "the running domain has %u free virtio-serial ports and needs %u, and "
                   "libvirt cannot add a virtio-serial controller to a running domain: "
                   "attach without --live, which adds one from the next start on",
                   room, missing);
}

static int
plan_ports(struct live_plan *p, struct edit *ed, const struct vm_vgpu *v, struct err *e)
{
    struct serial_port ports[VM_PORTS];
    const struct serial_port *next = ports;
    int rc = find_ports(ed->devices, v->name, ports, e);

    for (unsigned i = 0; i < VM_PORTS && rc == 0; i++) {
        char alias[ALIAS_BYTES];
        xmlNode *d;

        alias_of_port(v->name, i, alias);
        if (device_find(ed->devices, "channel", alias))
            continue;
        d = device_put_port(ed, v, i, next++);
        rc = d ? plan_add(p, alias, d, e) : err_set(e, -ENOMEM, "out of memory");
    }
    return rc;
}

int
live_plan_vgpu(const char *xml, const struct vm_vgpu *v, struct live_plan *ret,
               struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct live_plan p = {.n = 0};
    struct edit ed = {0};
    int rc = domain_open(xml, &doc, &ed.devices, e);

    if (rc == 0)
        rc = domain_check_free(ed.devices, v, e);
    if (rc == 0)
        rc = plan_ports(&p, &ed, v, e);
    if (rc == 0)
        rc = plan_memory(&p, &ed, v, xml, e);
    return plan_done(&p, rc, ret);
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
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct live_plan p = {.n = 0};
    struct edit ed = {0};
    int rc = domain_open(xml, &doc, &ed.devices, e);

    for (unsigned i = 0; i < l->n && rc == 0; i++) {
        char alias[ALIAS_BYTES];
        xmlNode *d;

        if (passed(ed.devices, &l->items[i]))
            continue;
        alias_of_pci(&l->items[i], alias);
        d = device_put_pci(&ed, &l->items[i]);
        rc = d ? plan_add(&p, alias, d, e) : err_set(e, -ENOMEM, "out of memory");
    }
    return plan_done(&p, rc, ret);
}

static int
plan_removal(struct live_plan *p, const xmlNode *devices, const char *element,
             const char *alias, struct err *e)
{
    return device_find(devices, element, alias) ? plan_add(p, alias, NULL, e) : 0;
}

int
live_plan_remove_vgpu(const char *xml, const char *name, struct live_plan *ret,
                      struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct live_plan p = {.n = 0};
    char alias[ALIAS_BYTES];
    xmlNode *devices;
    int rc = domain_open(xml, &doc, &devices, e);

    for (unsigned i = VM_PORTS; i-- > 0 && rc == 0;) {
        alias_of_port(name, i, alias);
        rc = plan_removal(&p, devices, "channel", alias, e);
    }
    alias_of_memory(name, alias);
    if (rc == 0)
        rc = plan_removal(&p, devices, "shmem", alias, e);
    return plan_done(&p, rc, ret);
}

int
live_plan_remove_pci(const char *xml, const struct pci_list *l, struct live_plan *ret,
                     struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct live_plan p = {.n = 0};
    char alias[ALIAS_BYTES];
    xmlNode *devices;
    int rc = domain_open(xml, &doc, &devices, e);

    for (unsigned i = 0; i < l->n && rc == 0; i++) {
        alias_of_pci(&l->items[i], alias);
        rc = plan_removal(&p, devices, "hostdev", alias, e);
    }
    return plan_done(&p, rc, ret);
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
