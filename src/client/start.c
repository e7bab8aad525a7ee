/* SPDX-License-Identifier: MIT */
/*
 * The new manager's stderr is a pipe to us until it serves, then its log file. So the
 * pipe's end says "up, or dead", and what came through it says why.
 */
#include "client/start.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#define START_LIMIT_MS 60000
#define NOTE_AFTER_MS 2000
#define SAID_BYTES 4096   /* of a manager's last words */
#define IDLE_EXIT_S "600" /* a manager that nobody asked for leaves again */

static char *
manager_program(void)
{
    _cleanup_free_ char *beside = NULL;
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        beside = str_printf("%s/tesserad", self);
    }
    if (beside && access(beside, X_OK) == 0)
        return take_ptr(beside);
    return strdup(TESSERA_BINDIR "/tesserad");
}

static int
spawn_quietly(const char *program, char *const *argv, int stderr_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    int rc;

    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, stderr_fd, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    rc = posix_spawn(&pid, program, &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (rc)
        return -rc;
    /* With --daemon-log it forks at once and goes on in the child, which is nobody's. */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return 0;
}

/* Keeps the end of what was said, as that is where the reason stands. */
static void
keep_tail(char *text, size_t cap, const char *more, size_t n)
{
    size_t len = strlen(text);

    if (n >= cap) {
        more += n - (cap - 1);
        n = cap - 1;
    }
    if (len + n >= cap) {
        const size_t drop = len + n - (cap - 1);

        memmove(text, text + drop, len - drop);
        len -= drop;
    }
    memcpy(text + len, more, n);
    text[len + n] = '\0';
}

static int
wait_for_end(int fd, void (*note)(const char *words), char *text, size_t cap)
{
    const uint64_t begin = now_ns();

    for (;;) {
        const int ms = (int)((now_ns() - begin) / 1000000);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char buf[1024];
        ssize_t n;

        if (ms >= START_LIMIT_MS)
            return -ETIMEDOUT;
        if (note && ms >= NOTE_AFTER_MS) {
            note("starting the manager, it looks for GPUs ...");
            note = NULL;
        }
        if (poll(&p, 1, note ? NOTE_AFTER_MS - ms : START_LIMIT_MS - ms) <= 0)
            continue;
        n = read(fd, buf, sizeof buf);
        if (n == 0)
            return 0;
        if (n > 0)
            keep_tail(text, cap, buf, (size_t)n);
        else if (errno != EINTR)
            return -errno;
    }
}

/* The words of the last "tesserad: error: words". */
static const char *
last_error_of(char *text)
{
    static const char mark[] = "tesserad: error: ";
    char *found = NULL;

    for (char *p = text; (p = strstr(p, mark)); p += sizeof mark - 1)
        found = p + sizeof mark - 1;
    if (!found)
        return NULL;
    found[strcspn(found, "\n")] = '\0';
    return found;
}

int
start_manager(const char *runtime_dir, void (*note)(const char *words), struct err *e)
{
    _cleanup_free_ char *program = manager_program();
    char *const argv[] = {program,       "--runtime-dir", (char *)runtime_dir,
                          "--idle-exit", IDLE_EXIT_S,     "--daemon-log",
                          NULL};
    _cleanup_close_ int in = -1, out = -1;
    _cleanup_free_ char *text = calloc(1, SAID_BYTES);
    const char *why;
    int ends[2], rc;

    if (!program || !text || pipe2(ends, O_CLOEXEC) < 0)
        return err_set(e, -ENOMEM, "cannot start a manager: out of memory");
    in = ends[0];
    out = ends[1];
    rc = spawn_quietly(program, argv, out);
    if (rc < 0)
        return err_set(e, rc, "cannot start the manager %s: %s", program, strerror(-rc));
    cleanup_closep(&out);
    out = -1;
    rc = wait_for_end(in, note, text, SAID_BYTES);
    if (rc == -ETIMEDOUT)
        return err_set(e, rc,
                       "the manager does not serve after %d s (see "
                       "%s/tesserad.log)",
                       START_LIMIT_MS / 1000, runtime_dir);
    why = last_error_of(text);
    if (why)
        return err_set(e, -EIO, "the manager does not start: %s", why);
    return rc < 0 ? err_set(e, rc, "the manager does not start: %s", strerror(-rc)) : 0;
}
