/* SPDX-License-Identifier: MIT */
/* Starting and stopping a domain with its vGPUs. */
#include "vm/vm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "vm/job.h"

#include <errno.h>
#include <string.h>

#define SHUTDOWN_LIMIT_NS UINT64_C(60000000000)
#define SHUTDOWN_LOOK_US 200000

static int
prepare_vgpu(struct vm *vm, const char *domain, const char *name, struct err *e)
{
    struct vm_result r = {0};
    int rc = vm_attach(vm, domain, name, VM_NEXT_START, &r, e);

    vm_result_fini(&r);
    if (rc == -ENOENT)
        err_wrap(e, "'tessera vm detach %s %s' starts it without", domain, name);
    if (rc < 0)
        err_wrap(e, "its vGPU '%s'", name);
    return rc;
}

/* Those that we put there: they are reserved again, if the reservation is gone. */
static int
prepare_pci(struct vm *vm, const char *domain, const struct domain_parts *p,
            struct err *e)
{
    struct vm_result r = {0};
    struct pci_list ours = {.n = 0};
    int rc;

    for (unsigned i = 0; i < p->pci.n; i++) {
        if (p->ours[i])
            ours.items[ours.n++] = p->pci.items[i];
    }
    if (ours.n == 0)
        return 0;
    rc = vm_attach_pci(vm, domain, &ours, VM_NEXT_START, &r, e);
    vm_result_fini(&r);
    return rc;
}

/* The host may have been started anew: then memory and sockets are gone. */
int
job_prepare(struct vm *vm, const struct host_domain *d, struct err *e)
{
    _cleanup_free_ char *xml = NULL;
    struct domain_parts p = {0};
    int rc = host_xml(d, false, &xml, e);

    if (rc == 0)
        rc = domain_parts(xml, &p, e);
    for (unsigned i = 0; i < p.nvgpus && rc == 0; i++)
        rc = prepare_vgpu(vm, host_name(d), p.vgpus[i], e);
    if (rc == 0)
        rc = prepare_pci(vm, host_name(d), &p, e);
    domain_parts_fini(&p);
    return rc;
}

int
vm_start(struct vm *vm, const char *domain, struct vm_result *ret, struct err *e)
{
    _cleanup_host_domain_ struct host_domain *d = NULL;
    int rc = host_find(vm->h, domain, &d, e);

    if (rc < 0)
        return rc;
    *ret = (struct vm_result){.runs = true, .changed = !host_runs(d)};
    if (!ret->changed)
        return 0;
    rc = job_prepare(vm, d, e);
    return rc < 0 ? rc : host_start(d, e);
}

static int
wait_off(const struct host_domain *d, struct err *e)
{
    const uint64_t end = now_ns() + SHUTDOWN_LIMIT_NS;

    while (host_runs(d)) {
        if (now_ns() > end)
            return err_set(
                e, -ETIMEDOUT,
                "it has not shut down within 60 s: 'tessera vm stop --force %s' "
                "powers it off",
                host_name(d));
        usleep(SHUTDOWN_LOOK_US);
    }
    return 0;
}

int
vm_stop(struct vm *vm, const char *domain, bool force, struct vm_result *ret,
        struct err *e)
{
    _cleanup_host_domain_ struct host_domain *d = NULL;
    int rc = host_find(vm->h, domain, &d, e);

    if (rc < 0)
        return rc;
    *ret = (struct vm_result){.changed = host_runs(d)};
    if (!ret->changed)
        return 0;
    rc = force ? host_power_off(d, e) : host_shutdown(d, e);
    return rc < 0 ? rc : wait_off(d, e);
}
