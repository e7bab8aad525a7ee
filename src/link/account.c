/* SPDX-License-Identifier: MIT */
/*
 * One lock guards the sums. Who holds it wrote its slot before the sum, so whoever takes
 * it over from one that died inside adds the slots up again.
 *
 * It is a word and no pthread mutex: a robust one keeps pointers in the page, by which
 * what runs in a worker (on a software GPU, kernels) could write anywhere in the
 * manager's memory, and could hold up the manager for ever.
 */
#include "link/account.h"

#include "base/cleanup.h"
#include "base/futex.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void
account_sum_again(struct account_page *a)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++)
        sum += atomic_load(&a->slot[i].reserved_bytes);
    atomic_store(&a->reserved_bytes, sum);
    for (unsigned which = 0; which < LIMIT_COUNT; which++) {
        sum = 0;
        for (unsigned i = 0; i < ACCOUNT_SLOTS; i++)
            sum += atomic_load(&a->slot[i].held[which]);
        atomic_store(&a->held[which], sum);
    }
}

/* The lock's word: how often it was taken, and by whom; 0: nobody. */
#define HOLDER_MASK 0xffu
#define TAKEN_ONCE 0x100u
#define HOLDER_MANAGER (ACCOUNT_SLOTS + 1)

/*
 * It is held for less than a microsecond. What is not free for so long is held by
 * somebody dead, or is made to look so: then it is taken away. Who was only slow finds
 * out when it lets go. The manager waits for less, and knows who is dead.
 */
#define PATIENCE_MS 1000
#define PATIENCE_OF_MANAGER_MS 20
#define LOOK_AGAIN_US 50

_Static_assert(ACCOUNT_SLOTS < BAR_MAP_HOST, "a slot fits into the owner of a chunk");
_Static_assert(HOLDER_MANAGER <= HOLDER_MASK, "a holder fits into the lock's word");

/* Takes it from `dead`, too. Returns the word that account_unlock() wants. */
static uint32_t
account_lock(struct account_page *a, unsigned me, unsigned dead, unsigned patience_ms)
{
    const uint64_t end = now_ns() + patience_ms * UINT64_C(1000000);

    for (;;) {
        uint32_t seen = atomic_load(&a->lock);
        const uint32_t holder = seen & HOLDER_MASK;
        const uint32_t mine = ((seen & ~HOLDER_MASK) + TAKEN_ONCE) | me;

        if (now_ns() >= end) {
            atomic_store(&a->lock, mine);
            account_sum_again(a);
            return mine;
        }
        if ((holder == 0 || holder == dead) &&
            atomic_compare_exchange_strong(&a->lock, &seen, mine)) {
            if (holder != 0)
                account_sum_again(a);
            return mine;
        }
        usleep(LOOK_AGAIN_US);
    }
}

/* false: it was taken from us meanwhile, and the sums may be wrong by what we did. */
static bool
account_unlock(struct account_page *a, uint32_t mine)
{
    return atomic_compare_exchange_strong(&a->lock, &mine, mine & ~HOLDER_MASK);
}

static uint32_t
slot_lock(struct account_page *a, unsigned i)
{
    return account_lock(a, i + 1, 0, PATIENCE_MS);
}

static void
slot_unlock(struct account_page *a, unsigned i, uint32_t mine)
{
    if (account_unlock(a, mine))
        return;
    mine = slot_lock(a, i);
    account_sum_again(a);
    account_unlock(a, mine);
}

int
account_create(const char *path, uint64_t limit_bytes, struct account_page **ret,
               int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    struct account_page *a;

    unlink(path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof *a) < 0)
        return -errno;
    a = mmap(NULL, sizeof *a, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (a == MAP_FAILED)
        return -errno;
    a->version = ACCOUNT_VERSION;
    a->bytes = sizeof *a;
    a->limit_bytes = limit_bytes;
    bar_map_clear(&a->bar);
    a->magic = ACCOUNT_MAGIC;
    *ret = a;
    *ret_fd = take_fd(&fd);
    return 0;
}

static int
map(int fd, int prot, struct account_page **ret)
{
    struct account_page *a;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if ((uint64_t)st.st_size < sizeof *a)
        return -EPROTO;
    a = mmap(NULL, sizeof *a, prot, MAP_SHARED, fd, 0);
    if (a == MAP_FAILED)
        return -errno;
    if (a->magic != ACCOUNT_MAGIC || a->version != ACCOUNT_VERSION ||
        a->bytes != sizeof *a) {
        account_unmap(a);
        return -EPROTO;
    }
    *ret = a;
    return 0;
}

int
account_map(int fd, struct account_page **ret)
{
    return map(fd, PROT_READ | PROT_WRITE, ret);
}

int
account_map_to_read(int fd, const struct account_page **ret)
{
    struct account_page *a;
    const int rc = map(fd, PROT_READ, &a);

    if (rc == 0)
        *ret = a;
    return rc;
}

void
account_unmap(struct account_page *a)
{
    if (a)
        munmap(a, sizeof *a);
}

int
account_reserve(struct account_page *a, unsigned i, uint64_t bytes)
{
    int rc = -ENOSPC;
    uint32_t mine;

    mine = slot_lock(a, i);
    if (bytes <= a->limit_bytes && a->reserved_bytes <= a->limit_bytes - bytes) {
        atomic_fetch_add(&a->slot[i].reserved_bytes, bytes);
        atomic_fetch_add(&a->reserved_bytes, bytes);
        rc = 0;
    }
    slot_unlock(a, i, mine);
    return rc;
}

void
account_release(struct account_page *a, unsigned i, uint64_t bytes)
{
    uint64_t held;
    uint32_t mine;

    mine = slot_lock(a, i);
    held = atomic_load(&a->slot[i].reserved_bytes);
    if (bytes > held)
        bytes = held;
    atomic_fetch_sub(&a->slot[i].reserved_bytes, bytes);
    atomic_fetch_sub(&a->reserved_bytes, bytes);
    slot_unlock(a, i, mine);
}

/* Not under the lock: what two sessions do at once may be seen in either order. */
static uint64_t
account_used_bytes(const struct account_page *a)
{
    uint32_t n = atomic_load(&a->slots_seen);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n && i < ACCOUNT_SLOTS; i++)
        sum += atomic_load(&a->slot[i].used_bytes);
    return sum;
}

void
account_use(struct account_page *a, unsigned i, uint64_t bytes)
{
    uint64_t sum, peak = atomic_load(&a->peak_bytes);

    atomic_fetch_add(&a->slot[i].used_bytes, bytes);
    sum = account_used_bytes(a);
    while (sum > peak && !atomic_compare_exchange_weak(&a->peak_bytes, &peak, sum))
        continue;
}

void
account_unuse(struct account_page *a, unsigned i, uint64_t bytes)
{
    _Atomic uint64_t *const used = &a->slot[i].used_bytes;
    uint64_t was = atomic_load(used);

    while (!atomic_compare_exchange_weak(used, &was, was > bytes ? was - bytes : 0))
        ;
}

int
account_take(struct account_page *a, unsigned i, enum limit which, uint64_t limit,
             uint64_t n)
{
    int rc = -ENOSPC;
    uint32_t mine;

    mine = slot_lock(a, i);
    if (n <= limit && a->held[which] <= limit - n) {
        atomic_fetch_add(&a->slot[i].held[which], n);
        atomic_fetch_add(&a->held[which], n);
        rc = 0;
    }
    slot_unlock(a, i, mine);
    return rc;
}

void
account_give(struct account_page *a, unsigned i, enum limit which, uint64_t n)
{
    uint64_t held;
    uint32_t mine;

    mine = slot_lock(a, i);
    held = atomic_load(&a->slot[i].held[which]);
    if (n > held)
        n = held;
    atomic_fetch_sub(&a->slot[i].held[which], n);
    atomic_fetch_sub(&a->held[which], n);
    slot_unlock(a, i, mine);
}

uint64_t
account_free_bytes(const struct account_page *a)
{
    uint64_t reserved = atomic_load(&a->reserved_bytes);

    return reserved < a->limit_bytes ? a->limit_bytes - reserved : 0;
}

uint32_t
account_recall_start(struct account_page *a)
{
    uint32_t recall = atomic_fetch_add(&a->recall, 1) + 1;

    futex_wake(&a->recall, INT_MAX);
    return recall;
}

static bool
recall_answered_by_all(struct account_page *a, uint32_t recall, unsigned self)
{
    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++) {
        struct account_slot *s = &a->slot[i];

        if (i == self || atomic_load(&s->state) != SLOT_LIVE ||
            atomic_load(&s->kind) == SLOT_OF_PROGRAM)
            continue;
        if ((int32_t)(atomic_load(&s->recall_seen) - recall) < 0)
            return false;
    }
    return true;
}

bool
account_recall_wait(struct account_page *a, uint32_t recall, unsigned self,
                    int timeout_ms)
{
    const uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000u;

    while (!recall_answered_by_all(a, recall, self)) {
        if (now_ns() >= end)
            return false;
        usleep(200);
    }
    return true;
}

uint32_t
account_recall_sleep(struct account_page *a, uint32_t seen, int timeout_ms)
{
    if (atomic_load(&a->recall) == seen)
        futex_wait(&a->recall, seen, timeout_ms);
    return atomic_load(&a->recall);
}

void
account_recall_answer(struct account_page *a, unsigned i, uint32_t recall)
{
    atomic_store(&a->slot[i].recall_seen, recall);
}

int
account_slot_take(struct account_page *a)
{
    int found = -EBUSY;

    for (unsigned i = 0; i < ACCOUNT_SLOTS && found < 0; i++) {
        struct account_slot *s = &a->slot[i];

        if (atomic_load(&s->state) != SLOT_FREE)
            continue;
        atomic_store(&s->pid, 0);
        atomic_store(&s->pid_start, 0);
        atomic_store(&s->guest_pid, 0);
        atomic_store(&s->kind, SLOT_OF_WORKER);
        atomic_store(&s->recall_seen, atomic_load(&a->recall));
        atomic_store(&s->limit_reached, 0);
        memset(&s->gate, 0, sizeof s->gate);
        atomic_store(&s->hold, SLOT_GOES_ON);
        atomic_store(&s->holds, 0);
        atomic_store(&s->answers, 0);
        memset(s->program, 0, sizeof s->program);
        memset(s->reason, 0, sizeof s->reason);
        if (atomic_load(&a->slots_seen) <= i)
            atomic_store(&a->slots_seen, i + 1);
        atomic_store(&s->state, SLOT_RESERVED);
        found = (int)i;
    }
    return found;
}

void
account_slot_free(struct account_page *a, unsigned i)
{
    struct account_slot *s = &a->slot[i];
    uint32_t mine;

    mine = account_lock(a, HOLDER_MANAGER, i + 1, PATIENCE_OF_MANAGER_MS);
    atomic_store(&s->reserved_bytes, 0);
    atomic_store(&s->used_bytes, 0);
    for (unsigned which = 0; which < LIMIT_COUNT; which++)
        atomic_store(&s->held[which], 0);
    atomic_store(&s->state, SLOT_FREE);
    account_sum_again(a);
    account_unlock(a, mine);
}

uint64_t
process_start_ticks(pid_t pid)
{
    _cleanup_free_ char *text = NULL;
    char path[64];
    size_t len;
    const char *p;
    uint64_t ticks;

    if (pid <= 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_file(path, 4096, &text, &len) < 0)
        return 0;
    /* The name in field 2 may hold anything, so count fields from its closing bracket. */
    p = strrchr(text, ')');
    if (!p || sscanf(p + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                     "%*d %*d %*d %lu",
                     &ticks) != 1)
        return 0;
    return ticks;
}
