/* SPDX-License-Identifier: MIT */
/*
 * Between manager and worker: pausing a session, writing it to a snapshot, making it again.
 *
 * Each worker has a listening socket (SOCK_SEQPACKET, a file in the manager's runtime folder that
 * no worker can reach) which outlives the manager: a new one connects there. One connection at a
 * time counts, the latest. Each message is one struct control_msg, with at most one descriptor.
 *
 *   manager                      worker
 *   PAUSE                ──▶     no more messages of the guest; what the driver has runs to its end
 *                        ◀──     PAUSED (token)
 *   SAVE + descriptor    ──▶
 *                        ◀──     PROGRESS …   [COPIED: CONTROL_SAVE_COPY; CONTINUE may come]
 *                        ◀──     SAVED
 *   LEAVE | CONTINUE     ──▶     the session ends and its guest waits | goes on as if nothing was
 *
 *   RESTORE + descriptor ──▶     a worker started with --restore
 *                        ◀──     PROGRESS … RESTORED (token)
 *   GUEST + descriptor   ──▶     a connection whose hello has that token
 *                        ◀──     JOINED: the session runs
 *
 * FAILED, with words, answers any of them; the session is as before the message (after RESTORE: it
 * ends). A paused worker whose manager hangs up leaves if the account says that the suspend is
 * committed (account_page.suspended), and goes on otherwise.
 */
#ifndef TESSERA_LINK_CONTROL_H
#define TESSERA_LINK_CONTROL_H

#include <stdint.h>

#define CONTROL_MAGIC 0x63525354u /* "TSRc" */
#define CONTROL_TOKEN_BYTES 16
#define CONTROL_WORDS_BYTES 192

enum control_op {
    CONTROL_PAUSE = 1,
    CONTROL_SAVE = 2, /* a: enum control_save_flags; b: the snapshot's number */
    CONTROL_CONTINUE = 3,
    CONTROL_LEAVE = 4,
    CONTROL_RESTORE =
        5, /* b: the snapshot's number; a: 1: its guest may bring its memory */
    CONTROL_GUEST = 6,

    CONTROL_PAUSED = 64,
    CONTROL_PROGRESS = 65, /* a: bytes done, b: in all */
    CONTROL_COPIED = 66,
    CONTROL_SAVED = 67, /* a: bytes of content; b: bytes written */
    CONTROL_RESTORED = 68,
    CONTROL_JOINED = 69,
    CONTROL_FAILED = 70, /* a: errno, positive */
};

enum control_save_flags {
    CONTROL_SAVE_COPY =
        1, /* copies what it writes first, so that the session can go on */
};

struct control_msg {
    uint32_t magic, op;
    uint64_t a, b;
    uint8_t token[CONTROL_TOKEN_BYTES];
    char words[CONTROL_WORDS_BYTES]; /* NUL-terminated, printable or not */
};

/*
 * Sends a message with a descriptor (-1: none). Never waits, never raises SIGPIPE. 0, or a negative
 * errno.
 */
int control_send(int sock, const struct control_msg *m, int fd);

/*
 * Receives one; *ret_fd is the caller's, -1: none came. 0; -EAGAIN: nothing is there (with
 * MSG_DONTWAIT in flags); -EPIPE: the other side is gone; -EPROTO: it is no message.
 */
int control_receive(int sock, struct control_msg *ret, int *ret_fd, int flags);

#endif
