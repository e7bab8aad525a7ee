/* SPDX-License-Identifier: MIT */
/*
 * The elements of a domain that are ours, known by their user aliases: what each looks like, how
 * it is found, added, made to look as it should, and removed. Inside src/vm only.
 *
 * One struct edit per change of a document. Its functions go on after an error (no memory), which
 * `failed` then tells; `changed` says whether the document is another than before. What others put
 * into an element of ours (an address, a boot order) stays.
 */
#ifndef TESSERA_VM_DEVICES_H
#define TESSERA_VM_DEVICES_H

#include "vm/pci.h"
#include "vm/vgpu.h"
#include "vm/xml.h"

#define ALIAS_BYTES 96

struct edit {
    xmlNode *devices;
    bool changed, failed;
};

/* A port of a virtio-serial controller. */
struct serial_port {
    unsigned controller, port;
};

/*
 * Aliases: ua-tessera-LABEL, -LABEL-serialK, -LABEL-portN; ua-tessera-pci-0000-01-00-0. By the
 * label, since QEMU finds the memory in a machine that was saved by this name.
 */
void alias_of_memory(const char *label, char buf[ALIAS_BYTES]);
void alias_of_serial(const char *label, unsigned k, char buf[ALIAS_BYTES]);
void alias_of_port(const char *label, unsigned i, char buf[ALIAS_BYTES]);
void alias_of_pci(const struct pci_address *a, char buf[ALIAS_BYTES]);

/*
 * What the domain calls the vGPU that a <shmem> of ours is of, inside the tree; NULL: it is not
 * ours.
 */
const char *device_label(const xmlNode *shmem);

/* The name of the vGPU that the domain calls so: where its ports lead tells. */
void device_vgpu(const xmlNode *devices, const char *label, char buf[VM_NAME_BYTES]);

/* And what the domain calls the vGPU of that name; the name, if it has none. */
void device_label_of(const xmlNode *devices, const char *name, char buf[VM_NAME_BYTES]);

/* The host's PCI device that a <hostdev> passes through. */
bool device_pci(const xmlNode *hostdev, struct pci_address *ret);
bool device_has_alias(const xmlNode *device, const char *alias);

/* The device of that element name and alias, or NULL. */
xmlNode *device_find(const xmlNode *devices, const char *element, const char *alias);

/* Each finds the element or adds it, and makes it what it should be; returns it, or NULL. */
xmlNode *device_put_memory(struct edit *ed, const struct vm_vgpu *v);
xmlNode *device_put_serial(struct edit *ed, const char *label, unsigned k,
                           unsigned index);
xmlNode *device_put_port(struct edit *ed, const struct vm_vgpu *v, unsigned i,
                         const struct serial_port *at);
/* Those that are there lead to another vGPU of the same label. */
void device_lead_to(struct edit *ed, const struct vm_vgpu *v);
xmlNode *device_put_pci(struct edit *ed, const struct pci_address *a);

/* Where in the guest; for a device that cannot be left to libvirt. */
void device_put_slot(struct edit *ed, xmlNode *device, unsigned bus, unsigned slot);

/* Removes an element and the white space before it. NULL is fine. */
void device_remove(struct edit *ed, xmlNode *device);

#endif
