/* SPDX-License-Identifier: MIT */
#include "manager/peer.h"

#include <errno.h>
#include <sys/socket.h>

int
peer_of_socket(int fd, struct peer *ret)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -errno;
    *ret = (struct peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
    return 0;
}
