/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a Unix socket, as the kernel knows it. */
#ifndef TESSERA_MANAGER_PEER_H
#define TESSERA_MANAGER_PEER_H

#include <sys/types.h>

struct peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
};

/* 0 or a negative errno. */
int peer_of_socket(int fd, struct peer *ret);

#endif
