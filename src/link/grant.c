/* SPDX-License-Identifier: MIT */
#include "link/grant.h"

#include "base/cleanup.h"
#include "base/sock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
close_all(int fds[GRANT_FDS])
{
    for (int i = 0; i < GRANT_FDS; i++)
        cleanup_closep(&fds[i]);
}

static int
check(struct grant *g, const int fds[GRANT_FDS])
{
    const bool gate = g->gate != GRANT_NO_GATE;

    if (g->magic != GRANT_MAGIC || g->version != GRANT_VERSION)
        return -EPROTO;
    g->reason[sizeof g->reason - 1] = '\0';
    if (g->status != 0)
        return g->status < 0 ? g->status : -EPROTO;
    if (fds[GRANT_ACCOUNT] < 0 || gate != (fds[GRANT_GATE] >= 0))
        return -EPROTO;
    return 0;
}

static int
ask(const char *folder, const char *name, struct grant *ret, int fds[GRANT_FDS])
{
    char path[4096];
    _cleanup_close_ int sock = -1;
    int n, rc;

    *ret = (struct grant){0};
    for (int i = 0; i < GRANT_FDS; i++)
        fds[i] = -1;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return -ENAMETOOLONG;
    sock = sock_connect(path);
    if (sock < 0)
        return sock;
    rc = sock_recv_fds(sock, ret, sizeof *ret, fds, GRANT_FDS, &n);
    for (int i = rc < 0 ? 0 : n; i < GRANT_FDS; i++)
        fds[i] = -1;
    if (rc == 0)
        rc = check(ret, fds);
    if (rc < 0)
        close_all(fds);
    return rc;
}

int
grant_ask(const char *folder, struct grant *ret, int fds[GRANT_FDS])
{
    const int rc = ask(folder, GRANT_SOCKET, ret, fds);

    if (rc < 0 || ret->slot < ACCOUNT_SLOTS)
        return rc;
    close_all(fds);
    return -EPROTO;
}

int
grant_look(const char *folder, const struct account_page **ret)
{
    struct grant g;
    int fds[GRANT_FDS];
    int rc = ask(folder, GRANT_LOOK_SOCKET, &g, fds);

    if (rc < 0)
        return rc;
    rc = account_map_to_read(fds[GRANT_ACCOUNT], ret);
    close_all(fds);
    return rc;
}
