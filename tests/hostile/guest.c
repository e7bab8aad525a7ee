/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include "base/io.h"
#include "base/sock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
guest_socket(void)
{
    const char *folder = getenv("TESSERA_VGPU");
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/socket", folder ? folder : "");
    fd = sock_connect(path);

    if (fd < 0) {
        fprintf(stderr, "no vGPU to connect to\n");
        exit(2);
    }
    return fd;
}

int
guest_try(struct guest *g)
{
    struct hello h = {.magic = HELLO_MAGIC,
                      .version = WIRE_VERSION,
                      .fingerprint = OPENCL_FINGERPRINT,
                      .pid = (uint32_t)getpid(),
                      .program = "hostile"};
    int sock = guest_socket(), fds[2], rc;
    uint8_t *info = NULL;

    memset(g, 0, sizeof *g);
    g->c.fd = -1;
    rc = hello_exchange(sock, &h, &g->w, fds, &info, g->reason);
    free(info);
    if (rc == 0) {
        rc = channel_map(&g->c, &g->w, fds[0], fds[1]);
        g->channel_fd = fds[0];
        g->heap_fd = fds[1];
    }
    if (rc < 0) {
        close(sock);
        return rc;
    }
    channel_use_socket(&g->c, sock);
    return 0;
}

void
guest_enter(struct guest *g)
{
    if (guest_try(g) < 0) {
        fprintf(stderr, "turned away: %s\n", g->reason);
        exit(2);
    }
}

void
guest_world(struct guest *g)
{
    guest_enter(g);
    SEND(g, OP_clCreateContext, 0, CONTEXT_ID, 1, ROOT_DEVICE_ID);
    SEND(g, OP_clCreateCommandQueueWithProperties, 0, QUEUE_ID, CONTEXT_ID,
         ROOT_DEVICE_ID, 0);
}

void
guest_leave(struct guest *g)
{
    close(g->channel_fd);
    close(g->heap_fd);
    channel_fini(&g->c);
}

static void *
room(struct guest *g, uint32_t len)
{
    int err;
    void *at;

    while (!(at = ring_reserve(&g->c.tx, len, &err))) {
        if (err < 0 || guest_is_ended(g->c.fd, 0))
            return NULL;
        usleep(200);
    }
    return at;
}

bool
guest_send(struct guest *g, unsigned op, uint64_t tag, unsigned n, const uint64_t *fields)
{
    const uint32_t len = (uint32_t)sizeof(struct frame_header) + 8 * n;
    struct frame_header *h = room(g, len);

    if (!h)
        return false;
    *h = (struct frame_header){.size = len, .op = (uint16_t)op, .tag = tag};
    memcpy(h + 1, fields, 8ul * n);
    if (ring_commit(&g->c.tx, len))
        g->c.transport->kick(&g->c);
    return true;
}

struct message *
message_begin(void)
{
    static struct message m;

    m.n = 0;
    return &m;
}

void
message_u64(struct message *m, uint64_t v)
{
    m->words[m->n++] = v;
}

void
message_bytes(struct message *m, const void *data, uint64_t len)
{
    struct enc e = {.p = (uint8_t *)&m->words[m->n]};

    enc_bytes(&e, data, len);
    m->n += (unsigned)(enc_bytes_size(len) / 8);
}

void
message_blob(struct message *m, const void *data, uint64_t len)
{
    message_u64(m, EXTENT_NONE);
    message_u64(m, 0);
    message_bytes(m, data, len);
}

void
guest_forge(struct guest *g, const void *bytes, uint32_t len, uint32_t moved)
{
    void *at = room(g, (len + 7) & ~7u);

    if (at)
        memcpy(at, bytes, len);
    ring_commit(&g->c.tx, moved);
    g->c.transport->kick(&g->c);
}

bool
guest_reply(struct guest *g, int64_t *ret_status)
{
    static uint64_t frame[CHANNEL_REPLIES_BYTES / 8];
    const struct reply_header *r = (const void *)frame;
    int n;

    for (;;) {
        n = ring_read(&g->c.rx, frame, sizeof frame);
        if (n < 0)
            return false;
        if (n > 0 && r->frame.op == FRAME_REPLY) {
            *ret_status = r->status;
            return true;
        }
        if (n == 0 && guest_is_ended(g->c.fd, 0))
            return false;
        if (n == 0)
            usleep(200);
    }
}

bool
guest_is_ended(int sock, int seconds)
{
    const uint64_t end = now_ns() + (uint64_t)seconds * 1000000000u;
    struct pollfd p = {.fd = sock, .events = POLLRDHUP};

    do {
        if (poll(&p, 1, seconds > 0 ? 100 : 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP)))
            return true;
    } while (now_ns() < end);
    return false;
}
