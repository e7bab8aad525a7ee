/* SPDX-License-Identifier: MIT */
#include "manager/worker_find.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/manager.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#define COMMAND_LINE_MAX (64u << 10) /* a worker's is below 4 KiB and a few paths */

/* proc(5), /proc/PID/exe: a program whose file was removed, or replaced by an upgrade. */
#define DELETED " (deleted)"

static bool
process_is_over(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

/* The program's file has been replaced since it was started: it shows as PATH (deleted). */
static bool
is_old_program(const char *exe, const char *program)
{
    _cleanup_free_ char *path = realpath(program, NULL);
    _cleanup_free_ char *old = str_printf("%s" DELETED, path ? path : program);
    char name[PATH_MAX];
    const ssize_t n = readlink(exe, name, sizeof name - 1);

    if (n < 0)
        return false;
    name[n] = '\0';
    return old && strcmp(name, old) == 0;
}

/*
 * A worker in its jail shows its program to nobody but who may trace it, which a user's manager
 * may not. Other processes of that user show theirs, so it is no way around.
 */
static bool
runs_program(pid_t pid, const char *program)
{
    char exe[64];
    struct stat is, ours;

    snprintf(exe, sizeof exe, "/proc/%d/exe", (int)pid);
    if (stat(exe, &is) < 0)
        return errno == EACCES || errno == EPERM;
    if (stat(program, &ours) == 0 && is.st_dev == ours.st_dev && is.st_ino == ours.st_ino)
        return true;
    return is_old_program(exe, program);
}

/* The words of a command line, each with its NUL. */
struct command_line {
    char *words; /* owned; with one more NUL */
    size_t len;
};

static const char *
argument_of(const struct command_line *c, const char *name)
{
    const char *const end = c->words + c->len;

    for (const char *w = c->words; w < end;) {
        const char *next = w + strlen(w) + 1;

        if (next < end && strcmp(w, name) == 0)
            return next;
        w = next;
    }
    return "";
}

static bool
argument_is(const struct command_line *c, const char *name, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return strcmp(argument_of(c, name), text) == 0;
}

static bool
is_worker_of(const struct manager *m, pid_t pid, const char *name, unsigned slot)
{
    _cleanup_free_ char *words = NULL;
    struct command_line c = {0};
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    /* The folder is its user's, also where the files in it are root's as it cannot be dumped. */
    if (stat(path, &st) < 0 || !runs_program(pid, m->worker))
        return false;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    if (read_file(path, COMMAND_LINE_MAX, &words, &c.len) < 0)
        return false;
    c.words = words;
    return strcmp(argument_of(&c, "--vgpu"), name) == 0 &&
           argument_is(&c, "--slot", slot) &&
           (st.st_uid == geteuid() || argument_is(&c, "--uid", st.st_uid));
}

static void
warn_of(const char *name, pid_t pid, const char *what)
{
    log_warning("vGPU '%s': process %d %s: it is left alone", name, (int)pid, what);
}

enum worker_state
worker_find(const struct manager *m, const char *name, const struct account_page *a,
            unsigned i, struct worker *ret)
{
    const pid_t pid = atomic_load(&a->slot[i].pid);
    const uint64_t start = atomic_load(&a->slot[i].pid_start);
    _cleanup_close_ int pidfd = pid > 0 ? process_open_number(pid) : -1;
    const uint64_t ticks = pidfd >= 0 ? process_start_ticks(pid) : 0;
    const bool hidden = ticks == 0 && pidfd >= 0 && process_signal(pidfd, 0) == 0;
    const bool named = ticks != 0 && ticks == start;
    const bool ours = named && is_worker_of(m, pid, name, i);

    *ret = (struct worker){pid, -1};
    /* Only now: what was read is of that process, as its number was nobody else's. */
    if (pidfd < 0 || process_is_over(pidfd))
        return WORKER_GONE;
    if (named && !ours && atomic_load(&a->slot[i].kind) == SLOT_OF_PROGRAM) {
        ret->pidfd = take_fd(&pidfd);
        return WORKER_PROGRAM;
    }
    if (named && !ours)
        warn_of(name, pid, "is said to be its worker, and is none");
    if (hidden)
        warn_of(name, pid, "may be its worker, but /proc does not show it (hidepid)");
    if (!ours && !hidden)
        return WORKER_GONE;
    ret->pidfd = take_fd(&pidfd);
    return ours ? WORKER_FOUND : WORKER_HIDDEN;
}
