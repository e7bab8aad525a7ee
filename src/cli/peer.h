/* SPDX-License-Identifier: MIT */
/*
 * What send and receive say to each other over a socket, so that a vGPU runs in one place at most:
 *
 *   sender     {"name":"a"} and a newline, the snapshot
 *   receiver   'm', the path of its socket here, newline; 'k': it is restored here; or 'n', words,
 *              newline: it is not, the sender's goes on
 *   sender     'k': it is suspended there; or 'n', words, newline: it goes on there, and the
 *              receiver deletes its own
 *
 * Functions return 0 or a negative errno with words in *e.
 */
#ifndef TESSERA_CLI_PEER_H
#define TESSERA_CLI_PEER_H

#include "base/err.h"

#define PEER_NAME_BYTES 256
#define PEER_PATH_BYTES 128

/* Is at the other end a process of root's or our own user's? Else -EPERM. */
int peer_check(int sock, struct err *e);

int peer_send_name(int sock, const char *name, struct err *e);

/* Takes nothing of the snapshot. -EPROTO: what comes is no such line, or nothing for too long. */
int peer_receive_name(int sock, int cancel_fd, char name[PEER_NAME_BYTES], struct err *e);

/* Says yes, or no with the words. */
int peer_say(int sock, const char *no, struct err *e);

/* Before a yes: where its programs find it from now on. */
int peer_say_where(int sock, const char *path, struct err *e);

/*
 * Waits for the other's yes, and where it said that before (a path; "": it did not). -EREMOTEIO: it
 * says no, with its words. -ENODATA: it is gone. -ECANCELED: cancel_fd (-1: none) can be read from.
 */
int peer_hear(int sock, int cancel_fd, char where[PEER_PATH_BYTES], struct err *e);

#endif
