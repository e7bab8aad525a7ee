/* SPDX-License-Identifier: MIT */
#include "base/sock.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Fills addr; *ret_dirfd must stay open while the address is used. */
static int
sock_address(const char *path, struct sockaddr_un *addr, int *ret_dirfd)
{
    _cleanup_free_ char *dir = NULL, *base = NULL;
    int n;

    memset(addr, 0, sizeof *addr);
    addr->sun_family = AF_UNIX;
    *ret_dirfd = -1;
    if (strlen(path) < sizeof addr->sun_path) {
        memcpy(addr->sun_path, path, strlen(path) + 1);
        return 0;
    }
    dir = strdup(path);
    base = strdup(path);
    if (!dir || !base)
        return -ENOMEM;
    *ret_dirfd = open(dirname(dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_dirfd < 0)
        return -errno;
    n = snprintf(addr->sun_path, sizeof addr->sun_path, "/proc/self/fd/%d/%s", *ret_dirfd,
                 basename(base));
    return n >= (int)sizeof addr->sun_path ? -ENAMETOOLONG : 0;
}

static int
new_socket(int type)
{
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

int
sock_new(void)
{
    return new_socket(SOCK_STREAM);
}

int
sock_connect_to(int sock, const char *path)
{
    _cleanup_close_ int dirfd = -1;
    struct sockaddr_un addr;
    int rc = sock_address(path, &addr, &dirfd);

    if (rc < 0)
        return rc;
    return connect(sock, (struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : 0;
}

static int
connect_new(int type, const char *path)
{
    _cleanup_close_ int fd = new_socket(type);
    int rc = fd < 0 ? fd : sock_connect_to(fd, path);

    return rc < 0 ? rc : take_fd(&fd);
}

int
sock_connect(const char *path)
{
    return connect_new(SOCK_STREAM, path);
}

int
sock_connect_packets(const char *path)
{
    return connect_new(SOCK_SEQPACKET | SOCK_NONBLOCK, path);
}

static int
listen_new(int type, const char *path, mode_t mode, int backlog)
{
    _cleanup_close_ int fd = new_socket(type);
    _cleanup_close_ int dirfd = -1;
    struct sockaddr_un addr;
    int rc = fd < 0 ? fd : sock_address(path, &addr, &dirfd);

    if (rc < 0)
        return rc;
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        return -errno;
    if (chmod(path, mode) < 0 || listen(fd, backlog) < 0)
        return -errno;
    return take_fd(&fd);
}

int
sock_listen(const char *path, mode_t mode, int backlog)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        _cleanup_close_ int other = sock_connect(path);

        if (other >= 0)
            return -EADDRINUSE;
        unlink(path);
    }
    return listen_new(SOCK_STREAM, path, mode, backlog);
}

int
sock_listen_packets(const char *path, mode_t mode, int backlog)
{
    unlink(path);
    return listen_new(SOCK_SEQPACKET | SOCK_NONBLOCK, path, mode, backlog);
}

int
sock_send_fds(int sock, const void *buf, size_t len, const int *fds, int nfds)
{
    char control[CMSG_SPACE(sizeof(int) * SOCK_MAX_FDS)] = {0};
    const char *p = buf;

    if (nfds < 0 || nfds > SOCK_MAX_FDS)
        return -EINVAL;
    while (len > 0) {
        struct iovec iov = {.iov_base = (void *)p, .iov_len = len};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n;

        if (nfds > 0) {
            struct cmsghdr *c = (struct cmsghdr *)control;

            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
            memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)nfds);
            msg.msg_control = control;
            msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
        }
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        nfds = 0;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static void
take_fds_of(struct msghdr *msg, int *fds, int max_fds, int *nfds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t count;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (*nfds < max_fds)
                fds[(*nfds)++] = fd;
            else
                close(fd);
        }
    }
}

int
sock_recv_fds(int sock, void *buf, size_t len, int *fds, int max_fds, int *ret_nfds)
{
    char control[CMSG_SPACE(sizeof(int) * 16)];
    char *p = buf;
    int nfds = 0, rc = 0;

    while (len > 0) {
        struct iovec iov = {.iov_base = p, .iov_len = len};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
        ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rc = n < 0 ? -errno : -ENODATA;
            break;
        }
        take_fds_of(&msg, fds, max_fds, &nfds);
        p += n;
        len -= (size_t)n;
    }
    while (rc < 0 && nfds > 0) {
        close(fds[--nfds]);
        fds[nfds] = -1;
    }
    if (rc == 0)
        *ret_nfds = nfds;
    return rc;
}
