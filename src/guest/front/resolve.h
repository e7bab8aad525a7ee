/* SPDX-License-Identifier: MIT */
/*
 * Where an entry point leads: to a function of ours, if there is one, or to the driver's own.
 *
 *   program ── cuX ──▶ trampoline ── front_targets[number] ──▶ ours, or the driver's
 *                           └ at the first call: front_resolve(number)
 *
 * A trampoline knows no signature: it leaves all arguments where they are.
 */
#ifndef TESSERA_GUEST_FRONT_RESOLVE_H
#define TESSERA_GUEST_FRONT_RESOLVE_H

/* For a trampoline: where this export goes from now on. Never NULL. */
void *front_resolve(unsigned long number);

/* The driver's own function, by the number of its entry; NULL: it has none. Found once. */
void *front_real(unsigned number);

/* Our function for what the driver calls by the pointer; the pointer itself when there is none.
 * symbol: the name it was asked for, without version and stream form. */
void *front_own(void *pointer, const char *symbol);

#endif
