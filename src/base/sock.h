/* SPDX-License-Identifier: MIT */
/* Unix sockets with descriptors. All return 0, a count or an fd, or a negative errno. */
#ifndef TESSERA_BASE_SOCK_H
#define TESSERA_BASE_SOCK_H

#include <stddef.h>
#include <sys/types.h>

#define SOCK_MAX_FDS 4

/*
 * Paths of any length: those past sun_path's 108 bytes go through /proc/self/fd of the
 * folder.
 */
int sock_connect(const char *path);

/* The same in two steps, where the descriptor must be known before it is connected. */
int sock_new(void);
int sock_connect_to(int sock, const char *path);

/* Makes the path anew when a dead socket is in the way; mode is the socket file's. */
int sock_listen(const char *path, mode_t mode, int backlog);

/*
 * The same for packets (SOCK_SEQPACKET). Neither waits: -EAGAIN where too many wait to be accepted.
 * Whatever is at the path makes room.
 */
int sock_connect_packets(const char *path);
int sock_listen_packets(const char *path, mode_t mode, int backlog);

/* Sends all len bytes, with nfds descriptors attached to the first byte. */
int sock_send_fds(int sock, const void *buf, size_t len, const int *fds, int nfds);

/*
 * Receives exactly len bytes and up to max_fds descriptors (close-on-exec, owned by the
 * caller; surplus ones are closed). *ret_nfds says how many came. -ENODATA on an early
 * end; what came until then is closed, and -1 in fds.
 */
int sock_recv_fds(int sock, void *buf, size_t len, int *fds, int max_fds, int *ret_nfds);

#endif
