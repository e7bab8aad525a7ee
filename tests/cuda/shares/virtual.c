/* SPDX-License-Identifier: MIT */
#include "tests/cuda/shares/virtual.h"

#include "base/futex.h"
#include "base/io.h"
#include "tests/cuda/fake/fake.h"

#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 64
#define BEGIN_NS UINT64_C(1000000000)
#define SLEEP_MIN_NS 1000u /* a system call is never for nothing */

struct thread {
    pthread_t thread;
    pthread_cond_t turn;
    virtual_fn *run;
    void *arg;
    bool serves, done;
    struct futex_word words[FUTEX_WORDS_MAX];
    unsigned n_words;
    uint64_t until_ns;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;
static struct thread threads[THREADS_MAX];
static unsigned n_threads, n_done, n_served; /* n_served: that have yet to return */
static struct thread *running;
static uint64_t clock_ns = BEGIN_NS, end_ns;

uint64_t __wrap_now_ns(void);
void __wrap_futex_wait_until(_Atomic uint32_t *word, uint32_t seen, uint64_t until_ns);
void __wrap_futex_wait_any(const struct futex_word *words, unsigned n, uint64_t until_ns);

static bool
is_awake(const struct thread *t)
{
    if (t->done)
        return false;
    for (unsigned i = 0; i < t->n_words; i++)
        if (atomic_load(t->words[i].word) != t->words[i].seen)
            return true;
    return clock_ns >= t->until_ns || (t->serves && n_served == 0);
}

/* Lock held. Who goes next, in a circle; the clock moves when nobody could. */
static void
hand_on(const struct thread *from)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 1; i <= n_threads; i++) {
        struct thread *const t =
            &threads[((from ? (unsigned)(from - threads) : n_threads - 1) + i) %
                     n_threads];

        if (is_awake(t)) {
            running = t;
            pthread_cond_signal(&t->turn);
            return;
        }
        if (!t->done && t->until_ns < next)
            next = t->until_ns;
    }
    if (n_done == n_threads) {
        running = NULL;
        pthread_cond_signal(&all_done);
        return;
    }
    if (next == UINT64_MAX) {
        fprintf(stderr, "all sleep for ever\n");
        abort();
    }
    clock_ns = next;
    hand_on(from);
}

/* Lock held. */
static void
await_turn(struct thread *t)
{
    while (running != t)
        pthread_cond_wait(&t->turn, &lock);
}

static void *
thread_main(void *arg)
{
    struct thread *const t = arg;

    pthread_mutex_lock(&lock);
    await_turn(t);
    pthread_mutex_unlock(&lock);
    t->run(t->arg);
    pthread_mutex_lock(&lock);
    t->done = true;
    n_done++;
    n_served -= !t->serves;
    hand_on(t);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void
add(virtual_fn *run, void *arg, bool serves)
{
    struct thread *const t = &threads[n_threads];

    if (n_threads == THREADS_MAX)
        abort();
    *t = (struct thread){.run = run, .arg = arg, .serves = serves};
    pthread_cond_init(&t->turn, NULL);
    n_threads++;
    n_served += !serves;
}

void
virtual_thread(virtual_fn *run, void *arg)
{
    add(run, arg, false);
}

void
virtual_servant(virtual_fn *run, void *arg)
{
    add(run, arg, true);
}

bool
virtual_serves_nobody(void)
{
    return n_served == 0;
}

void
virtual_run(uint64_t for_ns)
{
    end_ns = clock_ns + for_ns;
    n_done = 0;
    for (unsigned i = 0; i < n_threads; i++)
        if (pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]) != 0)
            abort();
    pthread_mutex_lock(&lock);
    hand_on(NULL);
    while (running || n_done < n_threads)
        pthread_cond_wait(&all_done, &lock);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < n_threads; i++)
        pthread_join(threads[i].thread, NULL);
    n_threads = 0;
}

bool
virtual_is_over(void)
{
    return clock_ns >= end_ns;
}

static void
sleep_on(const struct futex_word *words, unsigned n, uint64_t until_ns)
{
    struct thread *t;

    pthread_mutex_lock(&lock);
    t = running;
    for (unsigned i = 0; i < n; i++)
        t->words[i] = words[i];
    t->n_words = n;
    t->until_ns = until_ns > clock_ns ? until_ns : clock_ns + SLEEP_MIN_NS;
    hand_on(t);
    await_turn(t);
    pthread_mutex_unlock(&lock);
}

void
virtual_sleep_until(uint64_t ns)
{
    sleep_on(NULL, 0, ns);
}

/* ---- in place of base's ------------------------------------------------------------- */

uint64_t
__wrap_now_ns(void)
{
    return clock_ns;
}

void
__wrap_futex_wait_until(_Atomic uint32_t *word, uint32_t seen, uint64_t until_ns)
{
    const struct futex_word w = {word, seen};

    sleep_on(&w, 1, until_ns);
}

void
__wrap_futex_wait_any(const struct futex_word *words, unsigned n, uint64_t until_ns)
{
    sleep_on(words, n, until_ns);
}

/* ---- in place of the fake driver's clock ---------------------------------------------- */

bool
fake_is_on_the_hosts_clock(void)
{
    return true;
}

uint64_t
fake_host_ns(void)
{
    return clock_ns;
}

void
fake_host_sleep_until(uint64_t ns)
{
    virtual_sleep_until(ns);
}
