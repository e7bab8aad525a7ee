/* SPDX-License-Identifier: MIT */
#include "guest/opencl/print.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

void
print_text(const void *text, size_t len)
{
    const uint8_t *p = text;

    while (len > 0) {
        struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
        ssize_t n = write(STDOUT_FILENO, p, len);

        if (n >= 0) {
            p += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            poll(&room, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}
