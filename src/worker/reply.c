/* SPDX-License-Identifier: MIT */
#include "worker/reply.h"

#include "wire/codec.h"
#include "worker/scope.h"
#include "worker/session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Text per frame at most: others may want room in the ring, too. */
#define TEXT_FRAME_BYTES (16u << 10)
/* The same of what waits in line. */
#define TEXT_LINE_BYTES 4096u

/* Of a mark that nobody came to yet: all that will be in the pipe then. */
#define TEXT_ALL UINT32_MAX

struct waiting_frame {
    struct waiting_frame *next;
    uint32_t len;  /* 0: a mark */
    uint32_t text; /* of a mark: what is still to be taken from the pipe */
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
    r->text_fd = -1;
    atomic_init(&r->text_expected, false);
}

/* The frame is in the ring: its waiter must know. */
static void
waiter_tell_frame(struct session *s, const void *frame)
{
    struct frame_header h;
    struct waiter *w;

    memcpy(&h, frame, sizeof h);
    w = h.op == FRAME_REPLY ? tag_waiter(s->channel.page->waiters, h.tag) : NULL;
    if (w)
        waiter_look(w);
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

/* len 0: a mark for so much text. */
static int
replies_queue(struct session *s, const void *frame, uint32_t len, uint32_t text)
{
    struct replies *r = &s->replies;
    struct waiting_frame *w = NULL;

    if (r->waiting_bytes + sizeof *w + len <= REPLIES_WAITING_BYTES)
        w = malloc(sizeof *w + len);
    if (!w)
        return -ENOBUFS;
    w->next = NULL;
    w->len = len;
    w->text = text;
    if (len > 0)
        memcpy(w->bytes, frame, len);
    *r->last = w;
    r->last = &w->next;
    r->waiting_bytes += sizeof *w + len;
    atomic_store(&r->waiting, true);
    return 0;
}

static void
replies_wait_in_line(struct session *s, const void *frame, uint32_t len, uint32_t text)
{
    if (replies_queue(s, frame, len, text) < 0)
        session_end(s, "replies are not read");
}

/* ---- what kernels print ------------------------------------------------------------ */

static uint32_t
text_available(const struct replies *r)
{
    int n = 0;

    return r->text_fd >= 0 && ioctl(r->text_fd, FIONREAD, &n) == 0 && n > 0 ? (uint32_t)n
                                                                            : 0;
}

/* Lock held. One frame of at most n bytes; returns how many are settled, 0 without room. */
static uint32_t
text_pass_frame(struct session *s, uint32_t n, bool *wake)
{
    const uint32_t header = sizeof(struct frame_header);
    const uint32_t asked = n;
    uint32_t max = ring_max_frame(s->channel.tx.size) - header, size;
    struct frame_header *h;
    ssize_t got;

    if (n > TEXT_FRAME_BYTES)
        n = TEXT_FRAME_BYTES;
    if (n > max)
        n = max;
    h = ring_room(s, header + ((n + 7) & ~7u));
    if (!h)
        return 0;
    do
        got = read(s->replies.text_fd, h + 1, n);
    while (got < 0 && errno == EINTR);
    /* There is nothing after all: what waits behind it must not wait for that. */
    if (got <= 0)
        return asked;
    n = (uint32_t)got;
    size = header + ((n + 7) & ~7u);
    memset((uint8_t *)(h + 1) + n, 0, size - header - n);
    *h = (struct frame_header){.size = size, .op = FRAME_PRINT, .tag = n};
    *wake |= ring_commit(&s->channel.tx, size);
    return n;
}

/* Lock held. Passes on n bytes (TEXT_ALL: what is there now); returns what found no room. */
static uint32_t
text_pass(struct session *s, uint32_t n, bool *wake)
{
    uint32_t passed;

    if (n == TEXT_ALL)
        n = text_available(&s->replies);
    for (; n > 0; n -= passed) {
        passed = text_pass_frame(s, n, wake);
        if (passed == 0)
            break;
    }
    return n;
}

/* Lock held, before an answer. */
static void
text_goes_first(struct session *s, bool *wake)
{
    struct replies *r = &s->replies;
    uint32_t left = TEXT_ALL;

    if (!r->first && !r->still)
        left = text_pass(s, TEXT_ALL, wake);
    if (left > 0)
        replies_wait_in_line(s, NULL, 0, left);
}

/* ---- frames ------------------------------------------------------------------------ */

static void
reply_frame(struct session *s, const void *frame, uint32_t len, bool text_first)
{
    struct replies *r = &s->replies;
    bool wake = false, crowded;
    void *at;

    /* It was answered before. */
    if (s->restoring.active)
        return;
    pthread_mutex_lock(&r->lock);
    if (text_first && atomic_load_explicit(&r->text_expected, memory_order_relaxed))
        text_goes_first(s, &wake);
    at = r->first || r->still ? NULL : ring_room(s, len);
    if (at) {
        memcpy(at, frame, len);
        wake |= ring_commit(&s->channel.tx, len);
    } else {
        replies_wait_in_line(s, frame, len, 0);
    }
    crowded = !at || ring_crowded(&s->channel.tx);
    pthread_mutex_unlock(&r->lock);
    if (at)
        waiter_tell_frame(s, frame);
    if (wake)
        s->channel.transport->kick(&s->channel);
    else if (crowded)
        waiters_look(s->channel.page->waiters);
}

/*
 * Any thread: answers a waiter in its own word. false: it has none, or what kernels printed, or
 * frames that wait for room, must come before, through the ring.
 */
static bool
reply_to_waiter(struct session *s, uint64_t tag, int64_t status)
{
    struct waiter *w =
        s->restoring.active ? NULL : tag_waiter(s->channel.page->waiters, tag);

    if (!w || atomic_load_explicit(&s->replies.text_expected, memory_order_relaxed) ||
        atomic_load(&s->replies.waiting))
        return false;
    waiter_done(w, status);
    return true;
}

void
reply_status(struct session *s, uint64_t tag, int64_t status)
{
    const struct reply_header h = {
        .frame = {.size = sizeof h, .op = FRAME_REPLY, .tag = tag}, .status = status};

    if (!reply_to_waiter(s, tag, status))
        reply_frame(s, &h, sizeof h, true);
}

void
reply_reclaim(struct session *s, uint64_t offset)
{
    const struct frame_header h = {.size = sizeof h, .op = FRAME_RECLAIM, .tag = offset};

    /* Tells nothing of a kernel, so its text need not come first. */
    if (offset != EXTENT_NONE)
        reply_frame(s, &h, sizeof h, false);
}

void
reply_announce_text(struct session *s)
{
    const struct frame_header h = {.size = sizeof h, .op = FRAME_PRINT};

    reply_frame(s, &h, sizeof h, false);
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
    reply_frame(s, frame, (uint32_t)size, true);
}

/* Lock held. The first in line goes; false: there is no room for it. */
static bool
replies_flush_first(struct session *s, bool *wake)
{
    struct replies *r = &s->replies;
    struct waiting_frame *w = r->first;
    void *at;

    if (w->len == 0) {
        w->text = text_pass(s, w->text, wake);
        if (w->text > 0)
            return false;
    } else {
        at = ring_room(s, w->len);
        if (!at)
            return false;
        memcpy(at, w->bytes, w->len);
        *wake |= ring_commit(&s->channel.tx, w->len);
        waiter_tell_frame(s, w->bytes);
    }
    r->waiting_bytes -= sizeof *w + w->len;
    r->first = w->next;
    free(w);
    return true;
}

/* Lock held. true: the line is empty. */
static bool
replies_flush_line(struct session *s, bool *wake)
{
    struct replies *r = &s->replies;

    if (r->still)
        return false;
    while (r->first && replies_flush_first(s, wake))
        ;
    if (!r->first)
        r->last = &r->first;
    atomic_store(&r->waiting, r->first != NULL);
    return !r->first;
}

bool
replies_flush(struct session *s)
{
    struct replies *r = &s->replies;
    bool wake = false, empty;

    if (!atomic_load_explicit(&r->waiting, memory_order_relaxed))
        return true;
    pthread_mutex_lock(&r->lock);
    empty = replies_flush_line(s, &wake);
    pthread_mutex_unlock(&r->lock);
    if (wake)
        s->channel.transport->kick(&s->channel);
    return empty;
}

bool
replies_pass_text(struct session *s)
{
    struct replies *r = &s->replies;
    bool wake = false, passed;

    pthread_mutex_lock(&r->lock);
    passed = replies_flush_line(s, &wake) && text_pass(s, TEXT_ALL, &wake) == 0;
    pthread_mutex_unlock(&r->lock);
    if (wake)
        s->channel.transport->kick(&s->channel);
    return passed;
}

/* ---- of a paused session ------------------------------------------------------------- */

void
replies_stand_still(struct session *s)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->replies.lock);

    s->replies.still = true;
}

void
replies_go_on(struct session *s)
{
    pthread_mutex_lock(&s->replies.lock);
    s->replies.still = false;
    pthread_mutex_unlock(&s->replies.lock);
    /* The dispatcher may sleep, and know of nothing that waits. */
    replies_flush(s);
}

/* Lock held. What is in the pipe, up to n bytes, as frames at the end of the line. */
static void
text_to_line(struct session *s, uint32_t n)
{
    struct {
        struct frame_header h;
        uint8_t text[TEXT_LINE_BYTES];
    } frame;

    while (n > 0 && text_available(&s->replies) > 0) {
        const size_t most = n < TEXT_LINE_BYTES ? n : TEXT_LINE_BYTES;
        const ssize_t got = read(s->replies.text_fd, frame.text, most);
        uint32_t size;

        if (got <= 0)
            return;
        size = (uint32_t)sizeof frame.h + (((uint32_t)got + 7) & ~7u);
        memset(frame.text + got, 0, size - sizeof frame.h - (size_t)got);
        frame.h =
            (struct frame_header){.size = size, .op = FRAME_PRINT, .tag = (uint64_t)got};
        replies_wait_in_line(s, &frame, size, 0);
        n -= n == TEXT_ALL ? 0 : (uint32_t)got;
    }
}

/* Lock held. Frames in place of the marks. */
static void
replies_settle_marks(struct session *s)
{
    struct replies *r = &s->replies;
    struct waiting_frame *w = take_ptr(r->first);

    r->last = &r->first;
    r->waiting_bytes = 0;
    while (w) {
        struct waiting_frame *next = w->next;

        if (w->len == 0)
            text_to_line(s, w->text);
        else
            replies_wait_in_line(s, w->bytes, w->len, 0);
        free(w);
        w = next;
    }
    text_to_line(s, TEXT_ALL);
}

void
replies_each(struct session *s, void (*each)(void *ctx, const void *frame, size_t len),
             void *ctx)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->replies.lock);

    replies_settle_marks(s);
    for (const struct waiting_frame *w = s->replies.first; w; w = w->next)
        each(ctx, w->bytes, w->len);
}

int
reply_again(struct session *s, const void *frame, uint32_t len)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->replies.lock);

    return replies_queue(s, frame, len, 0);
}
