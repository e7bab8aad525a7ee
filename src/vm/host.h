/* SPDX-License-Identifier: MIT */
/* libvirt, as far as it is needed: domains, their XML, their power. Inside src/vm only. */
#ifndef TESSERA_VM_HOST_H
#define TESSERA_VM_HOST_H

#include "base/err.h"
#include "vm/live.h"

#include <stdbool.h>

struct host;
struct host_domain;

/*
 * uri NULL: LIBVIRT_DEFAULT_URI, else qemu:///system for root and qemu:///session for others. A
 * libvirt of another machine is refused: vGPUs are on this one.
 */
int host_open(const char *uri, struct host **ret, struct err *e);
void host_close(struct host *h);
const char *host_uri(const struct host *h);

/* By name. -ENOENT says how to see what there is. */
int host_find(struct host *h, const char *name, struct host_domain **ret, struct err *e);

/* All there are, running or not; an array of *ret_n, the caller's with its elements. */
int host_all(struct host *h, struct host_domain ***ret, unsigned *ret_n, struct err *e);
void host_all_free(struct host_domain **all, unsigned n);
void host_domain_free(struct host_domain *d);

static inline void
cleanup_host_domainp(struct host_domain **d)
{
    host_domain_free(*d);
}
#define _cleanup_host_domain_ __attribute__((cleanup(cleanup_host_domainp)))

const char *host_name(const struct host_domain *d);
bool host_runs(const struct host_domain *d);
bool host_is_persistent(const struct host_domain *d);
const char *host_state(const struct host_domain *d); /* "running", "shut off", … */

/* Its XML with secrets: of the running domain, or what it will be started with. */
int host_xml(const struct host_domain *d, bool running, char **ret, struct err *e);

/* The same, as its memory was saved with (host_is_saved()). */
int host_saved_xml(const struct host_domain *d, char **ret, struct err *e);

/* Where libvirt keeps that memory. It does not tell: this is where it always has it. */
int host_saved_path(const struct host *h, const char *domain, char **ret, struct err *e);

/* Replaces what a domain will be started with, or makes it. */
int host_define(struct host *h, const char *xml, struct err *e);
int host_undefine(struct host_domain *d, struct err *e); /* files of its stay */

int host_start(struct host_domain *d, struct err *e);
/* Into a file of libvirt's, from which its next start goes on (virsh managedsave). */
int host_save(struct host_domain *d, struct err *e);
bool host_is_saved(const struct host_domain *d);
/* Into that file, which libvirt makes; its next start knows nothing of it. */
int host_save_to(struct host_domain *d, const char *path, struct err *e);
/* The domain that such a file names is there again, and goes on, or is paused; the file stays. */
int host_restore(struct host *h, const char *path, bool paused, struct err *e);
int host_go_on(struct host_domain *d, struct err *e);    /* one that is paused */
int host_shutdown(struct host_domain *d, struct err *e); /* asks the guest */
int host_power_off(struct host_domain *d, struct err *e);

/* Whom QEMU runs as; VM_NO_UID: nobody else than us, or libvirt does not say. */
long host_uid(struct host *h, const char *domain_xml);

/* On a running domain: `to` is its struct host_domain. */
extern const struct live_ops host_live;

#endif
