/* SPDX-License-Identifier: MIT */
/*
 * A vGPU that a virtual machine has: a file that QEMU maps as the BAR of an ivshmem device, and a
 * listening socket for each virtio port, to which QEMU connects.
 *
 *   port: no connection ──▶ waits for a guest ──▶ a worker has it ──▶ waits again, or no connection
 *
 * QEMU's connection outlives a session whose guest left; one that ended otherwise takes it along,
 * since that is how the guest hears of it. QEMU then connects anew within a second.
 */
#ifndef TESSERA_MANAGER_VM_H
#define TESSERA_MANAGER_VM_H

#include "manager/vgpu.h"
#include "wire/bar.h"

struct vm_port {
    struct vgpu *v;
    unsigned number;
    struct watch *listener;
    struct watch *idle;  /* QEMU's connection, as long as no guest speaks */
    unsigned idle_bytes; /* that came in vain since the last session */
    bool parked;         /* who speaks there waits until the vGPU is resumed */
    int fd;              /* the same while a worker has it, else -1 */
};

struct vm {
    char *folder;      /* RUNTIME/vm/NAME, owned */
    char *memory_path; /* owned */
    uint64_t memory_bytes;
    int memory_fd;
    _Atomic unsigned clearing; /* threads that are at it */
    struct vm_port ports[BAR_PORTS];
};

/*
 * Makes what a virtual machine needs, and notes it in the vGPU's state; again is no error. -EPERM
 * for a user whom this manager cannot serve.
 */
int vm_attach(struct vgpu *v, const struct request_vm *r, struct err *e);

/* Takes all of it away; -EBUSY while a virtual machine is connected. */
int vm_detach(struct vgpu *v, struct err *e);

/* After a restart of the manager, or of the host. */
int vm_resume(struct vgpu *v, struct err *e);

/* What happens to who waits at the ports may be another now: looks at them. */
void vm_route(struct vgpu *v);
bool vm_any_parked(const struct vgpu *v);

/* May a vGPU be of that size from now on? Its machine sees the memory as it was made. */
int vm_check_size(const struct vgpu *v, uint64_t framebuffer_bytes, struct err *e);

/* How many ports QEMU has connected. */
unsigned vm_connected(const struct vgpu *v);

/* The machine's sentence for an error message. */
int vm_is_connected_error(const struct vgpu *v, const char *what, struct err *e);

/* Lets go in memory; the files stay. */
void vm_forget(struct vgpu *v);
void vm_remove_files(const struct vgpu *v);

/*
 * A session is over: its memory there is cleared, beside the loop, since it may be large, and free
 * again. false: it has none; else session_slot_cleared() comes.
 */
bool vm_clear_slot(struct vgpu *v, unsigned slot);

/* The port's worker is gone; in order: its guest left. */
void vm_port_is_free(struct vm_port *p, bool in_order);

/* What the API says of it; null when it is attached to no virtual machine. */
json_t *vm_json(const struct vgpu *v);

#endif
