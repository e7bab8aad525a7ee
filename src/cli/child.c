/* SPDX-License-Identifier: MIT */
#include "cli/child.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void
child_init(struct child *c)
{
    *c = (struct child){0};
    CPU_ZERO(&c->cores);
}

void
child_fini(struct child *c)
{
    free(c->icd);
    free(c->folders);
    free(c->cuda_devices);
    free(c->cuda_folder);
    free(c->cuda_driver);
}

/* Adds "0,2-3" to a set. */
static int
add_cores(cpu_set_t *set, const char *text)
{
    while (*text) {
        unsigned first, last;
        int n = 0;

        if (sscanf(text, "%u-%u%n", &first, &last, &n) < 2 || n == 0) {
            n = 0;
            if (sscanf(text, "%u%n", &first, &n) < 1 || n == 0)
                return -EINVAL;
            last = first;
        }
        if (last >= CPU_SETSIZE)
            return -EINVAL;
        for (unsigned cpu = first; cpu <= last; cpu++)
            CPU_SET(cpu, set);
        text += n;
        if (*text == ',')
            text++;
        else if (*text)
            return -EINVAL;
    }
    return 0;
}

static int
set_text(char **field, const char *text)
{
    free(*field);
    *field = text ? strdup(text) : NULL;
    return text && !*field ? -ENOMEM : 0;
}

/* Adds to a list, which is NULL while it is empty. */
static int
add_text(char **list, char separator, const char *text)
{
    char *longer = *list ? str_printf("%s%c%s", *list, separator, text) : strdup(text);

    if (!longer)
        return -ENOMEM;
    free(*list);
    *list = longer;
    return 0;
}

static int
add_passthrough(struct child *c, const json_t *how, struct err *e)
{
    const char *cores = json_text_of(how, "cores", NULL);

    if (cores && add_cores(&c->cores, cores) < 0)
        return err_set(e, -EPROTO, "the manager gave the cores as '%s'", cores);
    c->threads = (unsigned)CPU_COUNT(&c->cores);
    c->passthrough = true;
    if (set_text(&c->icd, json_text_of(how, "icd", NULL)) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    return 0;
}

/* Its devices come in the order of the vGPUs: so the library there knows which is whose. */
static int
add_cuda(struct child *c, const json_t *cuda)
{
    int rc = add_text(&c->cuda_devices, ',', json_text_of(cuda, "device", ""));

    if (rc == 0)
        rc = set_text(&c->cuda_folder, json_text_of(cuda, "library_folder", NULL));
    if (rc == 0)
        rc = set_text(&c->cuda_driver, json_text_of(cuda, "driver", NULL));
    return rc;
}

static int
add_guest(struct child *c, const json_t *vgpu, struct err *e)
{
    const json_t *cuda = json_object_get(vgpu, "cuda");
    const char *folder = json_text_of(vgpu, "folder", NULL);
    int rc;

    if (!folder)
        return err_set(e, -EPROTO, "the manager gave no folder");
    rc = add_text(&c->folders, ':', folder);
    if (rc == 0)
        rc = set_text(&c->icd, json_text_of(vgpu, "icd_folder", NULL));
    if (rc == 0 && json_is_object(cuda))
        rc = add_cuda(c, cuda);
    return rc < 0 ? err_set(e, rc, "out of memory") : 0;
}

int
child_add_vgpu(struct child *c, const json_t *vgpu, struct err *e)
{
    const json_t *how = json_object_get(vgpu, "passthrough");
    const bool passthrough = json_is_object(how);

    if (passthrough ? c->folders != NULL : c->passthrough)
        return err_set(e, -EINVAL, "passthrough and vGPUs do not mix");
    return passthrough ? add_passthrough(c, how, e) : add_guest(c, vgpu, e);
}

static void
set_or_unset(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* Ours is found before the driver's, and leads to it. */
static void
set_cuda(const struct child *c)
{
    const char *path = getenv("LD_LIBRARY_PATH");
    char *longer = c->cuda_folder && path && path[0]
                       ? str_printf("%s:%s", c->cuda_folder, path)
                       : NULL;

    if (c->cuda_folder)
        setenv("LD_LIBRARY_PATH", longer ? longer : c->cuda_folder, 1);
    free(longer);
    if (c->cuda_driver)
        setenv("TESSERA_CUDA_DRIVER", c->cuda_driver, 1);
    if (c->cuda_devices)
        setenv("CUDA_VISIBLE_DEVICES", c->cuda_devices, 1);
}

/* In the child. Whatever could add another platform to the program's view goes. */
static void
set_environment(const struct child *c)
{
    char threads[16];

    set_or_unset("TESSERA_VGPU", c->folders);
    set_or_unset("OCL_ICD_VENDORS", c->icd);
    unsetenv("OCL_ICD_FILENAMES");
    set_cuda(c);
    if (c->threads > 0) {
        snprintf(threads, sizeof threads, "%u", c->threads);
        setenv("POCL_MAX_PTHREAD_COUNT", threads, 1);
        sched_setaffinity(0, sizeof c->cores, &c->cores);
    }
}

/* Never returns; what goes wrong goes through the pipe, which a good exec closes. */
static _Noreturn void
become_program(const struct child *c, char **argv, const sigset_t *mask, int report)
{
    int why;

    set_environment(c);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    why = errno;
    if (write_all(report, &why, sizeof why) < 0)
        _exit(EXIT_CANNOT_RUN);
    _exit(why == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

char **
child_split(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            argv[i] = NULL;
            *argc = i;
            return argv + i + 1;
        }
    }
    return argv + *argc;
}

static void
forward(pid_t pid, const siginfo_t *info)
{
    const bool from_terminal = info->si_code == SI_KERNEL;

    if (!from_terminal || info->si_signo == SIGTERM || info->si_signo == SIGHUP)
        kill(pid, info->si_signo);
}

/* A signal of the set, or -1: none, but it was time for a tick, or for nothing. */
static int
next_signal(const struct child *c, const sigset_t *set, siginfo_t *ret)
{
    const struct timespec tick = {.tv_sec = c->tick_ms / 1000,
                                  .tv_nsec = (long)(c->tick_ms % 1000) * 1000000};
    int rc;

    if (!c->tick)
        return sigwaitinfo(set, ret);
    rc = sigtimedwait(set, ret, &tick);
    if (rc < 0 && errno == EAGAIN)
        c->tick(c->user);
    return rc;
}

static int
wait_and_forward(const struct child *c, pid_t pid, const sigset_t *set)
{
    for (;;) {
        siginfo_t info;
        int status;

        if (next_signal(c, set, &info) < 0)
            continue;
        if (info.si_signo != SIGCHLD) {
            forward(pid, &info);
            continue;
        }
        if (waitpid(pid, &status, WNOHANG) != pid)
            continue;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

int
child_run(const struct child *c, char **argv, struct err *e)
{
    static const int signals[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    _cleanup_close_ int in = -1, out = -1;
    sigset_t set, old;
    int ends[2], why;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(e, -errno, "no pipe: %s", strerror(errno));
    in = ends[0];
    out = ends[1];
    signal(SIGCHLD, SIG_DFL); /* who started us may have had no use for it */
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&set, signals[i]);
    /* Blocked before the fork, so that none is lost between the two. */
    sigprocmask(SIG_BLOCK, &set, &old);
    pid = fork();
    if (pid == 0)
        become_program(c, argv, &old, out);
    if (pid < 0) {
        why = errno;
        sigprocmask(SIG_SETMASK, &old, NULL);
        return err_set(e, -why, "cannot fork: %s", strerror(why));
    }
    cleanup_closep(&out);
    out = -1;
    if (read_exact(in, &why, sizeof why) == 0)
        fprintf(stderr, "tessera: cannot start %s: %s\n", argv[0], strerror(why));
    return wait_and_forward(c, pid, &set);
}
