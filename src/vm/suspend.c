/* SPDX-License-Identifier: MIT */
/* Putting a domain away with its vGPUs, and the way back. */
#include "vm/vm.h"

#include "vm/stored.h"

#include <errno.h>

int
vm_suspend(struct vm *vm, const char *domain, int cancel_fd, struct vm_result *ret,
           struct err *e)
{
    _cleanup_pair_ struct pair p = {.domain = NULL};
    int rc = pair_open(vm, domain, cancel_fd, &p, e);

    if (rc < 0)
        return rc;
    *ret = (struct vm_result){.changed = host_runs(p.domain)};
    if (!ret->changed)
        return host_is_saved(p.domain) ? 0 : err_set(e, -EINVAL, "it does not run");
    return pair_put_away(&p, e);
}

int
vm_resume(struct vm *vm, const char *domain, int cancel_fd, struct vm_result *ret,
          struct err *e)
{
    _cleanup_pair_ struct pair p = {.domain = NULL};
    int rc = pair_open(vm, domain, cancel_fd, &p, e);

    if (rc < 0)
        return rc;
    *ret = (struct vm_result){.runs = true, .changed = !host_runs(p.domain)};
    if (ret->changed && !host_is_saved(p.domain))
        return err_set(e, -EINVAL,
                       "it was not suspended: 'tessera vm start %s' starts it", domain);
    rc = pair_bring_back(&p, e);
    for (unsigned i = 0; i < p.parts.nvgpus; i++)
        ret->changed = ret->changed || p.done[i];
    return rc;
}

int
vm_suspend_to(struct vm *vm, const char *domain, const char *folder, int cancel_fd,
              struct err *e)
{
    _cleanup_pair_ struct pair p = {.domain = NULL};
    int rc = pair_open(vm, domain, cancel_fd, &p, e);

    if (rc == 0 && !host_runs(p.domain))
        rc = err_set(e, -EINVAL, "it does not run");
    return rc == 0 ? stored_put_away(&p, folder, e) : rc;
}
