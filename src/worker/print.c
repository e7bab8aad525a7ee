/* SPDX-License-Identifier: MIT */
#include "worker/print.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How soon to look again when the guest has not read what it was sent. */
#define PRINT_RETRY_US 1000

int
print_capture(struct session *s)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 || dup2(fds[1], STDOUT_FILENO) < 0) {
        close(fds[0]);
        close(fds[1]);
        return -errno;
    }
    close(fds[1]);
    /* A driver that prints through stdio must not keep text back. */
    setvbuf(stdout, NULL, _IONBF, 0);
    s->replies.text_fd = fds[0];
    return 0;
}

void *
print_main(void *session)
{
    struct session *s = session;
    struct pollfd p = {.fd = s->replies.text_fd, .events = POLLIN};

    for (;;) {
        if (poll(&p, 1, -1) > 0 && !replies_pass_text(s))
            usleep(PRINT_RETRY_US);
    }
    return NULL;
}

static bool
has_printf(const void *bytes, size_t len)
{
    return len > 0 && memmem(bytes, len, "printf", 6) != NULL;
}

void
print_expect(struct session *s, const struct recipe *r)
{
    if (s->replies.text_fd < 0 || atomic_load(&s->replies.text_expected))
        return;
    /* What is no source may hold anything. */
    if (s->request.op == OP_clCreateProgramWithSource &&
        !has_printf(r->frame, r->frame_len) && !has_printf(r->blob, r->blob_len))
        return;
    atomic_store(&s->replies.text_expected, true);
    reply_announce_text(s);
}
