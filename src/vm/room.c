/* SPDX-License-Identifier: MIT */
#include "vm/room.h"

#include <string.h>

#define SERIAL_PORTS_USUAL 31 /* of a controller that names none, and the most of any */
#define SLOTS 32

/*
 * Devices of one controller that a guest is sure to find after its next boot: QEMU tells the
 * guest's driver of all of them at once, and of the name and the state of each as it is
 * acknowledged, through a queue of 32; what finds no room there is lost.
 */
#define SERIAL_DEVICES_MOST 15

/* ---- virtio-serial ----------------------------------------------------------------------- */

static bool
is_serial_controller(const xmlNode *d)
{
    return xmlStrEqual(d->name, (const xmlChar *)"controller") &&
           xml_attr_is(d, "type", "virtio-serial");
}

/* The port of a device on a virtio-serial controller. */
static bool
serial_port_of(const xmlNode *d, struct serial_port *ret)
{
    const xmlNode *at = xml_child(d, "address");

    ret->controller = 0;
    xml_attr_number(at, "controller", &ret->controller);
    return xml_attr_is(at, "type", "virtio-serial") &&
           xml_attr_number(at, "port", &ret->port);
}

static unsigned
serial_devices(const xmlNode *devices, unsigned index)
{
    struct serial_port p;
    unsigned n = 0;

    for (const xmlNode *d = xml_first_element(devices); d; d = xml_next_element(d))
        n += serial_port_of(d, &p) && p.controller == index;
    return n;
}

bool
room_serial_used(const xmlNode *devices, unsigned index)
{
    return serial_devices(devices, index) > 0;
}

static bool
has_serial_controller(const xmlNode *devices, unsigned index)
{
    unsigned has;

    for (const xmlNode *d = xml_first_element(devices); d; d = xml_next_element(d)) {
        if (is_serial_controller(d) && xml_attr_number(d, "index", &has) && has == index)
            return true;
    }
    return false;
}

unsigned
room_serial_index(const xmlNode *devices, unsigned least)
{
    unsigned index = least;

    while (has_serial_controller(devices, index) || room_serial_used(devices, index))
        index++;
    return index;
}

static bool
port_is_used(const xmlNode *devices, const struct serial_port *port)
{
    struct serial_port p;

    for (const xmlNode *d = xml_first_element(devices); d; d = xml_next_element(d)) {
        if (serial_port_of(d, &p) && p.controller == port->controller &&
            p.port == port->port)
            return true;
    }
    return false;
}

/* Those of one controller. */
static unsigned
ports_of(const xmlNode *devices, const xmlNode *controller, struct serial_port *ret,
         unsigned most)
{
    struct serial_port p = {0};
    unsigned ports = SERIAL_PORTS_USUAL, n = 0, used;

    if (!is_serial_controller(controller) ||
        !xml_attr_number(controller, "index", &p.controller))
        return 0;
    xml_attr_number(controller, "ports", &ports);
    if (ports > SERIAL_PORTS_USUAL)
        ports = SERIAL_PORTS_USUAL;
    used = serial_devices(devices, p.controller);
    for (p.port = 1; p.port < ports && n < most && used + n < SERIAL_DEVICES_MOST;
         p.port++) {
        if (!port_is_used(devices, &p))
            ret[n++] = p;
    }
    return n;
}

unsigned
room_serial_ports(const xmlNode *devices, struct serial_port *ret, unsigned most)
{
    unsigned n = 0;

    for (const xmlNode *d = xml_first_element(devices); d; d = xml_next_element(d))
        n += ports_of(devices, d, ret + n, most - n);
    return n;
}

/* ---- PCI ----------------------------------------------------------------------------------- */

static uint32_t
slots_used(const xmlNode *devices, unsigned bus)
{
    uint32_t used = 0;

    for (const xmlNode *d = xml_first_element(devices); d; d = xml_next_element(d)) {
        const xmlNode *at = xml_child(d, "address");
        unsigned on = 0, slot;

        if (!xml_attr_is(at, "type", "pci") || !xml_attr_number(at, "slot", &slot))
            continue;
        xml_attr_number(at, "bus", &on);
        if (on == bus && slot < SLOTS)
            used |= UINT32_C(1) << slot;
    }
    return used;
}

/*
 * The slots of a bus into which a conventional device can be plugged while the domain runs.
 * Slot 0 of a root is the host bridge, that of a bridge its hot-plug controller.
 */
static uint32_t
slots_conventional(const char *model)
{
    static const char *const models[] = {"pci-root", "pci-bridge", "pcie-to-pci-bridge"};

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (strcmp(model, models[i]) == 0)
            return ~UINT32_C(1);
    }
    return 0;
}

static bool
takes_one(const xmlNode *controller, const char *model)
{
    return (strcmp(model, "pcie-root-port") == 0 ||
            strcmp(model, "pcie-switch-downstream-port") == 0) &&
           !xml_attr_is(xml_child(controller, "target"), "hotplug", "off");
}

enum room_slot
room_pci_slot(const xmlNode *devices, unsigned *ret_bus)
{
    enum room_slot found = ROOM_NONE;
    bool buses = false;

    for (const xmlNode *d = xml_child(devices, "controller"); d;
         d = xml_next(d, "controller")) {
        const char *model = xml_attr(d, "model");
        unsigned bus;

        if (!xml_attr_is(d, "type", "pci") || !xml_attr_number(d, "index", &bus))
            continue;
        buses = true;
        if (model && slots_conventional(model) & ~slots_used(devices, bus))
            return ROOM_LIBVIRT;
        if (model && takes_one(d, model) && slots_used(devices, bus) == 0) {
            *ret_bus = bus;
            found = ROOM_PORT;
        }
    }
    return buses ? found : ROOM_LIBVIRT;
}
