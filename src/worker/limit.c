/* SPDX-License-Identifier: MIT */
#include "worker/limit.h"

#include "base/io.h"
#include "base/log.h"
#include "worker/queue.h"
#include "worker/session.h"

#define LIMIT_LOG_NS UINT64_C(1000000000)

/* So many batches make a limit: those that 64 sessions keep unused are a small part of it. */
#define LIMIT_BATCHES 4096u

static void
limit_tell(struct session *s, enum limit which)
{
    const uint64_t now = now_ns();

    atomic_store_explicit(&s->slot->limit_reached, which + 1u, memory_order_relaxed);
    if (s->limit_told_ns[which] && now - s->limit_told_ns[which] < LIMIT_LOG_NS)
        return;
    s->limit_told_ns[which] = now;
    log_warning("the session has reached a limit: %s, %llu (tesserad --limit %s=N)",
                limit_rows[which].doc,
                (unsigned long long)limit_of(&s->options->limits, which),
                limit_rows[which].name);
}

static unsigned
slot_number(const struct session *s)
{
    return (unsigned)(s->slot - s->account->slot);
}

/* Enough for n more, with a batch on top if there is one. */
static bool
allowance_grow(struct session *s, enum limit which, uint64_t n)
{
    const uint64_t limit = limit_of(&s->options->limits, which);
    struct allowance *a = &s->allowances[which];
    const uint64_t spare = a->held - a->used;
    uint64_t more = n <= spare ? 0 : n - spare;

    if (account_take(s->account, slot_number(s), which, limit,
                     more + limit / LIMIT_BATCHES) == 0)
        more += limit / LIMIT_BATCHES;
    else if (account_take(s->account, slot_number(s), which, limit, more) < 0)
        return false;
    a->held += more;
    return true;
}

/* What is over, and only not settled yet, shall not count against a guest. */
static void
allowances_settle(struct session *s)
{
    inflight_settle(s);
    queues_busy(s);
    queues_give_back(s);
    objects_bury(s);
}

bool
allowance_take(struct session *s, enum limit which, uint64_t n)
{
    struct allowance *a = &s->allowances[which];

    if (n > a->held - a->used && !allowance_grow(s, which, n)) {
        allowances_settle(s);
        if (n > a->held - a->used && !allowance_grow(s, which, n)) {
            limit_tell(s, which);
            return false;
        }
    }
    a->used += n;
    return true;
}

void
allowance_give(struct session *s, enum limit which, uint64_t n)
{
    const uint64_t batch = limit_of(&s->options->limits, which) / LIMIT_BATCHES;
    struct allowance *a = &s->allowances[which];
    uint64_t spare;

    a->used -= n;
    spare = a->held - a->used;
    if (spare <= 2 * batch)
        return;
    a->held -= spare - batch;
    account_give(s->account, slot_number(s), which, spare - batch);
}

bool
inflight_take(struct session *s, uint64_t bytes)
{
    return allowance_take(s, LIMIT_INFLIGHT_BYTES, bytes);
}

void
inflight_give(struct session *s, uint64_t bytes)
{
    if (bytes == 0)
        return;
    if (session_is_dispatcher(s))
        allowance_give(s, LIMIT_INFLIGHT_BYTES, bytes);
    else
        atomic_fetch_add_explicit(&s->inflight_given, bytes, memory_order_relaxed);
}

void
inflight_settle(struct session *s)
{
    if (atomic_load_explicit(&s->inflight_given, memory_order_relaxed) > 0)
        allowance_give(
            s, LIMIT_INFLIGHT_BYTES,
            atomic_exchange_explicit(&s->inflight_given, 0, memory_order_relaxed));
}
