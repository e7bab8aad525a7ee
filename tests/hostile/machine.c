/* SPDX-License-Identifier: MIT */
#include "attacks.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest/opencl/connection.h"
#include "guest/opencl/vm.h"
#include "wire/virtio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLOOD_BYTES (32u << 10)
#define TURNS 10000 /* between two looks at the clock */
/* Sessions have the lowest free chunks: below this is what they use. */
#define USED_BYTES (96u << 20)

static struct hello
good_hello(void)
{
    struct hello h;

    connection_port_hello(&h);
    return h;
}

/* A number that is hard to guess, and the same in each run. */
static uint64_t
random_next(void)
{
    static uint64_t x = 88172645463325252u;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static void
random_fill(void *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)at)[i] = (uint8_t)random_next();
}

static uint64_t
end_of_attack(void)
{
    return now_ns() + attack_amount * UINT64_C(1000000000);
}

/* ---- the hand-shake ---------------------------------------------------------------------- */

static bool
port_writes(int port, const void *bytes, size_t len)
{
    return write(port, bytes, len) == (ssize_t)len;
}

int
port_garbage(void)
{
    const int port = guest_socket();
    uint8_t bytes[256];

    random_fill(bytes, sizeof bytes);
    bytes[0] |= 0x80; /* no bell */
    return !port_writes(port, bytes, sizeof bytes) || !guest_is_ended(port, PATIENCE_S);
}

/* The refusal comes through QEMU although the worker hangs up right after it. */
static int
is_refused(struct hello *h, const char *words)
{
    char reason[160] = "";
    struct welcome w;
    uint8_t *info = NULL;
    const int port = guest_socket(), rc = hello_exchange_port(port, h, &w, &info, reason);

    printf("%s\n", reason);
    return rc != -EPROTO || !strstr(reason, words) || !guest_is_ended(port, PATIENCE_S);
}

int
port_version(void)
{
    struct hello h = good_hello();

    h.version = UINT32_MAX;
    return is_refused(&h, "the guest library speaks protocol version");
}

int
port_fingerprint(void)
{
    struct hello h = good_hello();

    h.fingerprint ^= 1;
    memset(h.program, 0xff, sizeof h.program);
    return is_refused(&h, "another build");
}

/* A good hello, and behind it what is none. */
int
port_noise(void)
{
    struct {
        struct hello hello;
        uint8_t noise[4096];
    } both = {.hello = good_hello()};
    const int port = guest_socket();

    random_fill(both.noise, sizeof both.noise);
    both.noise[0] |= 0x80;
    return !port_writes(port, &both, sizeof both) || !guest_is_ended(port, PATIENCE_S);
}

/* Half a hello is left in the port, which the next program takes all the same. */
int
port_cut(void)
{
    static struct guest next;
    const struct hello h = good_hello();
    const int port = guest_socket();
    const bool ok = port_writes(port, &h, sizeof h / 2);

    close(port);
    guest_world(&next);
    return !ok || !still_answers(&next);
}

/* All that are free, for as long as the workers wait; then one gets in again. */
int
ports_half_open(void)
{
    static struct guest next;
    const struct vm_vgpu *v = guest_machine();
    const struct hello h = good_hello();
    int ports[BAR_PORTS];
    unsigned n = 0;

    for (unsigned i = 0; v && i < BAR_PORTS; i++) {
        ports[n] = open(v->ports[i], O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (ports[n] >= 0)
            n += port_writes(ports[n], &h, sizeof h - 1);
    }
    printf("%u ports\n", n);
    fflush(stdout);
    for (unsigned i = 0; i < n; i++) {
        if (!guest_is_ended(ports[i], PATIENCE_S))
            return 1;
        close(ports[i]);
    }
    guest_world(&next);
    return n == 0 || !still_answers(&next);
}

int
ports_loop(void)
{
    const struct vm_vgpu *v = guest_machine();

    for (unsigned i = 0; v && i < attack_amount; i++) {
        const int fd = open(v->ports[i % BAR_PORTS], O_RDWR | O_NONBLOCK | O_CLOEXEC);

        if (fd >= 0)
            close(fd);
        else if (errno != EBUSY)
            return 1;
    }
    return v == NULL;
}

/* ---- bells ------------------------------------------------------------------------------- */

/* Until the time is over, or the port's. Returns how many bytes went. */
static uint64_t
ring_on(int port, uint64_t end)
{
    static uint8_t bells[FLOOD_BYTES];
    uint64_t sent = 0;

    memset(bells, BELL_KICK, sizeof bells);
    while (now_ns() < end) {
        struct pollfd p = {.fd = port, .events = POLLOUT};
        const ssize_t n = write(port, bells, sizeof bells);

        if (n > 0)
            sent += (uint64_t)n;
        else if (errno != EAGAIN || poll(&p, 1, 100) < 0 || (p.revents & POLLHUP))
            break;
    }
    return sent;
}

/* Without a session; where the port is closed, at the next one. */
int
idle_bells(void)
{
    const uint64_t end = end_of_attack();
    unsigned closed = 0;
    uint64_t sent = 0;

    for (; now_ns() < end; closed++) {
        const int port = guest_socket();

        sent += ring_on(port, end);
        close(port);
    }
    printf("%llu bells, %u ports\n", (unsigned long long)sent, closed);
    return sent == 0;
}

bool
session_bells(struct guest *g)
{
    return ring_on(g->c.fd, end_of_attack()) > 0 && still_answers(g);
}

/* ---- memory ------------------------------------------------------------------------------ */

/* Who looks for a vGPU meanwhile finds none; who has one is not concerned. */
bool
bar_header(struct guest *g)
{
    struct bar_header *h = (struct bar_header *)g->c.heap, before = *h;
    bool ok = true;

    for (unsigned i = 0; i < 16 && ok; i++) {
        random_fill(h, sizeof *h);
        ok = still_answers(g);
    }
    *h = before;
    return ok;
}

/* Anything anywhere in what sessions use, our own channel too. */
static bool
spoil(struct guest *g, void (*one)(uint64_t *at))
{
    const uint64_t end = end_of_attack(),
                   first = bar_chunk_bytes(g->c.heap_bytes) / sizeof(uint64_t),
                   n = USED_BYTES / sizeof(uint64_t) - first;
    uint64_t *words = (uint64_t *)g->c.heap + first;

    while (now_ns() < end) {
        for (unsigned i = 0; i < TURNS; i++)
            one(&words[random_next() % n]);
        /* The pages and rings of all, which chance would seldom hit. */
        for (uint64_t page = 0; page < n; page += first) {
            for (unsigned i = 0; i < 16; i++)
                one(&words[page + random_next() % 1024]);
        }
    }
    return true;
}

static void
flip_one(uint64_t *at)
{
    *at ^= UINT64_C(1) << random_next() % 64;
}

/* Numbers that sums and products wrap around at are as likely as any others. */
static void
scribble_one(uint64_t *at)
{
    static const uint64_t edges[] = {
        0, 1, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 61};
    const uint64_t r = random_next();

    *at = r % 2 ? edges[(r >> 1) % (sizeof edges / sizeof *edges)] : random_next();
}

bool
bar_scribble(struct guest *g)
{
    return spoil(g, scribble_one);
}

bool
bar_flip(struct guest *g)
{
    return spoil(g, flip_one);
}

/* As if the machine had been started anew: all its sessions are over. */
bool
other_boot(struct guest *g)
{
    const uint64_t end = now_ns() + PATIENCE_S * UINT64_C(1000000000);
    struct hello h = good_hello();
    char reason[160] = "";
    struct welcome w;
    uint8_t *info = NULL;

    h.boot = random_next();
    if (hello_exchange_port(guest_socket(), &h, &w, &info, reason) < 0)
        return false;
    /* Its port stays connected, as for the machine that was started anew. */
    while (atomic_load(&g->c.page->owner) != 0 && now_ns() < end)
        usleep(10000);
    return atomic_load(&g->c.page->owner) == 0;
}

/* ---- parts of the heap ------------------------------------------------------------------- */

bool
foreign_part(struct guest *g)
{
    static struct guest other;

    guest_world(&other);
    return SEND(g, OP_tessera_heap_give, 0, other.w.grant_off);
}

bool
channel_part(struct guest *g)
{
    return SEND(g, OP_tessera_heap_give, 0, g->w.channel_off);
}

/* None of an absurd size, then all that there are: who comes then is told so. */
bool
all_parts(struct guest *g)
{
    static struct guest other;
    uint64_t part[2], got = 0;

    for (unsigned i = 0; i < 64; i++) {
        if (!guest_grow(g, UINT64_MAX << i, part) || (i < 32 && part[1] != 0))
            return false;
    }
    for (uint64_t size = g->c.heap_bytes / 2; size > 0; size /= part[1] ? 1 : 2) {
        if (!guest_grow(g, size, part) || part[1] > g->c.heap_bytes)
            return false;
        got += part[1];
    }
    printf("%llu MiB\n", (unsigned long long)got >> 20);
    return guest_try(&other) < 0 && still_answers(g);
}

/* Bytes that the worker writes for us where another session of ours has its rings. */
bool
foreign_channel(struct guest *g)
{
    static const uint8_t ones[16384] = {[0 ... 16383] = 0xff};
    static struct guest other;
    struct message *m;

    guest_world(&other);
    if (!(g->w.flags & WELCOME_SHARED_STORAGE) ||
        !SEND(g, OP_clCreateBuffer, 0, FREE_ID, CONTEXT_ID, 1, sizeof ones,
              other.w.channel_off, sizeof ones, CONTENT_NONE, EXTENT_NONE, 0))
        return false;
    m = message_begin();
    message_u64(m, QUEUE_ID);
    message_u64(m, FREE_ID);
    message_u64(m, 0);
    message_u64(m, sizeof ones);
    message_blob(m, ones, sizeof ones);
    message_u64(m, 0);
    message_u64(m, 0);
    return guest_send(g, OP_clEnqueueWriteBuffer, 0, m->n, m->words) &&
           still_answers(g) && guest_is_ended(other.c.fd, PATIENCE_S);
}
