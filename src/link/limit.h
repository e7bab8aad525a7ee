/* SPDX-License-Identifier: MIT */
/*
 * What a guest may use of the host beside its framebuffer: the one table of limits. The manager
 * reads them from its command line (--limit NAME=VALUE) and hands them to each worker the same way.
 * A value of 0 stands for the default, so that a zeroed struct is a whole one. Pinned memory has
 * none of its own: it is as much as the vGPU's framebuffer.
 */
#ifndef TESSERA_LINK_LIMIT_H
#define TESSERA_LINK_LIMIT_H

#include <stdint.h>

enum limit {
    LIMIT_SESSIONS,         /* sessions of a vGPU; manager */
    LIMIT_PROCESS_SESSIONS, /* of one guest process on one vGPU; manager */
    /* Of all sessions of a vGPU together; workers count them in the account. */
    LIMIT_OBJECTS,        /* live objects */
    LIMIT_COMMANDS,       /* commands under way, and recorded ones */
    LIMIT_PROGRAM_BYTES,  /* sources, binaries and options that programs keep */
    LIMIT_INFLIGHT_BYTES, /* what workers keep until a command or a build is over */
    LIMIT_PINNED_BYTES, /* of the host's memory, that programs of CUDA's lock for the device */
    LIMIT_COUNT,
};

struct limit_row {
    const char *name;
    uint64_t by_default, max;
    const char *doc;
};

extern const struct limit_row limit_rows[LIMIT_COUNT];

struct limits {
    uint64_t value[LIMIT_COUNT];
};

static inline uint64_t
limit_of(const struct limits *l, enum limit which)
{
    return l->value[which] ? l->value[which] : limit_rows[which].by_default;
}

/*
 * Sets one from "NAME=VALUE", the value a whole number from 1 to the row's max, with k, m or g
 * behind it if wanted. -EINVAL, and nothing changes, when it is none.
 */
int limits_set(struct limits *l, const char *text);

#endif
