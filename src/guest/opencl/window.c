/* SPDX-License-Identifier: MIT */
#include "guest/opencl/window.h"

#include <stdlib.h>

/* All windows of a session together: this part of its heap at most. */
#define WINDOWS_PART 4

/* All is under the session's windows.lock, inside which only the heap's own is taken. */
struct window {
    struct list node; /* among the idle ones, while it is one */
    struct session *session;
    uint64_t off, bytes; /* off: EXTENT_NONE while it has no room */
    unsigned users;      /* mappings, and commands under way */
    bool released;       /* the buffer is gone */
};

/* A command of the worker that uses a window. */
struct window_command {
    struct pending pending;
    struct window *window;
};

void
windows_init(struct windows *all)
{
    pthread_mutex_init(&all->lock, NULL);
    list_init(&all->idle);
}

void
windows_fini(struct windows *all)
{
    pthread_mutex_destroy(&all->lock);
}

/* Lock held. The longest unused one gives its room back; false: all are in use. */
static bool
windows_give_oldest(struct windows *all)
{
    struct window *w;

    if (list_empty(&all->idle))
        return false;
    w = container_of(all->idle.next, struct window, node);
    list_del(&w->node);
    heap_free(&w->session->heap, w->off);
    w->off = EXTENT_NONE;
    all->bytes -= w->bytes;
    return true;
}

bool
windows_give_up_one(struct session *s)
{
    bool given;

    pthread_mutex_lock(&s->windows.lock);
    given = windows_give_oldest(&s->windows);
    pthread_mutex_unlock(&s->windows.lock);
    return given;
}

/* Lock held. Those that are idle make room for one more. */
static bool
window_take_room(struct window *w)
{
    struct windows *all = &w->session->windows;
    const uint64_t most = w->session->channel.heap_bytes / WINDOWS_PART;

    if (w->bytes > most)
        return false;
    while (all->bytes > most - w->bytes) {
        if (!windows_give_oldest(all))
            return false;
    }
    w->off = heap_alloc(&w->session->heap, w->bytes);
    if (w->off == EXTENT_NONE)
        return false;
    all->bytes += w->bytes;
    return true;
}

static struct window *
window_new(struct session *s, uint64_t bytes)
{
    struct window *w = malloc(sizeof *w);

    if (w)
        *w = (struct window){.session = s, .off = EXTENT_NONE, .bytes = bytes};
    return w;
}

/* A hint. Room is asked for without the lock, which those want who read replies. */
static bool
window_has_room(struct window *w)
{
    bool has;

    pthread_mutex_lock(&w->session->windows.lock);
    has = w->off != EXTENT_NONE;
    pthread_mutex_unlock(&w->session->windows.lock);
    return has;
}

bool
window_use(struct session *s, struct window **made, uint64_t bytes)
{
    bool room = true;
    struct window *w;

    if (!*made)
        *made = window_new(s, bytes);
    w = *made;
    if (!w)
        return false;
    if (!window_has_room(w))
        session_heap_grow(s, bytes);
    pthread_mutex_lock(&s->windows.lock);
    if (w->off == EXTENT_NONE)
        room = window_take_room(w);
    else if (w->users == 0)
        list_del(&w->node);
    if (room)
        w->users++;
    pthread_mutex_unlock(&s->windows.lock);
    return room;
}

void
window_use_again(struct window *w)
{
    struct windows *all = &w->session->windows;

    pthread_mutex_lock(&all->lock);
    w->users++;
    pthread_mutex_unlock(&all->lock);
}

/* The last one has left, and the buffer is gone. */
static void
window_free(struct window *w)
{
    if (w->off != EXTENT_NONE)
        heap_free(&w->session->heap, w->off);
    free(w);
}

void
window_leave(struct window *w)
{
    struct windows *all = &w->session->windows;
    bool over;

    /* In a forked child the lock may be held for ever, and the heap is not there. */
    if (session_is_inherited(w->session))
        return;
    pthread_mutex_lock(&all->lock);
    w->users--;
    over = w->users == 0 && w->released;
    if (over)
        all->bytes -= w->bytes;
    else if (w->users == 0)
        list_add_tail(&all->idle, &w->node);
    pthread_mutex_unlock(&all->lock);
    if (over)
        window_free(w);
}

void
window_release(struct window *w)
{
    struct windows *all;
    bool over;

    if (!w || session_is_inherited(w->session))
        return;
    all = &w->session->windows;
    pthread_mutex_lock(&all->lock);
    w->released = true;
    over = w->users == 0;
    if (over && w->off != EXTENT_NONE) {
        list_del(&w->node);
        all->bytes -= w->bytes;
    }
    pthread_mutex_unlock(&all->lock);
    if (over)
        window_free(w);
}

uint64_t
window_offset(const struct window *w)
{
    return w->off;
}

/* ---- commands of the worker -------------------------------------------------------- */

static void
window_answered(struct pending *p)
{
    struct window_command *c = container_of(p, struct window_command, pending);
    struct session *s = c->window->session;

    window_leave(c->window);
    atomic_fetch_sub_explicit(&s->reclaims_due, 1, memory_order_relaxed);
    free(p->answer);
    free(c);
}

struct pending *
window_pending(struct window *w)
{
    struct window_command *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->pending.done = window_answered;
    c->window = w;
    window_use_again(w);
    session_expect_reclaim(w->session);
    return &c->pending;
}

void
window_pending_free(struct pending *p)
{
    window_answered(p);
}
