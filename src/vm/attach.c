/* SPDX-License-Identifier: MIT */
/* Giving a domain a vGPU or a PCI device: every check first, then all of it or nothing. */
#include "vm/vm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "vm/job.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* ---- who else has it ------------------------------------------------------------------------- */

struct wanted {
    const char *vgpu;           /* NULL: none */
    const struct pci_list *pci; /* NULL: none */
};

static int
check_parts(const char *xml, const struct wanted *w, const char *domain, struct err *e)
{
    struct domain_parts p = {0};
    char name[PCI_TEXT_BYTES];
    int rc = 0;

    if (domain_parts(xml, &p, NULL) < 0)
        return 0;
    if (w->vgpu && domain_has_vgpu(&p, w->vgpu))
        rc = err_set(e, -EBUSY,
                     "the vGPU is in the domain '%s': 'tessera vm detach %s %s' frees it",
                     domain, domain, w->vgpu);
    for (unsigned i = 0; w->pci && i < w->pci->n && rc == 0; i++) {
        if (!pci_listed(&p.pci, &w->pci->items[i]))
            continue;
        pci_format(&w->pci->items[i], name);
        rc =
            err_set(e, -EBUSY, "%s is passed through to the domain '%s': detach it there",
                    name, domain);
    }
    domain_parts_fini(&p);
    return rc;
}

/* A domain that is gone meanwhile has nothing. */
static int
check_domain(const struct host_domain *d, const struct wanted *w, struct err *e)
{
    _cleanup_free_ char *config = NULL, *running = NULL;
    int rc = 0;

    if (host_xml(d, false, &config, NULL) == 0)
        rc = check_parts(config, w, host_name(d), e);
    if (rc == 0 && host_runs(d) && host_xml(d, true, &running, NULL) == 0)
        rc = check_parts(running, w, host_name(d), e);
    return rc;
}

static int
check_others(const struct job *j, const struct wanted *w, struct err *e)
{
    struct host_domain **all;
    unsigned n;
    int rc = host_all(j->vm->h, &all, &n, e);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < n && rc == 0; i++) {
        if (strcmp(host_name(all[i]), host_name(j->domain)) != 0)
            rc = check_domain(all[i], w, e);
    }
    host_all_free(all, n);
    return rc;
}

/* ---- a vGPU ---------------------------------------------------------------------------------- */

static bool
is_passthrough(const json_t *vgpu)
{
    return json_is_object(json_object_get(vgpu, "passthrough"));
}

/* A card that is passed through is a PCI device: there is nothing for shared memory to do. */
static int
check_card(struct client *c, const json_t *vgpu, struct err *e)
{
    const char *gpu = json_string_value(json_object_get(vgpu, "gpu"));
    _cleanup_free_ char *path = client_path("/v1/gpus/", gpu ? gpu : "", "");
    const char *kind, *pci;
    json_t *answer = NULL;
    int rc = path ? client_call(c, "GET", path, NULL, &answer, e)
                  : err_set(e, -ENOMEM, "out of memory");

    if (rc < 0)
        return rc;
    kind = json_string_value(json_object_get(answer, "kind"));
    pci = json_string_value(json_object_get(answer, "pci"));
    if (kind && strcmp(kind, "hardware") == 0)
        rc = err_set(
            e, -EINVAL,
            "it is a whole card: delete the vGPU and pass the card itself to the VM "
            "by --pci %s",
            pci ? pci : "ADDRESS");
    json_decref(answer);
    return rc;
}

static int
check_vgpu(struct client *c, const char *name, struct err *e)
{
    json_t *v = NULL;
    int rc = client_vgpu_get(c, name, &v, e);

    if (rc < 0)
        return rc;
    if (json_is_string(json_object_get(v, "unavailable")))
        rc = err_set(e, -ENODEV, "it is unavailable: %s",
                     json_string_value(json_object_get(v, "unavailable")));
    else if (is_passthrough(v))
        rc = check_card(c, v, e);
    json_decref(v);
    return rc;
}

/*
 * What the manager remembers of an earlier VM: one whose QEMU is connected has it; one that libvirt
 * knows has lost it (we looked), one that it does not know may be elsewhere.
 */
static int
check_given(const struct job *j, const char *name, const struct given *g, struct err *e)
{
    struct host_domain *other = NULL;
    const char *domain = host_name(j->domain);

    if (!g->given || (g->domain && strcmp(g->domain, domain) == 0))
        return 0;
    if (g->connected > 0)
        return err_set(e, -EBUSY, "QEMU of %s%s is connected to the vGPU: stop it first",
                       g->domain ? "the VM " : "a VM without libvirt",
                       g->domain ? g->domain : "");
    if (g->domain && host_find(j->vm->h, g->domain, &other, NULL) < 0)
        return err_set(
            e, -EBUSY,
            "the vGPU was given to a domain '%s' that is not at %s: 'tessera vm "
            "release %s' takes it back",
            g->domain, host_uri(j->vm->h), name);
    host_domain_free(other);
    return vm_vgpu_take(j->vm->c, name, e);
}

static int
check_all(const struct job *j, const char *name, struct given *g, struct err *e)
{
    const struct wanted w = {.vgpu = name};
    int rc = check_vgpu(j->vm->c, name, e);

    if (rc == 0)
        rc = given_look(j->vm->c, name, g, e);
    if (rc == 0)
        rc = check_others(j, &w, e);
    return rc < 0 ? rc : check_given(j, name, g, e);
}

static int
add_vgpu(struct job *j, const struct vm_vgpu *v, struct vm_result *ret, struct err *e)
{
    _cleanup_change_ struct change c = {0};
    int rc = domain_attach_vgpu(j->config, v, &c.config, e);

    c.differs = rc > 0;
    if (rc >= 0 && j->how == VM_LIVE)
        rc = live_plan_vgpu(j->running, v, &c.plan, e);
    if (rc >= 0)
        rc = job_add(j, &c, ret, e);
    if (rc == 0) {
        ret->in_use = j->how == VM_LIVE || job_runs_vgpu(j, v->name);
        ret->ports = c.plan.ports;
    }
    return rc;
}

/* A domain that is a copy goes on calling it as before, whatever became of the vGPU meanwhile. */
static int
give(const struct job *j, const char *name, struct vm_vgpu *ret, struct err *e)
{
    struct vm_gift g = {.name = name, .domain = host_name(j->domain)};
    struct domain_parts p = {0};
    int rc = domain_parts(j->config, &p, e);

    if (rc < 0)
        return rc;
    g.label = domain_label(&p, name);
    g.uid = host_uid(j->vm->h, j->config);
    rc = vm_vgpu_give(j->vm->c, &g, ret, e);
    domain_parts_fini(&p);
    return rc;
}

int
vm_attach(struct vm *vm, const char *domain, const char *name, enum vm_how how,
          struct vm_result *ret, struct err *e)
{
    _cleanup_job_ struct job j = {0};
    _cleanup_given_ struct given before = {0};
    _cleanup_vm_vgpu_ struct vm_vgpu v = {0};
    int rc;

    *ret = (struct vm_result){0};
    rc = job_begin(vm, domain, how, &j, e);

    if (rc == 0)
        rc = check_all(&j, name, &before, e);
    if (rc == 0)
        rc = give(&j, name, &v, e);
    if (rc < 0)
        return rc;
    rc = add_vgpu(&j, &v, ret, e);
    if (!before.given && ((rc < 0 && !ret->in_use) || how == VM_PRINT))
        vm_vgpu_take(vm->c, name, NULL);
    return rc;
}

int
vm_prepare(struct client *c, const char *name, long uid, struct vm_vgpu *ret,
           struct err *e)
{
    json_t *v = NULL;
    int rc = client_vgpu_get(c, name, &v, e);

    if (rc < 0)
        return rc;
    if (json_is_object(json_object_get(v, "vm"))) {
        rc = vm_vgpu_parse(v, ret, e);
    } else {
        rc = is_passthrough(v) ? check_card(c, v, e) : 0;
        if (rc == 0)
            rc = vm_vgpu_give(c, &(struct vm_gift){.name = name, .uid = uid}, ret, e);
    }
    json_decref(v);
    return rc;
}

int
vm_fragment(const struct vm_vgpu *v, unsigned index, char **ret, struct err *e)
{
    *ret = domain_fragment(v, index);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* ---- PCI devices ----------------------------------------------------------------------------- */

/* The GPU that the manager knows at that address, inside its answer; or NULL. */
static const json_t *
gpu_at(const json_t *gpus, const struct pci_address *a)
{
    for (size_t i = 0; i < json_array_size(gpus); i++) {
        const json_t *gpu = json_array_get(gpus, i);
        const char *pci = json_string_value(json_object_get(gpu, "pci"));
        struct pci_address has;

        if (pci && pci_parse(pci, &has) && pci_same(&has, a))
            return gpu;
    }
    return NULL;
}

/* 1: newly reserved, 0: it was, or Tessera does not know the device. */
static int
reserve_gpu(struct client *c, const json_t *gpu, const char *name, struct err *e)
{
    const json_t *vgpus = json_object_get(gpu, "vgpus");
    const char *gpu_name = json_string_value(json_object_get(gpu, "name"));
    const struct client_vgpu spec = {.name = name, .gpu = gpu_name};
    const char *first = json_string_value(json_array_get(vgpus, 0));
    int rc;

    if (first && strcmp(first, name) == 0)
        return 0;
    if (first)
        return err_set(
            e, -EBUSY,
            "it is %s, which has vGPUs ('%s'): a GPU that is passed through must "
            "be idle, so delete them first",
            gpu_name ? gpu_name : "a GPU", first);
    rc = client_vgpu_create(c, &spec, NULL, e);
    return rc < 0 ? rc : 1;
}

static void
release_all(struct client *c, const struct pci_list *made)
{
    char name[PCI_VGPU_BYTES];

    for (unsigned i = 0; i < made->n; i++) {
        pci_vgpu_name(&made->items[i], name);
        client_vgpu_delete(c, name, NULL, NULL);
    }
}

/* *made lists those that were not reserved before. */
static int
reserve_all(struct client *c, const struct pci_list *l, struct pci_list *made,
            struct err *e)
{
    json_t *answer = NULL;
    int rc = client_call(c, "GET", "/v1/gpus", NULL, &answer, e);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < l->n && rc >= 0; i++) {
        const struct pci_address *a = &l->items[i];
        const json_t *gpu = gpu_at(json_object_get(answer, "gpus"), a);
        char name[PCI_VGPU_BYTES], address[PCI_TEXT_BYTES];

        if (!gpu)
            continue;
        pci_vgpu_name(a, name);
        rc = reserve_gpu(c, gpu, name, e);
        if (rc > 0)
            made->items[made->n++] = *a;
        pci_format(a, address);
        if (rc < 0)
            err_wrap(e, "%s", address);
    }
    json_decref(answer);
    return rc < 0 ? rc : 0;
}

static int
check_pci(const struct job *j, const struct pci_list *l, struct err *e)
{
    const struct wanted w = {.pci = l};
    struct domain_parts p = {0};
    int rc = domain_parts(j->config, &p, e);

    if (rc == 0)
        rc = pci_check(j->vm->sysfs, l, &p.pci, e);
    if (rc == 0)
        rc = check_others(j, &w, e);
    domain_parts_fini(&p);
    return rc;
}

static int
add_pci(struct job *j, const struct pci_list *l, struct vm_result *ret, struct err *e)
{
    _cleanup_change_ struct change c = {0};
    int rc = domain_attach_pci(j->config, l, &c.config, e);

    c.differs = rc > 0;
    if (rc >= 0 && j->how == VM_LIVE)
        rc = live_plan_pci(j->running, l, &c.plan, e);
    if (rc >= 0)
        rc = job_add(j, &c, ret, e);
    if (rc == 0)
        ret->in_use = j->how == VM_LIVE || job_runs_pci(j, &l->items[0]);
    return rc;
}

int
vm_attach_pci(struct vm *vm, const char *domain, const struct pci_list *l,
              enum vm_how how, struct vm_result *ret, struct err *e)
{
    _cleanup_job_ struct job j = {0};
    struct pci_list made = {.n = 0};
    int rc;

    *ret = (struct vm_result){0};
    rc = job_begin(vm, domain, how, &j, e);

    if (rc == 0)
        rc = check_pci(&j, l, e);
    if (rc == 0 && how != VM_PRINT)
        rc = reserve_all(vm->c, l, &made, e);
    if (rc == 0)
        rc = add_pci(&j, l, ret, e);
    if (rc < 0 && !ret->in_use)
        release_all(vm->c, &made);
    return rc;
}
