/* SPDX-License-Identifier: MIT */
/*
 * The memory that a virtual machine shares with the workers of one vGPU: BAR 2 of an
 * ivshmem-plain device, on the host a file that the manager makes.
 *
 *   | struct bar_header | chunks: channels and heaps of the sessions, given out on demand |
 *
 * Its size is a power of two. It is cut into BAR_CHUNKS equal chunks, the first of which holds
 * the header; which session has which is the host's to know (link/bar_map.h).
 *
 * Whoever may map it in the guest sees all of it: inside a virtual machine the group that the
 * file belongs to is the boundary, not the process.
 */
#ifndef TESSERA_WIRE_BAR_H
#define TESSERA_WIRE_BAR_H

#include <stdbool.h>
#include <stdint.h>

#define BAR_MAGIC "TSRABAR1"
#define BAR_MAGIC_BYTES 8
#define BAR_CHUNKS 4096u
#define BAR_PORTS 16u /* virtio ports of a vGPU: as many guest processes at once */
/*
 * QEMU sends a name and a state for each port when a guest's driver starts, through a queue of 32,
 * and drops what finds no room: then a port seems closed for ever.
 */
#define BAR_PORTS_PER_CONTROLLER 8u

/* PCI: Red Hat, "Inter-VM shared memory" (QEMU, docs/specs/ivshmem-spec.rst). */
#define BAR_PCI_VENDOR 0x1af4u
#define BAR_PCI_DEVICE 0x1110u

/* What a port is called in the guest: "tessera.NAME.N". */
#define BAR_PORT_PREFIX "tessera."

struct bar_header {
    char magic[BAR_MAGIC_BYTES]; /* not NUL-terminated */
    uint32_t version;            /* WIRE_VERSION of the manager */
    uint32_t ports;
    uint64_t bytes;             /* of the BAR */
    uint64_t framebuffer_bytes; /* the vGPU's */
    char name[64];              /* the vGPU's, NUL-terminated */
};

/* The size for a vGPU: room for its buffers, rings and transfers. 0: there is none so large. */
uint64_t bar_bytes_for(uint64_t framebuffer_bytes);

static inline uint64_t
bar_chunk_bytes(uint64_t bar_bytes)
{
    return bar_bytes / BAR_CHUNKS;
}

/* Of one mapped or copied. false: it is none, or of `bytes` that do not fit what it says. */
bool bar_header_valid(const struct bar_header *h, uint64_t bytes);

void bar_header_fill(struct bar_header *h, const char *name, uint64_t bytes,
                     uint64_t framebuffer_bytes);

#endif
