/* SPDX-License-Identifier: MIT */
#include "vm/domain.h"

#include "base/cleanup.h"
#include "vm/devices.h"
#include "vm/room.h"

#include <errno.h>
#include <string.h>

/* ---- opening and closing --------------------------------------------------------------- */

static bool
runs_by_qemu(const xmlNode *domain)
{
    static const char *const types[] = {"kvm", "qemu", "hvf", "test"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (xml_attr_is(domain, "type", types[i]))
            return true;
    }
    return false;
}

static int
check_machine(const xmlNode *domain, struct err *e)
{
    const xmlNode *os = xml_child(xml_child(domain, "os"), "type");
    const char *machine = xml_attr(os, "machine"), *arch = xml_attr(os, "arch");
    const char *type = xml_attr(domain, "type");

    if (!runs_by_qemu(domain))
        return err_set(e, -EINVAL,
                       "a domain of type '%s' cannot have a vGPU: only those that QEMU "
                       "runs (kvm, qemu)",
                       type ? type : "");
    if ((machine && strncmp(machine, "microvm", 7) == 0) ||
        (arch && strncmp(arch, "s390", 4) == 0))
        return err_set(e, -EINVAL,
                       "the domain's machine (%s) has no PCI bus for a vGPU: q35 has",
                       machine ? machine : arch);
    return 0;
}

static int
find_devices(xmlDoc *doc, xmlNode **ret, struct err *e)
{
    xmlNode *domain = xmlDocGetRootElement(doc), *devices;
    int rc;

    if (!domain || domain->ns || !xmlStrEqual(domain->name, (const xmlChar *)"domain"))
        return err_set(e, -EINVAL, "this is no XML of a libvirt domain");
    rc = check_machine(domain, e);
    if (rc < 0)
        return rc;
    devices = xml_child(domain, "devices");
    if (!devices)
        devices = xmlNewChild(domain, NULL, (const xmlChar *)"devices", NULL);
    if (!devices)
        return err_set(e, -ENOMEM, "out of memory");
    *ret = devices;
    return 0;
}

int
domain_open(const char *xml, xmlDoc **ret, xmlNode **ret_devices, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    int rc = xml_parse(xml, &doc, e);

    if (rc == 0)
        rc = find_devices(doc, ret_devices, e);
    if (rc == 0)
        *ret = take_ptr(doc);
    return rc;
}

/* What an edit returns. */
static int
close_edit(const struct edit *ed, xmlDoc *doc, const char *xml, char **ret, struct err *e)
{
    char *text = NULL;

    if (!ed->failed)
        text = ed->changed ? xml_text(doc, xml) : strdup(xml);
    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    *ret = text;
    return ed->changed;
}

/* ---- a vGPU ---------------------------------------------------------------------------- */

/* Is the alias on a device that is none of `element`? */
static bool
alias_taken(const xmlNode *devices, const char *element, const char *alias)
{
    for (const xmlNode *d = xml_first_element(devices); d; d = xml_next_element(d)) {
        if (device_has_alias(d, alias) && !xmlStrEqual(d->name, (const xmlChar *)element))
            return true;
    }
    return false;
}

static int
refuse_alias(const char *alias, struct err *e)
{
    return err_set(
        e, -EEXIST,
        "another device of the domain is called '%s': two vGPUs of which one is "
        "named as the other's devices are cannot be in one domain",
        alias);
}

static int
check_aliases(const xmlNode *devices, const struct vm_vgpu *v, struct err *e)
{
    char alias[ALIAS_BYTES];

    alias_of_memory(v->label, alias);
    if (alias_taken(devices, "shmem", alias))
        return refuse_alias(alias, e);
    for (unsigned k = 0; k < VM_SERIALS; k++) {
        alias_of_serial(v->label, k, alias);
        if (alias_taken(devices, "controller", alias))
            return refuse_alias(alias, e);
    }
    for (unsigned i = 0; i < VM_PORTS; i++) {
        alias_of_port(v->label, i, alias);
        if (alias_taken(devices, "channel", alias))
            return refuse_alias(alias, e);
    }
    return 0;
}

/* Put there by hand, the same memory and ports would be used twice. */
static int
check_by_hand(const xmlNode *devices, const struct vm_vgpu *v, struct err *e)
{
    const char *file = strrchr(v->memory, '/') + 1;
    char alias[ALIAS_BYTES], port[ALIAS_BYTES];

    alias_of_memory(v->label, alias);
    for (const xmlNode *d = xml_child(devices, "shmem"); d; d = xml_next(d, "shmem")) {
        if (xml_attr_is(d, "name", file) && !device_has_alias(d, alias))
            return err_set(e, -EEXIST,
                           "the domain has a <shmem name='%s'> that was not put there by "
                           "'tessera vm attach': remove it ('virsh edit')",
                           file);
    }
    snprintf(port, sizeof port, "tessera.%s.", v->label);
    for (const xmlNode *d = xml_child(devices, "channel"); d;
         d = xml_next(d, "channel")) {
        const char *name = xml_attr(xml_child(d, "target"), "name");
        const char *has = xml_attr(xml_child(d, "alias"), "name");

        if (name && strncmp(name, port, strlen(port)) == 0 &&
            !(has && strncmp(has, alias, strlen(alias)) == 0))
            return err_set(e, -EEXIST,
                           "the domain has a <channel> named '%s' that was not put there "
                           "by 'tessera vm attach': remove it ('virsh edit')",
                           name);
    }
    return 0;
}

/* In a copy of a domain a vGPU has the name of another one, which may come there, too. */
static int
check_label(const xmlNode *devices, const struct vm_vgpu *v, struct err *e)
{
    char other[VM_NAME_BYTES], alias[ALIAS_BYTES];

    alias_of_memory(v->label, alias);
    device_vgpu(devices, v->label, other);
    if (!device_find(devices, "shmem", alias) || strcmp(other, v->name) == 0)
        return 0;
    return err_set(e, -EEXIST,
                   "the domain is a copy, which calls its vGPU '%s' by the name '%s': "
                   "detach that first, or attach another",
                   other, v->label);
}

int
domain_check_free(const xmlNode *devices, const struct vm_vgpu *v, struct err *e)
{
    int rc = check_aliases(devices, v, e);

    if (rc == 0)
        rc = check_label(devices, v, e);
    return rc < 0 ? rc : check_by_hand(devices, v, e);
}

/* The controller that is there keeps its index; others get the first free one from `least` on. */
static unsigned
index_of_serial(const xmlNode *devices, const char *label, unsigned k, unsigned least)
{
    char alias[ALIAS_BYTES];
    unsigned index;

    alias_of_serial(label, k, alias);
    if (xml_attr_number(device_find(devices, "controller", alias), "index", &index))
        return index;
    return room_serial_index(devices, least);
}

static void
put_vgpu(struct edit *ed, const struct vm_vgpu *v, unsigned least)
{
    device_put_memory(ed, v);
    for (unsigned k = 0; k < VM_SERIALS; k++) {
        const unsigned index = index_of_serial(ed->devices, v->label, k, least);

        device_put_serial(ed, v->label, k, index);
        for (unsigned i = 0; i < VM_SERIAL_PORTS; i++)
            device_put_port(ed, v, k * VM_SERIAL_PORTS + i,
                            &(struct serial_port){index, i + 1});
    }
}

int
domain_attach_vgpu(const char *xml, const struct vm_vgpu *v, char **ret, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct edit ed = {0};
    int rc = domain_open(xml, &doc, &ed.devices, e);

    if (rc == 0)
        rc = domain_check_free(ed.devices, v, e);
    if (rc < 0)
        return rc;
    put_vgpu(&ed, v, 0);
    return close_edit(&ed, doc, xml, ret, e);
}

static void
remove_by_alias(struct edit *ed, const char *element, const char *alias)
{
    xmlNode *d;

    while ((d = device_find(ed->devices, element, alias)))
        device_remove(ed, d);
}

/* A controller that somebody else's channel is on stays, as theirs. */
static void
remove_serial(struct edit *ed, const char *label, unsigned k)
{
    char alias[ALIAS_BYTES];
    unsigned index;
    xmlNode *d;

    alias_of_serial(label, k, alias);
    d = device_find(ed->devices, "controller", alias);
    if (xml_attr_number(d, "index", &index) && room_serial_used(ed->devices, index))
        device_remove(ed, xml_child(d, "alias"));
    else
        device_remove(ed, d);
}

int
domain_detach_vgpu(const char *xml, const char *name, char **ret, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct edit ed = {0};
    char alias[ALIAS_BYTES], label[VM_NAME_BYTES];
    int rc = domain_open(xml, &doc, &ed.devices, e);

    if (rc < 0)
        return rc;
    device_label_of(ed.devices, name, label);
    alias_of_memory(label, alias);
    remove_by_alias(&ed, "shmem", alias);
    for (unsigned i = 0; i < VM_PORTS; i++) {
        alias_of_port(label, i, alias);
        remove_by_alias(&ed, "channel", alias);
    }
    for (unsigned k = 0; k < VM_SERIALS; k++)
        remove_serial(&ed, label, k);
    return close_edit(&ed, doc, xml, ret, e);
}

int
domain_lead_to(const char *xml, const struct vm_vgpu *vgpus, unsigned n, char **ret,
               struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct edit ed = {0};
    int rc = domain_open(xml, &doc, &ed.devices, e);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < n; i++)
        device_lead_to(&ed, &vgpus[i]);
    return close_edit(&ed, doc, xml, ret, e);
}

char *
domain_fragment(const struct vm_vgpu *v, unsigned index)
{
    static const char empty[] = "<domain type='kvm'><devices>\n  </devices></domain>";
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    _cleanup_free_ char *text = NULL;
    struct edit ed = {0};
    const char *begin;
    char *end;

    if (domain_open(empty, &doc, &ed.devices, NULL) < 0)
        return NULL;
    put_vgpu(&ed, v, index);
    text = ed.failed ? NULL : xml_node_text(ed.devices);
    /* What is between the tags, without the line breaks at its ends. */
    begin = text ? strchr(text, '\n') : NULL;
    end = text ? strrchr(text, '\n') : NULL;
    return begin && end > begin ? strndup(begin + 1, (size_t)(end - begin)) : NULL;
}

/* ---- PCI devices of the host ----------------------------------------------------------- */

/* Whoever put it there. */
static xmlNode *
find_pci(const xmlNode *devices, const struct pci_address *a)
{
    struct pci_address has;
    xmlNode *d = xml_child(devices, "hostdev");

    while (d && !(device_pci(d, &has) && pci_same(&has, a)))
        d = xml_next(d, "hostdev");
    return d;
}

int
domain_attach_pci(const char *xml, const struct pci_list *l, char **ret, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct edit ed = {0};
    char alias[ALIAS_BYTES];
    int rc = domain_open(xml, &doc, &ed.devices, e);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < l->n; i++) {
        alias_of_pci(&l->items[i], alias);
        if (alias_taken(ed.devices, "hostdev", alias))
            return refuse_alias(alias, e);
        if (!find_pci(ed.devices, &l->items[i]))
            device_put_pci(&ed, &l->items[i]);
    }
    return close_edit(&ed, doc, xml, ret, e);
}

static int
remove_pci(struct edit *ed, const struct pci_address *a, struct err *e)
{
    xmlNode *d = find_pci(ed->devices, a);
    char alias[ALIAS_BYTES], name[PCI_TEXT_BYTES];

    alias_of_pci(a, alias);
    if (d && !device_has_alias(d, alias)) {
        pci_format(a, name);
        return err_set(e, -EEXIST,
                       "the domain's <hostdev> of %s was not put there by 'tessera vm "
                       "attach': remove it with virsh",
                       name);
    }
    device_remove(ed, d);
    return 0;
}

int
domain_detach_pci(const char *xml, const struct pci_list *l, char **ret, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct edit ed = {0};
    int rc = domain_open(xml, &doc, &ed.devices, e);

    for (unsigned i = 0; i < l->n && rc == 0; i++)
        rc = remove_pci(&ed, &l->items[i], e);
    return rc < 0 ? rc : close_edit(&ed, doc, xml, ret, e);
}

/* ---- looking --------------------------------------------------------------------------- */

static int
add_vgpu(struct domain_parts *p, const xmlNode *devices, const xmlNode *shmem)
{
    const char *label = device_label(shmem);
    char name[VM_NAME_BYTES];

    if (!label || p->nvgpus == DOMAIN_MOST_VGPUS)
        return 0;
    device_vgpu(devices, label, name);
    if (domain_has_vgpu(p, name))
        return 0;
    p->vgpus[p->nvgpus] = strdup(name);
    p->labels[p->nvgpus] = strdup(label);
    p->nvgpus++;
    return p->vgpus[p->nvgpus - 1] && p->labels[p->nvgpus - 1] ? 0 : -ENOMEM;
}

static void
add_pci(struct domain_parts *p, const xmlNode *hostdev)
{
    struct pci_address *a = &p->pci.items[p->pci.n];
    char alias[ALIAS_BYTES];

    if (p->pci.n == PCI_MOST || !device_pci(hostdev, a))
        return;
    alias_of_pci(a, alias);
    p->ours[p->pci.n++] = device_has_alias(hostdev, alias);
}

int
domain_parts(const char *xml, struct domain_parts *ret, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    struct domain_parts p = {0};
    const xmlNode *devices, *d;
    int rc = xml_parse(xml, &doc, e);

    if (rc < 0)
        return rc;
    devices = xml_child(xmlDocGetRootElement(doc), "devices");
    for (d = xml_child(devices, "shmem"); d && rc >= 0; d = xml_next(d, "shmem"))
        rc = add_vgpu(&p, devices, d);
    for (d = xml_child(devices, "hostdev"); d; d = xml_next(d, "hostdev"))
        add_pci(&p, d);
    if (rc < 0) {
        domain_parts_fini(&p);
        return err_set(e, rc, "out of memory");
    }
    *ret = p;
    return 0;
}

void
domain_parts_fini(struct domain_parts *p)
{
    for (unsigned i = 0; i < p->nvgpus; i++) {
        free(p->vgpus[i]);
        free(p->labels[i]);
    }
    *p = (struct domain_parts){0};
}

bool
domain_has_vgpu(const struct domain_parts *p, const char *name)
{
    for (unsigned i = 0; i < p->nvgpus; i++) {
        if (p->vgpus[i] && strcmp(p->vgpus[i], name) == 0)
            return true;
    }
    return false;
}

const char *
domain_label(const struct domain_parts *p, const char *name)
{
    for (unsigned i = 0; i < p->nvgpus; i++) {
        if (strcmp(p->vgpus[i], name) == 0)
            return p->labels[i];
    }
    return NULL;
}

int
domain_name(const char *xml, char **ret, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    xmlChar *name = NULL;
    const xmlNode *node;
    int rc = xml_parse(xml, &doc, e);

    if (rc < 0)
        return rc;
    node = xml_child(xmlDocGetRootElement(doc), "name");
    if (node)
        name = xmlNodeGetContent(node);
    if (!name || !name[0])
        rc = err_set(e, -EINVAL, "the domain's XML has no name");
    else if (!(*ret = strdup((const char *)name)))
        rc = err_set(e, -ENOMEM, "out of memory");
    xmlFree(name);
    return rc;
}

/* The same text in both; false where one has none. */
static bool
same_text(const xmlNode *a, const xmlNode *b)
{
    xmlChar *x = a ? xmlNodeGetContent(a) : NULL, *y = b ? xmlNodeGetContent(b) : NULL;
    const bool same = x && y && xmlStrEqual(x, y);

    xmlFree(x);
    xmlFree(y);
    return same;
}

bool
domain_is_same(const char *xml, const char *other)
{
    _cleanup_xml_doc_ xmlDoc *a = NULL, *b = NULL;
    const xmlNode *x, *y;

    if (xml_parse(xml, &a, NULL) < 0 || xml_parse(other, &b, NULL) < 0)
        return false;
    x = xmlDocGetRootElement(a);
    y = xmlDocGetRootElement(b);
    return same_text(xml_child(x, "name"), xml_child(y, "name")) &&
           same_text(xml_child(x, "uuid"), xml_child(y, "uuid"));
}

const char *
domain_slot_hint(const char *xml)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    const xmlNode *domain, *os;
    const char *machine;

    if (xml_parse(xml, &doc, NULL) < 0)
        return "";
    domain = xmlDocGetRootElement(doc);
    os = xml_child(xml_child(domain, "os"), "type");
    machine = xml_attr(os, "machine");
    if (machine && (strncmp(machine, "pc-i440fx", 9) == 0 || strcmp(machine, "pc") == 0))
        return "remove a device, or add <controller type='pci' model='pci-bridge'/> "
               "('virsh edit'), which has 31 slots more";
    return "remove a device, or add <controller type='pci' model='pcie-root-port'/> "
           "('virsh edit'), one for each device";
}
