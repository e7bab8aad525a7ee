/* SPDX-License-Identifier: MIT */
/* Trees of files that workers wrote are removed beside the loop: they may be large. */
#ifndef TESSERA_MANAGER_TRASH_H
#define TESSERA_MANAGER_TRASH_H

#include "manager/manager.h"

/* The path is free at once; what was there goes from RUNTIME/trash when there is time. */
void trash(struct manager *m, const char *path);

/* Removes what a manager before us did not get round to. */
void trash_empty(struct manager *m);

#endif
