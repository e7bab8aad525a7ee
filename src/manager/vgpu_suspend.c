/* SPDX-License-Identifier: MIT */
#include "manager/vgpu_suspend.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/frozen.h"
#include "manager/gpu_time.h"
#include "manager/guests.h"
#include "manager/session.h"
#include "manager/session_program.h"
#include "manager/trash.h"
#include "manager/vgpu_internal.h"
#include "manager/vm.h"
#include "manager/words.h"
#include "manager/worker_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define LEAVE_GRACE_MS 5000 /* a worker that leaves has nothing to wait for */
#define ENDING ".tessera"

/* ---- files ------------------------------------------------------------------------------ */

char *
vgpu_snapshot_path(const struct manager *m, const char *name)
{
    return str_printf("%s/%s" ENDING, m->folders.snapshots, name);
}

/* ---- suspend ---------------------------------------------------------------------------- */

int
vgpu_commit_suspend(struct vgpu *v, const struct vgpu_suspended_state *s, struct err *e)
{
    int rc;

    v->s.suspended = *s;
    rc = vgpu_state_save(v->m->folders.state_vgpus, &v->s, e);
    if (rc < 0) {
        v->s.suspended = (struct vgpu_suspended_state){0};
        return rc;
    }
    /* Pairs with a worker's look when its manager is gone (link/control.h). */
    atomic_store(&v->account->suspended, 1);
    return 0;
}

static void
end_all(struct vgpu *v, int signal)
{
    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next)
        session_end(container_of(l, struct session, link), signal);
}

static void
patience_over(void *arg)
{
    struct vgpu *v = arg;

    log_warning("vGPU '%s': %u workers do not leave, and are killed", v->s.name,
                v->nsessions);
    end_all(v, SIGKILL);
}

void
vgpu_leave(struct vgpu *v)
{
    struct list *l, *tmp;

    v->leaving = true;
    list_for_each_safe(l, tmp, &v->sessions)
    {
        struct session *s = container_of(l, struct session, link);

        if (s->in_process) {
            session_program_leave(s);
            continue;
        }
        s->told_to_end = true;
        /* Who does not hear it finds out by itself, as the account says so, or is killed. */
        session_tell_op(s, CONTROL_LEAVE);
    }
    if (v->nsessions + v->clearing == 0)
        vgpu_session_gone(v);
    else if (alarm_new(&v->m->loop, patience_over, v, &v->patience) == 0)
        alarm_set(v->patience, LEAVE_GRACE_MS);
    else
        end_all(v, SIGKILL);
}

void
vgpu_put_away(struct vgpu *v)
{
    _cleanup_free_ char *path = vgpu_account_path(v);
    _cleanup_err_ struct err e = ERR_INIT;
    struct gpu *g = v->gpu;

    v->leaving = false;
    alarm_free(take_ptr(v->patience));
    vgpu_ungovern(v);
    if (path)
        unlink(path);
    account_unmap(take_ptr(v->account));
    cleanup_closep(&v->account_fd);
    v->account_fd = -1;
    v->gpu = NULL;
    if (g) {
        g->used.gone_ns += v->past.used_ns;
        gpu_time_changed(v->m, g);
    }
    /* A virtual machine keeps its memory, and may connect, but has nobody there. */
    if (vm_resume(v, &e) < 0)
        log_warning("vGPU '%s': %s", v->s.name, err_msg(&e));
    log_info("vGPU '%s': suspended", v->s.name);
}

int
vgpu_has_moved(struct vgpu *v, const char *socket, struct err *e)
{
    const struct vgpu_suspended_state before = v->s.suspended;
    int rc;

    text_copy(v->s.suspended.moved, sizeof v->s.suspended.moved, socket);
    rc = vgpu_state_save(v->m->folders.state_vgpus, &v->s, e);
    if (rc < 0)
        v->s.suspended = before;
    else
        guests_route(v);
    return rc;
}

/* ---- resume ----------------------------------------------------------------------------- */

/* It says suspended before it has its name: a manager that finds it must not take it for ours. */
static int
make_account(struct vgpu *v, struct err *e)
{
    _cleanup_free_ char *path = vgpu_account_path(v);
    _cleanup_free_ char *made = str_printf("%s/.%s", v->m->folders.accounts, v->s.name);
    int rc;

    if (!path || !made)
        return err_set(e, -ENOMEM, "out of memory");
    rc = account_create(made, v->s.framebuffer_bytes, &v->account, &v->account_fd);
    if (rc == 0) {
        atomic_store(&v->account->suspended, 1);
        bar_map_clear(&v->account->bar);
        if (rename(made, path) < 0)
            rc = -errno;
    }
    return rc < 0 ? err_set(e, rc, "cannot make %s: %s", path, strerror(-rc)) : 0;
}

int
vgpu_take_place(struct vgpu *v, struct err *e)
{
    int rc = make_account(v, e);

    v->gpu = inventory_find(&v->m->inventory, v->s.gpu);
    if (v->gpu)
        v->gpu->used.before_ns += v->past.used_ns;
    if (rc == 0) {
        vgpu_govern(v);
        rc = vm_resume(v, e);
    }
    if (rc == 0 && !v->listener)
        rc = vgpu_listen(v, e);
    if (rc == 0)
        rc = session_program_listen(v, e);
    if (v->gpu)
        gpu_time_changed(v->m, v->gpu);
    return rc;
}

int
vgpu_commit_resume(struct vgpu *v, bool is_new, struct err *e)
{
    const char *folder = v->m->folders.state_vgpus;
    const struct vgpu_suspended_state before = v->s.suspended;
    _cleanup_free_ char *ours =
        v->s.suspended.own ? vgpu_snapshot_path(v->m, v->s.name) : NULL;
    /* Where it is now: a manager that finds it running must find it there. */
    int rc = is_new ? 0 : vgpu_state_save(folder, &v->s, e);

    if (rc < 0)
        return rc;
    /* From here on workers go on, whoever dies (link/control.h). */
    atomic_store(&v->account->suspended, 0);
    v->s.suspended = (struct vgpu_suspended_state){0};
    rc = vgpu_state_save(folder, &v->s, e);
    if (rc < 0) {
        v->s.suspended = before;
        atomic_store(&v->account->suspended, 1);
        return rc;
    }
    if (ours)
        trash_file(v->m, take_ptr(ours));
    return 0;
}

/* ---- after a restart -------------------------------------------------------------------- */

/* The account of before, whatever its size: of a resume it is the new one's. */
static void
map_account(struct vgpu *v)
{
    _cleanup_free_ char *path = vgpu_account_path(v);
    _cleanup_close_ int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (fd >= 0 && account_map(fd, &v->account) == 0)
        v->account_fd = take_fd(&fd);
}

static void
take_back(struct vgpu *v)
{
    _cleanup_err_ struct err e = ERR_INIT;
    const bool ours = v->s.suspended.own;

    v->s.suspended = (struct vgpu_suspended_state){0};
    if (vgpu_state_save(v->m->folders.state_vgpus, &v->s, &e) < 0) {
        /* It runs on all the same; the next manager comes to the same end. */
        log_warning("vGPU '%s': %s", v->s.name, err_msg(&e));
        return;
    }
    if (ours)
        trash_file(v->m, vgpu_snapshot_path(v->m, v->s.name));
    log_info("vGPU '%s': was about to be suspended, and runs on", v->s.name);
}

bool
vgpu_restore_suspended(struct vgpu *v)
{
    map_account(v);
    if (v->account && atomic_load(&v->account->suspended) == 0) {
        account_unmap(take_ptr(v->account));
        cleanup_closep(&v->account_fd);
        v->account_fd = -1;
        take_back(v);
        return false;
    }
    v->gpu = NULL;
    v->leaving = true; /* how its workers end is no error */
    if (v->account)
        session_adopt_all(v);
    frozen_stay(v);
    vgpu_leave(v);
    return true;
}

/*
 * Of a vGPU that runs a snapshot is left where its manager died between its rename and the state,
 * or after a resume; names with a dot more are of files that were never whole. Others stay: the
 * state that refers to them may have been set aside.
 */
static bool
is_left_over(const struct manager *m, const char *entry)
{
    const char *dot = strchr(entry, '.');
    _cleanup_free_ char *name = dot ? strndup(entry, (size_t)(dot - entry)) : NULL;
    const struct vgpu *v = name ? vgpu_find(m, name) : NULL;

    if (!name || !vgpu_name_valid(name) || strncmp(dot, ENDING, strlen(ENDING)) != 0)
        return false;
    if (dot[strlen(ENDING)] == '.')
        return true;
    return dot[strlen(ENDING)] == '\0' && v && !v->s.suspended.own;
}

void
snapshots_sweep(struct manager *m)
{
    _cleanup_closedir_ DIR *d = opendir(m->folders.snapshots);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        if (is_left_over(m, e->d_name))
            trash_file(m, str_printf("%s/%s", m->folders.snapshots, e->d_name));
    }
}
