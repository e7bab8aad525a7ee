/* SPDX-License-Identifier: MIT */
/* The attacks that need a program or memory of their own; each as struct attack has it. */
#ifndef TESSERA_HOSTILE_ATTACKS_H
#define TESSERA_HOSTILE_ATTACKS_H

#include "guest.h"

#define PATIENCE_S 20

/* So many seconds or rounds, where an attack is as long as one likes. */
extern unsigned attack_amount;

/* A last answer after the attack: the session is in order. */
bool still_answers(struct guest *g);

/* programs.c: what is built, and what kernels do */
bool nested_pointer(struct guest *g);
bool include_relative(struct guest *g);
bool include_many(struct guest *g);
bool include_deep(struct guest *g);
bool include_truncated(struct guest *g);
bool include_upwards(struct guest *g);
bool build_flood(struct guest *g);
bool large_link(struct guest *g);
bool print_flood(struct guest *g);

/* memory.c: bytes under way, extents, waiters, recorded commands */
bool inline_flood(struct guest *g);
bool wait_flood(struct guest *g);
bool changed_extents(struct guest *g);
bool same_storage(struct guest *g);
bool waiters_forged(struct guest *g);
bool foreign_sync_point(struct guest *g);
bool record_flood(struct guest *g);
bool record_released(struct guest *g);

/* machine.c: what a virtual machine's root can, by its ports and the memory that it shares */
int port_garbage(void);
int port_version(void);
int port_fingerprint(void);
int port_noise(void);
int port_cut(void);
int ports_half_open(void);
int ports_loop(void);
int idle_bells(void);
bool session_bells(struct guest *g);
bool bar_header(struct guest *g);
bool bar_scribble(struct guest *g);
bool bar_flip(struct guest *g);
bool other_boot(struct guest *g);
bool foreign_part(struct guest *g);
bool channel_part(struct guest *g);
bool all_parts(struct guest *g);
bool foreign_channel(struct guest *g);

#endif
