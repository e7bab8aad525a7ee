/* SPDX-License-Identifier: MIT */
#include "client/connect.h"

#include "base/cleanup.h"
#include "base/sock.h"
#include "client/start.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static bool
nobody_listens(int rc)
{
    return rc == -ENOENT || rc == -ECONNREFUSED || rc == -ENOTDIR;
}

/* Whoever made the socket would see what we ask and could answer what they like. */
static int
check_server(struct client *c, int sock, const char *path, struct err *e)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return err_set(e, -errno, "cannot tell whose %s is", path);
    if (cred.uid != geteuid() && cred.uid != 0)
        return err_set(e, -EPERM, "%s belongs to user %u, not to you or root: refused",
                       path, (unsigned)cred.uid);
    c->manager = cred.pid;
    return 0;
}

static int
start_one(struct client *c, struct err *e)
{
    if (c->no_start)
        return err_set(e, -ESRCH, "no manager serves %s", c->runtime_dir);
    if (c->note && geteuid() == 0 && strcmp(c->runtime_dir, SYSTEM_RUNTIME_DIR) == 0)
        c->note("no system-wide tesserad runs: starting one");
    return start_manager(c->runtime_dir, c->note, e);
}

/* What connecting to a path came to: the socket of a server that may be trusted. */
static int
take_checked(struct client *c, int sock, const char *path, struct err *e)
{
    _cleanup_close_ int fd = sock;
    int rc;

    if (sock < 0)
        return err_set(e, sock, "cannot reach the manager at %s: %s", path,
                       strerror(-sock));
    rc = check_server(c, sock, path, e);
    return rc < 0 ? rc : take_fd(&fd);
}

int
client_connect(struct client *c, struct err *e)
{
    int sock = sock_connect(c->socket);

    if (nobody_listens(sock)) {
        int rc = start_one(c, e);

        if (rc < 0)
            return rc;
        sock = sock_connect(c->socket);
    }
    return take_checked(c, sock, c->socket, e);
}

int
client_connect_operations(struct client *c, struct err *e)
{
    int sock = sock_connect(c->operations);

    if (nobody_listens(sock)) {
        _cleanup_close_ int control = client_connect(c, e); /* which starts a manager */

        if (control < 0)
            return control;
        sock = sock_connect(c->operations);
    }
    if (nobody_listens(sock))
        return err_set(
            e, -EOPNOTSUPP,
            "the manager that serves %s is of an earlier version, without suspend: "
            "'tessera shutdown' ends it, vGPUs and programs go on",
            c->runtime_dir);
    return take_checked(c, sock, c->operations, e);
}
