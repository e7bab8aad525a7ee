/* SPDX-License-Identifier: MIT */
/*
 * A vGPU as a virtual machine sees it, and the manager's part of giving it to one
 * (docs/control-api.md: PUT and DELETE /v1/vgpus/NAME/vm).
 */
#ifndef TESSERA_VM_VGPU_H
#define TESSERA_VM_VGPU_H

#include "base/err.h"
#include "client/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define VM_PORTS 16
/*
 * On two controllers: QEMU sends a name and a state for each port when a guest's driver starts,
 * through a queue of 32, and drops what finds no room there.
 */
#define VM_SERIALS 2
#define VM_SERIAL_PORTS (VM_PORTS / VM_SERIALS)
#define VM_NO_UID (-1L)
#define VM_NAME_BYTES 49 /* with the NUL */

/* All of it owned; vm_vgpu_fini() accepts one that is zeroed. */
struct vm_vgpu {
    char *name;
    char *label;  /* what the machine calls it: its name, but in a copy of a machine */
    char *memory; /* the file that is the guest's BAR, below /dev/shm */
    uint64_t memory_bytes;
    char *ports[VM_PORTS]; /* Unix sockets that QEMU connects to */
    char *domain;       /* whom it was given to; NULL: nobody that the manager knows of */
    unsigned connected; /* ports that QEMU has open */
};

/* Good for an alias, a file name and an argument of QEMU's, as the manager's names are. */
bool vm_name_is_good(const char *name);

/*
 * Of the manager's answer; its `vm` must not be null. What QEMU or libvirt could not take is
 * refused: -EPROTO.
 */
int vm_vgpu_parse(const json_t *vgpu, struct vm_vgpu *ret, struct err *e);
void vm_vgpu_fini(struct vm_vgpu *v);
#define _cleanup_vm_vgpu_ __attribute__((cleanup(vm_vgpu_fini)))

struct vm_gift {
    const char *name;
    const char *domain; /* for people; NULL: not told */
    const char *label;  /* NULL: as it is */
    long uid;           /* whom QEMU runs as; VM_NO_UID: the vGPU's owner, or root */
};

/* Has the manager make the memory and the sockets for QEMU. The same again changes nothing. */
int vm_vgpu_give(struct client *c, const struct vm_gift *g, struct vm_vgpu *ret,
                 struct err *e);

/* Has them taken away; -EBUSY while QEMU is connected. */
int vm_vgpu_take(struct client *c, const char *name, struct err *e);

#endif
