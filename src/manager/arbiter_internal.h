/* SPDX-License-Identifier: MIT */
/* What the files arbiter_*.c share. */
#ifndef TESSERA_MANAGER_ARBITER_INTERNAL_H
#define TESSERA_MANAGER_ARBITER_INTERNAL_H

#include "manager/arbiter_core.h"

#include <limits.h>

#define GATE_NONE UINT_MAX

static inline struct turn_gate *
arbiter_page(const struct arbiter_core *c, unsigned gate)
{
    return &c->file->gate[gate];
}

/* Ends are told some moments ahead. */
static inline uint64_t
arbiter_since(const struct arbiter_core *c, uint64_t ns)
{
    return c->now_ns > ns ? c->now_ns - ns : 0;
}

static inline bool
arbiter_holds(const struct arbiter_core *c, const struct arbiter_vgpu *v)
{
    return c->current.kind == ARBITER_HELD && c->current.vgpu == v;
}

/* arbiter_gates.c: who wants, who owes, who must end. */
void arbiter_look(struct arbiter_core *c);

/* The gate of v whose turn it is among its sessions, GATE_NONE: none wants. */
unsigned arbiter_pick_gate(const struct arbiter_core *c, const struct arbiter_vgpu *v);

/* arbiter_turns.c: a PASSING turn ends now, and costs what has passed. */
void arbiter_cut_passing(struct arbiter_core *c);

/* Closes what is over. */
void arbiter_advance(struct arbiter_core *c);

/* No turn is v's any more. */
void arbiter_forget_turns(struct arbiter_core *c, const struct arbiter_vgpu *v);

/* When the holder of the current turn began it, as far as its page can be believed. */
uint64_t arbiter_current_begin(const struct arbiter_core *c);

/* The current turn was PASSING until now. */
void arbiter_segment_passed(struct arbiter_core *c);

/* Appends to the log: v NULL for time that nobody used. */
void arbiter_note(struct arbiter_core *c, const struct arbiter_vgpu *v, unsigned slot,
                  uint64_t end_ns, uint64_t run_ns, uint64_t target_ns);

/* arbiter_plan.c: offers and extends turns. */
void arbiter_plan(struct arbiter_core *c);

/* When the next turn must be planned, UINT64_MAX: not by time. */
uint64_t arbiter_plan_due(const struct arbiter_core *c);

/*
 * Somebody else wants something, or will: an open turn becomes one of an ordinary slice, and what
 * it has had so far is charged.
 */
void arbiter_cut_open(struct arbiter_core *c);

/* The same of the next turn alone: who has the current one wants more after all. */
void arbiter_cut_open_next(struct arbiter_core *c);

#endif
