/* SPDX-License-Identifier: MIT */
#include "cli/operation.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define BAR_AFTER_MS 1000

/* Signals. */

static int wake = -1;
static volatile sig_atomic_t caught;

static void
note_signal(int sig)
{
    const int saved = errno;
    const uint64_t one = 1;

    caught = sig;
    if (write(wake, &one, sizeof one) < 0)
        _exit(128 + sig);
    errno = saved;
}

static void catch (int sig)
{
    /* Without SA_RESTART, so that a wait for a pipe's other end is over, too. */
    const struct sigaction on = {.sa_handler = note_signal,
                                 .sa_flags = (int)SA_RESETHAND};
    struct sigaction before;

    if (sigaction(sig, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(sig, &on, NULL);
}

int
operation_cancel_fd(void)
{
    if (wake >= 0)
        return wake;
    wake = eventfd(0, EFD_CLOEXEC);
    if (wake < 0)
        return wake; /* signals end us as they always do: a hang-up, too */
    catch (SIGINT);
    catch (SIGTERM);
    catch (SIGHUP);
    return wake;
}

/* Progress. */

static const char *
phase_words(const char *phase)
{
    static const struct {
        const char *phase, *words;
    } rows[] = {
        {"pausing", "pausing the programs"},
        {"writing", "writing the snapshot"},
        {"reading", "reading the snapshot"},
        {"restoring", "restoring the sessions"},
        {"copying", "copying the snapshot"},
        {"saving", "saving the machine"},
        {"copying-machine", "copying disks and memory"},
        {"starting", "starting the machine"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].phase, phase) == 0)
            return rows[i].words;
    }
    return "working";
}

void
operation_progress_begin(void)
{
    progress_start_late(BAR_AFTER_MS);
}

void
operation_progress_end(void)
{
    progress_end();
}

void
operation_progress(void *user, const char *phase, uint64_t done, uint64_t total)
{
    double part = total > 0 ? (double)done / (double)total : 0;

    (void)user;
    progress_part(phase_words(phase), part > 1 ? 1 : part);
}

int
operation_run(struct client *c, struct client_operation *o, json_t **ret, struct err *e)
{
    int rc;

    o->cancel_fd = operation_cancel_fd();
    o->progress = operation_progress;
    operation_progress_begin();
    rc = client_operate(c, o, ret, e);
    operation_progress_end();
    if (rc == 0 && ret)
        json_object_del(*ret, "event");
    return rc;
}

int
operation_fail(const struct client *c, int rc, struct err *e, const char *task,
               const char *name)
{
    /* Most hints are of placing new vGPUs; here "in-use" and "no-space" mean other things, too. */
    const bool hint = strcmp(client_error_code(c), "not-found") == 0;
    const int status = cli_fail(hint ? c : NULL, e, "%s '%s'", task, name);

    return rc == -ECANCELED && caught ? 128 + caught : status;
}

/* Snapshots to read. */

static int
open_stdin(struct err *e)
{
    if (isatty(STDIN_FILENO))
        return err_set(e, -EINVAL,
                       "stdin is a terminal: a snapshot comes from a file or "
                       "a pipe");
    return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
}

int
operation_open(const char *from, char **ret_path, struct err *e)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (ret_path)
        *ret_path = NULL;
    if (strcmp(from, "-") == 0)
        return open_stdin(e);
    fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, -errno, "cannot read %s: %s", from, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return err_set(e, -EISDIR, "%s is a folder, not a snapshot", from);
    if (ret_path && S_ISREG(st.st_mode))
        *ret_path = realpath(from, NULL);
    return take_fd(&fd);
}

/* Does it lie where the manager keeps its own? 0, 1, or an error. */
static int
is_managers(struct client *c, const char *snapshot, struct err *e)
{
    _cleanup_free_ char *folder = NULL;
    json_t *status = NULL;
    int rc = client_call(c, "GET", "/v1/status", NULL, &status, e);

    if (rc < 0)
        return rc;
    folder = str_printf("%s/snapshots/", json_text_of(status, "state_dir", ""));
    json_decref(status);
    if (!folder)
        return err_set(e, -ENOMEM, "out of memory");
    return strncmp(snapshot, folder, strlen(folder)) == 0;
}

int
operation_open_noted(struct client *c, const json_t *vgpu, int *ret_fd, char **ret_path,
                     struct err *e)
{
    const char *snapshot = json_text_of(vgpu, "snapshot", NULL);
    const char *name = json_text_of(vgpu, "name", "NAME");
    int rc;

    if (strcmp(json_text_of(vgpu, "state", ""), "suspended") != 0)
        return 0;
    if (!snapshot)
        return err_set(e, -ENOENT,
                       "its snapshot went through a pipe or a socket: 'tessera resume %s "
                       "--from FILE' says where it is now",
                       name);
    rc = is_managers(c, snapshot, e);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    *ret_fd = operation_open(snapshot, ret_path, e);
    if (*ret_fd == -ENOENT)
        err_set(e, -ENOENT,
                "%s, where it was suspended to, is not there: 'tessera resume %s --from "
                "FILE' says where it is now",
                snapshot, name);
    return *ret_fd < 0 ? *ret_fd : 0;
}

/* Answers. */

void
operation_print_on(const json_t *answer)
{
    const json_t *v = json_object_get(answer, "vgpu");
    const size_t n = json_array_size(json_object_get(v, "sessions"));

    printf("%s: %s on %s, %zu session%s\n", json_text_of(v, "name", "-"),
           json_text_of(v, "type", "-"), json_text_of(v, "gpu", "-"), n,
           n == 1 ? "" : "s");
}
