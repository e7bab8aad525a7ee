/* SPDX-License-Identifier: MIT */
#include "manager/notify.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int
notify_ready(void)
{
    static const char words[] = "READY=1";
    const char *path = getenv("NOTIFY_SOCKET");
    const size_t len = path ? strlen(path) : 0;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = -1;

    if (len == 0)
        return 0;
    if (len > sizeof to.sun_path)
        return -ENAMETOOLONG;
    memcpy(to.sun_path, path, len);
    if (to.sun_path[0] == '@') /* in the abstract name space */
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, words, strlen(words), MSG_NOSIGNAL, (struct sockaddr *)&to,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
        return -errno;
    return 0;
}
