/* SPDX-License-Identifier: MIT */
/* tessera vm suspend, resume and clone: a domain with its vGPUs, which Ctrl-C calls off. */
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/operation.h"
#include "cli/vm.h"

#include <stdlib.h>

int
vm_open_both(const struct vm_args *a, struct client **ret_c, struct vm **ret,
             const char *task)
{
    const struct vm_options o = {.uri = a->uri, .sysfs = getenv("TESSERA_SYSFS")};
    _cleanup_err_ struct err e = ERR_INIT;
    struct client *c = cli_client(false, EXIT_FAILED);

    if (vm_open(c, &o, ret, &e) < 0) {
        cli_fail(c, &e, "vm %s", task);
        client_free(c);
        return EXIT_FAILED;
    }
    *ret_c = c;
    return 0;
}

static int
put_away(struct vm *vm, const struct vm_args *a, const char *domain, bool *ret_changed,
         struct err *e)
{
    struct vm_result r = {.changed = true};
    int rc = a->to ? vm_suspend_to(vm, domain, a->to, operation_cancel_fd(), e)
                   : vm_suspend(vm, domain, operation_cancel_fd(), &r, e);

    *ret_changed = r.changed;
    return rc;
}

/* *ret_name is of the domain in a folder, the caller's. */
static int
bring_back(struct vm *vm, const struct vm_args *a, const char *domain, bool *ret_changed,
           char **ret_name, struct err *e)
{
    const int off = operation_cancel_fd();
    struct vm_result r = {.changed = true};
    int rc = a->from ? vm_resume_from(vm, domain, a->from, off, ret_name, e)
                     : vm_resume(vm, domain, off, &r, e);

    *ret_changed = r.changed;
    return rc;
}

/* How it ended, by the signal or the error, and the connections with it. */
static int
end(struct client *c, struct vm *vm, int rc, struct err *e, const char *task,
    const char *what)
{
    const int status = rc < 0 ? operation_fail(c, rc, e, task, what) : 0;

    vm_close(vm);
    client_free(c);
    return status;
}

int
vm_run_suspend(const struct vm_args *a, const struct vm_what *w)
{
    _cleanup_err_ struct err e = ERR_INIT;
    bool changed = false;
    struct client *c;
    struct vm *vm;
    int rc = vm_open_both(a, &c, &vm, "suspend");

    if (rc)
        return rc;
    rc = put_away(vm, a, w->domain, &changed, &e);
    if (rc == 0)
        vm_say_power(a, w->domain, "suspended", changed);
    return end(c, vm, rc, &e, "vm suspend", w->domain);
}

int
vm_run_resume(const struct vm_args *a, const struct vm_what *w)
{
    const char *what = w->domain ? w->domain : a->from;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *name = NULL;
    bool changed = false;
    struct client *c;
    struct vm *vm;
    int rc = vm_open_both(a, &c, &vm, "resume");

    if (rc)
        return rc;
    rc = bring_back(vm, a, w->domain, &changed, &name, &e);
    if (rc == 0)
        vm_say_power(a, name ? name : what, "running", changed);
    return end(c, vm, rc, &e, "vm resume", what);
}

int
vm_run_clone(const struct vm_args *a, const struct vm_what *w)
{
    struct vm_clone o = {.domain = w->domain,
                         .name = w->name,
                         .vgpus = a->vgpus.items,
                         .nvgpus = a->vgpus.n,
                         .progress = operation_progress};
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *answer = NULL;
    struct client *c;
    struct vm *vm;
    int rc = vm_open_both(a, &c, &vm, "clone");

    if (rc)
        return rc;
    o.cancel_fd = operation_cancel_fd();
    operation_progress_begin();
    rc = vm_clone(vm, &o, &answer, &e);
    operation_progress_end();
    if (rc == 0)
        cli_print(answer, a->args.json, vm_print_cloned);
    json_decref(answer);
    return end(c, vm, rc, &e, "vm clone", w->domain);
}
