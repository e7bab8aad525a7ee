/* SPDX-License-Identifier: MIT */
#include "worker/reply.h"

#include "wire/codec.h"
#include "worker/scope.h"
#include "worker/session.h"

#include <stdlib.h>

struct waiting_frame {
    struct waiting_frame *next;
    uint32_t len;
    uint8_t bytes[];
};

/* Fields between a reply's header and an inline byte string: length, place, its own length. */
#define ANSWER_FIELDS_BYTES (3 * sizeof(uint64_t))

void
replies_init(struct replies *r)
{
    pthread_mutex_init(&r->lock, NULL);
    r->first = NULL;
    r->last = &r->first;
    r->waiting_bytes = 0;
    atomic_init(&r->waiting, false);
}

/* Lock held. The frame's room in the ring, or NULL while there is none. */
static void *
ring_room(struct session *s, uint32_t len)
{
    int err;
    void *at = ring_reserve(&s->channel.tx, len, &err);

    if (err < 0)
        session_end(s, "the reply ring's counter is forged");
    return at;
}

static void
replies_wait_in_line(struct session *s, const void *frame, uint32_t len)
{
    struct replies *r = &s->replies;
    struct waiting_frame *w = NULL;

    if (r->waiting_bytes + len <= REPLIES_WAITING_BYTES)
        w = malloc(sizeof *w + len);
    if (!w)
        session_end(s, "replies are not read");
    w->next = NULL;
    w->len = len;
    memcpy(w->bytes, frame, len);
    *r->last = w;
    r->last = &w->next;
    r->waiting_bytes += len;
    atomic_store(&r->waiting, true);
}

static void
reply_frame(struct session *s, const void *frame, uint32_t len)
{
    struct replies *r = &s->replies;
    bool wake = false;
    void *at;

    pthread_mutex_lock(&r->lock);
    at = r->first ? NULL : ring_room(s, len);
    if (at) {
        memcpy(at, frame, len);
        wake = ring_commit(&s->channel.tx, len);
    } else {
        replies_wait_in_line(s, frame, len);
    }
    pthread_mutex_unlock(&r->lock);
    if (wake)
        s->channel.transport->kick(&s->channel);
}

void
reply_status(struct session *s, uint64_t tag, int64_t status)
{
    const struct reply_header h = {
        .frame = {.size = sizeof h, .op = FRAME_REPLY, .tag = tag}, .status = status};

    reply_frame(s, &h, sizeof h);
}

void
reply_reclaim(struct session *s, uint64_t offset)
{
    const struct frame_header h = {.size = sizeof h, .op = FRAME_RECLAIM, .tag = offset};

    if (offset != EXTENT_NONE)
        reply_frame(s, &h, sizeof h);
}

static enum reply_place
reply_place(struct session *s, const void *data, size_t len, struct extent out)
{
    uint64_t max = ring_max_frame(s->channel.tx.size);

    if (len <= CHANNEL_INLINE_BYTES &&
        sizeof(struct reply_header) + ANSWER_FIELDS_BYTES + ((len + 7) & ~7ull) <= max)
        return REPLY_INLINE;
    if (out.off == EXTENT_NONE || out.len < len)
        return REPLY_TOO_LONG;
    memcpy(s->channel.heap + out.off, data, len);
    return REPLY_IN_EXTENT;
}

void
reply_bytes(struct session *s, uint64_t tag, int64_t status, const void *data, size_t len,
            struct extent out)
{
    enum reply_place place = reply_place(s, data, len, out);
    size_t size = sizeof(struct reply_header) + 2 * sizeof(uint64_t) +
                  (place == REPLY_INLINE ? enc_bytes_size(len) : 0);
    _cleanup_free_ void *frame = malloc(size);
    struct reply_header *h = frame;
    struct enc e;

    if (!frame) {
        reply_status(s, tag, CL_OUT_OF_HOST_MEMORY);
        return;
    }
    *h = (struct reply_header){
        .frame = {.size = (uint32_t)size, .op = FRAME_REPLY, .tag = tag},
        .status = status};
    e.p = (uint8_t *)(h + 1);
    enc_u64(&e, len);
    enc_u64(&e, place);
    if (place == REPLY_INLINE)
        enc_bytes(&e, data, len);
    reply_frame(s, frame, (uint32_t)size);
}

bool
replies_flush(struct session *s)
{
    struct replies *r = &s->replies;
    bool wake = false;
    void *at;

    if (!atomic_load_explicit(&r->waiting, memory_order_relaxed))
        return true;
    pthread_mutex_lock(&r->lock);
    while (r->first && (at = ring_room(s, r->first->len)) != NULL) {
        struct waiting_frame *w = r->first;

        memcpy(at, w->bytes, w->len);
        wake |= ring_commit(&s->channel.tx, w->len);
        r->waiting_bytes -= w->len;
        r->first = w->next;
        free(w);
    }
    if (!r->first)
        r->last = &r->first;
    atomic_store(&r->waiting, r->first != NULL);
    pthread_mutex_unlock(&r->lock);
    if (wake)
        s->channel.transport->kick(&s->channel);
    return !atomic_load_explicit(&r->waiting, memory_order_relaxed);
}
