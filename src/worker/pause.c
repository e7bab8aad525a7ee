/* SPDX-License-Identifier: MIT */
#include "worker/pause.h"

#include "base/io.h"
#include "base/log.h"
#include "worker/event.h"
#include "worker/holes.h"
#include "worker/mem.h"
#include "worker/queue.h"
#include "worker/session.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

/* A memcpy of a whole framebuffer takes less. */
#define COPIES_END_MS 2000
#define LOOK_NS 200000
/*
 * A driver lets go of a buffer some time after its last command. What it keeps for longer the guest
 * has back neither as credit nor as a part of the heap once it is suspended.
 */
#define BUFFERS_END_NS UINT64_C(2000000000)

static void
look_again_soon(void)
{
    const struct timespec t = {.tv_nsec = LOOK_NS};

    nanosleep(&t, NULL);
}

/* Is the driver through with everything, and everybody told? */
static bool
is_drained(struct session *s)
{
    /* First: what a job leaves to be buried is buried below. */
    bool jobs_rest = jobs_idle(&s->builds) && jobs_idle(&s->asks);

    objects_bury(s);
    watches_poll(s);
    queues_retire(s);
    inflight_settle(s);
    /* Others may have the turn: we hand on nothing. */
    gate_step(&s->gate, false);
    return !queues_run(s) && jobs_rest && event_questions(s, NULL, NULL) != -EAGAIN &&
           !watches_run(&s->watches);
}

static bool
buffers_die(struct session *s)
{
    uint64_t destroyed, dying;

    memory_counts(&s->memory, &destroyed, &dying);
    return dying > 0;
}

/* From is_drained() on only they and what kernels printed want into the ring. */
static bool
is_still(struct session *s, uint64_t *buffers_until_ns)
{
    if (!is_drained(s))
        return false;
    if (*buffers_until_ns == 0)
        *buffers_until_ns = now_ns() + BUFFERS_END_NS;
    return !buffers_die(s) || now_ns() >= *buffers_until_ns;
}

int
session_pause(struct session *s, bool (*go_on)(void *ctx), void *ctx)
{
    uint64_t buffers_until_ns = 0;

    runner_pause(&s->runner);
    if (!channel_close_copies(&s->channel, COPIES_END_MS))
        log_warning("the guest does not end a copy of its own: its bytes may be mixed");
    queues_flush(s);
    while (!is_still(s, &buffers_until_ns)) {
        if (!go_on(ctx)) {
            session_continue(s);
            return -ECANCELED;
        }
        look_again_soon();
    }
    replies_stand_still(s);
    return 0;
}

void
session_continue(struct session *s)
{
    if (!s->copies_stay_closed)
        channel_open_copies(&s->channel);
    replies_go_on(s);
    s->runner.due = true;
    runner_resume(&s->runner);
    asks_resume(s);
}

static void
give_pages_back(struct session *s)
{
    struct holes holes;

    if (holes_find(s, &holes) == 0)
        holes_give_back(&holes, session_heap_fd(s));
    holes_fini(&holes);
}

void
session_leave_guest(struct session *s)
{
    give_pages_back(s);
    /* Before it hangs up. */
    atomic_store_explicit(&s->channel.page->state, CHANNEL_SUSPENDED,
                          memory_order_release);
    /* Its port stays connected: nothing else tells a guest that sleeps there. */
    if (bar_is_used(&s->bar) && s->channel.transport)
        s->channel.transport->kick(&s->channel);
    log_debug("suspended");
    atomic_store(&s->slot->state, SLOT_ENDED);
    _exit(0);
}
