/* SPDX-License-Identifier: MIT */
#include "vm/job.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <string.h>

/* How long a guest may take to let go of a device that is unplugged. */
#define UNPLUG_LIMIT_NS UINT64_C(10000000000)
#define UNDO_LIMIT_NS UINT64_C(2000000000)
#define UNPLUG_LOOK_US 100000

int
vm_open(struct client *c, const struct vm_options *o, struct vm **ret, struct err *e)
{
    struct vm *vm = calloc(1, sizeof *vm);
    int rc;

    if (!vm || !(vm->sysfs = strdup(o->sysfs ? o->sysfs : "/sys"))) {
        free(vm);
        return err_set(e, -ENOMEM, "out of memory");
    }
    vm->c = c;
    rc = host_open(o->uri, &vm->h, e);
    if (rc < 0)
        vm_close(vm);
    else
        *ret = vm;
    return rc;
}

void
vm_close(struct vm *vm)
{
    if (!vm)
        return;
    host_close(vm->h);
    free(vm->sysfs);
    free(vm);
}

void
vm_result_fini(struct vm_result *r)
{
    free(r->xml);
    r->xml = NULL;
}

/* ---- the domain ---------------------------------------------------------------------------- */

static int
check_how(const struct job *j, struct err *e)
{
    if (j->how == VM_LIVE && !j->runs)
        return err_set(
            e, -EINVAL,
            "it does not run: without --live it is changed from its next start "
            "on");
    if (j->how != VM_LIVE && !j->persistent)
        return err_set(
            e, -EINVAL,
            "it is transient, there is no next start: only --live can change it");
    return 0;
}

int
job_begin(struct vm *vm, const char *domain, enum vm_how how, struct job *ret,
          struct err *e)
{
    struct job *j = ret;
    int rc;

    *j = (struct job){.vm = vm, .how = how};
    rc = host_find(vm->h, domain, &j->domain, e);
    if (rc < 0)
        return rc;
    j->runs = host_runs(j->domain);
    j->persistent = host_is_persistent(j->domain);
    rc = check_how(j, e);
    if (rc == 0)
        rc = host_xml(j->domain, false, &j->config, e);
    if (rc == 0 && j->runs)
        rc = host_xml(j->domain, true, &j->running, e);
    return rc;
}

void
job_end(struct job *j)
{
    host_domain_free(j->domain);
    free(j->config);
    free(j->running);
    *j = (struct job){0};
}

bool
job_runs_vgpu(const struct job *j, const char *name)
{
    struct domain_parts p = {0};
    bool has = false;

    if (j->running && domain_parts(j->running, &p, NULL) == 0)
        has = domain_has_vgpu(&p, name);
    domain_parts_fini(&p);
    return has;
}

bool
job_runs_pci(const struct job *j, const struct pci_address *a)
{
    struct domain_parts p = {0};
    bool has = false;

    if (j->running && domain_parts(j->running, &p, NULL) == 0)
        has = pci_listed(&p.pci, a);
    domain_parts_fini(&p);
    return has;
}

/* ---- changes ------------------------------------------------------------------------------- */

void
change_fini(struct change *c)
{
    free(c->config);
    c->config = NULL;
    live_plan_fini(&c->plan);
}

static int
define(const struct job *j, const struct change *c, struct err *e)
{
    return c->differs && j->persistent ? host_define(j->vm->h, c->config, e) : 0;
}

static void
fill_result(const struct job *j, const struct change *c, struct vm_result *ret)
{
    *ret = (struct vm_result){.changed = c->differs || c->plan.n > 0, .runs = j->runs};
}

/* Is one of these still in the running domain? */
static bool
any_left(const struct job *j, const struct live_plan *p)
{
    _cleanup_free_ char *xml = NULL;

    if (host_xml(j->domain, true, &xml, NULL) < 0)
        return false;
    for (unsigned i = 0; i < p->n; i++) {
        if (live_plan_left(xml, &p->items[i]))
            return true;
    }
    return false;
}

static int
wait_unplugged(const struct job *j, const struct live_plan *p, uint64_t limit_ns)
{
    const uint64_t end = now_ns() + limit_ns;

    while (p->n > 0 && any_left(j, p)) {
        if (now_ns() > end)
            return -ETIMEDOUT;
        usleep(UNPLUG_LOOK_US);
    }
    return 0;
}

/*
 * What was plugged in was taken out again, but a guest lets go of a PCI device in its own
 * time; until then the domain has it.
 */
static void
look_at_rest(const struct job *j, const struct live_plan *p, struct vm_result *ret,
             struct err *e)
{
    ret->in_use = p->n > 0 && wait_unplugged(j, p, UNDO_LIMIT_NS) < 0;
    if (ret->in_use)
        err_wrap(e,
                 "the running domain keeps a part of it until the guest lets go of it or "
                 "stops");
}

/* Tells what will change. false: it was only to be printed. */
static bool
begin(const struct job *j, struct change *c, struct vm_result *ret)
{
    fill_result(j, c, ret);
    if (j->how != VM_PRINT)
        return true;
    ret->xml = take_ptr(c->config);
    return false;
}

/*
 * What the domain is started with comes first, since that can be put back as it was whatever the
 * guest does.
 */
int
job_add(struct job *j, struct change *c, struct vm_result *ret, struct err *e)
{
    int rc;

    if (!begin(j, c, ret))
        return 0;
    rc = define(j, c, e);
    if (rc < 0)
        return rc;
    rc = live_attach(&host_live, j->domain, &c->plan, e);
    if (rc < 0) {
        if (c->differs && j->persistent)
            host_define(j->vm->h, j->config, NULL);
        look_at_rest(j, &c->plan, ret, e);
    }
    return rc;
}

/* What the domain is started with is changed first: that cannot be half done. */
int
job_remove(struct job *j, struct change *c, struct vm_result *ret, struct err *e)
{
    int rc;

    if (!begin(j, c, ret))
        return 0;
    rc = define(j, c, e);
    if (rc == 0)
        rc = live_detach(&host_live, j->domain, &c->plan, e);
    if (rc == 0 && wait_unplugged(j, &c->plan, UNPLUG_LIMIT_NS) < 0)
        rc = err_set(
            e, -ETIMEDOUT,
            "the guest has not let go of it within 10 s: it goes when the guest does, "
            "or stops; then detach again");
    return rc;
}

/* ---- the manager's side ---------------------------------------------------------------------- */

int
given_look(struct client *c, const char *name, struct given *ret, struct err *e)
{
    const json_t *vm;
    json_t *v = NULL;
    int rc = client_vgpu_get(c, name, &v, e);

    *ret = (struct given){0};
    if (rc < 0)
        return rc;
    vm = json_object_get(v, "vm");
    ret->exists = true;
    ret->given = json_is_object(vm);
    ret->connected = (unsigned)json_integer_value(json_object_get(vm, "connected"));
    if (json_is_string(json_object_get(vm, "domain")))
        ret->domain = strdup(json_string_value(json_object_get(vm, "domain")));
    json_decref(v);
    return 0;
}

void
given_fini(struct given *g)
{
    free(g->domain);
    g->domain = NULL;
}

void
pci_vgpu_name(const struct pci_address *a, char buf[PCI_VGPU_BYTES])
{
    snprintf(buf, PCI_VGPU_BYTES, "pci-%04x-%02x-%02x-%x", a->domain & 0xffff,
             a->bus & 0xff, a->slot & 0x1f, a->function & 7);
}
