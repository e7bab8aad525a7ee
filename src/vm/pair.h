/* SPDX-License-Identifier: MIT */
/*
 * A domain and its vGPUs, put away and brought back together. The vGPUs are suspended first: what
 * programs have on them is then at rest, and what they share with the domain goes into its file
 * with the rest of its memory. On the way back the domain comes first, since it brings that
 * memory; its programs wait until the vGPUs are there. Inside src/vm only.
 *
 * What they had is then with the manager and with libvirt, or in a folder (stored.c):
 *   domain.xml      what the domain is started with
 *   memory          what libvirt saved
 *   NAME.tessera    each vGPU's snapshot
 */
#ifndef TESSERA_VM_PAIR_H
#define TESSERA_VM_PAIR_H

#include "vm/job.h"
#include "vm/save_image.h"

struct pair {
    struct vm *vm;
    struct host_domain *domain; /* owned */
    struct domain_parts parts;  /* as it runs, or was saved; else as it will be started */
    bool done[DOMAIN_MOST_VGPUS]; /* by the last of the two below */
    int cancel_fd;                /* -1: nothing calls off */
    bool stays_paused;            /* it was, when it was saved into the folder */
    const char *folder;           /* the caller's, and absolute; NULL: there is none */
};

#define PAIR_DOMAIN "domain.xml"
#define PAIR_MEMORY "memory"

int pair_open(struct vm *vm, const char *domain, int cancel_fd, struct pair *ret,
              struct err *e);
void pair_fini(struct pair *p);
#define _cleanup_pair_ __attribute__((cleanup(pair_fini)))

/* Each: all of it, or all is as before. The domain runs; or it does not, or its vGPUs wait. */
int pair_put_away(struct pair *p, struct err *e);
int pair_bring_back(struct pair *p, struct err *e);

/* A vGPU of the folder's whose name is free is made there, and suspended. */
int pair_adopt(const struct pair *p, unsigned i, struct err *e);

/* The folder's memory: its path (owned), a descriptor (owned) and what it says; all to be freed. */
int pair_open_memory(const struct pair *p, char **ret_path, int *ret_fd,
                     struct save_image *ret, struct err *e);

/* One that was made for a domain that has ended. */
void pair_delete_vgpu(struct client *c, const char *name);

/* Is the vGPU suspended? */
int pair_is_suspended(struct client *c, const char *name, bool *ret, struct err *e);

#endif
