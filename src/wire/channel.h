/* SPDX-License-Identifier: MIT */
/*
 * The connection of one guest process to its worker: a page of shared words and two rings
 * (the "channel" memory), a heap (bulk data), and a doorbell for a peer that sleeps.
 *
 *   channel memory:  | struct channel_page | commands ring | replies ring |
 *   heap:            buffers of host-memory devices, staging, long messages (guest-allocated)
 *
 * The worker makes, sizes and seals both; the guest maps what it is handed. The doorbell
 * also tells the peer's death: whoever sleeps, sleeps on it.
 */
#ifndef TESSERA_WIRE_CHANNEL_H
#define TESSERA_WIRE_CHANNEL_H

#include "wire/hello.h"
#include "wire/ring.h"
#include "wire/waiter.h"

#include <sys/types.h>

#define CHANNEL_COMMANDS_BYTES (1u << 20)
#define CHANNEL_REPLIES_BYTES (256u << 10)

/* Longest byte string inside a frame; longer ones go through the heap (type blob). */
#define CHANNEL_INLINE_BYTES (32u << 10)

enum channel_state {
    CHANNEL_RUNNING = 0,
    CHANNEL_SUSPENDED = 1, /* the worker left, and will be back: wait and connect again */
};

/* Values of `closed`. */
enum channel_closed {
    CHANNEL_OPEN = 0,
    CHANNEL_CLOSED = 1,
};

struct channel_page {
    struct ring_shared commands, replies;
    _Alignas(64) _Atomic uint64_t
        credit_bytes; /* the guest takes from it before it creates */
    _Alignas(64) _Atomic uint64_t
        copied_bytes; /* counted up by the guest's own direct copies */
    /*
     * A direct copy: the guest counts `copying` up, looks at `closed`, copies or not, and counts
     * down. The worker sets `closed` and waits for 0, before it looks at buffers that lie in the
     * heap (channel_copy_enter, channel_close_copies).
     */
    _Alignas(64) _Atomic uint32_t copying;
    _Alignas(64) _Atomic uint32_t closed; /* enum channel_closed */
    _Alignas(64) _Atomic uint32_t state;  /* enum channel_state, written by the worker */
    _Atomic uint32_t
        futex_doorbell; /* the worker sleeps on commands.sleeping, not on the socket */
    _Atomic uint32_t owner;      /* virtio: the guest's liveness (wire/virtio.h) */
    _Atomic uint32_t bells_read; /* virtio: bytes that the guest took off its port */
    struct waiter waiters[CHANNEL_WAITERS];
};

struct channel;

/* One implementation per way to reach the peer: unix.c (also loopback), virtio.c. */
struct transport_ops {
    const char *name;
    /* Wakes the peer. Never blocks. A dead peer is no error: the next wait tells. */
    void (*kick)(struct channel *c);
    /*
     * Sleeps until a kick (returns 1), timeout_ms (0; -1 = forever) or the peer's end
     * (-EPIPE). Several threads of one process may wait; a kick may wake any number of
     * them.
     */
    int (*wait)(struct channel *c, int timeout_ms);
    void (*close)(struct channel *c);
};

struct channel {
    const struct transport_ops *transport;
    int fd;      /* the doorbell's descriptor; owned */
    int wake_fd; /* an eventfd that ends a wait of our own process, or -1; owned */
    struct channel_page *page;
    size_t page_bytes;  /* length of the channel mapping */
    struct ring tx, rx; /* guest: commands, replies; worker: the other way round */
    uint8_t *heap;
    uint64_t heap_bytes;
    _Atomic uint64_t *kicks;   /* worker: counts them there, both ways; NULL: nowhere */
    _Atomic bool hung_up;      /* worker: what channel_watch_peer() found */
    struct guardian *guardian; /* guest, virtio: its thread that dies with the process */
    _Atomic uint32_t bells_sent; /* worker, virtio */
    struct hello again;          /* worker, virtio: what its guest may say once more */
};

/* Transports: n kicks were sent or heard. */
static inline void
channel_count_kicks(struct channel *c, uint64_t n)
{
    if (c->kicks)
        atomic_fetch_add_explicit(c->kicks, n, memory_order_relaxed);
}

enum channel_side { CHANNEL_GUEST, CHANNEL_WORKER };

/*
 * Worker: makes channel memory and heap as sealed memfds, maps them into *c (fd is not
 * set). heap_bytes is rounded up to whole pages. The descriptors go to the guest in the
 * welcome.
 */
int channel_make(struct channel *c, uint64_t heap_bytes, uint32_t commands_bytes,
                 uint32_t replies_bytes, int *ret_channel_fd, int *ret_heap_fd);

/*
 * Guest: maps what the welcome described. Checks sizes against the descriptors' own, so
 * that a mapping never ends early. The mappings are not inherited by fork.
 */
int channel_map(struct channel *c, const struct welcome *w, int channel_fd, int heap_fd);

/*
 * Guest: may this thread copy bytes to or from buffers in the heap by itself, without a message?
 * true: channel_copy_leave() follows, soon. false: the worker wants to see the copy as a message.
 */
static inline bool
channel_copy_enter(struct channel *c)
{
    /* Either the worker sees us in `copying`, or we see its `closed`. */
    atomic_fetch_add_explicit(&c->page->copying, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&c->page->closed, memory_order_seq_cst) == CHANNEL_OPEN)
        return true;
    atomic_fetch_sub_explicit(&c->page->copying, 1, memory_order_release);
    return false;
}

static inline void
channel_copy_leave(struct channel *c)
{
    atomic_fetch_sub_explicit(&c->page->copying, 1, memory_order_release);
}

/*
 * Worker: no direct copy begins from now on, and none is under way when it returns true. false:
 * some still are after timeout_ms; a guest that lies about it harms its own bytes.
 */
bool channel_close_copies(struct channel *c, int timeout_ms);
void channel_open_copies(struct channel *c);

/*
 * Worker: maps channel memory and heap that a guest brought along, which must be sealed memfds of
 * exactly these sizes (so that they cannot be cut off under us). Into *c as channel_make() does,
 * but nothing in them is changed. -EPROTO: they are something else. The descriptors stay the
 * caller's.
 */
int channel_adopt(struct channel *c, uint64_t heap_bytes, uint32_t commands_bytes,
                  uint32_t replies_bytes, int channel_fd, int heap_fd);

/* What channel page and rings take, in whole pages. */
uint64_t channel_bytes(uint32_t commands_bytes, uint32_t replies_bytes);

/*
 * The same in memory that is shared with a virtual machine (wire/bar.h), of bar_bytes: page and
 * rings are at `offset`, the heap is all of it, of which a session uses what the worker grants.
 * The worker clears page and rings. The guest's rings are ordered for memory that may be
 * write-combining.
 */
int channel_make_in_bar(struct channel *c, int bar_fd, uint64_t bar_bytes,
                        uint64_t offset, uint32_t commands_bytes, uint32_t replies_bytes);
/* Worker: the same with what is there already, for a session that goes on. */
int channel_adopt_in_bar(struct channel *c, int bar_fd, uint64_t bar_bytes,
                         uint64_t offset, uint32_t commands_bytes,
                         uint32_t replies_bytes);
int channel_map_bar(struct channel *c, const struct welcome *w, int bar_fd,
                    uint64_t bar_bytes);

/* Unmaps, closes the doorbell. A zeroed channel with fd -1 is fine. */
void channel_fini(struct channel *c);

/* Adopts a connected Unix stream socket as doorbell (transport "unix"). */
void channel_use_socket(struct channel *c, int fd);

/*
 * Worker: sleeps on a word in shared memory from now on, which costs both sides less than
 * the socket. Since a futex does not notice a dead peer, a thread must be in
 * channel_watch_peer() all the while: once the peer has hung up it wakes who sleeps,
 * again and again, since the guest can write the word, too.
 */
void channel_use_futex(struct channel *c);
_Noreturn void channel_watch_peer(struct channel *c);

/* Two ends in one process, for tests (transport "loopback"). */
int channel_loopback(struct channel *guest, struct channel *worker, uint64_t heap_bytes,
                     uint32_t commands_bytes, uint32_t replies_bytes);

/* How long to spin before sleeping: less when cores are scarce. Nanoseconds. */
uint64_t channel_spin_ns(void);

/*
 * The same for the worker's dispatcher, whose sleep costs the guest a wake-up at its next
 * message.
 */
uint64_t channel_dispatch_spin_ns(void);

static inline void
cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
