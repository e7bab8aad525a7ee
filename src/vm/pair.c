/* SPDX-License-Identifier: MIT */
#include "vm/pair.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "client/operation.h"
#include "vm/copies.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A QEMU that has ended is seen by the manager moments later. */
#define DELETE_TRIES 50
#define DELETE_WAIT_US 100000

/* The text that its memory belongs to, if it has any. */
static int
xml_of_memory(const struct host_domain *d, char **ret, struct err *e)
{
    if (!host_runs(d) && host_is_saved(d))
        return host_saved_xml(d, ret, e);
    return host_xml(d, host_runs(d), ret, e);
}

int
pair_open(struct vm *vm, const char *domain, int cancel_fd, struct pair *ret,
          struct err *e)
{
    _cleanup_free_ char *xml = NULL;
    int rc;

    *ret = (struct pair){.vm = vm, .cancel_fd = cancel_fd};
    rc = host_find(vm->h, domain, &ret->domain, e);
    if (rc == 0)
        rc = xml_of_memory(ret->domain, &xml, e);
    return rc == 0 ? domain_parts(xml, &ret->parts, e) : rc;
}

void
pair_fini(struct pair *p)
{
    domain_parts_fini(&p->parts);
    host_domain_free(p->domain);
    p->domain = NULL;
}

int
pair_is_suspended(struct client *c, const char *name, bool *ret, struct err *e)
{
    json_t *v = NULL;
    const char *state;
    int rc = client_vgpu_get(c, name, &v, e);

    if (rc < 0)
        return rc;
    state = json_string_value(json_object_get(v, "state"));
    *ret = state && strcmp(state, "suspended") == 0;
    json_decref(v);
    return 0;
}

/* ---- vGPUs ------------------------------------------------------------------------------- */

static int
operate(const struct pair *p, struct client_operation *o, int cancel_fd, struct err *e)
{
    o->cancel_fd = cancel_fd;
    return client_operate(p->vm->c, o, NULL, e);
}

static char *
snapshot_path(const struct pair *p, const char *name)
{
    return str_printf("%s/%s.tessera", p->folder, name);
}

/* What is in its place stays until the new one is whole. */
static int
suspend_to_file(const struct pair *p, struct client_operation *o, int cancel_fd,
                struct err *e)
{
    _cleanup_free_ char *path = snapshot_path(p, o->vgpu);
    _cleanup_free_ char *beside = str_printf("%s/.%s", p->folder, o->vgpu);
    _cleanup_close_ int fd = -1;
    int rc;

    if (!path || !beside)
        return err_set(e, -ENOMEM, "out of memory");
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(e, -errno, "cannot make %s: %s", path, strerror(errno));
    o->fd = fd;
    o->file = path;
    rc = operate(p, o, cancel_fd, e);
    if (rc < 0)
        unlink(beside);
    else if (rename(beside, path) < 0)
        rc = err_set(e, -errno, "cannot make %s: %s", path, strerror(errno));
    return rc;
}

static int
resume_from_file(const struct pair *p, struct client_operation *o, int cancel_fd,
                 struct err *e)
{
    _cleanup_free_ char *path = snapshot_path(p, o->vgpu);
    _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return err_set(e, -errno, "cannot read %s: %s", path ? path : "the snapshot",
                       strerror(errno));
    o->fd = fd;
    return operate(p, o, cancel_fd, e);
}

static int
suspend(const struct pair *p, const char *name, int cancel_fd, struct err *e)
{
    struct client_operation o = {.op = "suspend", .vgpu = name, .fd = -1};

    return p->folder ? suspend_to_file(p, &o, cancel_fd, e)
                     : operate(p, &o, cancel_fd, e);
}

static int
resume(const struct pair *p, const char *name, int cancel_fd, struct err *e)
{
    struct client_operation o = {.op = "resume", .vgpu = name, .fd = -1};

    return p->folder ? resume_from_file(p, &o, cancel_fd, e)
                     : operate(p, &o, cancel_fd, e);
}

int
pair_adopt(const struct pair *p, unsigned i, struct err *e)
{
    struct client_operation o = {
        .op = "resume", .vgpu = p->parts.vgpus[i], .fd = -1, .suspended = true};

    return resume_from_file(p, &o, p->cancel_fd, e);
}

void
pair_delete_vgpu(struct client *c, const char *name)
{
    for (int i = 0; i < DELETE_TRIES; i++) {
        if (client_vgpu_delete(c, name, NULL, NULL) != -EBUSY)
            return;
        usleep(DELETE_WAIT_US);
    }
}

typedef int operation(const struct pair *p, const char *name, int cancel_fd,
                      struct err *e);

/* As far as it goes; who undoes has an error to tell already. */
static void
undo(const struct pair *p, operation *op)
{
    for (unsigned i = 0; i < p->parts.nvgpus; i++) {
        if (p->done[i])
            op(p, p->parts.vgpus[i], -1, NULL);
    }
}

/* All of them, or as far as p->done says. */
static int
operate_all(struct pair *p, operation *op, bool wanted, struct err *e)
{
    int rc = 0;

    memset(p->done, 0, sizeof p->done);
    for (unsigned i = 0; i < p->parts.nvgpus && rc == 0; i++) {
        const char *name = p->parts.vgpus[i];
        bool is = false;

        rc = pair_is_suspended(p->vm->c, name, &is, e);
        if (rc == 0 && is != wanted) {
            rc = op(p, name, p->cancel_fd, e);
            p->done[i] = rc == 0;
        }
        if (rc < 0)
            err_wrap(e, "its vGPU '%s'", name);
    }
    return rc;
}

/* ---- the domain -------------------------------------------------------------------------- */

static int
save(const struct pair *p, struct err *e)
{
    _cleanup_free_ char *path = NULL;

    if (!p->folder)
        return host_save(p->domain, e);
    path = str_printf("%s/" PAIR_MEMORY, p->folder);
    return path ? host_save_to(p->domain, path, e) : err_set(e, -ENOMEM, "out of memory");
}

static int
check_put_away(const struct pair *p, struct err *e)
{
    if (!host_is_persistent(p->domain))
        return err_set(e, -EOPNOTSUPP,
                       "it is transient: libvirt forgets it when it is saved");
    if (p->parts.pci.n > 0)
        return err_set(e, -EOPNOTSUPP,
                       "it has a PCI device of the host, whose state nobody can save");
    return 0;
}

int
pair_put_away(struct pair *p, struct err *e)
{
    int rc = check_put_away(p, e);

    if (rc < 0)
        return rc;
    rc = operate_all(p, suspend, true, e);
    if (rc == 0)
        rc = save(p, e);
    if (rc < 0)
        undo(p, resume);
    return rc;
}

/* The memory may have been saved with another manager's vGPUs, whose files are elsewhere. */
static int
restore_led(const struct pair *p, int from, const struct save_image *i, const char *xml,
            struct err *e)
{
    _cleanup_free_ char *to = str_printf("%s/." PAIR_MEMORY "-XXXXXX", p->folder);
    const struct copy_watch w = {.cancel_fd = p->cancel_fd};
    int rc;

    if (!to)
        return err_set(e, -ENOMEM, "out of memory");
    rc = copies_image(from, i, xml, &w, to, e);
    if (rc < 0)
        return rc;
    rc = host_restore(p->vm->h, to, true, e);
    unlink(to);
    return rc;
}

/* What the domain's devices lead to at this manager; freed by the caller, also after an error. */
static int
give_all(const struct pair *p, struct vm_vgpu *vgpus, const char *xml, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < p->parts.nvgpus && rc == 0; i++) {
        const struct vm_gift g = {.name = p->parts.vgpus[i],
                                  .domain = host_name(p->domain),
                                  .label = p->parts.labels[i],
                                  .uid = host_uid(p->vm->h, xml)};

        rc = vm_vgpu_give(p->vm->c, &g, &vgpus[i], e);
    }
    return rc;
}

/* 1: *ret is another text. */
static int
lead(const struct pair *p, const char *xml, char **ret, struct err *e)
{
    const unsigned n = p->parts.nvgpus;
    struct vm_vgpu *vgpus = calloc(n + 1, sizeof *vgpus);
    int rc = vgpus ? give_all(p, vgpus, xml, e) : err_set(e, -ENOMEM, "out of memory");

    if (rc == 0)
        rc = domain_lead_to(xml, vgpus, n, ret, e);
    for (unsigned i = 0; i < n && vgpus; i++)
        vm_vgpu_fini(&vgpus[i]);
    free(vgpus);
    return rc;
}

int
pair_open_memory(const struct pair *p, char **ret_path, int *ret_fd,
                 struct save_image *ret, struct err *e)
{
    char *path = *ret_path = str_printf("%s/" PAIR_MEMORY, p->folder);

    *ret_fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (*ret_fd < 0)
        return err_set(e, -errno, "cannot read %s: %s", path ? path : PAIR_MEMORY,
                       strerror(errno));
    return save_image_read(*ret_fd, ret, e);
}

/* It is paused, so that what it was saved with stays true until its vGPUs are there. */
static int
restore(struct pair *p, struct err *e)
{
    _cleanup_save_image_ struct save_image i = {.xml = NULL};
    _cleanup_free_ char *path = NULL, *xml = NULL;
    _cleanup_close_ int fd = -1;
    int rc = pair_open_memory(p, &path, &fd, &i, e);

    if (rc == 0)
        rc = lead(p, i.xml, &xml, e);
    if (rc < 0)
        return rc;
    p->stays_paused = !i.runs;
    return rc > 0 ? restore_led(p, fd, &i, xml, e)
                  : host_restore(p->vm->h, path, true, e);
}

static int
start(struct pair *p, struct err *e)
{
    int rc = job_prepare(p->vm, p->domain, e);

    if (rc < 0)
        return rc;
    return p->folder ? restore(p, e) : host_start(p->domain, e);
}

/* As it was: of a folder nothing was used up, and the domain has done nothing since. */
static void
stop(const struct pair *p, struct err *e)
{
    int rc = p->folder ? host_power_off(p->domain, NULL) : host_save(p->domain, NULL);

    if (rc < 0)
        err_wrap(e, "the domain runs, and its programs wait");
}

int
pair_bring_back(struct pair *p, struct err *e)
{
    const bool ran = host_runs(p->domain);
    int rc = ran ? 0 : start(p, e);

    if (rc < 0)
        return rc;
    rc = operate_all(p, resume, false, e);
    if (rc == 0 && p->folder && !ran && !p->stays_paused)
        rc = host_go_on(p->domain, e);
    if (rc < 0) {
        undo(p, suspend);
        if (!ran)
            stop(p, e);
    }
    return rc;
}
