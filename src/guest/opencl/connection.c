/* SPDX-License-Identifier: MIT */
#include "guest/opencl/connection.h"

#include "api/opencl_wire.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "guest/opencl/vm.h"
#include "wire/virtio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A UUID; the same for all processes of a kernel, another one after each start. */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

#define HELLO_TRIES 3

static uint64_t
boot_number(void)
{
    _cleanup_free_ char *text = NULL;
    uint64_t n = 0;
    size_t len;

    if (read_file(BOOT_ID, 64, &text, &len) < 0)
        return 1;
    for (size_t i = 0; i < len; i++)
        n = n * 31 + (unsigned char)text[i];
    return n ? n : 1;
}

void
connection_hello(struct hello *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->magic = HELLO_MAGIC;
    ret->version = WIRE_VERSION;
    ret->fingerprint = OPENCL_FINGERPRINT;
    ret->pid = (uint32_t)getpid();
    snprintf(ret->program, sizeof ret->program, "%s", program_invocation_short_name);
}

void
connection_port_hello(struct hello *ret)
{
    connection_hello(ret);
    ret->boot = boot_number();
}

static int
open_socket(const struct route *r, struct connection *c, char *reason)
{
    struct hello h;

    c->bell = fd_above_stdio(sock_connect(r->socket_path));
    if (c->bell < 0) {
        snprintf(reason, CONNECTION_REASON_BYTES, "cannot connect to its socket: %s",
                 strerror(-c->bell));
        return c->bell;
    }
    connection_hello(&h);
    return hello_exchange(c->bell, &h, &c->welcome, c->memory, &c->info, reason);
}

static int
try_port(const struct route *r, struct connection *c, char *reason)
{
    struct hello h;
    int rc = vm_open(r->vm, &c->bell, &c->memory[0], reason, CONNECTION_REASON_BYTES);

    if (rc < 0)
        return rc;
    connection_port_hello(&h);
    rc = hello_exchange_port(c->bell, &h, &c->welcome, &c->info, reason);
    if (rc < 0)
        connection_fini(c);
    else
        c->bar_bytes = r->vm->bytes;
    return rc;
}

/* Again where the port was not as its last user should have left it. */
static int
open_port(const struct route *r, struct connection *c, char *reason)
{
    int rc = -ECONNRESET;

    for (unsigned i = 0; i < HELLO_TRIES && rc == -ECONNRESET; i++)
        rc = try_port(r, c, reason);
    return rc;
}

int
connection_open(const struct route *r, struct connection *ret, char *reason)
{
    struct connection c = CONNECTION_NONE;
    int rc = r->vm ? open_port(r, &c, reason) : open_socket(r, &c, reason);

    if (rc < 0)
        connection_fini(&c);
    *ret = c;
    return rc;
}

void
connection_fini(struct connection *c)
{
    cleanup_closep(&c->bell);
    cleanup_closep(&c->memory[0]);
    cleanup_closep(&c->memory[1]);
    free(c->info);
    *c = CONNECTION_NONE;
}

int
connection_map(const struct connection *c, struct channel *channel)
{
    if (c->bar_bytes > 0)
        return channel_map_bar(channel, &c->welcome, c->memory[0], c->bar_bytes);
    return channel_map(channel, &c->welcome, c->memory[0], c->memory[1]);
}

void
connection_take_memory(struct connection *c, int ret[2])
{
    for (int i = 0; c->bar_bytes == 0 && i < 2; i++) {
        ret[i] = fd_above_stdio(c->memory[i]);
        c->memory[i] = -1;
    }
}

int
connection_ring(struct connection *c, struct channel *channel)
{
    int rc = 0;

    if (c->bar_bytes == 0)
        channel_use_socket(channel, c->bell);
    else
        rc = channel_use_port(channel, c->bell);
    if (rc == 0)
        c->bell = -1;
    return rc;
}
