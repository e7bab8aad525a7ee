/* SPDX-License-Identifier: MIT */
/*
 * A ring whose other side is hostile: between our steps it writes whatever it likes into the data
 * and the counters. The input is a list of steps of 8 bytes: what, two small numbers, a word.
 */
#include "wire/ring.h"

#include <stdlib.h>
#include <string.h>

#define SIZE 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct step {
    uint8_t what, len;
    uint16_t at;
    uint32_t word;
};

static void
reads(struct ring *r)
{
    uint8_t *buf = malloc(ring_max_frame(SIZE));
    int n = ring_read(r, buf, ring_max_frame(SIZE));
    struct frame_header h;

    if (n > 0) {
        memcpy(&h, buf, sizeof h);
        if (h.size != (uint32_t)n || n % FRAME_ALIGN || h.size > ring_max_frame(SIZE))
            abort();
    }
    free(buf);
}

static void
writes(struct ring *w, uint32_t len)
{
    int err = 1;
    uint8_t *p = ring_reserve(w, len, &err);

    if (!p)
        return;
    if (err || p < w->data || p + len > w->data + SIZE)
        abort();
    memset(p, 0x5a, len);
    ring_commit(w, len);
}

static void
take(const struct step *s, struct ring *w, struct ring *r)
{
    switch (s->what % 7) {
    case 0:
        reads(r);
        break;
    case 1:
        writes(w, 16 + s->len % 31 * 8);
        break;
    case 2:
        atomic_store(&r->shared->tail, s->word);
        break;
    case 3:
        atomic_fetch_add(&r->shared->tail, s->word);
        break;
    case 4:
        atomic_store(&w->shared->head, s->word);
        break;
    case 5:
        memcpy(r->data + s->at % (SIZE / 8) * 8ul, &s->word, sizeof s->word);
        break;
    default:
        if (!ring_may_sleep(r))
            ring_awake(r);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ring_shared *in = aligned_alloc(64, sizeof *in);
    struct ring_shared *out = aligned_alloc(64, sizeof *out);
    uint8_t *in_data = calloc(1, SIZE), *out_data = calloc(1, SIZE);
    struct ring w, r;
    struct step s;

    memset(in, 0, sizeof *in);
    memset(out, 0, sizeof *out);
    ring_init(&r, in, in_data, SIZE);
    ring_init(&w, out, out_data, SIZE);
    for (; size >= sizeof s; data += sizeof s, size -= sizeof s) {
        memcpy(&s, data, sizeof s);
        take(&s, &w, &r);
    }
    free(in);
    free(out);
    free(in_data);
    free(out_data);
    return 0;
}
