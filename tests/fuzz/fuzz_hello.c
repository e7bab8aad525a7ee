/* SPDX-License-Identifier: MIT */
/*
 * The handshake with a stranger. Switches in the first byte: 1 we are the guest (else the worker),
 * 2 descriptors come with the bytes, 4 they begin with the right magic and version, 8 they go on
 * with the right fingerprint, 16 we are a guest at a virtio port: the bytes come after a
 * preamble, which 32 spoils. 64 we are a worker at a port, 128 a manager there that turns the guest
 * away. 1 and 16 together: we go on with a session: 64 as its worker, else as its guest. 16 and 64
 * without 1: we go on with one at a port. What a guest accepts it maps, and so does a worker.
 */
#include "base/io.h"
#include "base/sock.h"
#include "wire/channel.h"
#include "wire/virtio.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FINGERPRINT 0x1122334455667788ull
#define MEMORY_BYTES (1u << 16)
#define BYTES_MAX 32768 /* fits into the socket's buffer: there is nobody to wait for */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
memory(void)
{
    static int fd = -1;

    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, MEMORY_BYTES) < 0)
            abort();
    }
    return fd;
}

static void
as_guest(int sock)
{
    struct hello h = {.magic = HELLO_MAGIC, .version = WIRE_VERSION};
    char reason[160] = "";
    uint8_t *info = NULL;
    struct welcome w;
    struct channel c;
    int fds[2];

    if (hello_exchange(sock, &h, &w, fds, &info, reason) < 0) {
        if (!memchr(reason, '\0', sizeof reason) || info)
            abort();
        return;
    }
    if (w.info_bytes > WELCOME_INFO_MAX)
        abort();
    if (channel_map(&c, &w, fds[0], fds[1]) == 0) {
        /* The last byte of each is there. */
        memset(c.tx.data + c.tx.size - 1, 1, 1);
        memset(c.rx.data + c.rx.size - 1, 1, 1);
        if (c.heap_bytes)
            c.heap[c.heap_bytes - 1] = 1;
        channel_fini(&c);
    }
    close(fds[0]);
    close(fds[1]);
    free(info);
}

/* ---- a session that goes on --------------------------------------------------------- */

static void
as_guest_again(int sock)
{
    struct hello h = {.magic = HELLO_MAGIC, .version = WIRE_VERSION, .token = {1}};
    const int fds[2] = {memory(), memory()};
    char reason[160] = "";
    struct welcome w;

    if (hello_rejoin(sock, &h, fds, &w, reason) < 0 &&
        !memchr(reason, '\0', sizeof reason))
        abort();
}

/* The manager looks, then the worker takes it, and tells how it went. */
static void
as_worker_again(int sock)
{
    struct welcome w = {.magic = WELCOME_MAGIC, .version = WIRE_VERSION};
    char reason[160] = "";
    struct hello seen, h;
    struct channel c;
    int fds[2], peeked = hello_peek(sock, &seen), rc;

    rc = hello_receive_memory(sock, FINGERPRINT, &h, fds, reason);
    if (rc == 0 && (peeked < 0 || hello_token_is_zero(&seen) != hello_token_is_zero(&h)))
        abort();
    if (rc == 0 && fds[0] >= 0 && fds[1] >= 0 &&
        channel_adopt(&c, MEMORY_BYTES, 1024, 1024, fds[0], fds[1]) == 0)
        channel_fini(&c);
    w.status = rc;
    welcome_send(sock, &w, rc == 0 && fds[0] >= 0 && fds[1] >= 0 ? fds : NULL, NULL);
    for (unsigned i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

/* ---- through a port ---------------------------------------------------------------- */

struct host {
    int sock;
    bool spoil;
    const uint8_t *bytes;
    size_t len;
};

/* Knows the nonce once it has read the hello. */
static void *
host_main(void *arg)
{
    static const char before[] = "what was meant for another one";
    struct host *host = arg;
    struct hello h;

    if (read_exact(host->sock, &h, sizeof h) == 0 &&
        write_all(host->sock, before, sizeof before) == 0) {
        h.nonce[0] ^= host->spoil;
        preamble_send(host->sock, h.nonce);
        sock_send_fds(host->sock, host->bytes, host->len, NULL, 0);
    }
    shutdown(host->sock, SHUT_WR);
    return NULL;
}

static void
at_port(int port, struct host *host, bool again)
{
    struct hello h = {.magic = HELLO_MAGIC, .version = WIRE_VERSION};
    char reason[160] = "";
    uint8_t *info = NULL;
    struct welcome w;
    struct channel c;
    pthread_t thread;
    int rc;

    if (pthread_create(&thread, NULL, host_main, host) != 0)
        abort();
    fcntl(port, F_SETFL, O_NONBLOCK);
    rc = again ? hello_rejoin_port(port, &h, &w, reason)
               : hello_exchange_port(port, &h, &w, &info, reason);
    if (rc == 0) {
        if (host->spoil)
            abort();
        if (channel_map_bar(&c, &w, memory(), MEMORY_BYTES) == 0) {
            memset(c.tx.data + c.tx.size - 1, 1, 1);
            memset(c.rx.data + c.rx.size - 1, 1, 1);
            channel_fini(&c);
        }
    } else if (!memchr(reason, '\0', sizeof reason) || info) {
        abort();
    }
    free(info);
    pthread_join(thread, NULL);
}

/* ------------------------------------------------------------------------------------ */

static void
as_worker(int sock, bool at_port)
{
    char reason[160] = "";
    struct hello h;

    if ((at_port ? hello_receive_port : hello_receive)(sock, FINGERPRINT, &h, reason) ==
            0 &&
        !memchr(h.program, '\0', sizeof h.program))
        abort();
    if (!memchr(reason, '\0', sizeof reason))
        abort();
}

/* What no mutation finds, and each version of the protocol changes. */
static void
put_greeting(uint8_t switches, uint8_t *bytes, size_t size)
{
    const struct hello h = {
        .magic =
            switches & (1 | 16) && (switches & 81) != 81 ? WELCOME_MAGIC : HELLO_MAGIC,
        .version = WIRE_VERSION,
        .fingerprint = FINGERPRINT,
    };

    if (switches & 4 && size >= offsetof(struct hello, fingerprint))
        memcpy(bytes, &h, offsetof(struct hello, fingerprint));
    if (switches & 8 && size >= offsetof(struct hello, program))
        memcpy(bytes + offsetof(struct hello, fingerprint), &h.fingerprint,
               sizeof h.fingerprint);
}

/* Bells, then a hello that is taken whole or not at all. */
static void
as_manager(int sock, int guest)
{
    struct preamble p;
    unsigned bells = 0;
    int rc;

    do {
        const unsigned before = bells;

        rc = bells_skip(sock, &bells);
        if (rc == 0 && bells == before)
            abort();
    } while (rc == 0);
    if (rc > 0)
        hello_take_older(sock);
    if (rc > 0 && hello_take(sock) == 0 &&
        (recv(guest, &p, sizeof p, MSG_DONTWAIT) != sizeof p ||
         p.magic != PREAMBLE_MAGIC))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[BYTES_MAX];
    int pair[2], fds[2] = {memory(), memory()};

    if (size < 2 || size - 1 > BYTES_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 0;
    memcpy(bytes, data + 1, size - 1);
    put_greeting(data[0], bytes, size - 1);
    if ((data[0] & 17) == 16) {
        at_port(pair[1], &(struct host){pair[0], data[0] & 32, bytes, size - 1},
                data[0] & 64);
        close(pair[0]);
        close(pair[1]);
        return 0;
    }
    if (data[0] & 128 && bells_skip(pair[1], &(unsigned){0}) != 0)
        abort();
    if (sock_send_fds(pair[0], bytes, size - 1, fds, data[0] & 2 ? 2 : 0) < 0)
        abort();
    shutdown(pair[0], SHUT_WR);
    if ((data[0] & 81) == 81)
        as_worker_again(pair[1]);
    else if ((data[0] & 17) == 17)
        as_guest_again(pair[1]);
    else if (data[0] & 1)
        as_guest(pair[1]);
    else if (data[0] & 128)
        as_manager(pair[1], pair[0]);
    else
        as_worker(pair[1], data[0] & 64);
    close(pair[0]);
    close(pair[1]);
    return 0;
}
