/* SPDX-License-Identifier: MIT */
/* How a device's vGPU is reached: its socket, or in a virtual machine a port and a BAR. */
#ifndef TESSERA_GUEST_OPENCL_CONNECTION_H
#define TESSERA_GUEST_OPENCL_CONNECTION_H

#include "wire/hello.h"

struct channel;
struct vm_vgpu;

struct route {
    char *socket_path;
    const struct vm_vgpu
        *vm; /* reached through a port (vm.h), and no socket; else NULL */
};

/* A worker has said welcome. */
struct connection {
    struct welcome welcome;
    uint8_t *info;      /* of welcome.info_bytes, malloc'ed */
    int bell;           /* the doorbell's descriptor */
    int memory[2];      /* channel and heap; of a virtual machine the BAR, and -1 */
    uint64_t bar_bytes; /* 0: not in a virtual machine */
};

#define CONNECTION_NONE ((struct connection){.bell = -1, .memory = {-1, -1}})

#define CONNECTION_REASON_BYTES sizeof(((struct welcome *)0)->reason)

/* 0, or a negative errno with words in reason (of CONNECTION_REASON_BYTES). */
int connection_open(const struct route *r, struct connection *ret, char *reason);
void connection_fini(struct connection *c);

/* What this process says to a worker that it has no session with yet. */
void connection_hello(struct hello *ret);

/* The same through a port, but for the nonce. */
void connection_port_hello(struct hello *ret);

/* Maps the channel. */
int connection_map(const struct connection *c, struct channel *channel);

/*
 * Gives the memory's descriptors away; a virtual machine's BAR stays. A negative errno where one
 * could not be kept above stdio.
 */
void connection_take_memory(struct connection *c, int ret[2]);

/* Gives the doorbell to the channel, which is mapped. */
int connection_ring(struct connection *c, struct channel *channel);

#endif
