/* SPDX-License-Identifier: MIT */
#include "manager/arbiter.h"

#include "base/cleanup.h"
#include "base/futex.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

/* Far in the future, yet before a struct timespec of it overflows. */
#define NEVER_NS UINT64_C(0x3fffffffffffffff)

/* Kernels of a software GPU keep all cores busy; who decides about turns must not wait for one. */
#define NICE (-10)

/* How often the desks of those are looked at whose bell we do not hear. */
#define DEAF_NS UINT64_C(500000)

struct arbiter {
    pthread_mutex_t lock; /* of core and stops */
    struct arbiter_core core;
    bool stops, runs;
    pthread_t thread;
    clockid_t cpu_clock;
    int turns_fd, gate_fd, bell_fd;
    struct turn_bell *bell; /* of gates with desks */
    unsigned n_deaf;        /* such gates that ring the bell of a manager before us */
    int alarm_fd; /* eventfd: a session must end. Its watch owns it once there is one */
    struct watch *alarm;
    arbiter_sentence_fn *sentence;
    void *arg;
};

static void
lock(struct arbiter *a)
{
    pthread_mutex_lock(&a->lock);
}

static void
unlock(struct arbiter *a)
{
    pthread_mutex_unlock(&a->lock);
}

/* Something has changed that no gate rings for. */
static void
unlock_and_ring(struct arbiter *a)
{
    struct turn_bell *bell = &a->core.file->bell;

    unlock(a);
    atomic_fetch_add(&bell->word, 1);
    futex_wake(&bell->word, 1);
}

/* The thread. */

static uint64_t
unix_offset(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec - now_ns();
}

static void
raise_alarm(const struct arbiter *a)
{
    const uint64_t one = 1;

    /* It cannot fail: the counter is far from full. */
    if (write(a->alarm_fd, &one, sizeof one) != sizeof one)
        return;
}

/*
 * Each turn rings a few times; so many steps serve turns of a tenth of the shortest slice. Who
 * rings for nothing gets no more of our time than that.
 */
#define STEPS_MAX 40
#define STEPS_SPAN_NS UINT64_C(1000000)

struct pace {
    uint64_t begin_ns;
    unsigned steps;
};

static void
pace_step(struct pace *p)
{
    const uint64_t now = now_ns(), end = p->begin_ns + STEPS_SPAN_NS;

    if (now >= end) {
        *p = (struct pace){.begin_ns = now};
    } else if (++p->steps >= STEPS_MAX) {
        const struct timespec rest = {0, (long)(end - now)};

        clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
    }
}

static void *
arbiter_main(void *arg)
{
    struct arbiter *a = arg;
    struct turn_bell *const bell = &a->core.file->bell, *const desks = a->bell;
    struct pace pace = {0};

    /* Slices end to the microsecond: the kernel's usual slack is 50. */
    prctl(PR_SET_TIMERSLACK, 1);
    /* Where we may not, we do without. */
    setpriority(PRIO_PROCESS, 0, NICE);
    for (;;) {
        /* Read before the step: what rings from here on ends the sleep at once. */
        const uint32_t seen = atomic_load(&bell->word);
        const uint32_t desks_seen = atomic_load(&desks->word);
        uint64_t until;
        bool stops, alarm;

        lock(a);
        stops = a->stops;
        until = stops ? 0 : arbiter_core_step(&a->core, now_ns());
        if (a->n_deaf > 0 && until > now_ns() + DEAF_NS)
            until = now_ns() + DEAF_NS;
        alarm = a->core.has_sentences;
        unlock(a);
        if (stops)
            return NULL;
        if (alarm)
            raise_alarm(a);
        turn_bells_wait(bell, seen, desks, desks_seen,
                        until < NEVER_NS ? until : NEVER_NS);
        pace_step(&pace);
    }
}

/* Manager's thread: tells of the sessions that must end, one by one, without the lock. */
static void
alarm_seen(void *arg)
{
    struct arbiter *a = arg;
    uint64_t n;

    if (read(a->alarm_fd, &n, sizeof n) != sizeof n)
        return;
    for (;;) {
        char vgpu[VGPU_NAME_MAX + 1];
        enum arbiter_sentence why;
        unsigned slot;
        int gate;

        lock(a);
        gate = arbiter_core_next_sentence(&a->core);
        if (gate >= 0) {
            const struct arbiter_gate *g = &a->core.gates[gate];

            memcpy(vgpu, g->vgpu->name, sizeof vgpu);
            slot = g->slot;
            why = g->sentence;
        }
        unlock(a);
        if (gate < 0)
            return;
        a->sentence(a->arg, vgpu, slot, why);
    }
}

/* Beginning and end. */

int
arbiter_new(const char *path, const struct arbiter_terms *t, struct arbiter **ret)
{
    struct arbiter *a = calloc(1, sizeof *a);
    struct turn_file *f;
    int rc;

    if (!a)
        return -ENOMEM;
    a->alarm_fd = a->turns_fd = a->bell_fd = -1;
    rc = turn_create(path, &f, &a->gate_fd);
    if (rc < 0) {
        free(a);
        return rc;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->core.unix_offset_ns = unix_offset();
    a->core.watchdog_ns = t->watchdog_ns;
    arbiter_core_init(&a->core, f, t->policy, &t->params);
    a->turns_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    rc = a->turns_fd < 0 ? -errno : turn_bell_create(&a->bell, &a->bell_fd);
    a->alarm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (rc == 0 && a->alarm_fd < 0)
        rc = -errno;
    if (rc < 0) {
        arbiter_free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

static uint64_t
new_epoch(void)
{
    uint64_t epoch = 0;

    if (getrandom(&epoch, sizeof epoch, 0) != sizeof epoch || epoch == 0)
        epoch = now_ns();
    return epoch;
}

int
arbiter_run(struct arbiter *a, uv_loop_t *loop, arbiter_sentence_fn *sentence, void *arg)
{
    struct turn_header *h = &a->core.file->header;
    int rc = watch_new(loop, a->alarm_fd, alarm_seen, a, &a->alarm);

    if (rc < 0) {
        a->alarm_fd = -1; /* closed */
        return rc;
    }
    a->sentence = sentence;
    a->arg = arg;
    arbiter_core_settle_strays(&a->core);
    atomic_store(&h->beat_ns, now_ns());
    rc = -pthread_create(&a->thread, NULL, arbiter_main, a);
    if (rc < 0)
        return rc;
    a->runs = true;
    atomic_store(&h->epoch, new_epoch());
    return -pthread_getcpuclockid(a->thread, &a->cpu_clock);
}

void
arbiter_stop(struct arbiter *a)
{
    if (!a || !a->runs)
        return;
    lock(a);
    a->stops = true;
    unlock_and_ring(a);
    pthread_join(a->thread, NULL);
    a->runs = false;
    atomic_store(&a->core.file->header.epoch, 0);
}

void
arbiter_free(struct arbiter *a)
{
    if (!a)
        return;
    arbiter_stop(a);
    turn_unmap(a->core.file);
    turn_bell_unmap(a->bell);
    cleanup_closep(&a->bell_fd);
    cleanup_closep(&a->turns_fd);
    cleanup_closep(&a->gate_fd);
    if (!a->alarm)
        cleanup_closep(&a->alarm_fd);
    watch_free(a->alarm);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void
arbiter_change(struct arbiter *a, const struct arbiter_terms *t)
{
    lock(a);
    a->core.watchdog_ns = t->watchdog_ns;
    arbiter_core_change(&a->core, t->policy, &t->params, now_ns());
    unlock_and_ring(a);
}

/* vGPUs. */

struct arbiter_vgpu *
arbiter_add_vgpu(struct arbiter *a, const char *name, uint64_t share)
{
    struct arbiter_vgpu *v = malloc(sizeof *v);

    if (!v)
        return NULL;
    lock(a);
    arbiter_core_add(&a->core, v, name, share);
    unlock(a);
    return v;
}

void
arbiter_set_share(struct arbiter *a, struct arbiter_vgpu *v, uint64_t share)
{
    lock(a);
    arbiter_core_set_share(&a->core, v, share);
    unlock(a);
}

void
arbiter_remove_vgpu(struct arbiter *a, struct arbiter_vgpu *v)
{
    if (!v)
        return;
    lock(a);
    arbiter_core_remove(&a->core, v);
    unlock(a);
    free(v);
}

/* Sessions. */

/* Of the vGPU's name and the slot: nobody but us writes it where it is noted. FNV-1a. */
static uint64_t
owner_of(const struct arbiter_vgpu *v, unsigned slot)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ slot;

    for (const char *c = v->name; *c; c++)
        hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    return (hash ^ slot) | UINT64_C(1) << 63;
}

int
arbiter_begin_session(struct arbiter *a, struct arbiter_vgpu *v, unsigned slot,
                      struct turn_gate *desk)
{
    int gate;

    lock(a);
    gate = arbiter_core_open_gate(&a->core, v, slot, now_ns());
    if (gate >= 0)
        atomic_store(&a->core.file->offer[gate].owner, owner_of(v, slot));
    if (gate >= 0 && desk)
        arbiter_core_set_desk(&a->core, (unsigned)gate, desk, true);
    unlock_and_ring(a);
    return gate;
}

int
arbiter_adopt_session(struct arbiter *a, struct arbiter_vgpu *v, unsigned slot,
                      struct turn_gate *desk)
{
    const uint64_t owner = owner_of(v, slot);
    int gate = -ENOENT;

    for (unsigned n = 0; n < TURN_GATES && gate < 0; n++) {
        if (atomic_load(&a->core.file->offer[n].owner) == owner)
            gate = (int)n;
    }
    if (gate < 0)
        return gate;
    lock(a);
    /* Before its last words are looked for there. It is ours: no other has that owner. */
    if (desk)
        turn_copy_desk(a->core.file, (unsigned)gate, desk);
    if (arbiter_core_adopt_gate(&a->core, v, slot, (unsigned)gate, now_ns()) < 0)
        gate = -ENOENT;
    if (gate >= 0 && desk) {
        arbiter_core_set_desk(&a->core, (unsigned)gate, desk, false);
        a->core.gates[gate].deaf = true;
        a->n_deaf++;
    }
    unlock(a);
    return gate;
}

void
arbiter_end_session(struct arbiter *a, unsigned gate)
{
    lock(a);
    a->n_deaf -= a->core.gates[gate].deaf;
    arbiter_core_close_gate(&a->core, gate, now_ns());
    unlock_and_ring(a);
}

void
arbiter_nudge(struct arbiter *a, unsigned gate)
{
    turn_nudge(a->core.file, gate);
}

void
arbiter_files(const struct arbiter *a, int *ret_turns, int *ret_gate)
{
    *ret_turns = a->turns_fd;
    *ret_gate = a->gate_fd;
}

void
arbiter_desk_files(const struct arbiter *a, int *ret_turns, int *ret_bell)
{
    *ret_turns = a->turns_fd;
    *ret_bell = a->bell_fd;
}

/* What it has done. */

void
arbiter_tell(struct arbiter *a, struct arbiter_report *ret)
{
    struct timespec cpu = {0};

    if (a->runs)
        clock_gettime(a->cpu_clock, &cpu);
    lock(a);
    *ret = (struct arbiter_report){.turns = a->core.turns,
                                   .cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u +
                                             (uint64_t)cpu.tv_nsec,
                                   .wanting = a->core.sched.n_ready};
    unlock(a);
}

double
arbiter_promised(struct arbiter *a, const struct arbiter_vgpu *v, bool *ret_works)
{
    uint64_t share;
    bool promised;

    lock(a);
    /* A fixed share is owned whether there is a program to use it or not. */
    promised = v->sched.joined || a->core.sched.policy == SCHED_FIXED_SHARE;
    share = v->sched.joined ? sched_promised(&a->core.sched, &v->sched) : v->sched.share;
    *ret_works = v->n_wanting > 0 || arbiter_core_runs(&a->core, v);
    unlock(a);
    return promised ? (double)share / (double)SCHED_SHARE_ONE : -1;
}

unsigned
arbiter_log(struct arbiter *a, struct arbiter_entry *out)
{
    const struct arbiter_entry *e;
    unsigned n = 0;

    lock(a);
    while ((e = arbiter_core_entry(&a->core, n)))
        out[n++] = *e;
    unlock(a);
    return n;
}
