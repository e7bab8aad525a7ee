/* SPDX-License-Identifier: MIT */
/*
 * Sessions on the fake driver without a process of their own, in place of src/worker/session.c: a
 * session that ends must not end the fuzzer. A stage is used again and again; when one session is
 * over nothing of it may stay charged.
 */
#ifndef TESSERA_FUZZ_STAGE_H
#define TESSERA_FUZZ_STAGE_H

#include "worker/session.h"

/* What a fill of all of it takes is what an input may take. */
#define FRAMEBUFFER_BYTES (4ull << 20)
#define SETTLE_NS 5000000000ull

struct stage {
    struct session s;
    struct ring replies; /* the guest's end */
    unsigned callbacks;  /* of the driver's that others had to come when it began */
};

/* The account, the device, and the jobs' threads, once. */
void stage_open(struct stage *g);

/* Everything that messages need, but for memory and channel. */
void stage_prepare(struct stage *g);

/* The channel is there: the guest has read all so far. */
void stage_connect(struct stage *g);

/* The guest reads its replies: they are well-formed, whatever was asked. Was tag's among them? */
bool stage_read_replies(struct stage *g, uint64_t tag);

/* As the runner's thread does when it wakes up. */
int stage_run(struct stage *g);

/* Commands that wait for a user event must not wait for ever once its id is gone. */
void stage_close_user_event(struct session *s, struct object *o);

/* Looks whether all is over once the guest has released everything. */
bool stage_is_settled(struct stage *g);

/* It is not, after all this time. */
_Noreturn void stage_tell_rest(const struct session *s);

#endif
