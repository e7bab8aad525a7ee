/* SPDX-License-Identifier: MIT */
/* What attaching, detaching and power share. Inside src/vm only. */
#ifndef TESSERA_VM_JOB_H
#define TESSERA_VM_JOB_H

#include "vm/domain.h"
#include "vm/host.h"
#include "vm/live.h"
#include "vm/vm.h"

struct vm {
    struct client *c;
    struct host *h;
    char *sysfs;
};

/* One domain, looked at once: what is decided is decided by this. */
struct job {
    struct vm *vm;
    enum vm_how how;
    struct host_domain *domain;
    bool runs, persistent;
    char *config;  /* XML that it will be started with; of a transient one, as it runs */
    char *running; /* XML as it runs; NULL: it does not */
};

/* Refuses what `how` cannot mean: -EINVAL. Ended by job_end() in either case. */
int job_begin(struct vm *vm, const char *domain, enum vm_how how, struct job *ret,
              struct err *e);
void job_end(struct job *j);
#define _cleanup_job_ __attribute__((cleanup(job_end)))

/* Has the running domain this vGPU, this device? False when it does not run. */
bool job_runs_vgpu(const struct job *j, const char *name);
bool job_runs_pci(const struct job *j, const struct pci_address *a);

/* Its XML as it should become, and what the running domain lacks or has too much of. */
struct change {
    char *config;          /* owned */
    bool differs;          /* from job.config */
    struct live_plan plan; /* VM_LIVE; else empty */
};

void change_fini(struct change *c);
#define _cleanup_change_ __attribute__((cleanup(change_fini)))

/*
 * Defines and plugs in, all or nothing; for VM_PRINT fills ret->xml alone. On an error ret->in_use
 * says that the running domain still has a part of it.
 */
int job_add(struct job *j, struct change *c, struct vm_result *ret, struct err *e);

/* Defines, takes out, and waits until the guest has let go. */
int job_remove(struct job *j, struct change *c, struct vm_result *ret, struct err *e);

/* Makes what its vGPUs need, before it starts: the host may have been started anew. */
int job_prepare(struct vm *vm, const struct host_domain *d, struct err *e);

/* What the manager says of a vGPU's VM. */
struct given {
    bool exists; /* there is such a vGPU */
    bool given;  /* its `vm` is not null */
    char *domain;
    unsigned connected;
};

int given_look(struct client *c, const char *name, struct given *ret, struct err *e);
void given_fini(struct given *g);
#define _cleanup_given_ __attribute__((cleanup(given_fini)))

/* The name of the vGPU that reserves a GPU which is passed through. */
#define PCI_VGPU_BYTES 32
void pci_vgpu_name(const struct pci_address *a, char buf[PCI_VGPU_BYTES]);

#endif
