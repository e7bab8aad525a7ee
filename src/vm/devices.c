/* SPDX-License-Identifier: MIT */
#include "vm/devices.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <string.h>

#define PREFIX "ua-tessera-"
#define STEP "  "
#define NUMBER_BYTES 32

/* ---- aliases ----------------------------------------------------------------------- */

void
alias_of_memory(const char *label, char buf[ALIAS_BYTES])
{
    snprintf(buf, ALIAS_BYTES, PREFIX "%.64s", label);
}

void
alias_of_serial(const char *label, unsigned k, char buf[ALIAS_BYTES])
{
    snprintf(buf, ALIAS_BYTES, PREFIX "%.64s-serial%u", label, k);
}

void
alias_of_port(const char *label, unsigned i, char buf[ALIAS_BYTES])
{
    snprintf(buf, ALIAS_BYTES, PREFIX "%.64s-port%u", label, i);
}

/* An alias may hold no colon and no point. */
void
alias_of_pci(const struct pci_address *a, char buf[ALIAS_BYTES])
{
    snprintf(buf, ALIAS_BYTES, PREFIX "pci-%04x-%02x-%02x-%x", a->domain, a->bus, a->slot,
             a->function);
}

static const char *
alias_in(const xmlNode *device)
{
    return xml_attr(xml_child(device, "alias"), "name");
}

bool
device_has_alias(const xmlNode *device, const char *alias)
{
    const char *has = alias_in(device);

    return has && strcmp(has, alias) == 0;
}

const char *
device_label(const xmlNode *shmem)
{
    const char *alias = alias_in(shmem);

    if (!alias || strncmp(alias, PREFIX, strlen(PREFIX)) != 0)
        return NULL;
    alias += strlen(PREFIX);
    return vm_name_is_good(alias) ? alias : NULL;
}

/* "/run/tessera/vm/NAME/port0" */
static bool
vgpu_of_path(const char *path, char buf[VM_NAME_BYTES])
{
    const char *end = path ? strrchr(path, '/') : NULL, *begin = end;

    while (begin && begin > path && begin[-1] != '/')
        begin--;
    if (!begin || end - begin >= VM_NAME_BYTES)
        return false;
    memcpy(buf, begin, (size_t)(end - begin));
    buf[end - begin] = '\0';
    return vm_name_is_good(buf);
}

void
device_vgpu(const xmlNode *devices, const char *label, char buf[VM_NAME_BYTES])
{
    for (unsigned i = 0; i < VM_PORTS; i++) {
        char alias[ALIAS_BYTES];

        alias_of_port(label, i, alias);
        if (vgpu_of_path(
                xml_attr(xml_child(device_find(devices, "channel", alias), "source"),
                         "path"),
                buf))
            return;
    }
    snprintf(buf, VM_NAME_BYTES, "%s", label);
}

void
device_label_of(const xmlNode *devices, const char *name, char buf[VM_NAME_BYTES])
{
    for (const xmlNode *d = xml_child(devices, "shmem"); d; d = xml_next(d, "shmem")) {
        const char *label = device_label(d);

        if (label)
            device_vgpu(devices, label, buf);
        if (label && strcmp(buf, name) == 0) {
            snprintf(buf, VM_NAME_BYTES, "%s", label);
            return;
        }
    }
    snprintf(buf, VM_NAME_BYTES, "%s", name);
}

bool
device_pci(const xmlNode *hostdev, struct pci_address *ret)
{
    const xmlNode *at = xml_child(xml_child(hostdev, "source"), "address");

    if (!xml_attr_is(hostdev, "type", "pci"))
        return false;
    ret->domain = 0;
    xml_attr_number(at, "domain", &ret->domain);
    return xml_attr_number(at, "bus", &ret->bus) &&
           xml_attr_number(at, "slot", &ret->slot) &&
           xml_attr_number(at, "function", &ret->function);
}

xmlNode *
device_find(const xmlNode *devices, const char *element, const char *alias)
{
    xmlNode *d = xml_child(devices, element);

    while (d && !device_has_alias(d, alias))
        d = xml_next(d, element);
    return d;
}

/* ---- making elements what they should be --------------------------------------------- */

static xmlNode *
made(struct edit *ed, xmlNode *node)
{
    ed->changed = true;
    if (!node)
        ed->failed = true;
    return node;
}

static xmlNode *
new_element(struct edit *ed, const char *name)
{
    return made(ed, xmlNewNode(NULL, (const xmlChar *)name));
}

/* The child of that name; a new one is the last. */
static xmlNode *
put_child(struct edit *ed, xmlNode *parent, const char *name)
{
    xmlNode *child = xml_child(parent, name);

    if (child || !parent)
        return child;
    child = new_element(ed, name);
    return child ? xmlAddChild(parent, child) : NULL;
}

static void
put_attr(struct edit *ed, xmlNode *node, const char *name, const char *value)
{
    if (!node || xml_attr_is(node, name, value))
        return;
    ed->changed = true;
    if (!xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value))
        ed->failed = true;
}

static void
put_number(struct edit *ed, xmlNode *node, const char *name, unsigned value)
{
    char text[NUMBER_BYTES];
    unsigned has;

    if (xml_attr_number(node, name, &has) && has == value)
        return;
    snprintf(text, sizeof text, "%u", value);
    put_attr(ed, node, name, text);
}

static void
put_text(struct edit *ed, xmlNode *node, const char *text)
{
    xmlChar *has = node ? xmlNodeGetContent(node) : NULL;

    if (node && !(has && strcmp((const char *)has, text) == 0)) {
        ed->changed = true;
        xmlNodeSetContent(node, (const xmlChar *)text);
    }
    xmlFree(has);
}

/* ---- places and white space ---------------------------------------------------------- */

static bool
is_blank(const xmlNode *node)
{
    return node && node->type == XML_TEXT_NODE && xmlIsBlankNode(node);
}

/* Puts a text node before `node`; it may be merged into one that is there. */
static void
put_blank_before(struct edit *ed, xmlNode *node, const char *blank)
{
    xmlNode *text = made(ed, xmlNewText((const xmlChar *)blank));

    if (text && !xmlAddPrevSibling(node, text))
        ed->failed = true;
}

/* A new element's own children, each on a line of its own; lead is the line break before it. */
static void
lay_out(struct edit *ed, xmlNode *node, const char *lead)
{
    char deeper[64];
    xmlNode *end;

    if (!xml_first_element(node))
        return;
    snprintf(deeper, sizeof deeper, "%.40s" STEP, lead);
    for (xmlNode *c = xml_first_element(node); c; c = xml_next_element(c)) {
        put_blank_before(ed, c, deeper);
        lay_out(ed, c, deeper);
    }
    end = made(ed, xmlNewText((const xmlChar *)lead));
    if (end)
        xmlAddChild(node, end);
}

/* The line break and indentation of the devices; false: they are all on one line. */
static bool
lead_of(const xmlNode *devices, char lead[64])
{
    const xmlNode *last = devices->last;

    if (!is_blank(last) || !strchr((const char *)last->content, '\n'))
        return false;
    snprintf(lead, 64, "%.40s" STEP, strrchr((const char *)last->content, '\n'));
    return true;
}

/* A new device, complete, becomes the last; what follows the last one stays where it is. */
static void
append(struct edit *ed, xmlNode *device)
{
    xmlNode *devices = ed->devices;
    char lead[64];

    if (!lead_of(devices, lead)) {
        xmlAddChild(devices, device);
        return;
    }
    lay_out(ed, device, lead);
    /* After what is before the last line break, which goes on ending the list. */
    if (!xmlAddPrevSibling(devices->last, device)) {
        ed->failed = true;
        return;
    }
    put_blank_before(ed, device, lead);
}

static xmlNode *
find_or_make(struct edit *ed, const char *element, const char *alias)
{
    xmlNode *d = device_find(ed->devices, element, alias);

    return d ? d : new_element(ed, element);
}

/* The last step of each: the alias, and the place if it has none yet. */
static xmlNode *
finish(struct edit *ed, xmlNode *device, const char *alias)
{
    if (!device)
        return NULL;
    put_attr(ed, put_child(ed, device, "alias"), "name", alias);
    if (!device->parent)
        append(ed, device);
    return device;
}

void
device_remove(struct edit *ed, xmlNode *device)
{
    xmlNode *before = device ? device->prev : NULL;

    if (!device)
        return;
    if (is_blank(before)) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }
    xmlUnlinkNode(device);
    xmlFreeNode(device);
    ed->changed = true;
}

/* ---- what each looks like ------------------------------------------------------------ */

xmlNode *
device_put_memory(struct edit *ed, const struct vm_vgpu *v)
{
    char alias[ALIAS_BYTES], size[NUMBER_BYTES];
    xmlNode *d, *in;

    alias_of_memory(v->label, alias);
    snprintf(size, sizeof size, "%" PRIu64, v->memory_bytes >> 20);
    d = find_or_make(ed, "shmem", alias);
    put_attr(ed, d, "name", strrchr(v->memory, '/') + 1);
    put_attr(ed, d, "role", "master");
    put_attr(ed, put_child(ed, d, "model"), "type", "ivshmem-plain");
    in = put_child(ed, d, "size");
    put_attr(ed, in, "unit", "M");
    put_text(ed, in, size);
    return finish(ed, d, alias);
}

xmlNode *
device_put_serial(struct edit *ed, const char *label, unsigned k, unsigned index)
{
    char alias[ALIAS_BYTES];
    xmlNode *d;

    alias_of_serial(label, k, alias);
    d = find_or_make(ed, "controller", alias);
    put_attr(ed, d, "type", "virtio-serial");
    put_number(ed, d, "index", index);
    put_number(ed, d, "ports", VM_SERIAL_PORTS + 1);
    return finish(ed, d, alias);
}

xmlNode *
device_put_port(struct edit *ed, const struct vm_vgpu *v, unsigned i,
                const struct serial_port *at)
{
    char alias[ALIAS_BYTES], name[ALIAS_BYTES];
    xmlNode *d, *in;

    alias_of_port(v->label, i, alias);
    snprintf(name, sizeof name, "tessera.%.64s.%u", v->label, i);
    d = find_or_make(ed, "channel", alias);
    put_attr(ed, d, "type", "unix");
    in = put_child(ed, d, "source");
    put_attr(ed, in, "mode", "connect");
    put_attr(ed, in, "path", v->ports[i]);
    in = put_child(ed, in, "reconnect");
    put_attr(ed, in, "enabled", "yes");
    put_attr(ed, in, "timeout", "1");
    in = put_child(ed, d, "target");
    put_attr(ed, in, "type", "virtio");
    put_attr(ed, in, "name", name);
    in = put_child(ed, d, "address");
    put_attr(ed, in, "type", "virtio-serial");
    put_number(ed, in, "controller", at->controller);
    put_number(ed, in, "bus", 0);
    put_number(ed, in, "port", at->port);
    return finish(ed, d, alias);
}

void
device_lead_to(struct edit *ed, const struct vm_vgpu *v)
{
    char alias[ALIAS_BYTES];

    alias_of_memory(v->label, alias);
    if (device_find(ed->devices, "shmem", alias))
        device_put_memory(ed, v);
    for (unsigned i = 0; i < VM_PORTS; i++) {
        alias_of_port(v->label, i, alias);
        put_attr(ed, xml_child(device_find(ed->devices, "channel", alias), "source"),
                 "path", v->ports[i]);
    }
}

static void
put_hex(struct edit *ed, xmlNode *node, const char *name, int digits, unsigned value)
{
    char text[NUMBER_BYTES];
    unsigned has;

    if (xml_attr_number(node, name, &has) && has == value)
        return;
    snprintf(text, sizeof text, "0x%0*x", digits, value);
    put_attr(ed, node, name, text);
}

xmlNode *
device_put_pci(struct edit *ed, const struct pci_address *a)
{
    char alias[ALIAS_BYTES];
    xmlNode *d, *at;

    alias_of_pci(a, alias);
    d = find_or_make(ed, "hostdev", alias);
    put_attr(ed, d, "mode", "subsystem");
    put_attr(ed, d, "type", "pci");
    put_attr(ed, d, "managed", "yes");
    at = put_child(ed, put_child(ed, d, "source"), "address");
    put_hex(ed, at, "domain", 4, a->domain);
    put_hex(ed, at, "bus", 2, a->bus);
    put_hex(ed, at, "slot", 2, a->slot);
    put_hex(ed, at, "function", 1, a->function);
    return finish(ed, d, alias);
}

void
device_put_slot(struct edit *ed, xmlNode *device, unsigned bus, unsigned slot)
{
    xmlNode *at = put_child(ed, device, "address");

    put_attr(ed, at, "type", "pci");
    put_hex(ed, at, "domain", 4, 0);
    put_hex(ed, at, "bus", 2, bus);
    put_hex(ed, at, "slot", 2, slot);
    put_hex(ed, at, "function", 1, 0);
}
