/* SPDX-License-Identifier: MIT */
#include "link/control.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

union fd_buffer {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int
control_send(int sock, const struct control_msg *m, int fd)
{
    struct control_msg copy = *m;
    struct iovec iov = {&copy, sizeof copy};
    union fd_buffer control = {.bytes = {0}};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    copy.magic = CONTROL_MAGIC;
    if (fd >= 0) {
        struct cmsghdr *c;

        h.msg_control = control.bytes;
        h.msg_controllen = sizeof control.bytes;
        c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    do
        n = sendmsg(sock, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* Takes the descriptors out; keeps the first. */
static int
take_descriptor(struct msghdr *h)
{
    int kept = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        int fd;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof fd <= c->cmsg_len - CMSG_LEN(0);
             at += sizeof fd) {
            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            if (kept < 0)
                kept = fd;
            else
                close(fd);
        }
    }
    return kept;
}

int
control_receive(int sock, struct control_msg *ret, int *ret_fd, int flags)
{
    struct iovec iov = {ret, sizeof *ret};
    union fd_buffer control;
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    _cleanup_close_ int fd = -1;
    ssize_t n;

    *ret_fd = -1;
    do
        n = recvmsg(sock, &h, flags | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : errno == ECONNRESET ? -EPIPE : -errno;
    fd = take_descriptor(&h);
    if (n == 0)
        return -EPIPE;
    if (n != (ssize_t)sizeof *ret || ret->magic != CONTROL_MAGIC)
        return -EPROTO;
    ret->words[sizeof ret->words - 1] = '\0';
    *ret_fd = take_fd(&fd);
    return 0;
}
