/* SPDX-License-Identifier: MIT */
/*
 * Virtual machines and vGPUs: what the command line calls. Each function asks libvirt and the
 * manager, refuses with words that say what would help, and undoes what it began when it fails.
 * Nothing is printed. 0 or a negative errno.
 */
#ifndef TESSERA_VM_VM_H
#define TESSERA_VM_VM_H

#include "base/err.h"
#include "client/client.h"
#include "vm/pci.h"
#include "vm/vgpu.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct vm;

struct vm_options {
    const char *uri;   /* of libvirt; NULL: the usual one (host.h) */
    const char *sysfs; /* NULL: /sys */
};

/* Connects to libvirt. The client stays the caller's and is used until vm_close(). */
int vm_open(struct client *c, const struct vm_options *o, struct vm **ret, struct err *e);
void vm_close(struct vm *vm);

enum vm_how {
    VM_NEXT_START, /* what the domain will be started with */
    VM_LIVE,       /* that, and the running domain now */
    VM_PRINT,      /* neither: only the XML as it would be */
};

struct vm_result {
    bool changed;   /* something was not yet as asked for */
    bool runs;      /* the domain runs … */
    bool in_use;    /* … and has it, now */
    unsigned ports; /* attached by VM_LIVE: those that it has until its next start */
    char *xml;      /* VM_PRINT: owned */
};

void vm_result_fini(struct vm_result *r);

/* A vGPU, mediated or a software GPU passed through; a domain may have several. */
int vm_attach(struct vm *vm, const char *domain, const char *name, enum vm_how how,
              struct vm_result *ret, struct err *e);
int vm_detach(struct vm *vm, const char *domain, const char *name, enum vm_how how,
              struct vm_result *ret, struct err *e);

/*
 * PCI devices of the host, all or none. A GPU that the manager knows is reserved by a passthrough
 * vGPU named pci-0000-01-00-0 for as long.
 */
int vm_attach_pci(struct vm *vm, const char *domain, const struct pci_list *l,
                  enum vm_how how, struct vm_result *ret, struct err *e);
int vm_detach_pci(struct vm *vm, const char *domain, const struct pci_list *l,
                  enum vm_how how, struct vm_result *ret, struct err *e);

/* Makes what its vGPUs need (it may be gone since the host started) and starts it. */
int vm_start(struct vm *vm, const char *domain, struct vm_result *ret, struct err *e);

/* Shuts it down, or powers it off at once; returns when it is off. */
int vm_stop(struct vm *vm, const char *domain, bool force, struct vm_result *ret,
            struct err *e);

/*
 * Suspends its vGPUs, then has libvirt save it; and the way back. All of it, or all is as before.
 * cancel_fd calls off what is under way when it can be read from; -1: nothing does.
 */
int vm_suspend(struct vm *vm, const char *domain, int cancel_fd, struct vm_result *ret,
               struct err *e);
int vm_resume(struct vm *vm, const char *domain, int cancel_fd, struct vm_result *ret,
              struct err *e);

/*
 * The same into a folder that is made, and out of one, which stays: at the same manager, or at
 * another one, where the vGPUs are made. On the way back domain may be NULL; *ret is what it is,
 * the caller's.
 */
int vm_suspend_to(struct vm *vm, const char *domain, const char *folder, int cancel_fd,
                  struct err *e);
int vm_resume_from(struct vm *vm, const char *domain, const char *folder, int cancel_fd,
                   char **ret, struct err *e);

/*
 * A domain of another name with a copy of all that this one has: its disks, vGPUs of their own,
 * and, if it runs or is suspended, its memory, from which the new one goes on. One that runs is
 * suspended for as long as it is copied. On an error nothing of the new one is left, and the other
 * is as before.
 */
struct vm_clone {
    const char *domain, *name;
    /* What the new ones are called, in the domain's order; none: after `name`. */
    const char *const *vgpus;
    unsigned nvgpus;
    int cancel_fd; /* as above */
    void *user;
    /* As of struct client_operation; may be NULL. */
    void (*progress)(void *user, const char *phase, uint64_t done, uint64_t total);
};

/* *ret is the caller's: {"domain", "of", "uuid", "state", "vgpus", "files", "paused_ms"}. */
int vm_clone(struct vm *vm, const struct vm_clone *o, json_t **ret, struct err *e);

/* {"vms": […]}, docs/vm.md; *ret is the caller's. */
int vm_list(struct vm *vm, json_t **ret, struct err *e);

/*
 * Without libvirt: has the manager make what QEMU needs, for the user that QEMU runs as
 * (VM_NO_UID: us). What has been made is left as it is.
 */
int vm_prepare(struct client *c, const char *name, long uid, struct vm_vgpu *ret,
               struct err *e);

/* The vGPU's devices for a domain's XML; malloc'ed. */
int vm_fragment(const struct vm_vgpu *v, unsigned index, char **ret, struct err *e);

#endif
