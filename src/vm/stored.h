/* SPDX-License-Identifier: MIT */
/* A domain and its vGPUs in a folder (pair.h says what is in it). Inside src/vm only. */
#ifndef TESSERA_VM_STORED_H
#define TESSERA_VM_STORED_H

#include "vm/pair.h"

/* Makes the folder, and puts away there what runs; nothing of it stays when that fails. */
int stored_put_away(struct pair *p, const char *to, struct err *e);

#endif
