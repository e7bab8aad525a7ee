/* SPDX-License-Identifier: MIT */
/* A PCI device of the host, and what must hold before a VM gets it by VFIO. */
#ifndef TESSERA_VM_PCI_H
#define TESSERA_VM_PCI_H

#include "base/err.h"

#include <stdbool.h>

#define PCI_TEXT_BYTES 16
#define PCI_MOST 16 /* devices in one call */

struct pci_address {
    unsigned domain, bus, slot, function;
};

struct pci_list {
    struct pci_address items[PCI_MOST];
    unsigned n;
};

/* "0000:01:00.0", or "01:00.0" for the usual domain. */
bool pci_parse(const char *text, struct pci_address *ret);
void pci_format(const struct pci_address *a, char buf[PCI_TEXT_BYTES]);
bool pci_same(const struct pci_address *a, const struct pci_address *b);
bool pci_listed(const struct pci_list *l, const struct pci_address *a);

/*
 * Can each of `want` be passed through? It exists and is no bridge, the host has an IOMMU, and all
 * others of its IOMMU group are bridges, or in `want` or in `have` (what the VM has already). sysfs
 * is where sysfs is mounted. A refusal says what would help.
 */
int pci_check(const char *sysfs, const struct pci_list *want, const struct pci_list *have,
              struct err *e);

#endif
