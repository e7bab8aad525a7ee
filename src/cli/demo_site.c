/* SPDX-License-Identifier: MIT */
/*
 * Everything of the demo lives below one temporary folder: the manager's runtime and state
 * folders, the compiler's caches, the programs' output. So nothing is left behind.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MANAGER_LIMIT_NS (60 * UINT64_C(1000000000))
#define LEAVE_LIMIT_NS (5 * UINT64_C(1000000000))
#define PAUSE_US 20000
#define MAX_TMP_CHARS 60 /* the sockets' paths below must stay short */
#define MEMORY "2g"
#define TRAINER "tessera-train"

/* Children. */

static void
redirect(const char *path, int fd)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (file < 0 || dup2(file, fd) < 0)
        _exit(EXIT_FAILURE);
    close(file);
}

static _Noreturn void
become(char *const *argv, const char *const *extra, const char *out, const char *err)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    redirect("/dev/null", STDIN_FILENO);
    redirect(out, STDOUT_FILENO);
    redirect(err, STDERR_FILENO);
    for (; extra && *extra; extra++)
        putenv((char *)*extra);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(EXIT_FAILURE);
}

pid_t
demo_spawn(char *const *argv, const char *const *extra, const char *out, const char *err)
{
    pid_t pid = fork();

    if (pid == 0)
        become(argv, extra, out, err);
    if (pid > 0)
        setpgid(pid, pid); /* as in the child: whoever is first */
    return pid < 0 ? -errno : pid;
}

static bool
is_reaped(pid_t pid, uint64_t limit_ns)
{
    const uint64_t begin = now_ns();

    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (now_ns() - begin >= limit_ns)
            return false;
        usleep(PAUSE_US);
    }
    return true;
}

void
demo_end_child(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(-pid, SIGTERM);
    if (is_reaped(pid, LEAVE_LIMIT_NS))
        return;
    kill(-pid, SIGKILL);
    is_reaped(pid, LEAVE_LIMIT_NS);
}

/* Folders. */

static int
make_folder(struct demo_site *s, struct err *e)
{
    const char *tmp = getenv("TMPDIR");

    if (!tmp || tmp[0] != '/' || strlen(tmp) > MAX_TMP_CHARS)
        tmp = "/tmp";
    s->folder = str_printf("%s/tessera-demo-XXXXXX", tmp);
    if (!s->folder)
        return err_set(e, -ENOMEM, "out of memory");
    if (!mkdtemp(s->folder)) {
        free(take_ptr(s->folder));
        return err_set(e, -errno, "cannot make a folder in %s: %s", tmp, strerror(errno));
    }
    return 0;
}

/* The trainer is in the build tree, else beside us. */
static int
find_programs(struct demo_site *s, struct err *e)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n <= 0)
        return err_set(e, -errno, "/proc/self/exe: %s", strerror(errno));
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    s->bin = strdup(self);
    s->trainer = str_printf("%s/studies/workloads/" TRAINER, self);
    if (s->trainer && access(s->trainer, X_OK) != 0) {
        free(s->trainer);
        s->trainer = str_printf("%s/" TRAINER, self);
    }
    if (!s->bin || !s->trainer)
        return err_set(e, -ENOMEM, "out of memory");
    if (access(s->trainer, X_OK) != 0)
        return err_set(e, -ENOENT, "%s: %s (it is built with Tessera)", s->trainer,
                       strerror(errno));
    return 0;
}

/* The manager. */

static int
start_manager(struct demo_site *s, struct err *e)
{
    _cleanup_free_ char *program = str_printf("%s/tesserad", s->bin);
    _cleanup_free_ char *runtime = str_printf("%s/run", s->folder);
    _cleanup_free_ char *state = str_printf("%s/state", s->folder);
    _cleanup_free_ char *log = str_printf("%s/tesserad.log", s->folder);
    const struct client_options options = {.runtime_dir = runtime, .no_start = true};
    char *const argv[] = {program, "--runtime-dir",     runtime,  "--state-dir",
                          state,   "--backend",         "opencl", "--software-gpus",
                          "1",     "--software-memory", MEMORY,   "--share-cache",
                          NULL};

    if (!program || !runtime || !state || !log)
        return err_set(e, -ENOMEM, "out of memory");
    s->manager = demo_spawn(argv, NULL, log, log);
    if (s->manager < 0)
        return err_set(e, s->manager, "cannot start %s: %s", program,
                       strerror(-s->manager));
    return client_new(&options, &s->client, e);
}

static int
manager_ended(struct demo_site *s, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/tesserad.log", s->folder), *text = NULL;
    size_t len;

    s->manager = 0;
    if (!path || read_file(path, 1 << 20, &text, &len) < 0)
        return err_set(e, -EIO, "the manager ended");
    return err_set(e, -EIO, "the manager ended: %s", text);
}

static int
wait_for_manager(struct demo_site *s, json_t **ret, struct err *e)
{
    const uint64_t begin = now_ns();

    while (client_call(s->client, "GET", "/v1/gpus", NULL, ret, e) < 0) {
        if (demo_stopped())
            return err_set(e, -EINTR, "stopped");
        if (waitpid(s->manager, NULL, WNOHANG) == s->manager)
            return manager_ended(s, e);
        if (now_ns() - begin > MANAGER_LIMIT_NS)
            return err_wrap(e, "the manager does not serve");
        usleep(PAUSE_US);
    }
    return 0;
}

static int
take_gpu(struct demo_site *s, struct err *e)
{
    json_t *answer;
    int rc = wait_for_manager(s, &answer, e);

    if (rc < 0)
        return rc;
    s->gpu = json_incref(json_array_get(json_object_get(answer, "gpus"), 0));
    json_decref(answer);
    if (!s->gpu)
        return err_set(e, -ENODEV,
                       "no OpenCL device for a software GPU: install "
                       "pocl-opencl-icd");
    return 0;
}

int
demo_site_open(struct demo_site *s, struct err *e)
{
    int rc = find_programs(s, e);

    if (rc == 0)
        rc = make_folder(s, e);
    if (rc == 0)
        rc = start_manager(s, e);
    return rc == 0 ? take_gpu(s, e) : rc;
}

static void
shut_down(struct demo_site *s)
{
    json_t *body = json_pack("{ss}", "vgpus", "end");

    if (s->client)
        client_call(s->client, "POST", "/v1/shutdown", body, NULL, NULL);
    json_decref(body);
    if (!is_reaped(s->manager, LEAVE_LIMIT_NS))
        demo_end_child(s->manager);
}

void
demo_site_close(struct demo_site *s)
{
    if (s->manager > 0)
        shut_down(s);
    if (s->client)
        client_free(s->client);
    if (s->folder)
        remove_tree(s->folder);
    json_decref(s->gpu);
    free(s->folder);
    free(s->bin);
    free(s->trainer);
}
