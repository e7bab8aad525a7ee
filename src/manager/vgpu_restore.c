/* SPDX-License-Identifier: MIT */
/* The vGPUs of the manager before us, and the sessions that went on without one. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/gpu_time.h"
#include "manager/guests.h"
#include "manager/session.h"
#include "manager/vgpu_internal.h"
#include "manager/vgpu_suspend.h"
#include "manager/vm.h"
#include "manager/worker_find.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

static char *
restore_problem(const struct vgpu *v)
{
    const struct vgpu_state *s = &v->s;
    struct vgpu_type t;

    if (!v->gpu)
        return str_printf("%s is not there any more", s->gpu);
    if (!s->passthrough &&
        (type_parse(v->gpu->model, v->gpu->memory_bytes, s->type, &t) < 0 ||
         t.framebuffer_bytes != s->framebuffer_bytes ||
         s->start_bytes + s->framebuffer_bytes > v->gpu->memory_bytes))
        return str_printf("%s offers no %s as it was any more", s->gpu, s->type);
    for (struct list *l = v->m->vgpus.next; l != &v->m->vgpus; l = l->next) {
        const struct vgpu *o = container_of(l, struct vgpu, link);

        if (o->gpu == v->gpu &&
            (o->s.passthrough || s->passthrough ||
             (o->s.start_bytes < s->start_bytes + s->framebuffer_bytes &&
              s->start_bytes < o->s.start_bytes + o->s.framebuffer_bytes)))
            return str_printf("its place on %s is that of '%s'", s->gpu, o->s.name);
    }
    return NULL;
}

/* The account of before, if it is one and of our size. */
static void
vgpu_map_account(struct vgpu *v)
{
    _cleanup_free_ char *path = vgpu_account_path(v);
    _cleanup_close_ int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (fd < 0 || account_map(fd, &v->account) < 0)
        return;
    if (v->account->limit_bytes == v->s.framebuffer_bytes) {
        v->account_fd = take_fd(&fd);
    } else {
        account_unmap(v->account);
        v->account = NULL;
    }
}

static int
vgpu_resume_service(struct vgpu *v, struct err *e)
{
    int rc = 0;

    if (v->s.passthrough && !v->s.vm.attached)
        return 0;
    if (!v->s.passthrough)
        vgpu_govern(v);
    vgpu_map_account(v);
    if (!v->account && v->gpu)
        rc = vgpu_make_account(v, e);
    /* Before the sessions: those that are over have memory there. */
    if (rc == 0 && v->gpu)
        rc = vm_resume(v, e);
    if (v->account)
        session_adopt_all(v);
    if (rc == 0 && v->gpu && !v->s.passthrough)
        rc = vgpu_listen(v, e);
    return rc;
}

static int
vgpu_restore(struct manager *m, const struct vgpu_state *s, struct err *e)
{
    struct vgpu *v = vgpu_new(m, s);
    int rc;

    if (!v)
        return err_set(e, -ENOMEM, "out of memory");
    if (v->s.suspended.number && vgpu_restore_suspended(v)) {
        rc = vgpu_listen(v, e);
    } else {
        v->unavailable = restore_problem(v);
        if (v->unavailable)
            v->gpu = NULL;
        rc = vgpu_resume_service(v, e);
        guests_watch(v);
    }
    if (v->unavailable)
        rc = err_set(e, -ENODEV, "%s", v->unavailable);
    if (rc < 0 && !v->unavailable)
        v->unavailable = strdup(err_msg(e));
    vgpu_insert(v);
    if (v->s.owner.pid && vgpu_watch_owner(v, NULL) < 0)
        vgpu_owner_gone(v);
    return rc;
}

static int
is_state_file(const struct dirent *d)
{
    const char *end = strrchr(d->d_name, '.');

    return end && strcmp(end, ".json") == 0;
}

static void
restore_file(struct manager *m, const char *file)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vgpu_state s;

    if (vgpu_state_load(m->folders.state_vgpus, file, &s, &e) < 0) {
        manager_warn(m, err_msg(&e));
    } else if (vgpu_restore(m, &s, &e) < 0) {
        err_wrap(&e, "vGPU '%s' is unavailable", s.name);
        manager_warn(m, err_msg(&e));
    }
}

/* Workers of a vGPU that we know nothing of hold memory that we would give out again. */
static void
end_stray_workers(const struct manager *m, const char *name, int fd)
{
    struct account_page *a;

    if (account_map(fd, &a) < 0)
        return;
    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++) {
        struct worker w;

        if (atomic_load(&a->slot[i].state) == SLOT_FREE)
            continue;
        if (worker_find(m, name, a, i, &w) == WORKER_FOUND)
            process_signal(w.pidfd, SIGKILL);
        cleanup_closep(&w.pidfd);
    }
    account_unmap(a);
}

static void
remove_stray(const struct manager *m, const char *name)
{
    _cleanup_free_ char *account = str_printf("%s/%s", m->folders.accounts, name);
    _cleanup_free_ char *folder = str_printf("%s/%s", m->folders.vgpus, name);
    _cleanup_free_ char *socket = str_printf("%s/%s/socket", m->folders.vgpus, name);
    _cleanup_close_ int fd = -1;

    if (!account || !folder || !socket)
        return;
    fd = open(account, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0)
        end_stray_workers(m, name, fd);
    unlink(account);
    unlink(socket);
    vgpu_container_remove(folder);
    rmdir(folder);
    log_warning("removed what was left of a vGPU '%s' that has no state", name);
}

static void
remove_strays_in(const struct manager *m, const char *folder)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, NULL, NULL);

    for (int i = 0; i < n; i++) {
        if (vgpu_name_valid(names[i]->d_name) && !vgpu_find(m, names[i]->d_name))
            remove_stray(m, names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

void
vgpu_restore_all(struct manager *m)
{
    struct dirent **names = NULL;
    int n = scandir(m->folders.state_vgpus, &names, is_state_file, alphasort);

    for (int i = 0; i < n; i++) {
        restore_file(m, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    remove_strays_in(m, m->folders.accounts);
    remove_strays_in(m, m->folders.vgpus);
}
