/* SPDX-License-Identifier: MIT */
/*
 * Where the mappings of a buffer are whose bytes are the driver's: an extent of the heap
 * as large as the buffer, so that all its mappings, and those of its parts, are in one
 * place (OpenCL 3.0, section 5.2.4). The worker reads into it for a map, and writes from
 * it for an unmap; nobody copies in between.
 *
 * It stays with its buffer for the next map, so that its pages are there; but while
 * nothing of it is in use its room may be given to others, the longest unused first. All
 * windows of a session together take a part of its heap alone, so that messages and other
 * transfers have theirs.
 */
#ifndef TESSERA_GUEST_OPENCL_WINDOW_H
#define TESSERA_GUEST_OPENCL_WINDOW_H

#include "guest/opencl/session.h"

struct window;

void windows_init(struct windows *all);
void windows_fini(struct windows *all);

/* The room of one that is not in use is the heap's again. false: there is none. */
bool windows_give_up_one(struct session *s);

/*
 * One more user of the buffer's window, which is made, or made again, if need be; *made
 * is NULL at first. The caller sees to it that no two threads do so for one buffer at once.
 * false: there is no room, or no memory; it does not wait for any.
 */
bool window_use(struct session *s, struct window **made, uint64_t bytes);

/* As window_use(), by one who uses it already. */
void window_use_again(struct window *w);
void window_leave(struct window *w);

/* The buffer is gone: the extent is free when the last user leaves. NULL: nothing. */
void window_release(struct window *w);

/* The heap's offset of the first byte; by a user. */
uint64_t window_offset(const struct window *w);

/*
 * For a command that the worker answers when it is done with the window: to be sent
 * with. A user of the window until then. NULL without memory.
 */
struct pending *window_pending(struct window *w);

/* The command was not sent. */
void window_pending_free(struct pending *p);

#endif
