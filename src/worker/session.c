/* SPDX-License-Identifier: MIT */
/*
 * The life of a session:
 *
 *   hello ─▶ driver ─▶ channel ─▶ welcome ─▶ dispatch … ─▶ end
 *
 * A session ends in one of three ways. The guest hangs up: exit 0. Something is wrong, or the
 * vGPU is deleted: the reason goes to the slot and to the log, exit 1. The driver crashes: so does
 * the process, and nothing else. In all of them the kernel frees what there was; nothing waits for
 * the device.
 */
#include "worker/session.h"

#include "api/opencl_request.h"
#include "base/io.h"
#include "base/log.h"
#include "wire/virtio.h"
#include "worker/control.h"
#include "worker/print.h"
#include "worker/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Small rings in tests reach the paths that large ones hide. */
#ifndef WORKER_COMMANDS_BYTES
#define WORKER_COMMANDS_BYTES CHANNEL_COMMANDS_BYTES
#define WORKER_REPLIES_BYTES CHANNEL_REPLIES_BYTES
#endif

/* For a whole hello, and for a guest to take its welcome, however slowly it does either. */
#define HELLO_TIMEOUT_S 10

/* Beside the buffers: staging, blobs, long answers. */
#define HEAP_EXTRA_BYTES (64ull << 20)
/* Of a discrete device the heap is a window, not a home. */
#define HEAP_DISCRETE_MAX_BYTES (1ull << 30)

/* How often the doorbell is looked at while there is no reason to sleep. */
#define GUEST_LOOK_NS 2000000ull
#define GUEST_LOOK_FRAMES 64

/* While commands are under way, to charge them and to find failures the driver forgot to tell. */
#define SLEEP_BUSY_MS 10
/* While replies wait for room: the guest does not ring when it has read. */
#define SLEEP_REPLIES_MS 1

#define BUILD_THREADS 4
/*
 * A software GPU's kernels run on cores that compilers want too: a vGPU's builds must not slow the
 * others' kernels. About a tenth of a core that is busy otherwise.
 */
#define BUILD_NICE 10
#define ASK_THREADS 1
#define WAIT_THREADS 64

static _Thread_local bool is_dispatcher;

bool
session_is_dispatcher(const struct session *s)
{
    (void)s;
    return is_dispatcher;
}

void
session_acts_as_dispatcher(void)
{
    is_dispatcher = true;
}

/* ---- the end ----------------------------------------------------------------------- */

int
session_fail(struct session *s, const char *fmt, ...)
{
    va_list ap;

    if (s->reason[0] == '\0') {
        va_start(ap, fmt);
        vsnprintf(s->reason, sizeof s->reason, fmt, ap);
        va_end(ap);
    }
    return -EPROTO;
}

static _Noreturn void
session_exit(struct session *s, const char *reason)
{
    /* Threads may find several reasons at once: one of them tells, the others wait for the end. */
    if (atomic_exchange(&s->ended, true)) {
        for (;;)
            pause();
    }
    /* Before the hello anybody may come as often as they like: the manager tells some of them. */
    if (atomic_load(&s->greeted))
        log_warning("session ended: %s", reason);
    if (s->slot) {
        snprintf(s->slot->reason, sizeof s->slot->reason, "%s", reason);
        atomic_store(&s->slot->state, SLOT_ENDED);
    }
    _exit(1);
}

void
session_end(struct session *s, const char *fmt, ...)
{
    char reason[ACCOUNT_REASON_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    session_exit(s, reason);
}

/* Without a reason: a manager that did not start us cannot ask for our exit status. */
void
session_left(struct session *s)
{
    log_debug("the guest left");
    atomic_store(&s->slot->state, SLOT_ENDED);
    _exit(0);
}

static bool
session_guest_hung_up(const struct session *s)
{
    struct pollfd p = {.fd = s->session_fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP));
}

/* ---- helpers beside the dispatcher ------------------------------------------------- */

static _Noreturn void session_refuse(struct session *s, int status, const char *reason);

static _Noreturn void
session_is_late(struct session *s)
{
    if (!atomic_load(&s->greeted))
        session_refuse(s, -ETIMEDOUT, "the guest did not say hello");
    session_end(s, "the guest did not take its welcome");
}

/* A thread, since a handler may neither log nor rely on what it interrupts. */
static void *
signal_main(void *arg)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGALRM);
    while (sigwait(&set, &sig) != 0)
        ;
    if (sig == SIGALRM)
        session_is_late(arg);
    /* A guest that left just before is no session that was ended. */
    if (session_guest_hung_up(arg))
        session_left(arg);
    session_end(arg, "vGPU was deleted");
}

static void *
recall_main(void *arg)
{
    struct session *s = arg;
    uint32_t seen = atomic_load(&s->slot->recall_seen);

    for (;;) {
        uint32_t recall = account_recall_sleep(s->account, seen, 60000);

        if (recall != seen)
            memory_recalled(&s->memory, recall);
        seen = recall;
    }
    return NULL;
}

static void *
peer_main(void *arg)
{
    struct session *s = arg;

    channel_watch_peer(&s->channel);
}

/*
 * A guest in a virtual machine. Sessions of a kernel that runs no more are over: the machine was
 * reset, and the first program after that has told so.
 */
static void *
guest_main(void *arg)
{
    struct session *s = arg;
    struct guest_watch watch = {0};

    while (channel_guest_lives(&s->channel, &watch) &&
           atomic_load(&s->account->boot) == s->boot)
        ;
    if (watch.forged)
        session_end(s, "%s", watch.forged);
    channel_guest_gone(&s->channel);
}

static void *
runner_thread(void *arg)
{
    is_dispatcher = true;
    runner_main(arg);
}

void
session_thread(struct session *s, void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, run, arg);

    if (rc != 0)
        session_end(s, "cannot make a thread: %s", strerror(rc));
    pthread_detach(thread);
}

/* ---- the beginning ----------------------------------------------------------------- */

/* All threads, the driver's too, are made after this: SIGTERM belongs to one of ours. */
static void
signals_setup(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void
session_map_account(struct session *s)
{
    const struct session_options *o = s->options;
    int rc = account_map(o->account_fd, &s->account);

    if (rc < 0)
        session_end(s, "cannot map the vGPU's account: %s", strerror(-rc));
    close(o->account_fd);
    if (o->slot >= ACCOUNT_SLOTS)
        session_end(s, "there is no slot %u", o->slot);
    s->slot = &s->account->slot[o->slot];
    atomic_store(&s->slot->pid, getpid());
    atomic_store(&s->slot->pid_start, process_start_ticks(getpid()));
    gate_init(&s->gate, &s->slot->gate);
}

static void
session_map_turns(struct session *s)
{
    const struct session_options *o = s->options;
    struct turn_view view;
    int rc;

    if (o->turns_fd < 0)
        return;
    rc = turn_view_map(o->turns_fd, o->gate_fd, o->gate, &view);
    if (rc < 0)
        session_end(s, "cannot map the GPU's turns: %s", strerror(-rc));
    close(o->turns_fd);
    close(o->gate_fd);
    /* Threads that are bound to cores of their own take turns there (cores.h). */
    gate_govern(&s->gate, &view,
                o->device.cores ? GATE_HAND_OVER_QUEUED_NS : GATE_HAND_OVER_NS);
}

static _Noreturn void
session_refuse(struct session *s, int status, const char *reason)
{
    struct welcome w = {
        .magic = WELCOME_MAGIC, .version = WIRE_VERSION, .status = status};

    snprintf(w.reason, sizeof w.reason, "%s", reason);
    welcome_send(s->session_fd, &w, NULL, NULL);
    session_end(s, "%s", reason);
}

static void
session_enter_jail(struct session *s)
{
    const char *step;
    char reason[ACCOUNT_REASON_BYTES];
    int rc = jail_enter(&s->options->jail, &step);

    if (rc == 0)
        return;
    snprintf(reason, sizeof reason, "the worker's jail cannot be closed (%s): %s", step,
             strerror(-rc));
    session_refuse(s, rc, reason);
}

/*
 * Its own, so that names in it are the same in each session (worker/include_tree.h). It may as
 * well stay where it is: then those programs are compiled each time.
 */
static void
session_enter_folder(const struct session *s)
{
    const char *tmp = s->options->jail.tmp;

    if (tmp && chdir(tmp) < 0)
        log_warning("cannot go to %s: %s", tmp, strerror(errno));
}

static void
session_set_timeout(struct session *s, unsigned seconds)
{
    struct timeval tv = {.tv_sec = seconds};

    setsockopt(s->session_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(s->session_fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static bool
session_is_in_vm(const struct session *s)
{
    return s->options->bar_fd >= 0;
}

static void
session_greet_vm(struct session *s, const struct hello *h)
{
    s->boot = h->boot;
    atomic_store(&s->account->boot, h->boot);
    if (preamble_send(s->session_fd, h->nonce) < 0)
        session_end(s, "the guest hung up before its welcome was complete");
}

static void
session_note_guest(struct session *s)
{
    struct ucred peer = {0};
    socklen_t len = sizeof peer;

    if (getsockopt(s->session_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        atomic_store(&s->slot->guest_pid, peer.pid);
}

static void
session_hello(struct session *s)
{
    struct hello h = {0};
    char reason[ACCOUNT_REASON_BYTES];
    int fd = s->session_fd, rc;

    session_set_timeout(s, HELLO_TIMEOUT_S);
    /* The socket's timeout is one for each read: a guest that trickles never meets it. */
    alarm(HELLO_TIMEOUT_S);
    rc = session_is_in_vm(s) ? hello_receive_port(fd, OPENCL_FINGERPRINT, &h, reason)
                             : hello_receive(fd, OPENCL_FINGERPRINT, &h, reason);
    alarm(0);
    atomic_store(&s->greeted, true);
    if (rc < 0 && session_is_in_vm(s))
        preamble_send(fd, h.nonce);
    if (rc == -EAGAIN)
        session_refuse(s, -ETIMEDOUT, "the guest did not say hello");
    if (rc < 0)
        session_refuse(s, rc, reason);
    if (!hello_token_is_zero(&h) && session_is_in_vm(s))
        preamble_send(fd, h.nonce);
    if (!hello_token_is_zero(&h))
        session_refuse(s, -ESTALE, "the session is gone");
    memcpy(s->slot->program, h.program, sizeof s->slot->program);
    session_note_guest(s);
    if (session_is_in_vm(s))
        session_greet_vm(s, &h);
}

static void
session_open_device(struct session *s)
{
    char reason[ACCOUNT_REASON_BYTES] = "";
    int rc = device_open(&s->device, &s->options->device, reason);

    if (rc < 0)
        session_refuse(s, rc, reason);
    s->cl = s->device.cl;
    s->root_device = (struct object){
        .id.v = ROOT_DEVICE_ID, .kind = KIND_device, .refs = 1, .h.device = s->device.id};
    s->shared_storage = s->device.host_memory && !s->options->discrete;
}

static uint64_t
session_heap_bytes(const struct session *s)
{
    uint64_t framebuffer = s->options->framebuffer_bytes;

    if (s->shared_storage)
        return 2 * framebuffer + HEAP_EXTRA_BYTES;
    return (framebuffer < HEAP_DISCRETE_MAX_BYTES ? framebuffer
                                                  : HEAP_DISCRETE_MAX_BYTES) +
           HEAP_EXTRA_BYTES;
}

/* Everything that a message may touch. */
static int
session_prepare(struct session *s)
{
    size_t max = ring_max_frame(WORKER_COMMANDS_BYTES);

    pthread_mutex_init(&s->queues_lock, NULL);
    list_init(&s->queues);
    list_init(&s->objects);
    pthread_mutex_init(&s->asks_lock, NULL);
    list_init(&s->parked_asks);
    runner_init(&s->runner);
    watches_init(&s->watches);
    jobs_init(&s->builds, BUILD_THREADS);
    s->builds.nice = BUILD_NICE;
    jobs_init(&s->asks, ASK_THREADS);
    jobs_init(&s->waits, WAIT_THREADS);
    spin_init(&s->spin, channel_dispatch_spin_ns());
    /* A snapshot may be of a worker with other rings. */
    if (s->channel.rx.size > WORKER_COMMANDS_BYTES)
        max = ring_max_frame(s->channel.rx.size);
    s->frame = malloc(max);
    s->request.scratch = malloc(2 * max);
    return s->frame && s->request.scratch ? 0 : -ENOMEM;
}

int
session_prepare_restored(struct session *s)
{
    return session_prepare(s);
}

static void
session_welcome(struct session *s)
{
    const struct device_limits limits = {s->options->framebuffer_bytes,
                                         s->shared_storage};
    _cleanup_bytes_ struct bytes info = {0};
    int fds[2] = {-1, -1};
    struct welcome w = {.magic = WELCOME_MAGIC,
                        .version = WIRE_VERSION,
                        .flags = s->shared_storage ? WELCOME_SHARED_STORAGE : 0,
                        .framebuffer_bytes = s->options->framebuffer_bytes,
                        .commands_bytes = WORKER_COMMANDS_BYTES,
                        .replies_bytes = WORKER_REPLIES_BYTES};
    int rc;

    device_describe(&s->device, &limits, &info);
    if (info.failed || info.len > WELCOME_INFO_MAX)
        session_refuse(s, -ENOMEM, "the device's description has no room");
    if (session_is_in_vm(s))
        rc = bar_make_channel(s, &w);
    else
        rc = channel_make(&s->channel, session_heap_bytes(s), WORKER_COMMANDS_BYTES,
                          WORKER_REPLIES_BYTES, &fds[0], &fds[1]);
    if (rc < 0)
        session_refuse(s, rc, "cannot make the channel's memory");
    if (session_prepare(s) < 0)
        session_refuse(s, -ENOMEM, "the worker has no memory");
    memory_init(&s->memory, s->account, s->options->slot, &s->channel.page->credit_bytes);
    if (getrandom(w.token, sizeof w.token, 0) != (ssize_t)sizeof w.token)
        session_refuse(s, -EIO, "no random numbers for the channel's token");
    memcpy(s->token, w.token, sizeof s->token);
    w.heap_bytes = s->channel.heap_bytes;
    w.info_bytes = info.len;
    /* Live before the guest can use its credit: others may call it back at once. */
    session_thread(s, recall_main, s);
    session_thread(s, print_main, s);
    atomic_store(&s->slot->state, SLOT_LIVE);
    alarm(HELLO_TIMEOUT_S);
    rc = welcome_send(s->session_fd, &w, session_is_in_vm(s) ? NULL : fds, info.data);
    alarm(0);
    s->memory_fds[0] = fds[0];
    s->memory_fds[1] = fds[1];
    if (rc < 0)
        session_end(s, "the guest hung up before its welcome was complete");
}

static void
session_use_doorbell(struct session *s)
{
    const int fd = s->session_fd;

    s->channel.kicks = &s->slot->gate.kicks;
    if (!session_is_in_vm(s)) {
        channel_use_socket(&s->channel, fd);
        channel_use_futex(&s->channel);
        session_thread(s, peer_main, s);
        return;
    }
    if (channel_use_vm(&s->channel, fd) < 0)
        session_end(s, "cannot make the doorbell");
    session_thread(s, guest_main, s);
}

/* Up to the driver, which a guest's hello comes before. */
static void
session_begin(struct session *s)
{
    is_dispatcher = true;
    signals_setup();
    /* Tessera's own OpenCL driver then reports no platform: no endless mirror. */
    setenv("TESSERA_WORKER", "1", 1);
    if (s->session_fd >= 0)
        fcntl(s->session_fd, F_SETFD, FD_CLOEXEC);
    session_map_account(s);
    session_map_turns(s);
    session_enter_jail(s);
    session_enter_folder(s);
    session_thread(s, signal_main, s);
}

static void
session_capture_print(struct session *s)
{
    int rc;

    replies_init(&s->replies);
    rc = print_capture(s);
    if (rc < 0)
        session_refuse(s, rc, "cannot make a pipe for what kernels print");
}

static void
session_start(struct session *s)
{
    session_begin(s);
    session_hello(s);
    session_capture_print(s);
    session_open_device(s);
    session_welcome(s);
    session_set_timeout(s, 0);
    session_use_doorbell(s);
    session_thread(s, runner_thread, s);
    control_start(s);
    log_debug("serves '%s'", s->slot->program);
}

/* ---- a session that goes on ---------------------------------------------------------- */

void
session_is_restored(struct session *s)
{
    session_thread(s, recall_main, s);
    atomic_store(&s->greeted, true);
    atomic_store(&s->slot->state, SLOT_LIVE);
}

static int
session_welcome_back(struct session *s, bool with_memory)
{
    struct welcome w = {.magic = WELCOME_MAGIC,
                        .version = WIRE_VERSION,
                        .flags = s->shared_storage ? WELCOME_SHARED_STORAGE : 0,
                        .framebuffer_bytes = s->options->framebuffer_bytes,
                        .heap_bytes = s->channel.heap_bytes,
                        .commands_bytes = s->channel.rx.size,
                        .replies_bytes = s->channel.tx.size,
                        .channel_off = s->bar.channel_off};

    memcpy(w.token, s->token, sizeof w.token);
    return welcome_send(s->session_fd, &w, with_memory ? s->memory_fds : NULL, NULL);
}

/* What it brought is where the session's bytes are already, or they move there. */
static int
session_take_memory(struct session *s, const int memory[2])
{
    struct stat ours, theirs;
    int rc;

    if (!memory ||
        (fstat(s->memory_fds[1], &ours) == 0 && fstat(memory[1], &theirs) == 0 &&
         ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev))
        return 0;
    rc = restored_move(s, memory);
    for (unsigned i = 0; i < 2 && rc == 0; i++)
        dup3(memory[i], s->memory_fds[i], O_CLOEXEC);
    return rc;
}

/*
 * Before anything rings: in a machine's port a bell may not come between preamble and welcome; and
 * through a socket the doorbell has to be there by then.
 */
static int
session_greet_again(struct session *s, const struct rejoining *g)
{
    int rc = 0;

    if (session_is_in_vm(s)) {
        atomic_store(&s->account->boot, s->boot);
        s->channel.again = *g->hello;
        rc = preamble_send(s->session_fd, g->hello->nonce);
        if (rc == 0)
            rc = session_welcome_back(s, false);
    }
    s->restoring.active = false;
    session_thread(s, print_main, s);
    session_use_doorbell(s);
    return session_is_in_vm(s) ? rc : session_welcome_back(s, g->memory == NULL);
}

int
session_join(struct session *s, const struct rejoining *g)
{
    struct channel_page *page;
    int rc = session_take_memory(s, g->memory);

    if (rc < 0)
        return rc;
    page = s->channel.page;
    s->session_fd = g->fd;
    session_note_guest(s);
    memory_use_credit(&s->memory, &page->credit_bytes);
    atomic_store(&page->state, CHANNEL_RUNNING);
    if (!s->copies_stay_closed)
        channel_open_copies(&s->channel);
    if (session_greet_again(s, g) < 0)
        session_left(s);
    session_set_timeout(s, 0);
    runner_enter(s);
    restored_ask_again(s);
    s->runner.due = true;
    rc = runner_leave(s);
    if (rc < 0)
        session_end(s, "%s", s->reason[0] ? s->reason : strerror(-rc));
    session_thread(s, runner_thread, s);
    return 0;
}

bool
session_is_deserted(const struct session *s)
{
    const uint64_t boot = atomic_load(&s->account->boot);

    return bar_is_used(&s->bar) &&
           ((atomic_load(&s->channel.page->owner) & FUTEX_OWNER_DIED) ||
            (boot != 0 && boot != s->boot));
}

static void
session_restore(struct session *s)
{
    session_begin(s);
    session_capture_print(s);
    session_open_device(s);
    control_restore(s);
    control_start(s);
    log_debug("goes on with '%s'", s->slot->program);
}

/* ---- dispatch ---------------------------------------------------------------------- */

static void
session_look_at_guest(struct session *s, uint64_t now)
{
    s->guest_seen_ns = now;
    if (s->channel.transport->wait(&s->channel, 0) < 0)
        session_left(s);
}

/* true: there is something to read before the spin is over. */
static bool
session_spin(struct session *s)
{
    const uint64_t ns = spin_ns(&s->spin);
    uint64_t end;

    if (ns == 0)
        return ring_readable(&s->channel.rx);
    end = now_ns() + ns;

    do {
        for (unsigned i = 0; i < 64; i++) {
            if (ring_readable(&s->channel.rx))
                return true;
            cpu_relax();
        }
        /* The driver's threads may need this core: they come first. */
        sched_yield();
    } while (now_ns() < end);
    return false;
}

/* What needs doing when there is nothing else to do. Returns how long to sleep for. */
static int
session_tidy(struct session *s)
{
    bool busy, flushed = replies_flush(s);
    int rc;

    runner_enter(s);
    objects_bury(s);
    watches_poll(s);
    busy = queues_busy(s);
    queues_retire(s);
    queues_give_back(s);
    inflight_settle(s);
    gate_guest_copied(&s->gate, atomic_load_explicit(&s->channel.page->copied_bytes,
                                                     memory_order_relaxed));
    rc = runner_leave(s);
    if (rc < 0)
        session_end(s, "%s", s->reason[0] ? s->reason : strerror(-rc));
    if (!flushed)
        return SLEEP_REPLIES_MS;
    return busy || watches_any(&s->watches) ? SLEEP_BUSY_MS : -1;
}

static void
session_sleep(struct session *s)
{
    const uint64_t began = now_ns();
    int timeout_ms = session_tidy(s), rc;

    if (!ring_may_sleep(&s->channel.rx))
        return;
    rc = s->channel.transport->wait(&s->channel, timeout_ms);
    ring_awake(&s->channel.rx);
    spin_learn(&s->spin, spin_ns(&s->spin) + now_ns() - began);
    if (rc < 0 && !ring_readable(&s->channel.rx)) {
        /* A session that is paused ends when it goes on: it may be about to be saved. */
        runner_enter(s);
        session_left(s);
    }
}

/* Now and then, between messages. */
static void
session_look_around(struct session *s)
{
    uint64_t now = now_ns();

    replies_flush(s);
    objects_bury(s);
    if (now - s->guest_seen_ns > GUEST_LOOK_NS)
        session_look_at_guest(s, now);
}

/* Run lock held. Runs what is in the ring, or until the lock is wanted; true: there is more. */
static bool
session_dispatch_some(struct session *s, int *ret_rc)
{
    const uint32_t max = ring_max_frame(s->channel.rx.size);

    do {
        const int len = ring_read(&s->channel.rx, s->frame, max);

        *ret_rc = 0;
        if (len == 0)
            return false;
        if (len < 0)
            *ret_rc = session_fail(s, "the command ring is forged");
        else
            *ret_rc = opencl_dispatch_frame(s, s->frame, (size_t)len);
        if (*ret_rc == 0 && ++s->frames % GUEST_LOOK_FRAMES == 0)
            session_look_around(s);
    } while (*ret_rc == 0 && !runner_must_leave(s));
    return *ret_rc == 0;
}

/* Runs what is in the ring. Returns 0 when it is empty, or why the session must end. */
static int
session_dispatch(struct session *s)
{
    bool more;
    int rc;

    do {
        int left;

        runner_enter(s);
        more = session_dispatch_some(s, &rc);
        left = runner_leave(s);
        if (rc == 0)
            rc = left;
    } while (more && rc == 0);
    return rc;
}

void
session_run(const struct session_options *options)
{
    static struct session session; /* threads use it until the process ends */
    struct session *s = &session;
    int rc;

    s->options = options;
    s->session_fd = options->session_fd;
    s->memory_fds[0] = s->memory_fds[1] = -1;
    s->channel.fd = -1;
    if (options->restore)
        session_restore(s);
    else
        session_start(s);
    while ((rc = session_dispatch(s)) == 0) {
        if (!session_spin(s))
            session_sleep(s);
    }
    session_end(s, "%s", s->reason[0] ? s->reason : strerror(-rc));
}
