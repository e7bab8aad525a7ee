/* SPDX-License-Identifier: MIT */
/*
 * A worker that speaks the manager's side of its life and nothing else: a session is the words that
 * its guest calls itself. What it does wrong RUNTIME/fault says, a line "MESSAGE WHAT":
 *
 *     pause fail     answers CONTROL_FAILED       pause die      kills itself
 *     pause hang     does not answer              pause odd      answers with nonsense
 *
 * and so for save, restore, guest, leave; a number after it: only the worker in that slot.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "link/account.h"
#include "link/control.h"
#include "snapshot/snapshot.h"
#include "wire/hello.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define SECTION 7
#define DATA_BYTES (300u << 10)

static struct {
    int guest, listener, manager;
    unsigned slot;
    struct account_page *account;
    char fault[4096], program[64];
    uint8_t token[TOKEN_BYTES];
    bool restore, paused, restored, must_welcome;
} w = {.guest = -1, .listener = -1, .manager = -1};

static struct account_slot *
page(void)
{
    return &w.account->slot[w.slot];
}

static _Noreturn void
leave(void)
{
    atomic_store(&page()->state, SLOT_ENDED);
    _exit(0);
}

static void
say(enum control_op op, uint64_t a, uint64_t b)
{
    struct control_msg m = {.op = op, .a = a, .b = b};

    memcpy(m.token, w.token, sizeof m.token);
    control_send(w.manager, &m, -1);
}

/* Has it to go wrong here? It has, then; "" otherwise. */
static bool
goes_wrong(const char *message)
{
    _cleanup_free_ char *text = NULL;
    char name[32] = "", what[32] = "";
    int slot = -1;
    size_t len;

    if (read_file(w.fault, 256, &text, &len) < 0 ||
        sscanf(text, "%31s %31s %d", name, what, &slot) < 2 ||
        strcmp(name, message) != 0 || (slot >= 0 && (unsigned)slot != w.slot))
        return false;
    if (strcmp(what, "die") == 0)
        raise(SIGKILL);
    if (strcmp(what, "odd") == 0)
        say(99, 0, 0);
    if (strcmp(what, "fail") == 0) {
        struct control_msg m = {.op = CONTROL_FAILED, .a = ENOSPC};

        snprintf(m.words, sizeof m.words, "it was told to\x01 fail at %s", message);
        control_send(w.manager, &m, -1);
    }
    return true;
}

static int
save(int fd, uint64_t *ret_bytes)
{
    struct snapshot_writer *s = NULL;
    struct err e = ERR_INIT;
    uint8_t *data = calloc(1, DATA_BYTES);
    int rc = snapshot_writer_new(fd, false, &s, &e);

    memset(data, 7, DATA_BYTES);
    memcpy(data, w.token, sizeof w.token);
    memcpy(data + sizeof w.token, w.program, sizeof w.program);
    if (rc == 0)
        rc = snapshot_begin(s, SECTION, w.slot, &e);
    if (rc == 0)
        rc = snapshot_put(s, data, DATA_BYTES, &e);
    if (rc == 0)
        rc = snapshot_finish(s, &e);
    if (rc == 0)
        *ret_bytes = snapshot_written_bytes(s);
    snapshot_writer_free(s);
    free(data);
    return rc;
}

static int
load(int fd)
{
    struct snapshot_reader *r = NULL;
    struct snapshot_section section;
    struct err e = ERR_INIT;
    int rc = snapshot_reader_new(fd, &r, &e);

    if (rc == 0)
        rc = snapshot_next(r, &section, &e);
    if (rc == 0)
        rc = snapshot_get_exact(r, w.token, sizeof w.token, &e);
    if (rc == 0)
        rc = snapshot_get_exact(r, w.program, sizeof w.program, &e);
    while (rc == 0 && section.kind != 0)
        rc = snapshot_next(r, &section, &e);
    if (rc < 0)
        fprintf(stderr, "control-worker: %s\n", err_msg(&e));
    snapshot_reader_free(r);
    return rc;
}

static void
welcome(void)
{
    struct welcome m = {.magic = WELCOME_MAGIC, .version = WIRE_VERSION};

    memcpy(m.token, w.token, sizeof m.token);
    snprintf(m.reason, sizeof m.reason, "%s", w.program);
    if (send(w.guest, &m, sizeof m, MSG_NOSIGNAL) < 0)
        leave();
    snprintf(page()->program, sizeof page()->program, "%s", w.program);
    atomic_store(&page()->state, SLOT_LIVE);
}

static void
take_guest(int fd)
{
    int memory[2];
    struct hello h;
    char reason[160];

    if (goes_wrong("guest"))
        return;
    if (hello_receive_memory(fd, 0, &h, memory, reason) < 0 ||
        (w.restored && memcmp(h.token, w.token, sizeof h.token) != 0)) {
        say(CONTROL_FAILED, EPROTO, 0);
        return;
    }
    w.guest = dup(fd);
    w.must_welcome = true;
}

static void
note_guest(void)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(w.guest, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        atomic_store(&page()->guest_pid, peer.pid);
}

static void
join(void)
{
    if (!w.must_welcome || w.paused || (w.restore && !w.restored))
        return;
    w.must_welcome = false;
    note_guest();
    welcome();
    say(CONTROL_JOINED, 0, 0);
}

static void
obey_save(const struct control_msg *m, int fd)
{
    uint64_t bytes = 0;
    int rc;

    say(CONTROL_PROGRESS, DATA_BYTES / 2, DATA_BYTES);
    if (goes_wrong("save"))
        return;
    if (m->a & CONTROL_SAVE_COPY)
        say(CONTROL_COPIED, 0, 0);
    rc = save(fd, &bytes);
    if (rc < 0)
        say(CONTROL_FAILED, (uint64_t)-rc, 0);
    else
        say(CONTROL_SAVED, DATA_BYTES, bytes);
}

static void
obey(const struct control_msg *m, int fd)
{
    switch (m->op) {
    case CONTROL_PAUSE:
        w.paused = true;
        if (!goes_wrong("pause"))
            say(CONTROL_PAUSED, 0, 0);
        break;
    case CONTROL_SAVE:
        obey_save(m, fd);
        break;
    case CONTROL_CONTINUE:
        w.paused = false;
        break;
    case CONTROL_LEAVE:
        if (!goes_wrong("leave"))
            leave();
        break;
    case CONTROL_RESTORE:
        w.paused = true;
        if (goes_wrong("restore"))
            break;
        if (load(fd) < 0) {
            say(CONTROL_FAILED, EBADMSG, 0);
            leave();
        }
        w.restored = true;
        atomic_store(&page()->state, SLOT_LIVE);
        say(CONTROL_RESTORED, 0, 0);
        break;
    case CONTROL_GUEST:
        take_guest(fd);
        break;
    default:
        break;
    }
    join();
}

static void
manager_speaks(void)
{
    struct control_msg m;
    int fd, rc = control_receive(w.manager, &m, &fd, 0);

    if (rc == 0) {
        obey(&m, fd);
        cleanup_closep(&fd);
        return;
    }
    close(w.manager);
    w.manager = -1;
    if (w.paused && atomic_load(&w.account->suspended))
        leave();
    w.paused = false;
    join();
}

static void
manager_connects(void)
{
    cleanup_closep(&w.manager);
    w.manager = accept(w.listener, NULL, NULL);
}

static void
begin(void)
{
    struct hello h;
    char reason[160];

    if (getrandom(w.token, sizeof w.token, 0) < 0 ||
        hello_receive(w.guest, 0, &h, reason) < 0)
        leave();
    memcpy(w.program, h.program, sizeof w.program);
    welcome();
}

static _Noreturn void
serve(void)
{
    for (;;) {
        struct pollfd p[] = {{.fd = w.guest, .events = POLLIN | POLLRDHUP},
                             {.fd = w.listener, .events = POLLIN},
                             {.fd = w.manager, .events = POLLIN}};

        if (poll(p, 3, -1) < 0)
            continue;
        if (p[2].revents)
            manager_speaks();
        if (p[1].revents)
            manager_connects();
        if (p[0].revents && !w.paused)
            leave();
        if (p[0].revents)
            usleep(1000);
    }
}

static const char *
option(char **argv, const char *name)
{
    for (; *argv; argv++) {
        if (strcmp(*argv, name) == 0)
            return argv[1] ? argv[1] : "";
    }
    return NULL;
}

int
main(int argc, char **argv)
{
    const char *tmp = option(argv, "--tmp"), *guest = option(argv, "--session-fd");

    (void)argc;
    signal(SIGPIPE, SIG_IGN);
    w.slot = (unsigned)atoi(option(argv, "--slot"));
    w.listener = atoi(option(argv, "--control-fd"));
    w.restore = option(argv, "--restore") != NULL;
    snprintf(w.fault, sizeof w.fault, "%s/../../fault", tmp);
    if (account_map(atoi(option(argv, "--account-fd")), &w.account) < 0)
        return 1;
    /* As a worker does: its manager may die before it has noted it. */
    atomic_store(&page()->pid_start, process_start_ticks(getpid()));
    atomic_store(&page()->pid, getpid());
    atomic_store(&page()->used_bytes, DATA_BYTES);
    if (guest) {
        w.guest = atoi(guest);
        begin();
    }
    serve();
}
