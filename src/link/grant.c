/* SPDX-License-Identifier: MIT */
#include "link/grant.h"

#include "base/cleanup.h"
#include "base/sock.h"

#include <errno.h>
#include <stdio.h>

static int
check(const struct grant *g)
{
    if (g->magic != GRANT_MAGIC || g->version != GRANT_VERSION)
        return -EPROTO;
    return g->status <= 0 ? g->status : -EPROTO;
}

/* *ret_account is the caller's. */
static int
ask(const char *folder, const char *name, struct grant *ret, int *ret_account)
{
    char path[4096];
    _cleanup_close_ int sock = -1, account = -1;
    int n, rc;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return -ENAMETOOLONG;
    sock = sock_connect(path);
    if (sock < 0)
        return sock;
    rc = sock_recv_fds(sock, ret, sizeof *ret, &account, 1, &n);
    if (rc == 0)
        rc = check(ret);
    if (rc == 0 && n != 1)
        rc = -EPROTO;
    if (rc == 0)
        *ret_account = take_fd(&account);
    return rc;
}

int
grant_ask(const char *folder, struct account_page **ret, unsigned *ret_slot)
{
    _cleanup_close_ int account = -1;
    struct grant g;
    const int rc = ask(folder, GRANT_SOCKET, &g, &account);

    if (rc < 0)
        return rc;
    if (g.slot >= ACCOUNT_SLOTS)
        return -EPROTO;
    *ret_slot = g.slot;
    return account_map(account, ret);
}

int
grant_look(const char *folder, const struct account_page **ret)
{
    _cleanup_close_ int account = -1;
    struct grant g;
    const int rc = ask(folder, GRANT_LOOK_SOCKET, &g, &account);

    return rc < 0 ? rc : account_map_to_read(account, ret);
}
