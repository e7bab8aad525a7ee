/* SPDX-License-Identifier: MIT */
/*
 * A domain and its vGPUs, put away and brought back together. The vGPUs are suspended first: what
 * programs have on them is then at rest, and what they share with the domain goes into its file with
 * the rest of its memory. On the way back the domain comes first, since it brings that memory; its
 * programs wait until the vGPUs are there. Inside src/vm only.
 */
#ifndef TESSERA_VM_PAIR_H
#define TESSERA_VM_PAIR_H

#include "vm/job.h"

struct pair {
    struct vm *vm;
    struct host_domain *domain; /* owned */
    struct domain_parts parts;  /* as it runs, or was saved; else as it will be started */
    bool done[DOMAIN_MOST_VGPUS]; /* by the last of the two below */
    int cancel_fd;                /* -1: nothing calls off */
};

int pair_open(struct vm *vm, const char *domain, int cancel_fd, struct pair *ret,
              struct err *e);
void pair_fini(struct pair *p);
#define _cleanup_pair_ __attribute__((cleanup(pair_fini)))

/* Each: all of it, or all is as before. The domain runs; or it does not, or its vGPUs wait. */
int pair_put_away(struct pair *p, struct err *e);
int pair_bring_back(struct pair *p, struct err *e);

/* Is the vGPU suspended? */
int pair_is_suspended(struct client *c, const char *name, bool *ret, struct err *e);

#endif
