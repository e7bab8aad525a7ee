/* SPDX-License-Identifier: MIT */
/* Taking a vGPU or a PCI device from a domain; its vGPU may be gone already. */
#include "vm/vm.h"

#include "base/cleanup.h"
#include "vm/job.h"

#include <errno.h>
#include <string.h>

/* A QEMU that has let go of its ports is seen by the manager moments later. */
#define TAKE_TRIES 20
#define TAKE_WAIT_US 100000

/* ---- a vGPU ---------------------------------------------------------------------------------- */

/* The memory and the sockets go, unless they are some other VM's. */
static int
take_back(struct client *c, const char *domain, const char *name, struct err *e)
{
    _cleanup_given_ struct given g = {0};
    int rc = given_look(c, name, &g, NULL);

    if (rc == -ENOENT || (rc == 0 && !g.given))
        return 0;
    if (rc == 0 && g.domain && strcmp(g.domain, domain) != 0)
        return 0;
    for (int i = 0; i < TAKE_TRIES; i++) {
        rc = vm_vgpu_take(c, name, e);
        if (rc != -EBUSY)
            break;
        usleep(TAKE_WAIT_US);
    }
    return rc;
}

static int
remove_vgpu(struct job *j, const char *name, struct vm_result *ret, struct err *e)
{
    _cleanup_change_ struct change c = {0};
    int rc = domain_detach_vgpu(j->config, name, &c.config, e);

    c.differs = rc > 0;
    if (rc >= 0 && j->how == VM_LIVE)
        rc = live_plan_remove_vgpu(j->running, name, &c.plan, e);
    if (rc >= 0)
        rc = job_remove(j, &c, ret, e);
    return rc;
}

int
vm_detach(struct vm *vm, const char *domain, const char *name, enum vm_how how,
          struct vm_result *ret, struct err *e)
{
    _cleanup_job_ struct job j = {0};
    int rc = job_begin(vm, domain, how, &j, e);

    if (rc == 0)
        rc = remove_vgpu(&j, name, ret, e);
    if (rc < 0 || how == VM_PRINT)
        return rc;
    ret->in_use = how != VM_LIVE && job_runs_vgpu(&j, name);
    return ret->in_use ? 0 : take_back(vm->c, domain, name, e);
}

/* ---- PCI devices ----------------------------------------------------------------------------- */

static int
remove_pci(struct job *j, const struct pci_list *l, struct vm_result *ret, struct err *e)
{
    _cleanup_change_ struct change c = {0};
    int rc = domain_detach_pci(j->config, l, &c.config, e);

    c.differs = rc > 0;
    if (rc >= 0 && j->how == VM_LIVE)
        rc = live_plan_remove_pci(j->running, l, &c.plan, e);
    if (rc >= 0)
        rc = job_remove(j, &c, ret, e);
    return rc;
}

/* What reserves it, if the manager knows the device. */
static int
release(struct client *c, const struct pci_address *a, struct err *e)
{
    char name[PCI_VGPU_BYTES];
    int rc;

    pci_vgpu_name(a, name);
    rc = client_vgpu_delete(c, name, NULL, e);
    return rc == -ENOENT ? 0 : rc;
}

int
vm_detach_pci(struct vm *vm, const char *domain, const struct pci_list *l,
              enum vm_how how, struct vm_result *ret, struct err *e)
{
    _cleanup_job_ struct job j = {0};
    int rc = job_begin(vm, domain, how, &j, e);

    if (rc == 0)
        rc = remove_pci(&j, l, ret, e);
    if (how == VM_PRINT)
        return rc;
    for (unsigned i = 0; i < l->n && rc == 0; i++) {
        if (how != VM_LIVE && job_runs_pci(&j, &l->items[i]))
            ret->in_use = true;
        else
            rc = release(vm->c, &l->items[i], e);
    }
    return rc;
}
