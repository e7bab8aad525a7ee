/* SPDX-License-Identifier: MIT */
/*
 * Putting a domain away with its vGPUs. These first: what programs have on them is then at rest,
 * and what they share with the domain goes into its file with the rest of its memory. On the way
 * back the domain comes first, since it brings that memory; its programs wait until the vGPUs are
 * there.
 */
#include "vm/vm.h"

#include "base/cleanup.h"
#include "client/operation.h"
#include "vm/job.h"

#include <errno.h>
#include <string.h>

struct set {
    struct vm *vm;
    struct domain_parts parts;
    bool done[DOMAIN_MOST_VGPUS]; /* by us */
    int cancel_fd;
};

static int
is_suspended(struct client *c, const char *name, bool *ret, struct err *e)
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

static int
operate(const struct set *s, const char *op, const char *name, int cancel_fd,
        struct err *e)
{
    const struct client_operation o = {
        .op = op, .vgpu = name, .fd = -1, .cancel_fd = cancel_fd};

    return client_operate(s->vm->c, &o, NULL, e);
}

/* As far as it goes; who undoes has an error to tell already. */
static void
undo(struct set *s, const char *op)
{
    for (unsigned i = 0; i < s->parts.nvgpus; i++) {
        if (s->done[i])
            operate(s, op, s->parts.vgpus[i], -1, NULL);
    }
}

/* All of them, or none. */
static int
operate_all(struct set *s, const char *op, bool wanted, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < s->parts.nvgpus && rc == 0; i++) {
        const char *name = s->parts.vgpus[i];
        bool is = false;

        rc = is_suspended(s->vm->c, name, &is, e);
        if (rc == 0 && is != wanted) {
            rc = operate(s, op, name, s->cancel_fd, e);
            s->done[i] = rc == 0;
        }
        if (rc < 0)
            err_wrap(e, "its vGPU '%s'", name);
    }
    return rc;
}

static int
set_init(struct set *s, struct vm *vm, const struct host_domain *d, int cancel_fd,
         struct err *e)
{
    _cleanup_free_ char *xml = NULL;
    int rc = host_xml(d, host_runs(d), &xml, e);

    *s = (struct set){.vm = vm, .cancel_fd = cancel_fd};
    return rc == 0 ? domain_parts(xml, &s->parts, e) : rc;
}

static int
put_away(struct set *s, struct host_domain *d, struct err *e)
{
    int rc;

    if (s->parts.pci.n > 0)
        return err_set(e, -EOPNOTSUPP,
                       "it has a PCI device of the host, whose state nobody can save");
    rc = operate_all(s, "suspend", true, e);
    if (rc == 0)
        rc = host_save(d, e);
    if (rc < 0)
        undo(s, "resume");
    return rc;
}

int
vm_suspend(struct vm *vm, const char *domain, int cancel_fd, struct vm_result *ret,
           struct err *e)
{
    _cleanup_host_domain_ struct host_domain *d = NULL;
    struct set s;
    int rc = host_find(vm->h, domain, &d, e);

    if (rc < 0)
        return rc;
    *ret = (struct vm_result){.changed = host_runs(d)};
    if (!ret->changed)
        return host_is_saved(d) ? 0 : err_set(e, -EINVAL, "it does not run");
    if (!host_is_persistent(d))
        return err_set(e, -EOPNOTSUPP,
                       "it is transient: libvirt forgets it when it is saved");
    rc = set_init(&s, vm, d, cancel_fd, e);
    if (rc == 0)
        rc = put_away(&s, d, e);
    domain_parts_fini(&s.parts);
    return rc;
}

static int
bring_back(struct set *s, struct host_domain *d, struct err *e)
{
    const bool ran = host_runs(d);
    int rc = 0;

    if (!ran) {
        rc = job_prepare(s->vm, d, e);
        if (rc == 0)
            rc = host_start(d, e);
        if (rc < 0)
            return rc;
    }
    rc = operate_all(s, "resume", false, e);
    if (rc < 0) {
        undo(s, "suspend");
        if (!ran && host_save(d, NULL) < 0)
            err_wrap(e, "the domain runs, and its programs wait");
    }
    return rc;
}

int
vm_resume(struct vm *vm, const char *domain, int cancel_fd, struct vm_result *ret,
          struct err *e)
{
    _cleanup_host_domain_ struct host_domain *d = NULL;
    struct set s;
    int rc = host_find(vm->h, domain, &d, e);

    if (rc < 0)
        return rc;
    *ret = (struct vm_result){.runs = true, .changed = !host_runs(d)};
    if (ret->changed && !host_is_saved(d))
        return err_set(e, -EINVAL,
                       "it was not suspended: 'tessera vm start %s' starts it", domain);
    rc = set_init(&s, vm, d, cancel_fd, e);
    if (rc == 0)
        rc = bring_back(&s, d, e);
    for (unsigned i = 0; i < s.parts.nvgpus; i++)
        ret->changed = ret->changed || s.done[i];
    domain_parts_fini(&s.parts);
    return rc;
}
