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
#include "link/grant.h"
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
listen_in(struct vgpu *v, const char *name, loop_fn *accepted, struct watch **ret)
{
    _cleanup_close_ int fd = open_ours(v->container_folder);
    char path[64];
    int listener;

    if (fd < 0)
        return fd;
    if (fchmod(fd, 0755) < 0)
        return -errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", fd, name);
    listener = sock_listen(path, 0666, VGPU_BACKLOG);
    if (listener < 0)
        return listener;
    return watch_new(&v->m->loop, listener, accepted, v, ret);
}

int
vgpu_container_listen_at(struct vgpu *v, const char *name, loop_fn *accepted,
                         struct watch **ret, struct err *e)
{
    const int rc = listen_in(v, name, accepted, ret);

    return rc < 0 ? err_set(e, rc, "cannot listen in %s: %s", v->container_folder,
                            strerror(-rc))
                  : 0;
}

int
vgpu_container_listen(struct vgpu *v, struct err *e)
{
    v->container_folder = str_printf("%s/" FOLDER, v->folder);
    if (!v->container_folder)
        return err_set(e, -ENOMEM, "out of memory");
    if (mkdir(v->container_folder, 0755) < 0 && errno != EEXIST)
        return err_set(e, -errno, "cannot make %s: %s", v->container_folder,
                       strerror(errno));
    return vgpu_container_listen_at(v, "socket", session_accept_container, &v->container,
                                    e);
}

void
vgpu_container_remove(const char *vgpu_folder)
{
    static const char *const names[] = {"socket", GRANT_SOCKET, GRANT_LOOK_SOCKET};
    _cleanup_free_ char *path = str_printf("%s/" FOLDER, vgpu_folder);
    _cleanup_close_ int fd = path ? open_ours(path) : -1;

    if (fd < 0)
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(fd, names[i], 0);
    rmdir(path);
}
