/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include "base/io.h"
#include "base/sock.h"
#include "guest/opencl/connection.h"
#include "guest/opencl/vm.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct route *
route(void)
{
    static struct vm_vgpu machine;
    static struct route r;
    const char *folder = getenv("TESSERA_VGPU");

    if (r.socket_path || r.vm)
        return &r;
    if (folder)
        r.socket_path = str_printf("%s/socket", folder);
    else if (vm_find(&machine, 1) == 1)
        r.vm = &machine;
    if (r.socket_path || r.vm)
        return &r;
    fprintf(stderr, "no vGPU to connect to\n");
    exit(2);
}

const struct vm_vgpu *
guest_machine(void)
{
    return route()->vm;
}

int
guest_socket(void)
{
    const struct route *r = route();
    char reason[CONNECTION_REASON_BYTES] = "";
    int fd, bar = -1;

    if (r->vm && vm_open(r->vm, &fd, &bar, reason, sizeof reason) == 0) {
        close(bar);
        return fd;
    }
    fd = r->vm ? -1 : sock_connect(r->socket_path);
    if (fd < 0) {
        fprintf(stderr, "cannot connect to the vGPU: %s\n", reason);
        exit(2);
    }
    return fd;
}

int
guest_try(struct guest *g)
{
    struct connection c;
    int rc;

    memset(g, 0, sizeof *g);
    g->c.fd = -1;
    rc = connection_open(route(), &c, g->reason);
    if (rc == 0)
        rc = connection_map(&c, &g->c);
    if (rc == 0)
        rc = connection_ring(&c, &g->c);
    if (rc < 0) {
        connection_fini(&c);
        return rc;
    }
    g->w = c.welcome;
    g->channel_fd = c.memory[0];
    g->heap_fd = c.memory[1];
    g->room_off = g->w.grant_off;
    g->room_bytes = c.bar_bytes ? g->w.grant_bytes : g->w.heap_bytes;
    free(c.info);
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

/* The next reply, the same place each time; NULL: the session ended before one came. */
static const struct reply_header *
next_reply(struct guest *g)
{
    static uint64_t frame[CHANNEL_REPLIES_BYTES / 8];
    const struct reply_header *r = (const void *)frame;
    int n;

    for (;;) {
        n = ring_read(&g->c.rx, frame, sizeof frame);
        if (n < 0)
            return NULL;
        if (n > 0 && r->frame.op == FRAME_REPLY)
            return r;
        if (n == 0 && guest_is_ended(g->c.fd, 0))
            return NULL;
        if (n == 0)
            usleep(200);
    }
}

bool
guest_reply(struct guest *g, int64_t *ret_status)
{
    const struct reply_header *r = next_reply(g);

    if (r)
        *ret_status = r->status;
    return r != NULL;
}

bool
guest_grow(struct guest *g, uint64_t bytes, uint64_t ret_part[2])
{
    const struct reply_header *r;
    uint64_t answer[5] = {0}; /* length, place, length again, offset, bytes */

    if (!SEND(g, OP_tessera_heap_grow, 1, bytes))
        return false;
    r = next_reply(g);
    if (!r)
        return false;
    if (r->status == 0 && r->frame.size >= sizeof *r + sizeof answer)
        memcpy(answer, r + 1, sizeof answer);
    memcpy(ret_part, &answer[3], 2 * sizeof *ret_part);
    return true;
}

uint64_t
guest_room(struct guest *g, uint64_t bytes)
{
    uint64_t part[2] = {0, 0};

    if (bytes > g->room_bytes) {
        if (!guest_grow(g, bytes, part) || part[1] < bytes) {
            fprintf(stderr, "no room in the heap\n");
            exit(2);
        }
        g->room_off = part[0];
        g->room_bytes = part[1];
    }
    return g->room_off;
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
