/* SPDX-License-Identifier: MIT */
#include "guest/opencl/session.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "guest/opencl/connection.h"
#include "guest/opencl/device.h"
#include "guest/opencl/event.h"
#include "guest/opencl/mem.h"
#include "guest/opencl/print.h"
#include "guest/opencl/rejoin.h"
#include "guest/opencl/wait.h"
#include "guest/opencl/window.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static void
session_init_locks(struct session *s)
{
    pthread_mutex_init(&s->tx_lock, NULL);
    pthread_mutex_init(&s->rx_lock, NULL);
    pthread_mutex_init(&s->wait_lock, NULL);
    pthread_cond_init(&s->wait_cond, NULL);
    pthread_mutex_init(&s->rejoin_lock, NULL);
    windows_init(&s->windows);
    list_init(&s->held);
    list_init(&s->pendings);
    list_init(&s->callbacks);
    list_init(&s->deaths);
    s->channel.fd = -1;
    s->memory[0] = s->memory[1] = s->rejoin_fd = -1;
    s->rejoin_ms = REJOIN_PATIENCE_MS;
    atomic_init(&s->holds, 1);
}

static void
session_init_pools(struct session *s)
{
    s->mems.bytes = sizeof(struct _cl_mem);
    s->mems.kind = KIND_mem;
    s->mems.page_comes = mem_set_add_page;
    s->mems.page_goes = mem_set_remove_page;
    s->events.bytes = sizeof(struct _cl_event);
    s->events.kind = KIND_event;
}

static void session_register(struct session *s);
static void session_unregister(struct session *s);

static void
session_free(struct session *s)
{
    session_unregister(s);
    windows_fini(&s->windows);
    pool_fini(&s->mems);
    pool_fini(&s->events);
    free(s->moved_to);
    heap_fini(&s->heap);
    channel_fini(&s->channel);
    cleanup_closep(&s->memory[0]);
    cleanup_closep(&s->memory[1]);
    free(s->rx_buf);
    free(s->id_generation);
    free(s->id_spare);
    free(s);
}

void
session_hold(struct session *s)
{
    atomic_fetch_add_explicit(&s->holds, 1, memory_order_relaxed);
}

void
session_unhold(struct session *s)
{
    if (atomic_fetch_sub_explicit(&s->holds, 1, memory_order_acq_rel) == 1)
        session_free(s);
}

/* What the worker has given; the rest of a heap that is a virtual machine's is asked for. */
static int
session_attach_heap(struct session *s, const struct welcome *w)
{
    int rc;

    if (!s->heap_grows)
        return heap_init(&s->heap, s->channel.heap, s->channel.heap_bytes);
    rc = heap_init_empty(&s->heap, NULL, s->channel.heap_bytes);
    return rc == 0 ? heap_add(&s->heap, w->grant_off, w->grant_bytes) : rc;
}

static int
session_attach(struct session *s, struct connection *c)
{
    const struct welcome *w = &c->welcome;
    int rc = connection_map(c, &s->channel);

    if (rc < 0)
        return rc;
    connection_take_memory(c, s->memory);
    s->heap_grows = c->bar_bytes > 0;
    s->shared_storage = w->flags & WELCOME_SHARED_STORAGE;
    s->framebuffer_bytes = w->framebuffer_bytes;
    s->spin_ns = channel_spin_ns();
    waits_init(s);
    memcpy(s->token, w->token, TOKEN_BYTES);
    s->channel.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->channel.wake_fd < 0)
        return -errno;
    s->channel.wake_fd = fd_above_stdio(s->channel.wake_fd);
    if (s->channel.wake_fd < 0)
        return s->channel.wake_fd;
    s->rx_buf = malloc(w->replies_bytes);
    if (!s->rx_buf)
        return -ENOMEM;
    rc = session_attach_heap(s, w);
    return rc == 0 ? connection_ring(c, &s->channel) : rc;
}

static struct session *
session_new(struct device *d)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    session_init_locks(s);
    session_init_pools(s);
    s->device = d;
    return s;
}

int
session_connect(struct device *d, struct session **ret, char *reason)
{
    _cleanup_(connection_fini) struct connection c = CONNECTION_NONE;
    struct session *s;
    int rc = connection_open(&d->route, &c, reason);

    if (rc < 0)
        return rc;
    s = session_new(d);
    rc = s ? session_attach(s, &c) : -ENOMEM;
    if (rc < 0) {
        snprintf(reason, CONNECTION_REASON_BYTES,
                 "cannot attach %llu MiB of shared memory: %s",
                 (unsigned long long)c.welcome.heap_bytes >> 20, strerror(-rc));
        if (s)
            session_free(s);
        return rc;
    }
    device_take_info(d, take_ptr(c.info), c.welcome.info_bytes);
    session_register(s);
    *ret = s;
    return 0;
}

/* ---- receiving --------------------------------------------------------------------- */

/* Hands the answer over. The pending is another thread's: it is touched under wait_lock alone. */
static void
pending_complete(struct session *s, struct pending *p, const struct pending *answer)
{
    void (*done)(struct pending *);

    /* Pairs with pending_begin(): all that the asker wrote is visible. */
    (void)atomic_load_explicit(&p->complete, memory_order_acquire);
    pthread_mutex_lock(&s->wait_lock);
    if (p->waiter == 0)
        list_del(&p->node);
    p->status = answer->status;
    p->place = answer->place;
    p->answer_len = answer->answer_len;
    p->answer = answer->answer;
    done = p->done;
    /* Without `done` the waiter may be gone as soon as it sees this. */
    if (!done)
        atomic_store_explicit(&p->complete, true, memory_order_release);
    pthread_mutex_unlock(&s->wait_lock);
    if (done)
        done(p);
}

static void
reply_parse(struct pending *p, const void *frame, size_t len)
{
    struct dec d;
    const uint8_t *bytes;
    uint64_t n;

    dec_init(&d, (const uint8_t *)frame + sizeof(struct frame_header),
             len - sizeof(struct frame_header));
    p->status = (int64_t)dec_u64(&d, "status");
    if (d.p == d.end)
        return;
    p->answer_len = dec_u64(&d, "length");
    p->place = (uint32_t)dec_u64(&d, "place");
    if (p->place != REPLY_INLINE)
        return;
    bytes = dec_bytes(&d, "answer", &n);
    if (d.bad || n != p->answer_len)
        p->answer_len = 0;
    p->answer = malloc(p->answer_len + 1);
    if (p->answer)
        memcpy(p->answer, bytes, p->answer_len);
    else
        p->status = CL_OUT_OF_HOST_MEMORY;
}

/*
 * What kernels printed. Before the first of it the worker says that some may come: it is read from
 * then on while the program does other things, or a kernel that prints much would wait for that.
 */
static void
text_received(struct session *s, const void *text, size_t room, uint64_t len)
{
    if (len == 0)
        atomic_store_explicit(&s->text_comes, session_need_service(s) == CL_SUCCESS,
                              memory_order_relaxed);
    else if (len <= room)
        print_text(text, len);
}

static void
frame_received(struct session *s, const void *frame, size_t len)
{
    struct frame_header h;

    memcpy(&h, frame, sizeof h);
    if (h.op == FRAME_RECLAIM) {
        heap_free(&s->heap, h.tag);
        atomic_fetch_sub_explicit(&s->reclaims_due, 1, memory_order_relaxed);
    } else if (h.op == FRAME_PRINT) {
        text_received(s, (const uint8_t *)frame + sizeof h, len - sizeof h, h.tag);
    } else if (h.op == FRAME_REPLY && h.tag != 0) {
        struct pending answer = {0};

        reply_parse(&answer, frame, len);
        pending_complete(s, (struct pending *)(uintptr_t)tag_own(h.tag), &answer);
    }
}

/* wait_lock held. Are there any? */
static bool
session_post_deaths(struct session *s)
{
    bool any = !list_empty(&s->deaths);

    while (!list_empty(&s->deaths)) {
        struct list *n = s->deaths.next;

        list_del(n);
        list_add_tail(&s->callbacks, n);
        atomic_fetch_add_explicit(&s->callbacks_due, 1, memory_order_relaxed);
    }
    return any;
}

/*
 * Marks the session dead and ends every wait. May be called by several threads at once. rx_lock is
 * held all the while: nobody is about to answer what is ended here.
 */
void
session_die(struct session *s)
{
    struct list lost;
    bool told;

    list_init(&lost);
    pthread_mutex_lock(&s->rx_lock);
    pthread_mutex_lock(&s->wait_lock);
    atomic_store_explicit(&s->dead, true, memory_order_release);
    while (!list_empty(&s->pendings)) {
        struct list *n = s->pendings.next;
        struct pending *p = container_of(n, struct pending, node);

        list_del(n);
        p->status = CL_OUT_OF_RESOURCES;
        if (p->done)
            list_add_tail(&lost, n);
        else
            atomic_store_explicit(&p->complete, true, memory_order_release);
    }
    told = session_post_deaths(s);
    pthread_cond_broadcast(&s->wait_cond);
    if (s->sleeper) /* the end may be a broken ring, not a hang-up */
        eventfd_write(s->channel.wake_fd, 1);
    waits_wake_all(s);
    pthread_mutex_unlock(&s->wait_lock);
    if (told)
        session_need_service(s);
    while (!list_empty(&lost)) {
        struct list *n = lost.next;
        struct pending *p = container_of(n, struct pending, node);

        list_del(n);
        p->done(p);
    }
    pthread_mutex_unlock(&s->rx_lock);
}

/*
 * After something changed that others may wait for; wait_lock held. The sleeper is woken only when
 * its own condition holds, so that a busy thread does not wake the service thread each time.
 */
static void
session_notify(struct session *s)
{
    pthread_cond_broadcast(&s->wait_cond);
    if (s->sleeper && s->sleeper_holds(s->sleeper_arg))
        eventfd_write(s->channel.wake_fd, 1);
}

void
session_tell(struct session *s)
{
    pthread_mutex_lock(&s->wait_lock);
    session_notify(s);
    pthread_mutex_unlock(&s->wait_lock);
}

/* Reads all replies; rx_lock held. Returns how many, or a negative errno. */
static int
session_read_all(struct session *s)
{
    int n, count = 0;

    while ((n = ring_read(&s->channel.rx, s->rx_buf, s->channel.rx.size)) > 0) {
        frame_received(s, s->rx_buf, (size_t)n);
        count++;
    }
    return n < 0 ? n : count;
}

/* rx_lock held; released here. Reads, then tells those who wait for what may have come. */
static void
session_read_and_tell(struct session *s)
{
    /* A session that died meanwhile has ended its waits: what is left has no asker. */
    int rc = session_is_dead(s) ? 0 : session_read_all(s);

    pthread_mutex_unlock(&s->rx_lock);
    if (rc < 0) {
        session_die(s);
    } else if (rc > 0) {
        session_tell(s);
    }
}

void
session_pump(struct session *s)
{
    /* In this order: in a forked child there is no ring. */
    if (session_is_dead(s) || !ring_hint(&s->channel.rx))
        return;
    /* Somebody else is reading already: what is for us will be there when they are done. */
    if (pthread_mutex_trylock(&s->rx_lock) == 0)
        session_read_and_tell(s);
}

void
session_read(struct session *s)
{
    if (session_is_dead(s))
        return;
    pthread_mutex_lock(&s->rx_lock);
    session_read_and_tell(s);
}

/* Spins for a while; true when the condition holds or there is something to read. */
static bool
session_spin(struct session *s, bool (*holds)(void *), void *arg)
{
    uint64_t end = now_ns() + s->spin_ns;

    do {
        for (unsigned i = 0; i < 64; i++) {
            if (ring_hint(&s->channel.rx) || holds(arg))
                return true;
            cpu_relax();
        }
    } while (now_ns() < end);
    return false;
}

/*
 * The one sleeper. The "sleeping" word and the doorbell belong to it alone; its partner is
 * ring_commit() in the worker. Returns with wait_lock held, as it was called.
 */
static void
session_sleep_on_doorbell(struct session *s, bool (*holds)(void *), void *arg)
{
    struct ring_shared *replies = s->channel.rx.shared;
    int rc = 1;

    s->sleeper = true;
    s->sleeper_holds = holds;
    s->sleeper_arg = arg;
    pthread_mutex_unlock(&s->wait_lock);
    atomic_store_explicit(&replies->sleeping, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (!ring_hint(&s->channel.rx))
        rc = s->channel.transport->wait(&s->channel, -1);
    atomic_store_explicit(&replies->sleeping, 0, memory_order_relaxed);
    if (rc < 0) {
        session_pump(s); /* what came before the end still counts */
        if (rc != -EPIPE || !session_lost(s))
            session_die(s);
    }
    pthread_mutex_lock(&s->wait_lock);
    s->sleeper = false;
    /* Another waiter must take over the doorbell if this one has what it wants. */
    pthread_cond_broadcast(&s->wait_cond);
}

static void
session_sleep(struct session *s, bool (*holds)(void *), void *arg)
{
    pthread_mutex_lock(&s->wait_lock);
    if (!holds(arg) && !session_is_dead(s)) {
        if (!s->sleeper)
            session_sleep_on_doorbell(s, holds, arg);
        else
            pthread_cond_wait(&s->wait_cond, &s->wait_lock);
    }
    pthread_mutex_unlock(&s->wait_lock);
}

cl_int
session_wait_until(struct session *s, bool (*holds)(void *arg), void *arg)
{
    while (!holds(arg)) {
        if (session_is_dead(s))
            return CL_OUT_OF_RESOURCES;
        if (session_spin(s, holds, arg))
            session_pump(s);
        else
            session_sleep(s, holds, arg);
    }
    return CL_SUCCESS;
}

static bool
pending_is_complete(void *arg)
{
    struct pending *p = arg;

    return atomic_load_explicit(&p->complete, memory_order_acquire);
}

cl_int
session_wait(struct session *s, struct pending *p)
{
    if (p->waiter != 0)
        return wait_answer(s, p);
    while (!pending_is_complete(p)) {
        if (session_wait_until(s, pending_is_complete, p) != CL_SUCCESS &&
            pending_is_complete(p))
            break;
    }
    return session_is_dead(s) && p->status == CL_OUT_OF_RESOURCES ? CL_OUT_OF_RESOURCES
                                                                  : CL_SUCCESS;
}

/* ---- heap -------------------------------------------------------------------------- */

struct heap_wait {
    struct session *session;
    uint64_t len, off;
};

static bool
heap_try(struct heap_wait *w)
{
    if (w->off == EXTENT_NONE)
        w->off = heap_alloc(&w->session->heap, w->len);
    while (w->off == EXTENT_NONE && windows_give_up_one(w->session))
        w->off = heap_alloc(&w->session->heap, w->len);
    return w->off != EXTENT_NONE;
}

static bool
heap_has_or_never_will(void *arg)
{
    struct heap_wait *w = arg;

    return heap_try(w) || atomic_load(&w->session->reclaims_due) <= 0;
}

uint64_t
session_heap_alloc(struct session *s, uint64_t len)
{
    struct heap_wait w = {.session = s, .len = len, .off = EXTENT_NONE};

    if (len == 0 || len > s->channel.heap_bytes || session_is_dead(s))
        return EXTENT_NONE;
    if (session_heap_grow(s, len))
        w.off = heap_alloc(&s->heap, len);
    if (w.off != EXTENT_NONE)
        return w.off;
    session_wait_until(s, heap_has_or_never_will, &w);
    return w.off;
}

void
session_heap_free(struct session *s, uint64_t off)
{
    heap_free(&s->heap, off);
    atomic_fetch_sub_explicit(&s->reclaims_due, 1, memory_order_relaxed);
    session_tell(s);
}

/* ---- fork -------------------------------------------------------------------------- */

/*
 * The child gets a session of its own on first use. What it inherits is dead: the mappings are not
 * there (MADV_DONTFORK), the doorbell is closed so that the worker sees the parent's end alone, and
 * locks may be held by threads that do not exist here.
 */
static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static struct session *sessions;

void
forks_lock(void)
{
    pthread_mutex_lock(&sessions_lock);
}

void
forks_unlock(void)
{
    pthread_mutex_unlock(&sessions_lock);
}

static void
fork_prepare(void)
{
    device_lock_all();
    mem_set_lock();
    pthread_mutex_lock(&sessions_lock);
}

static void
fork_parent(void)
{
    pthread_mutex_unlock(&sessions_lock);
    mem_set_unlock();
    device_unlock_all();
}

static void
close_here(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void
fork_child(void)
{
    for (struct session *s = sessions; s; s = s->next) {
        atomic_store(&s->dead, true);
        atomic_fetch_add(&s->holds, 1); /* never freed: its mappings are not ours */
        close_here(&s->channel.fd);
        close_here(&s->rejoin_fd);
        close_here(&s->memory[0]);
        close_here(&s->memory[1]);
        close(s->channel.wake_fd);
    }
    sessions = NULL;
    pthread_mutex_unlock(&sessions_lock);
    mem_set_unlock();
    device_unlock_all();
}

static void
session_register(struct session *s)
{
    static bool hooked;

    pthread_mutex_lock(&sessions_lock);
    if (!hooked)
        pthread_atfork(fork_prepare, fork_parent, fork_child);
    hooked = true;
    s->next = sessions;
    sessions = s;
    pthread_mutex_unlock(&sessions_lock);
}

static void
session_unregister(struct session *s)
{
    pthread_mutex_lock(&sessions_lock);
    for (struct session **p = &sessions; *p; p = &(*p)->next) {
        if (*p == s) {
            *p = s->next;
            break;
        }
    }
    pthread_mutex_unlock(&sessions_lock);
}
