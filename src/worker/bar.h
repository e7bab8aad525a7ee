/* SPDX-License-Identifier: MIT */
/*
 * A session whose guest is in a virtual machine: channel and heap are in memory that all sessions
 * of the vGPU share with it (wire/bar.h). What a session has of it, it has by link/bar_map.h;
 * inside the virtual machine that is no boundary, so a guest that names others' bytes gets them.
 */
#ifndef TESSERA_WORKER_BAR_H
#define TESSERA_WORKER_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct saved_session;
struct session;
struct welcome;

struct bar {
    int fd;
    uint64_t bytes, chunk_bytes; /* bytes 0: the guest is no virtual machine */
    uint64_t channel_off;
};

static inline bool
bar_is_used(const struct bar *b)
{
    return b->bytes > 0;
}

/*
 * Makes the channel there, and fills in what the welcome says of it. The file cannot be sealed
 * against its other users: a session that loses its bytes ends. 0, or a negative errno.
 */
int bar_make_channel(struct session *s, struct welcome *w);

/*
 * The channel of a session that goes on, of which the snapshot says *h. *ret_fresh: the guest's
 * bytes are not there. -EPROTO: the slot has no such part.
 */
int bar_adopt_channel(struct session *s, const struct saved_session *h, bool *ret_fresh);

#endif
