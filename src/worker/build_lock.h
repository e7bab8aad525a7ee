/* SPDX-License-Identifier: MIT */
/*
 * Who compiles a program first: workers that share a cache of compiled programs take turns, each
 * program (its key) by itself.
 *
 * PoCL (3.1) writes what it compiled beside its place in the cache, removes what is there, and
 * renames. Two that compile one program at once remove the same file: the second gets ENOENT and
 * fails its build, without a word of why in the log; and who finds the file a moment before and
 * reads it a moment after has no program at all. The driver's own users meet this, too.
 *
 * So the first to come has the program for itself, and compiles it; who comes meanwhile waits and
 * then reads it, all at once. That is also the quicker way: one compilation instead of many.
 */
#ifndef TESSERA_WORKER_BUILD_LOCK_H
#define TESSERA_WORKER_BUILD_LOCK_H

#include <stddef.h>
#include <stdint.h>

#define BUILD_KEY_NONE UINT64_C(0xcbf29ce484222325) /* of no bytes at all */

/* The key of what gave `key` followed by these bytes, and their number. */
uint64_t build_key_add(uint64_t key, const void *bytes, size_t len);

/*
 * Waits for the turn, at most BUILD_LOCK_WAIT_S: a descriptor whose close ends it. -1 where there
 * is no cache (folder NULL), it cannot be written to, or somebody keeps the program for too long:
 * the build goes on without. Threads of one process exclude each other as well.
 */
int build_lock(const char *folder, uint64_t key);

#define BUILD_LOCK_WAIT_S 30

#endif
