/* SPDX-License-Identifier: MIT */
/* What those who put work on the device (turns.c) and the keeper (keeper.c) share. */
#ifndef TESSERA_GUEST_CUDA_TURNS_INTERNAL_H
#define TESSERA_GUEST_CUDA_TURNS_INTERNAL_H

#include "guest/cuda/turns.h"

/* How often one who is held looks, in case nobody rings. */
#define HELD_LOOK_NS 50000000u

/* Does everybody have to ask from now on? Lock held, or nobody else is there. */
void turns_set_asks(struct turns *u, bool asks);

/* Something has happened: for all who wait at the word; for the keeper, which may be awake. */
void turns_ring(_Atomic uint32_t *word);
void turns_kick(struct turns *u);

/* Until the word is not `seen`, or one of the gate's changes, or that time. */
void turns_sleep_on(_Atomic uint32_t *word, uint32_t seen, const struct gate_words *w,
                    uint64_t until_ns);

/* Tells the gate, and the estimates, of all that has ended. */
void turns_collect(struct turns *u);

/* enum slot_hold: what the manager wants of it. */
uint32_t turns_hold_of(struct turns *u);

/* Is that one of its contexts? */
bool turns_know(struct turns *u, const void *context);

/* Starts the keeper, once. false: there is none, and without one no turn would be given back. */
bool keeper_is_there(struct turns *u);

#endif
