/* SPDX-License-Identifier: MIT */
/*
 * The service thread: calls the program's callbacks, and reads replies while the program
 * does other things.
 */
#include "guest/opencl/session.h"

#include <stdlib.h>

static bool
has_callbacks(void *arg)
{
    struct session *s = arg;

    /* Called with and without wait_lock; what it says is checked again under the lock. */
    return atomic_load_explicit(&s->callbacks_due, memory_order_relaxed) > 0;
}

static bool
service_run_callbacks(struct session *s)
{
    struct list *n = NULL;

    pthread_mutex_lock(&s->wait_lock);
    if (!list_empty(&s->callbacks)) {
        n = s->callbacks.next;
        list_del(n);
        atomic_fetch_sub_explicit(&s->callbacks_due, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&s->wait_lock);
    if (!n)
        return false;
    container_of(n, struct callback, node)->run(container_of(n, struct callback, node));
    return true;
}

/* Dead and nothing left to do; who posts a callback after this starts the thread again. */
static bool
service_ends(struct session *s)
{
    bool ends;

    pthread_mutex_lock(&s->wait_lock);
    ends = session_is_dead(s) && list_empty(&s->callbacks);
    if (ends)
        s->service_running = false;
    pthread_mutex_unlock(&s->wait_lock);
    return ends;
}

static void *
service_main(void *arg)
{
    struct session *s = arg;

    do {
        session_wait_until(s, has_callbacks, s);
        while (service_run_callbacks(s))
            ;
    } while (!service_ends(s));
    session_unhold(s);
    return NULL;
}

cl_int
session_need_service(struct session *s)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc = 0;

    pthread_mutex_lock(&s->wait_lock);
    if (!s->service_running) {
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        session_hold(s);
        rc = pthread_create(&thread, &attr, service_main, s);
        pthread_attr_destroy(&attr);
        if (rc == 0)
            s->service_running = true;
    }
    pthread_mutex_unlock(&s->wait_lock);
    if (rc == 0)
        return CL_SUCCESS;
    session_unhold(s);
    return CL_OUT_OF_HOST_MEMORY;
}

void
session_post_callback(struct session *s, struct callback *c)
{
    bool served;

    pthread_mutex_lock(&s->wait_lock);
    list_add_tail(&s->callbacks, &c->node);
    atomic_fetch_add_explicit(&s->callbacks_due, 1, memory_order_relaxed);
    served = s->service_running;
    pthread_mutex_unlock(&s->wait_lock);
    session_tell(s);
    if (!served)
        session_need_service(s);
}

bool
session_tell_death(struct session *s, struct callback *c)
{
    bool alive;

    if (session_is_dead(s))
        return false;
    pthread_mutex_lock(&s->wait_lock);
    alive = !session_is_dead(s);
    if (alive)
        list_add_tail(&s->deaths, &c->node);
    pthread_mutex_unlock(&s->wait_lock);
    return alive;
}

bool
session_untell_death(struct session *s, struct callback *c)
{
    bool alive;

    if (session_is_dead(s))
        return false;
    pthread_mutex_lock(&s->wait_lock);
    alive = !session_is_dead(s);
    if (alive)
        list_del(&c->node);
    pthread_mutex_unlock(&s->wait_lock);
    return alive;
}
