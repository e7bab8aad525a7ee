/* SPDX-License-Identifier: MIT */
/*
 * What a copy of a domain is called and has of its own: text in, text out. Names, UUID and MAC
 * addresses are new; disks that are written and the firmware's variables become other files; what
 * only reads (CDs, kernels, read-only and shared disks) stays the same for both. What there is only
 * one of, such as a device of the host, is refused, with words.
 *
 * A domain has up to two texts, what it is started with and what its memory was saved with:
 * domain_copy_look() at each, then domain_copy_apply() to each.
 */
#ifndef TESSERA_VM_DOMAIN_COPY_H
#define TESSERA_VM_DOMAIN_COPY_H

#include "base/err.h"

#include <stdbool.h>

#define COPY_MOST_FILES 64
#define COPY_MOST_MACS 64
#define COPY_UUID_BYTES 37
#define COPY_MAC_BYTES 18

struct copy_file {
    char *from, *to; /* owned */
    bool optional;   /* it may not be there yet */
    bool made;       /* the caller's to note */
};

struct copy_mac {
    char from[COPY_MAC_BYTES], to[COPY_MAC_BYTES];
};

struct domain_copy {
    char *of, *name; /* the domains', owned */
    char uuid[COPY_UUID_BYTES];
    struct copy_file files[COPY_MOST_FILES];
    struct copy_mac macs[COPY_MOST_MACS];
    unsigned nfiles, nmacs;
};

int domain_copy_init(struct domain_copy *c, const char *of, const char *name,
                     struct err *e);
void domain_copy_fini(struct domain_copy *c);

/* -EOPNOTSUPP: it has what cannot be there twice. */
int domain_copy_look(struct domain_copy *c, const char *xml, struct err *e);

/* *ret is malloc'ed. */
int domain_copy_apply(const struct domain_copy *c, const char *xml, char **ret,
                      struct err *e);

#endif
