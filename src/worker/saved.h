/* SPDX-License-Identifier: MIT */
/*
 * What a session is in a snapshot (src/snapshot): sections in this order, numbers of 8 bytes and
 * byte strings as on the wire (wire/codec.h).
 *
 *   SESSION   struct saved_session
 *   OPS       names of the operations, by their numbers in the frames that follow
 *   LOG       what made the session what it is, in the order in which it happened; read_log.c
 *   CHANNEL   channel page and rings
 *   HEAP      ranges of the heap that hold something: offset, length, the bytes
 *   CONTENT   one for each memory object whose bytes are not in the heap, by its serial
 *
 * An entry of the log is its kind, its moment and a byte string. Objects are named by their
 * serials, which never come again, except inside the guest's own frames: there by ids, which mean
 * what they meant at that moment. So an object whose id the guest has released, but which something
 * still needs, is made as well and released at its moment.
 */
#ifndef TESSERA_WORKER_SAVED_H
#define TESSERA_WORKER_SAVED_H

#include "wire/hello.h"

#include <stdint.h>

#define SAVED_VERSION 1u

enum saved_section {
    SAVED_SESSION = 16,
    SAVED_OPS = 17,
    SAVED_LOG = 18,
    SAVED_CHANNEL = 19,
    SAVED_HEAP = 20,
    SAVED_CONTENT = 21,
};

#define SAVED_SHARED_STORAGE 1u /* buffers lie in the heap, whatever the device is now */
#define SAVED_TEXT_EXPECTED 2u  /* kernels may print */

struct saved_session {
    uint32_t version, flags;
    uint64_t number; /* the snapshot's (link/control.h) */
    uint8_t token[TOKEN_BYTES];
    uint64_t heap_bytes;
    uint32_t commands_bytes, replies_bytes;
    uint32_t commands_at, replies_at; /* the worker's counters of its rings */
    uint64_t reserved_bytes;          /* of the framebuffer, used or not */
    uint64_t moments;
    uint64_t
        channel_off; /* in the memory of a virtual machine (wire/bar.h); 0: in none */
    uint64_t boot;   /* of its kernel */
    char program[64];
    char driver[192]; /* device and driver, for programs that came as binaries */
};

enum saved_kind {
    ENTRY_OBJECT = 1,  /* serial, id, object kind, frame, blob */
    ENTRY_DEVICES = 2, /* frame; id and serial of each part that lives */
    /*
     * serial, id, object kind, error; of an image its type, channel order, channel type, bytes of
     * an element and extent[3]; of a command buffer the serial of its queue
     */
    ENTRY_FAILED = 3,
    ENTRY_EVENT =
        4, /* serial, id, status, serial of its queue or 0, has times, the times */
    ENTRY_KERNEL = 5,   /* serial, id, serial of its program, name */
    ENTRY_FRAME = 6,    /* a frame that changes an object */
    ENTRY_BUILD = 7,    /* serial of the program, frame, blob */
    ENTRY_HELD = 8,     /* serial of its event or 0, arguments, frame */
    ENTRY_RECORD = 9,   /* arguments, frame */
    ENTRY_RELEASE = 10, /* id */
    /* How things are at the end; their moments do not matter. */
    ENTRY_PROGRAM = 11,   /* serial, status of its last build, compile or link, its log */
    ENTRY_ARGUMENTS = 12, /* arguments */
    ENTRY_MAPPING = 13,   /* serial, map id, error, flags, origin[3], region[3] */
    ENTRY_WAIT = 14,      /* tag, failed, serials of events */
    ENTRY_CALLBACK = 15,  /* tag, type, failed, serials of one event */
    ENTRY_ASK = 16,       /* tag, bytes */
    ENTRY_WATCHED = 17,   /* serial, tag */
    ENTRY_QUEUE_ERROR = 18, /* serial, error */
    ENTRY_REPLY = 19,       /* a frame that waits for room in the replies ring */
};

/*
 * Arguments: the kernel's serial or 0 for none, the error, their number, and of each the error, the
 * serial of the object that it names or 0, and the frame.
 */

#endif
