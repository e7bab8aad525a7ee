/* SPDX-License-Identifier: MIT */
/*
 * Transport "virtio": the doorbell between a guest process in a virtual machine and its worker.
 *
 *   guest process ── /dev/vportNpM ── virtio-serial, QEMU ── Unix socket ── worker
 *
 * The port says nothing of what becomes of the process that has it open: QEMU's socket lives as
 * long as QEMU. So the process leaves a robust futex in the channel page (`owner`), held by a
 * thread that does nothing else, its guardian: the guest's kernel marks the word when that thread
 * ends with its process, however it ends. A guest that is reset marks nothing; then the port is
 * closed, QEMU takes no more bytes from the socket, and a ping now and then finds that out.
 *
 * Sooner than that the next user of the port tells: what is no bell is its hello.
 */
#ifndef TESSERA_WIRE_VIRTIO_H
#define TESSERA_WIRE_VIRTIO_H

#include "wire/channel.h"

/* What travels once the session is welcome; both differ from the first byte of a hello. */
#define BELL_KICK 1u
#define BELL_PING 2u

static inline bool
is_bell(uint8_t byte)
{
    return byte == BELL_KICK || byte == BELL_PING;
}

/* Guest: adopts an open port (O_NONBLOCK), and starts the guardian. 0, or a negative errno. */
int channel_use_port(struct channel *c, int port_fd);

/*
 * Guest: the worker has left and will be back (CHANNEL_SUSPENDED), or its memory is not ours any
 * more, or the port has nobody behind it.
 */
bool channel_port_is_left(const struct channel *c);

/*
 * Guest: from take to give the port is the caller's alone, for a hello; who would sleep on it is
 * told -EPIPE.
 */
void channel_port_take(struct channel *c);
void channel_port_give(struct channel *c);

/*
 * Host: takes bells off the socket, some of them if there are many: a guest may ring without end.
 * 1: something else comes next, 0: nothing yet, or more bells, -EPIPE: QEMU has hung up. What was
 * taken is added to *bells.
 */
int bells_skip(int socket_fd, unsigned *bells);

/* Worker: adopts QEMU's socket. 0, or a negative errno. */
int channel_use_vm(struct channel *c, int socket_fd);

/* Worker, in a thread of its own: what the watch has seen last, and when. Begins zeroed. */
struct guest_watch {
    uint64_t listened_ns, pinged_ns;
    uint32_t owner, bells_read;
    const char
        *forged; /* the guest's words in the page became what they never do: which */
};

/* Looks at the guest for WATCH_MS; false: it is gone, or has forged what tells of it. */
bool channel_guest_lives(struct channel *c, struct guest_watch *w);

/* It is: wakes whoever waits, from now on. */
_Noreturn void channel_guest_gone(struct channel *c);

#endif
