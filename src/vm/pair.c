/* SPDX-License-Identifier: MIT */
#include "vm/pair.h"

#include "base/cleanup.h"
#include "client/operation.h"

#include <errno.h>
#include <string.h>

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

static int
operate(const struct pair *p, const char *op, const char *name, int cancel_fd,
        struct err *e)
{
    const struct client_operation o = {
        .op = op, .vgpu = name, .fd = -1, .cancel_fd = cancel_fd};

    return client_operate(p->vm->c, &o, NULL, e);
}

/* As far as it goes; who undoes has an error to tell already. */
static void
undo(const struct pair *p, const char *op)
{
    for (unsigned i = 0; i < p->parts.nvgpus; i++) {
        if (p->done[i])
            operate(p, op, p->parts.vgpus[i], -1, NULL);
    }
}

/* All of them, or as far as p->done says. */
static int
operate_all(struct pair *p, const char *op, bool wanted, struct err *e)
{
    int rc = 0;

    memset(p->done, 0, sizeof p->done);
    for (unsigned i = 0; i < p->parts.nvgpus && rc == 0; i++) {
        const char *name = p->parts.vgpus[i];
        bool is = false;

        rc = pair_is_suspended(p->vm->c, name, &is, e);
        if (rc == 0 && is != wanted) {
            rc = operate(p, op, name, p->cancel_fd, e);
            p->done[i] = rc == 0;
        }
        if (rc < 0)
            err_wrap(e, "its vGPU '%s'", name);
    }
    return rc;
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
    rc = operate_all(p, "suspend", true, e);
    if (rc == 0)
        rc = host_save(p->domain, e);
    if (rc < 0)
        undo(p, "resume");
    return rc;
}

static int
start(struct pair *p, struct err *e)
{
    int rc = job_prepare(p->vm, p->domain, e);

    return rc == 0 ? host_start(p->domain, e) : rc;
}

int
pair_bring_back(struct pair *p, struct err *e)
{
    const bool ran = host_runs(p->domain);
    int rc = ran ? 0 : start(p, e);

    if (rc < 0)
        return rc;
    rc = operate_all(p, "resume", false, e);
    if (rc < 0) {
        undo(p, "suspend");
        if (!ran && host_save(p->domain, NULL) < 0)
            err_wrap(e, "the domain runs, and its programs wait");
    }
    return rc;
}
