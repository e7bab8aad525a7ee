/* SPDX-License-Identifier: MIT */
/*
 * Waiting for one answer in a word of its own (wire/waiter.h): the answering thread of the worker
 * wakes the asking thread, and nobody else.
 */
#ifndef TESSERA_GUEST_OPENCL_WAIT_H
#define TESSERA_GUEST_OPENCL_WAIT_H

#include "guest/opencl/session.h"

void waits_init(struct session *s);

/*
 * Takes a waiter for an answer that is about to be asked for. 0: all are taken, or p has
 * a `done`.
 */
unsigned wait_take(struct session *s, const struct pending *p);

/* Gives a waiter back, whose message was not sent or was answered. */
void wait_put(struct session *s, unsigned waiter);

/*
 * Sleeps and spins until the pending's waiter was answered. CL_SUCCESS with p filled, or
 * CL_OUT_OF_RESOURCES when the session died before. The waiter is given back.
 */
cl_int wait_answer(struct session *s, struct pending *p);

/* The session died: nobody sleeps any more. */
void waits_wake_all(struct session *s);

#endif
