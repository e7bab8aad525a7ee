/* SPDX-License-Identifier: MIT */
#include "worker/restored.h"

#include "worker/mem.h"
#include "worker/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct restored *
restored_of(struct session *s)
{
    if (!s->restored)
        s->restored = calloc(1, sizeof *s->restored);
    return s->restored;
}

/* Room for one more than n: all of it, or NULL. */
static void *
room_for_one(void *all, size_t n, size_t *cap, size_t bytes)
{
    const size_t more = *cap ? 2 * *cap : 16;
    void *bigger;

    if (n < *cap)
        return all;
    bigger = realloc(all, more * bytes);
    if (bigger)
        *cap = more;
    return bigger;
}

int
restored_keep_question(struct session *s, const struct event_question *q)
{
    struct restored *r = restored_of(s);
    struct restored_question *bigger, *mine;

    if (!r)
        return -ENOMEM;
    bigger =
        room_for_one(r->questions, r->n_questions, &r->cap_questions, sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    r->questions = bigger;
    mine = &bigger[r->n_questions];
    mine->q = *q;
    mine->q.events = malloc(q->n * sizeof(struct object *));
    if (!mine->q.events)
        return -ENOMEM;
    for (unsigned i = 0; i < q->n; i++) {
        mine->q.events[i] = q->events[i];
        object_ref(q->events[i]);
    }
    r->n_questions++;
    return 0;
}

int
restored_keep_ask(struct session *s, uint64_t tag, uint64_t bytes)
{
    struct restored *r = restored_of(s);
    struct restored_ask *bigger;

    if (!r)
        return -ENOMEM;
    bigger = room_for_one(r->asks, r->n_asks, &r->cap_asks, sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    r->asks = bigger;
    bigger[r->n_asks++] = (struct restored_ask){tag, bytes};
    return 0;
}

void
restored_questions_each(struct session *s, event_question_fn *question,
                        void (*ask)(void *ctx, uint64_t tag, uint64_t bytes), void *ctx)
{
    const struct restored *r = s->restored;

    if (!r)
        return;
    for (size_t i = 0; i < r->n_questions; i++)
        question(ctx, &r->questions[i].q);
    for (size_t i = 0; i < r->n_asks; i++)
        ask(ctx, r->asks[i].tag, r->asks[i].bytes);
}

void
restored_ask_again(struct session *s)
{
    struct restored *r = s->restored;

    if (!r)
        return;
    s->restored = NULL;
    for (size_t i = 0; i < r->n_questions; i++) {
        struct event_question *q = &r->questions[i].q;

        event_ask(s, q);
        for (unsigned j = 0; j < q->n; j++)
            object_unref(s, q->events[j]);
        free(q->events);
    }
    for (size_t i = 0; i < r->n_asks; i++)
        ask_start(s, r->asks[i].tag, r->asks[i].bytes);
    free(r->questions);
    free(r->asks);
    free(r);
}

/* ---- the guest's own memory --------------------------------------------------------------- */

/* Unmapped objects alone: what is mapped the guest may have written meanwhile. */
static void
move_bytes(struct session *s, const struct channel *to)
{
    mems_look_at_mappings(s);
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next) {
        struct object *o = container_of(l, struct object, node);
        struct extent e;

        if ((o->kind == KIND_mem || o->kind == KIND_image) && !mem_is_mapped(mem_of(o)) &&
            mem_storage(mem_of(o), &e))
            memcpy(to->heap + e.off, s->channel.heap + e.off, e.len);
    }
}

int
restored_move(struct session *s, const int fds[2])
{
    struct channel *c = &s->channel, theirs;
    const uint32_t commands = c->rx.cur, replies = c->tx.cur;
    uint8_t *heap = c->heap;
    int rc =
        channel_adopt(&theirs, c->heap_bytes, c->rx.size, c->tx.size, fds[0], fds[1]);

    if (rc < 0)
        return rc;
    move_bytes(s, &theirs);
    /* The driver has pointers into the heap: it stays where it is, with other bytes. */
    if (mremap(theirs.heap, theirs.heap_bytes, theirs.heap_bytes,
               MREMAP_MAYMOVE | MREMAP_FIXED, heap) == MAP_FAILED) {
        rc = -errno;
        munmap(theirs.heap, theirs.heap_bytes);
        munmap(theirs.page, theirs.page_bytes);
        return rc;
    }
    munmap(c->page, c->page_bytes);
    theirs.heap = heap;
    *c = theirs;
    ring_go_on(&c->rx, commands, true);
    return ring_go_on(&c->tx, replies, false);
}
