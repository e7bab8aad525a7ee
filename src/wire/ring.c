/* SPDX-License-Identifier: MIT */
#include "wire/ring.h"

#include <errno.h>
#include <string.h>

void
ring_init(struct ring *r, struct ring_shared *shared, uint8_t *data, uint32_t size)
{
    *r = (struct ring){.shared = shared, .data = data, .size = size};
}

/*
 * Write-combining memory is ordered by fences alone (Intel SDM volume 3, section 12.3.1), which
 * release and acquire do not bring on x86. Elsewhere they do.
 */
static inline void
ring_fence_stores(const struct ring *r)
{
#if defined(__x86_64__)
    if (r->weak)
        __builtin_ia32_sfence();
#else
    (void)r;
#endif
}

static inline void
ring_fence_loads(const struct ring *r)
{
#if defined(__x86_64__)
    if (r->weak)
        __builtin_ia32_lfence();
#else
    (void)r;
#endif
}

static uint32_t
ring_at(const struct ring *r, uint32_t counter)
{
    return counter & (r->size - 1);
}

/*
 * Loads the reader's counter again; what lies between it and ours cannot exceed the ring. A forged
 * one is not kept: it would look like room the next time.
 */
static int
ring_load_head(struct ring *r)
{
    /* Pairs with the reader's release store in ring_read: the bytes before it are copied.
     */
    uint32_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);

    if (r->cur - head > r->size || head % FRAME_ALIGN != 0)
        return -EPROTO;
    r->seen = head;
    return 0;
}

int
ring_go_on(struct ring *r, uint32_t cur, bool reader)
{
    if (cur % FRAME_ALIGN != 0)
        return -EPROTO;
    r->cur = r->seen = cur;
    return reader ? 0 : ring_load_head(r);
}

static void
ring_write_pad(struct ring *r, uint32_t len)
{
    struct frame_header pad = {.size = len, .op = FRAME_PAD};

    /* The last gap may be shorter than a header: its size alone is read then. */
    memcpy(r->data + ring_at(r, r->cur), &pad, len < sizeof pad ? len : sizeof pad);
    r->cur += len;
}

void *
ring_reserve(struct ring *r, uint32_t len, int *ret_err)
{
    uint32_t to_end = r->size - ring_at(r, r->cur);
    uint32_t need = len <= to_end ? len : to_end + len;

    *ret_err = 0;
    if (r->size - (r->cur - r->seen) < need) {
        *ret_err = ring_load_head(r);
        if (*ret_err < 0 || r->size - (r->cur - r->seen) < need)
            return NULL;
    }
    if (len > to_end)
        ring_write_pad(r, to_end);
    return r->data + ring_at(r, r->cur);
}

bool
ring_commit(struct ring *r, uint32_t len)
{
    r->cur += len;
    ring_fence_stores(r);
    /*
     * Pairs with the reader's acquire load in ring_readable: the frame is visible before
     * it.
     */
    atomic_store_explicit(&r->shared->tail, r->cur, memory_order_release);
    /*
     * Pairs with the fence in ring_may_sleep: either we see "sleeping", or it sees the
     * frame.
     */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&r->shared->sleeping, memory_order_relaxed) == 0)
        return false;
    return atomic_exchange_explicit(&r->shared->sleeping, 0, memory_order_relaxed) != 0;
}

bool
ring_crowded(struct ring *r)
{
    if (r->cur - r->seen <= r->size / 2)
        return false;
    return ring_load_head(r) < 0 || r->cur - r->seen > r->size / 2;
}

bool
ring_readable(struct ring *r)
{
    if (r->seen == r->cur)
        r->seen = atomic_load_explicit(&r->shared->tail, memory_order_acquire);
    return r->seen != r->cur;
}

static void
ring_publish_head(struct ring *r)
{
    ring_fence_loads(r);
    /*
     * Pairs with the writer's acquire load in ring_load_head: only copied bytes are
     * reused.
     */
    atomic_store_explicit(&r->shared->head, r->cur, memory_order_release);
}

int
ring_read(struct ring *r, void *buf, uint32_t cap)
{
    while (ring_readable(r)) {
        uint32_t avail = r->seen - r->cur, at = ring_at(r, r->cur);
        struct frame_header h = {0};

        if (avail > r->size || avail % FRAME_ALIGN != 0)
            return -EPROTO;
        ring_fence_loads(r);
        if (avail > r->size - at)
            avail = r->size - at;
        memcpy(&h, r->data + at, avail < sizeof h ? avail : sizeof h);
        if (h.size < FRAME_ALIGN || h.size % FRAME_ALIGN != 0 || h.size > avail)
            return -EPROTO;
        if (h.op == FRAME_PAD) {
            r->cur += h.size;
            ring_publish_head(r);
            continue;
        }
        if (h.size < sizeof h || h.size > cap)
            return -EPROTO;
        /* The header was checked: it must not change again under the copy. */
        memcpy(buf, &h, sizeof h);
        memcpy((uint8_t *)buf + sizeof h, r->data + at + sizeof h, h.size - sizeof h);
        r->cur += h.size;
        ring_publish_head(r);
        return (int)h.size;
    }
    return 0;
}

bool
ring_may_sleep(struct ring *r)
{
    atomic_store_explicit(&r->shared->sleeping, 1, memory_order_relaxed);
    /* Pairs with the fence in ring_commit. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!ring_readable(r))
        return true;
    ring_awake(r);
    return false;
}

void
ring_awake(struct ring *r)
{
    atomic_store_explicit(&r->shared->sleeping, 0, memory_order_relaxed);
}
