/* SPDX-License-Identifier: MIT */
/*
 * What is still free in a domain: ports of virtio-serial controllers, and slots that take one more
 * PCI device. Inside src/vm only.
 */
#ifndef TESSERA_VM_ROOM_H
#define TESSERA_VM_ROOM_H

#include "vm/devices.h"

/* The first controller index that nothing has and nothing refers to. */
unsigned room_serial_index(const xmlNode *devices, unsigned least);

/* Is a device on that controller? */
bool room_serial_used(const xmlNode *devices, unsigned index);

/*
 * Free ports of the controllers that are there, at most `most`; returns how many. Port 0 is for
 * consoles alone, and no controller gets more devices than a guest is sure to find.
 */
unsigned room_serial_ports(const xmlNode *devices, struct serial_port *ret,
                           unsigned most);

enum room_slot {
    ROOM_NONE, /* no slot for a conventional PCI device */
    ROOM_LIBVIRT, /* there is one that libvirt finds by itself, or the domain names no buses */
    ROOM_PORT, /* only a PCI Express port, which must be named: *ret_bus */
};

/*
 * For a device (ivshmem) that is plugged into a running domain: libvirt adds bridges only when a
 * domain is defined.
 */
enum room_slot room_pci_slot(const xmlNode *devices, unsigned *ret_bus);

#endif
