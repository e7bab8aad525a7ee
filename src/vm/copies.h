/* SPDX-License-Identifier: MIT */
/* Copies of a domain's files: disks, and memory that libvirt saved. Inside src/vm only. */
#ifndef TESSERA_VM_COPIES_H
#define TESSERA_VM_COPIES_H

#include "base/copy.h"
#include "vm/save_image.h"

/*
 * A new file that is as the other, with its owner and mode. -ENOENT: there is no such file;
 * -EEXIST: `to` is there already. *made becomes true when `to` has been made, also when it is not
 * whole.
 */
int copies_file(const char *from, const char *to, const struct copy_watch *w, bool *made,
                struct err *e);

/*
 * The memory in `from`, with another XML. `to` ends in XXXXXX, which become the new file's own; on
 * an error there is none.
 */
int copies_image(int from, const struct save_image *i, const char *xml,
                 const struct copy_watch *w, char *to, struct err *e);

/* A regular file to read; others are refused. */
int copies_open(const char *path, int *ret_fd, struct err *e);

#endif
