/* SPDX-License-Identifier: MIT */
/*
 * A running domain: which devices it lacks of a vGPU, and putting them there one by one or not at
 * all. libvirt plugs in shared memory, channels and PCI devices, but no virtio-serial controller:
 * ports must be free on one that the domain was started with.
 */
#ifndef TESSERA_VM_LIVE_H
#define TESSERA_VM_LIVE_H

#include "vm/pci.h"
#include "vm/vgpu.h"

#define LIVE_MOST (VM_PORTS + PCI_MOST + 1)
#define LIVE_LEAST_PORTS VM_SERIAL_PORTS

struct live_device {
    char *alias, *xml; /* owned; xml NULL where only the alias matters */
};

struct live_plan {
    struct live_device items[LIVE_MOST]; /* in the order of use */
    unsigned n;
    unsigned ports; /* that a vGPU has when all is plugged in */
};

/* What does it; `to` is the caller's. */
struct live_ops {
    int (*attach)(void *to, const struct live_device *d, struct err *e);
    int (*detach)(void *to, const struct live_device *d, struct err *e);
};

/*
 * Plans out of the XML of the running domain; an empty one when all is there. A vGPU gets the ports
 * that there is room for, from LIVE_LEAST_PORTS on. Its memory is the last: ports can be taken out
 * again whatever the guest does, a PCI device only with it. -ENOSPC says which port or slot is
 * missing and what to do. The caller ends them with live_plan_fini().
 */
int live_plan_vgpu(const char *xml, const struct vm_vgpu *v, struct live_plan *ret,
                   struct err *e);
int live_plan_pci(const char *xml, const struct pci_list *l, struct live_plan *ret,
                  struct err *e);

/* What is there of the vGPU, or of the list and put there by us, to be taken out. */
int live_plan_remove_vgpu(const char *xml, const char *name, struct live_plan *ret,
                          struct err *e);
int live_plan_remove_pci(const char *xml, const struct pci_list *l, struct live_plan *ret,
                         struct err *e);
void live_plan_fini(struct live_plan *p);
#define _cleanup_live_plan_ __attribute__((cleanup(live_plan_fini)))

/* Is this device (still) in the running domain's XML? */
bool live_plan_left(const char *xml, const struct live_device *d);

/* All of it, or, on an error, none: what was plugged in is taken out again. */
int live_attach(const struct live_ops *ops, void *to, const struct live_plan *p,
                struct err *e);

/* As much of it as goes; the first error is told. */
int live_detach(const struct live_ops *ops, void *to, const struct live_plan *p,
                struct err *e);

#endif
