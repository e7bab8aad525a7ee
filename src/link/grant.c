/* SPDX-License-Identifier: MIT */
#include "link/grant.h"

#include "base/cleanup.h"
#include "base/sock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
check(const struct grant *g)
{
    if (g->magic != GRANT_MAGIC || g->version != GRANT_VERSION)
        return -EPROTO;
    if (memchr(g->device, '\0', sizeof g->device) == NULL)
        return -EPROTO;
    return g->status <= 0 ? g->status : -EPROTO;
}

#define FILES_MAX 3

static void
close_files(int (*files)[FILES_MAX])
{
    for (int i = 0; i < FILES_MAX; i++)
        cleanup_closep(&(*files)[i]);
}

/* The files are the caller's. */
static int
ask(const char *folder, const char *name, struct grant *ret, int (*ret_files)[FILES_MAX])
{
    char path[4096];
    _cleanup_close_ int sock = -1;
    int n, rc;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return -ENAMETOOLONG;
    sock = sock_connect(path);
    if (sock < 0)
        return sock;
    rc = sock_recv_fds(sock, ret, sizeof *ret, *ret_files, FILES_MAX, &n);
    if (rc == 0)
        rc = check(ret);
    if (rc == 0 && n != (ret->gate == GRANT_NO_GATE ? 1 : FILES_MAX))
        rc = -EPROTO;
    return rc;
}

int
grant_ask(const char *folder, struct vgpu_grant *ret)
{
    __attribute__((cleanup(close_files))) int files[FILES_MAX] = {-1, -1, -1};
    struct vgpu_grant made = {0};
    struct grant g;
    int rc = ask(folder, GRANT_SOCKET, &g, &files);

    if (rc < 0)
        return rc;
    if (g.slot >= ACCOUNT_SLOTS)
        return -EPROTO;
    rc = account_map(files[0], &made.account);
    if (rc < 0)
        return rc;
    made.slot = g.slot;
    made.pinned_bytes = g.pinned_bytes;
    memcpy(made.device, g.device, sizeof made.device);
    if (g.gate != GRANT_NO_GATE)
        rc = turn_view_map_desk(files[1], files[2], g.gate,
                                &made.account->slot[g.slot].desk, &made.view);
    if (rc < 0)
        account_unmap(made.account);
    else
        *ret = made;
    return rc;
}

int
grant_look(const char *folder, struct vgpu_look *ret)
{
    __attribute__((cleanup(close_files))) int files[FILES_MAX] = {-1, -1, -1};
    struct grant g;
    int rc = ask(folder, GRANT_LOOK_SOCKET, &g, &files);

    if (rc == 0)
        rc = account_map_to_read(files[0], &ret->account);
    if (rc == 0)
        memcpy(ret->device, g.device, sizeof ret->device);
    return rc;
}
