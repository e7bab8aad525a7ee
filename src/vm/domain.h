/* SPDX-License-Identifier: MIT */
/*
 * A libvirt domain's XML, edited: text in, text out, nothing else is touched. What others put
 * there stays, comments, white space and foreign namespaces (qemu:) with it.
 *
 * The edits return 1 when they changed something and 0 when all was as it should be: a second
 * time nothing changes. *ret is the text either way (malloc'ed, the caller's). A negative errno
 * comes with words: -EINVAL (no domain, or none that can have a vGPU), -EEXIST (something in the
 * domain that is not ours is in the way).
 */
#ifndef TESSERA_VM_DOMAIN_H
#define TESSERA_VM_DOMAIN_H

#include "vm/pci.h"
#include "vm/vgpu.h"
#include "vm/xml.h"

#define DOMAIN_MOST_VGPUS 64

/* What a domain has of ours. */
struct domain_parts {
    char *vgpus[DOMAIN_MOST_VGPUS];  /* names, owned … */
    char *labels[DOMAIN_MOST_VGPUS]; /* … and what the domain calls them (vgpu.h) */
    unsigned nvgpus;
    struct pci_list pci; /* every PCI device of the host that is passed to it … */
    bool ours[PCI_MOST]; /* … and whether Tessera put it there */
};

/* A vGPU: shared memory, two virtio-serial controllers of its own, and its ports. */
int domain_attach_vgpu(const char *xml, const struct vm_vgpu *v, char **ret,
                       struct err *e);
int domain_detach_vgpu(const char *xml, const char *name, char **ret, struct err *e);

/*
 * The devices of vGPUs, by their labels, lead to these instead; those that are not there are none.
 */
int domain_lead_to(const char *xml, const struct vm_vgpu *vgpus, unsigned n, char **ret,
                   struct err *e);

/* PCI devices of the host; one that the domain has already, by whomever, is left as it is. */
int domain_attach_pci(const char *xml, const struct pci_list *l, char **ret,
                      struct err *e);
int domain_detach_pci(const char *xml, const struct pci_list *l, char **ret,
                      struct err *e);

int domain_parts(const char *xml, struct domain_parts *ret, struct err *e);
void domain_parts_fini(struct domain_parts *p);
bool domain_has_vgpu(const struct domain_parts *p, const char *name);
const char *domain_label(const struct domain_parts *p, const char *name); /* or NULL */

/* The devices of a vGPU as they would be in a domain, for people to put there. */
char *domain_fragment(const struct vm_vgpu *v, unsigned index);

/* A tree whose root is a domain that QEMU runs, and its <devices>; made if there are none. */
int domain_open(const char *xml, xmlDoc **ret, xmlNode **ret_devices, struct err *e);

/* May the vGPU's devices be added: is no name of theirs taken by what is not ours? */
int domain_check_free(const xmlNode *devices, const struct vm_vgpu *v, struct err *e);

int domain_name(const char *xml, char **ret, struct err *e);

/* Are both of one domain, by name and UUID? */
bool domain_is_same(const char *xml, const char *other);

/* What to do when there is no slot for one more PCI device. */
const char *domain_slot_hint(const char *xml);

#endif
