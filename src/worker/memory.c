/* SPDX-License-Identifier: MIT */
#include "worker/memory.h"

#include "worker/scope.h"

#include <time.h>

/* Credit given ahead at an ask: saves round trips to programs with many small buffers. */
#define CREDIT_AHEAD_BYTES (16ull << 20)

/* An answer to a recall takes microseconds; a worker that is stopped must not hold up others. */
#define RECALL_TIMEOUT_MS 1000

/* Between two recalls another session may take ahead what the first one freed. */
#define RECALL_TRIES 3

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct account_slot *
memory_slot(const struct memory *m)
{
    return &m->account->slot[m->slot];
}

/* Reserved bytes that no live buffer uses. */
static uint64_t
memory_spare(const struct memory *m)
{
    uint64_t reserved = atomic_load(&memory_slot(m)->reserved_bytes);
    uint64_t used = atomic_load(&memory_slot(m)->used_bytes);

    return reserved > used ? reserved - used : 0;
}

/* Takes the whole credit word, believing no more of it than can be true. */
static uint64_t
memory_take_credit(struct memory *m)
{
    return min_u64(atomic_exchange(m->credit, 0), memory_spare(m));
}

/* Little when little is free: the last bytes belong to who asks for them. */
static void
memory_give_ahead(struct memory *m)
{
    uint64_t ahead = min_u64(CREDIT_AHEAD_BYTES, account_free_bytes(m->account) / 8);

    if (ahead > 0 && account_reserve(m->account, m->slot, ahead) == 0)
        atomic_fetch_add(m->credit, ahead);
}

static void
memory_begin(struct memory *m, struct account_page *a, unsigned slot,
             _Atomic uint64_t *credit)
{
    pthread_condattr_t attr;

    *m = (struct memory){.account = a, .slot = slot, .credit = credit};
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->destroyed_cond, &attr);
    pthread_condattr_destroy(&attr);
    m->keep_bytes = CREDIT_AHEAD_BYTES + a->limit_bytes / 8;
}

void
memory_init(struct memory *m, struct account_page *a, unsigned slot,
            _Atomic uint64_t *credit)
{
    memory_begin(m, a, slot, credit);
    memory_give_ahead(m);
}

void
memory_adopt(struct memory *m, struct account_page *a, unsigned slot)
{
    memory_begin(m, a, slot, NULL);
    m->credit = &m->no_credit;
}

void
memory_use_credit(struct memory *m, _Atomic uint64_t *credit)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);

    atomic_fetch_add(credit, atomic_exchange(&m->no_credit, 0));
    m->credit = credit;
}

bool
memory_charge(struct memory *m, uint64_t bytes)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);

    if (bytes > memory_spare(m))
        return false;
    account_use(m->account, m->slot, bytes);
    return true;
}

/* Lock held. */
static void
memory_give_back(struct memory *m, uint64_t bytes)
{
    uint64_t credit = atomic_load(m->credit);

    account_unuse(m->account, m->slot, bytes);
    if (credit < m->keep_bytes && bytes <= m->keep_bytes - credit)
        atomic_fetch_add(m->credit, bytes);
    else
        account_release(m->account, m->slot, bytes);
}

void
memory_uncharge(struct memory *m, uint64_t bytes)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);

    memory_give_back(m, bytes);
}

bool
memory_ask(struct memory *m, uint64_t bytes)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);
    uint64_t own = memory_take_credit(m);

    if (own >= bytes) {
        atomic_fetch_add(m->credit, own - bytes);
        return true;
    }
    if (account_reserve(m->account, m->slot, bytes - own) < 0) {
        atomic_fetch_add(m->credit, own);
        return false;
    }
    memory_give_ahead(m);
    return true;
}

bool
memory_ask_all(struct memory *m, uint64_t bytes)
{
    for (unsigned i = 0; i < RECALL_TRIES; i++) {
        uint32_t recall = account_recall_start(m->account);
        bool answered =
            account_recall_wait(m->account, recall, m->slot, RECALL_TIMEOUT_MS);

        if (memory_ask(m, bytes))
            return true;
        if (!answered)
            return false;
    }
    return false;
}

void
memory_recalled(struct memory *m, uint32_t recall)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);

    account_release(m->account, m->slot, memory_take_credit(m));
    account_recall_answer(m->account, m->slot, recall);
}

void
memory_dying(struct memory *m)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);

    m->dying++;
}

void
memory_died(struct memory *m, uint64_t bytes)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);

    m->dying--;
    m->destroyed++;
    memory_give_back(m, bytes);
    pthread_cond_broadcast(&m->destroyed_cond);
}

void
memory_counts(struct memory *m, uint64_t *ret_destroyed, uint64_t *ret_dying)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);

    *ret_destroyed = m->destroyed;
    *ret_dying = m->dying;
}

bool
memory_wait_destroyed(struct memory *m, uint64_t seen, unsigned timeout_ms)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&m->lock);
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000l;
    until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000l;
    until.tv_nsec %= 1000000000l;
    while (m->destroyed == seen &&
           pthread_cond_timedwait(&m->destroyed_cond, &m->lock, &until) == 0)
        ;
    return m->destroyed != seen;
}
