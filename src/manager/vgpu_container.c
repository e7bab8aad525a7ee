/* SPDX-License-Identifier: MIT */
/*
 * Where guests in containers connect. A container may have any users, whose numbers say nothing
 * here, so this socket asks nobody who they are. It keeps others out all the same: on the host the
 * way to it is through the vGPU's folder, which is closed to all but the owner and root, and a
 * container sees it only when one of these has mounted it there.
 *
 * In the vGPU's folder its owner may do as they like, so we hold on to the folder that we made, and
 * follow no link.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "manager/session.h"
#include "manager/vgpu_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER "container"

static int
open_ours(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return st.st_uid == geteuid() ? take_fd(&fd) : -EPERM;
}

static int
listen_in(struct vgpu *v, const char *folder)
{
    _cleanup_close_ int fd = open_ours(folder);
    char path[64];
    int listener;

    if (fd < 0)
        return fd;
    if (fchmod(fd, 0755) < 0)
        return -errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d/socket", fd);
    listener = sock_listen(path, 0666, VGPU_BACKLOG);
    if (listener < 0)
        return listener;
    return watch_new(&v->m->loop, listener, session_accept_container, v, &v->container);
}

int
vgpu_container_listen(struct vgpu *v, struct err *e)
{
    int rc = 0;

    v->container_folder = str_printf("%s/" FOLDER, v->folder);
    if (!v->container_folder)
        return err_set(e, -ENOMEM, "out of memory");
    if (mkdir(v->container_folder, 0755) < 0 && errno != EEXIST)
        rc = -errno;
    if (rc == 0)
        rc = listen_in(v, v->container_folder);
    if (rc < 0)
        return err_set(e, rc, "cannot listen in %s: %s", v->container_folder,
                       strerror(-rc));
    return 0;
}

void
vgpu_container_remove(const char *vgpu_folder)
{
    _cleanup_free_ char *path = str_printf("%s/" FOLDER, vgpu_folder);
    _cleanup_close_ int fd = path ? open_ours(path) : -1;

    if (fd < 0)
        return;
    unlinkat(fd, "socket", 0);
    rmdir(path);
}
