/* SPDX-License-Identifier: MIT */
/*
 * A file read ahead by a thread, in large pieces: what is in the page cache comes from there, the
 * rest from the disk without going through it (O_DIRECT), since new pages cost more than the disk.
 * One reader; the file's offset stays where it is.
 */
#ifndef TESSERA_SNAPSHOT_AHEAD_H
#define TESSERA_SNAPSHOT_AHEAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ahead;

/* From that offset on. NULL: it is no regular file, or there is no thread for it. */
struct ahead *ahead_new(int fd, off_t from);

/*
 * The next len bytes: *ret is where they lie until the next call, in what was read ahead, or copied
 * to room (of len bytes) where that is not in one piece. -ENODATA: the file ends before that.
 */
int ahead_take(struct ahead *a, void *room, size_t len, const uint8_t **ret);

void ahead_free(struct ahead *a); /* NULL is fine */

#endif
