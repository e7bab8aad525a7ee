/* SPDX-License-Identifier: MIT */
/* What may be large, trees that workers wrote and snapshots, is removed beside the loop. */
#ifndef TESSERA_MANAGER_TRASH_H
#define TESSERA_MANAGER_TRASH_H

#include "manager/manager.h"

/* The path is free at once; what was there goes from RUNTIME/trash when there is time. */
void trash(struct manager *m, const char *path);

/* Removes a file where it is. Owns path, which may be NULL. */
void trash_file(struct manager *m, char *path);

/* Removes what a manager before us did not get round to. */
void trash_empty(struct manager *m);

#endif
