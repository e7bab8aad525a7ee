/* SPDX-License-Identifier: MIT */
/* A guest that speaks the channel protocol by hand, so that it can say anything. */
#ifndef TESSERA_HOSTILE_GUEST_H
#define TESSERA_HOSTILE_GUEST_H

#include "api/opencl_wire.h"
#include "wire/channel.h"
#include "wire/codec.h"

#include <stdbool.h>

struct vm_vgpu;

struct guest {
    struct channel c;
    struct welcome w;
    int channel_fd, heap_fd;       /* in a virtual machine the BAR, and -1 */
    uint64_t room_off, room_bytes; /* what guest_room() has */
    char reason[160];              /* of a refusal */
};

/* The ids that guest_world() gives. */
enum { CONTEXT_ID = 1, QUEUE_ID = 2, FREE_ID = 3 };

/*
 * A connection that has said nothing, by the socket of $TESSERA_VGPU, else by a port of the virtual
 * machine; ends the program when there is none.
 */
int guest_socket(void);

/* The machine's vGPU; NULL: we are in none. */
const struct vm_vgpu *guest_machine(void);

/*
 * Where in the heap the guest may have so many bytes, the same place each time: it is alone in its
 * heap, but in a virtual machine, whose sessions have parts. Ends the program when there are none.
 */
uint64_t guest_room(struct guest *g, uint64_t bytes);

/* Asks for a part of the heap: {0, 0} when there is none. false: the session has ended. */
bool guest_grow(struct guest *g, uint64_t bytes, uint64_t ret_part[2]);

/* Hello and welcome; a negative errno with words in reason when refused. */
int guest_try(struct guest *g);

/* The same, for who expects to get in; and with a context and a queue. */
void guest_enter(struct guest *g);
void guest_world(struct guest *g);

void guest_leave(struct guest *g);

/* Sends a frame of n fields; waits for room in the ring. false: the session has ended. */
bool guest_send(struct guest *g, unsigned op, uint64_t tag, unsigned n,
                const uint64_t *fields);

/* Puts raw bytes where the next frame goes and moves the tail by `moved`. */
void guest_forge(struct guest *g, const void *bytes, uint32_t len, uint32_t moved);

/* The status of the next reply; false: the session ended before one came. */
bool guest_reply(struct guest *g, int64_t *ret_status);

/* Did the worker hang up within so many seconds? */
bool guest_is_ended(int sock, int seconds);

/* A message put together field by field, where SEND is not enough. */
struct message {
    uint64_t words[8000];
    unsigned n;
};

/* An empty one, the same each time. */
struct message *message_begin(void);

void message_u64(struct message *m, uint64_t v);
void message_bytes(struct message *m, const void *data, uint64_t len);

/* Bytes inside the message where an extent of the heap could be. */
void message_blob(struct message *m, const void *data, uint64_t len);

#define SEND(g, op, tag, ...)                                                            \
    guest_send(g, op, tag, sizeof((uint64_t[]){__VA_ARGS__}) / 8,                        \
               (uint64_t[]){__VA_ARGS__})

#endif
