/* SPDX-License-Identifier: MIT */
#include "manager/vgpu.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/sock.h"
#include "manager/frozen.h"
#include "manager/gpu_time.h"
#include "manager/guests.h"
#include "manager/jail.h"
#include "manager/operation.h"
#include "manager/session.h"
#include "manager/session_program.h"
#include "manager/trash.h"
#include "manager/vgpu_internal.h"
#include "manager/vgpu_json.h"
#include "manager/vgpu_suspend.h"
#include "manager/vm.h"
#include "manager/words.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define KILL_GRACE_MS 2000 /* from SIGTERM to SIGKILL: enough to finish short kernels */
/* So many ended sessions per span are told one by one, the rest as a number. */
#define NOTED_MAX 20
#define NOTED_SPAN_NS UINT64_C(1000000000)
#define REFUSAL_LOG_NS UINT64_C(1000000000)

struct vgpu *
vgpu_find(const struct manager *m, const char *name)
{
    for (struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        struct vgpu *v = container_of(l, struct vgpu, link);

        if (strcmp(v->s.name, name) == 0)
            return v;
    }
    return NULL;
}

bool
vgpu_slot_file_is_used(const struct manager *m, const char *entry)
{
    const char *dot = strchr(entry, '.');
    _cleanup_free_ char *name = dot ? strndup(entry, (size_t)(dot - entry)) : NULL;
    const struct vgpu *v = name ? vgpu_find(m, name) : NULL;
    const unsigned long slot = dot ? strtoul(dot + 1, NULL, 10) : ACCOUNT_SLOTS;

    return v && v->account && slot < ACCOUNT_SLOTS &&
           atomic_load(&v->account->slot[slot].state) != SLOT_FREE;
}

struct vgpu *
vgpu_new(struct manager *m, const struct vgpu_state *s)
{
    struct vgpu *v = calloc(1, sizeof *v);

    if (!v)
        return NULL;
    *v = (struct vgpu){.m = m, .s = *s, .account_fd = -1};
    list_init(&v->link);
    list_init(&v->sessions);
    list_init(&v->waiters);
    list_init(&v->parked);
    v->gpu = inventory_find(&m->inventory, s->gpu);
    v->folder = str_printf("%s/%s", m->folders.vgpus, s->name);
    if (!v->folder) {
        free(v);
        return NULL;
    }
    return v;
}

void
vgpu_insert(struct vgpu *v)
{
    struct list *l = v->m->vgpus.next;

    while (l != &v->m->vgpus &&
           strcmp(container_of(l, struct vgpu, link)->s.name, v->s.name) < 0)
        l = l->next;
    list_add_tail(l, &v->link);
}

void
vgpu_forget(struct vgpu *v)
{
    struct list *l, *tmp;

    if (!v)
        return;
    list_for_each_safe(l, tmp, &v->sessions)
        session_forget(container_of(l, struct session, link));
    guests_forget(v);
    vgpu_ungovern(v);
    list_del(&v->link);
    vm_forget(v);
    watch_free(v->listener);
    watch_free(v->programs);
    watch_free(v->lookers);
    watch_free(v->container);
    watch_free(v->container_programs);
    watch_free(v->container_lookers);
    watch_free(v->owner);
    alarm_free(v->grace);
    alarm_free(v->patience);
    account_unmap(v->account);
    cleanup_closep(&v->account_fd);
    free(v->folder);
    free(v->container_folder);
    free(v->unavailable);
    free(v);
}

char *
vgpu_account_path(const struct vgpu *v)
{
    return str_printf("%s/%s", v->m->folders.accounts, v->s.name);
}

void
vgpu_remove_files(const struct vgpu *v)
{
    _cleanup_free_ char *socket = str_printf("%s/socket", v->folder);
    _cleanup_free_ char *account = vgpu_account_path(v);

    vm_remove_files(v);
    if (socket)
        unlink(socket);
    session_program_remove(v);
    if (account)
        unlink(account);
    if (v->s.suspended.own)
        trash_file(v->m, vgpu_snapshot_path(v->m, v->s.name));
    vgpu_container_remove(v->folder);
    rmdir(v->folder);
    jail_vgpu_over(v);
    vgpu_state_remove(v->m->folders.state_vgpus, v->s.name);
}

int
vgpu_make_account(struct vgpu *v, struct err *e)
{
    _cleanup_free_ char *path = vgpu_account_path(v);
    int rc;

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    rc = account_create(path, v->s.framebuffer_bytes, &v->account, &v->account_fd);
    if (rc < 0)
        return err_set(e, rc, "cannot make %s: %s", path, strerror(-rc));
    return 0;
}

int
vgpu_listen(struct vgpu *v, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/socket", v->folder);
    int fd, rc;

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    /*
     * The folder keeps others out. The socket in it is open to all who get that far, so that who
     * may not use it hears why.
     */
    rc = mkdir_parents(v->folder, 0700);
    /* A container engine that was to mount a folder of that name may have made it, open to all. */
    if (rc == 0 && chmod(v->folder, 0700) < 0)
        rc = -errno;
    if (rc == 0 && v->s.owner_uid != geteuid() &&
        chown(v->folder, (uid_t)v->s.owner_uid, (gid_t)-1) < 0)
        rc = -errno;
    if (rc < 0)
        return err_set(e, rc, "cannot make %s: %s", v->folder, strerror(-rc));
    fd = sock_listen(path, 0666, VGPU_BACKLOG);
    if (fd < 0)
        return err_set(e, fd, "cannot listen at %s: %s", path, strerror(-fd));
    rc = watch_new(&v->m->loop, fd, session_accept, v, &v->listener);
    if (rc < 0)
        return err_set(e, rc, "cannot watch %s: %s", path, strerror(-rc));
    rc = vgpu_container_listen(v, e);
    return rc < 0 ? rc : session_program_listen(v, e);
}

void
vgpu_owner_gone(void *arg)
{
    struct vgpu *v = arg;

    log_info("vGPU '%s': process %llu, which it lived with, is gone", v->s.name,
             (unsigned long long)v->s.owner.pid);
    vgpu_delete(v, NULL);
}

int
vgpu_watch_owner(struct vgpu *v, struct err *e)
{
    int fd = process_open((pid_t)v->s.owner.pid, v->s.owner.start_ticks), rc;

    if (fd < 0)
        return err_set(e, fd, "the process that asked for it is gone");
    rc = watch_new(&v->m->loop, fd, vgpu_owner_gone, v, &v->owner);
    return rc < 0 ? err_set(e, rc, "cannot watch its process: %s", strerror(-rc)) : 0;
}

void
vgpu_totals_add(struct vgpu_totals *t, const struct gate_page *g)
{
    t->commands += atomic_load(&g->commands);
    t->copied_bytes += atomic_load(&g->copied_bytes);
    t->kicks += atomic_load(&g->kicks);
    t->busy_ns += atomic_load(&g->busy_ns);
    t->kernels += atomic_load(&g->kernels);
    t->compile_ns += atomic_load(&g->compile_ns);
    t->waited_ns += atomic_load(&g->waited_ns);
    t->turns += atomic_load(&g->turns);
    t->used_ns += atomic_load(&g->used_ns);
    t->debt_ns += atomic_load(&g->debt_ns);
    t->overruns += atomic_load(&g->overruns);
    t->overrun_ns += atomic_load(&g->overrun_ns);
    for (unsigned i = 0; i < LENGTHS_BUCKETS; i++)
        t->lengths[i] += atomic_load(&g->lengths[i]);
}

static void
vgpu_gone(struct vgpu *v)
{
    json_t *last = vgpu_json(v);
    struct list *l, *tmp;

    log_info("vGPU '%s': deleted", v->s.name);
    if (v->s.suspended.own)
        frozen_end(v);
    vgpu_remove_files(v);
    vgpu_ungovern(v);
    if (v->gpu)
        v->gpu->used.gone_ns += v->past.used_ns;
    list_del(&v->link); /* its place is free before anybody hears of it */
    if (v->gpu)
        gpu_time_changed(v->m, v->gpu);
    list_for_each_safe(l, tmp, &v->waiters)
    {
        struct vgpu_waiter *w = container_of(l, struct vgpu_waiter, link);

        list_del(&w->link);
        w->gone(w, last);
    }
    json_decref(last);
    vgpu_forget(v);
}

static void
end_sessions(struct vgpu *v, int signal)
{
    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next)
        session_end(container_of(l, struct session, link), signal);
}

static void
grace_over(void *arg)
{
    end_sessions(arg, SIGKILL);
}

void
vgpu_delete(struct vgpu *v, struct vgpu_waiter *w)
{
    if (w)
        list_add_tail(&v->waiters, &w->link);
    if (v->deleting)
        return;
    v->deleting = true;
    watch_free(take_ptr(v->listener));
    watch_free(take_ptr(v->programs));
    watch_free(take_ptr(v->lookers));
    watch_free(take_ptr(v->container));
    watch_free(take_ptr(v->container_programs));
    watch_free(take_ptr(v->container_lookers));
    watch_free(take_ptr(v->owner));
    guests_forget(v);
    if (v->operation) {
        operation_cancel(v->operation, -EBUSY, "the vGPU is being deleted");
    } else if (v->nsessions + v->clearing == 0) {
        vgpu_gone(v);
        return;
    }
    end_sessions(v, SIGTERM);
    if (alarm_new(&v->m->loop, grace_over, v, &v->grace) == 0)
        alarm_set(v->grace, KILL_GRACE_MS);
    else
        end_sessions(v, SIGKILL);
}

void
vgpu_session_gone(struct vgpu *v)
{
    if (v->nsessions + v->clearing > 0)
        return;
    if (v->leaving)
        vgpu_put_away(v);
    if (v->operation)
        operation_vgpu_empty(v->operation);
    else if (v->deleting)
        vgpu_gone(v);
}

/* A guest that ends session after session must not fill the log. */
static bool
error_may_be_logged(struct vgpu *v)
{
    const uint64_t now = now_ns();

    if (now - v->noted_ns >= NOTED_SPAN_NS) {
        if (v->noted > NOTED_MAX)
            log_warning("vGPU '%s': %u more sessions were ended", v->s.name,
                        v->noted - NOTED_MAX);
        v->noted_ns = now;
        v->noted = 0;
    }
    return ++v->noted <= NOTED_MAX;
}

void
vgpu_remember_error(struct vgpu *v, pid_t pid, const char *program, const char *words)
{
    struct vgpu_error *last = &v->last_error;

    last->number++;
    last->unix_s = time(NULL);
    last->pid = pid;
    printable_copy(last->program, program, sizeof last->program);
    printable_copy(last->words, words, sizeof last->words);
}

void
vgpu_note_error(struct vgpu *v, pid_t pid, const char *program, const char *words)
{
    const struct vgpu_error *last = &v->last_error;

    vgpu_remember_error(v, pid, program, words);
    if (error_may_be_logged(v))
        log_warning("vGPU '%s': a session of '%s' (worker %d) was ended: %s", v->s.name,
                    last->program, (int)pid, last->words);
}

bool
vgpu_refusal_is_news(struct vgpu *v)
{
    const uint64_t now = now_ns();

    if (v->refused_ns && now - v->refused_ns < REFUSAL_LOG_NS)
        return false;
    v->refused_ns = now;
    return true;
}

const char *
vgpu_state_word(const struct vgpu *v)
{
    if (v->deleting)
        return "deleting";
    if (v->unavailable)
        return "unavailable";
    if (v->operation && operation_state_word(v->operation, v))
        return operation_state_word(v->operation, v);
    if (v->s.suspended.number)
        return "suspended";
    if (v->s.passthrough)
        return "passthrough";
    return v->nsessions > 0 ? "running" : "idle";
}
