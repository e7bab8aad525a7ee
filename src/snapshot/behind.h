/* SPDX-License-Identifier: MIT */
/*
 * A file written behind by a thread, in large pieces that go past the page cache (O_DIRECT):
 * whoever makes the bytes waits for the disk alone, and no new pages are needed. One writer; the
 * file's offset stays where it is.
 */
#ifndef TESSERA_SNAPSHOT_BEHIND_H
#define TESSERA_SNAPSHOT_BEHIND_H

#include <stddef.h>
#include <sys/types.h>

struct behind;

/* From that offset on. NULL: it is no regular file, or there is no thread for it. */
struct behind *behind_new(int fd, off_t from);

/* Or the error of what was put before. */
int behind_put(struct behind *b, const void *bytes, size_t len);

/* Everything is with the file: 0, or an error. Nothing is put afterwards. */
int behind_finish(struct behind *b);

void
behind_free(struct behind *b); /* NULL is fine; what is not finished may be missing */

#endif
