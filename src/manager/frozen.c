/* SPDX-License-Identifier: MIT */
#include "manager/frozen.h"

#include "base/cleanup.h"
#include "base/futex.h"
#include "base/io.h"
#include "base/log.h"
#include "base/nvidia.h"
#include "manager/arbiter.h"
#include "manager/guests.h"
#include "manager/session.h"
#include "manager/session_program.h"
#include "manager/spawn.h"
#include "manager/vgpu_internal.h"
#include "manager/vgpu_suspend.h"
#include "manager/words.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* What is on the device ends first; then the driver begins, which takes seconds. */
#define AWAIT_NS UINT64_C(30000000000)
#define AWAIT_LOOK_MS 2
#define RUN_NS UINT64_C(120000000000)
#define WORDS_BYTES 512

static bool
is_sure(const struct session *s)
{
    char path[64];
    struct stat st;

    if (!s->adopted)
        return true;
    snprintf(path, sizeof path, "/proc/%d", (int)s->pid);
    return stat(path, &st) == 0 && st.st_uid == s->vgpu->s.owner_uid;
}

int
frozen_check(const struct vgpu *v, struct err *e)
{
    for (const struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        const struct session *s = container_of(l, struct session, link);

        /* The driver knows processes, no vGPUs. */
        if (s->in_process && session_program_elsewhere(v, s->pid))
            return err_set(
                e, -EOPNOTSUPP,
                "process %d is on another vGPU, too, and can be put aside only "
                "as a whole",
                (int)s->pid);
        if (s->in_process && !is_sure(s))
            return err_set(e, -EPERM,
                           "vGPU '%s': process %d, which a manager before this one let "
                           "in, is not of its owner: end it first",
                           v->s.name, (int)s->pid);
    }
    return 0;
}

void
frozen_collect(struct vgpu *v, struct frozen *ret)
{
    *ret = (struct frozen){.worker = v->m->worker};
    nvidia_library(v->m->options->cuda_driver, "libcuda.so", ret->driver,
                   sizeof ret->driver);
    for (const struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        const struct session *s = container_of(l, struct session, link);

        if (!s->in_process || !is_sure(s))
            continue;
        ret->of[ret->n].pid = s->pid;
        ret->of[ret->n++].slot = &v->account->slot[s->slot];
    }
}

void
frozen_tell(struct vgpu *v, enum slot_hold hold)
{
    for (const struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        const struct session *s = container_of(l, struct session, link);

        if (s->in_process)
            session_program_tell(s, hold);
    }
}

/* ---- beside the loop ---------------------------------------------------------------------- */

/* One without a thread of the library's has nothing on the device, or nobody to say so. */
static bool
holds(const struct account_slot *s, pid_t pid)
{
    return atomic_load(&s->holds) || !atomic_load(&s->answers) ||
           (kill(pid, 0) < 0 && errno == ESRCH);
}

int
frozen_await(const struct frozen *f, int stop_fd, struct err *e)
{
    const uint64_t end = now_ns() + AWAIT_NS;
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};

    for (unsigned i = 0; i < f->n;) {
        if (holds(f->of[i].slot, f->of[i].pid)) {
            i++;
            continue;
        }
        if (poll(&stop, 1, AWAIT_LOOK_MS) > 0)
            return -ECANCELED;
        if (now_ns() > end)
            return err_set(e, -ETIMEDOUT,
                           "process %d does not come to an end with what it has on the "
                           "GPU",
                           (int)f->of[i].pid);
    }
    return 0;
}

/* Until its end. Whatever more it says is nothing to us. */
static int
read_words(int fd, int stop_fd, char *words)
{
    const uint64_t end = now_ns() + RUN_NS;
    struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    size_t len = 0;
    ssize_t n = 1;

    while (n != 0) {
        const uint64_t now = now_ns();

        if (now >= end)
            return -ETIMEDOUT;
        if (poll(p, 2, (int)((end - now) / 1000000) + 1) <= 0)
            continue;
        if (p[1].revents)
            return -ECANCELED;
        n = read(fd, words + len, WORDS_BYTES - 1 - len);
        if (n < 0 && errno != EINTR)
            return -errno;
        len += n > 0 ? (size_t)n : 0;
        words[len] = '\0';
        if (len == WORDS_BYTES - 1)
            return 0;
    }
    return 0;
}

static int
wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int
run(const struct strv *argv, int stop_fd, char *words)
{
    _cleanup_close_ int in = -1, out = -1;
    int ends[2];
    struct strv env = {.v = environ};
    pid_t pid;
    int rc, status;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    in = ends[0];
    out = ends[1];
    pid = spawn_process(argv, &env, out, NULL, 0);
    if (pid < 0)
        return pid;
    cleanup_closep(&out);
    out = -1;
    rc = read_words(in, stop_fd, words);
    if (rc < 0)
        kill(-pid, SIGKILL);
    status = wait_for(pid);
    return rc < 0 ? rc : status;
}

int
frozen_run(const struct frozen *f, const char *action, int stop_fd, struct err *e)
{
    _cleanup_strv_ struct strv argv = {0};
    char words[WORDS_BYTES] = "", clean[WORDS_BYTES];
    int rc;

    strv_add(&argv, "%s", f->worker);
    strv_add(&argv, "--checkpoint=%s", action);
    if (f->driver[0])
        strv_add(&argv, "--cuda-driver=%s", f->driver);
    if (f->gpus[0])
        strv_add(&argv, "--gpus=%s", f->gpus);
    for (unsigned i = 0; i < f->n; i++)
        strv_add(&argv, "%d", (int)f->of[i].pid);
    rc = run(&argv, stop_fd, words);
    printable_copy(clean, words, sizeof clean);
    if (rc == 0 || rc == -ECANCELED)
        return rc;
    if (rc == -ETIMEDOUT)
        return err_set(e, rc, "CUDA's driver does not answer");
    return err_set(e, rc, "programs of CUDA's: %s", clean[0] ? clean : strerror(-rc));
}

void
frozen_try(const struct frozen *f, const char *action, const char *vgpu)
{
    _cleanup_err_ struct err e = ERR_INIT;

    if (frozen_run(f, action, -1, &e) < 0)
        log_warning("vGPU '%s': %s", vgpu, err_msg(&e));
}

void
frozen_stay(struct vgpu *v)
{
    struct frozen f;

    frozen_collect(v, &f);
    if (f.n > 0)
        frozen_try(&f, "again", v->s.name);
}

void
frozen_go_on(struct vgpu *v)
{
    struct frozen f;
    bool any = false;

    frozen_collect(v, &f);
    for (unsigned i = 0; i < f.n; i++)
        any |= atomic_load(&f.of[i].slot->hold) != SLOT_GOES_ON;
    if (!any)
        return;
    log_info("vGPU '%s': its %u programs of CUDA's were held, and go on", v->s.name, f.n);
    frozen_try(&f, "thaw", v->s.name);
    frozen_tell(v, SLOT_GOES_ON);
}

/* ---- heads and sessions ------------------------------------------------------------------- */

void
frozen_describe(const struct vgpu *v, const char *boot_id, struct snapshot_head *h)
{
    uint64_t left = v->s.framebuffer_bytes;

    h->nprograms = 0;
    for (const struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        const struct session *s = container_of(l, struct session, link);
        const struct account_slot *slot = &v->account->slot[s->slot];
        struct snapshot_program *to = &h->programs[h->nprograms];
        uint64_t used = atomic_load(&slot->used_bytes);

        if (!s->in_process)
            continue;
        h->nprograms++;
        /* The program can write that: all of them have no more than there is. */
        used = used < left ? used : left;
        left -= used;
        *to = (struct snapshot_program){
            .process = {(uint64_t)s->pid, process_start_ticks(s->pid)},
            .used_bytes = used};
        printable_copy(to->program, slot->program, sizeof to->program);
        text_copy(to->boot_id, sizeof to->boot_id, boot_id);
    }
}

static bool
read_own_head(const struct vgpu *v, struct snapshot_head *ret)
{
    _cleanup_free_ char *path = vgpu_snapshot_path(v->m, v->s.name);
    _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    _cleanup_err_ struct err e = ERR_INIT;

    if (fd >= 0 && snapshot_head_read(fd, -1, ret, &e) == 0)
        return true;
    log_warning("vGPU '%s': programs of CUDA's, if it has any, are not ended: %s",
                v->s.name, fd < 0 ? strerror(errno) : err_msg(&e));
    return false;
}

void
frozen_end(const struct vgpu *v)
{
    _cleanup_free_ struct snapshot_head *h = malloc(sizeof *h);
    char boot_id[BOOT_ID_BYTES];

    if (!h || !read_own_head(v, h))
        return;
    boot_id_read(boot_id, sizeof boot_id);
    for (unsigned i = 0; i < h->nprograms; i++) {
        const struct snapshot_program *p = &h->programs[i];
        _cleanup_close_ int fd = -1;

        if (strcmp(p->boot_id, boot_id) == 0)
            fd = process_open((pid_t)p->process.pid, p->process.start_ticks);
        if (fd >= 0)
            process_signal(fd, SIGTERM);
    }
}

/* Where the card is another one now, the driver has to be told. */
static void
name_gpus(const struct vgpu *v, const struct snapshot_head *h, struct frozen *f)
{
    const struct gpu *before = inventory_find(&v->m->inventory, h->gpu);

    if (!before || !v->gpu || before == v->gpu || !before->device.uuid[0] ||
        !v->gpu->device.uuid[0])
        return;
    snprintf(f->gpus, sizeof f->gpus, "%s=%s", before->device.uuid, v->gpu->device.uuid);
}

int
frozen_sessions(struct vgpu *v, const struct snapshot_head *h, const char *boot_id,
                struct frozen *ret, struct err *e)
{
    for (unsigned i = 0; i < h->nprograms; i++) {
        const struct snapshot_program *p = &h->programs[i];
        int rc;

        if (strcmp(p->boot_id, boot_id) != 0 || !guest_may_live(&p->process))
            continue;
        rc = session_program_restore(v, p);
        if (rc < 0)
            return err_set(e, rc, "no session for process %llu ('%s'): %s",
                           (unsigned long long)p->process.pid, p->program, strerror(-rc));
    }
    frozen_collect(v, ret);
    name_gpus(v, h, ret);
    return 0;
}
