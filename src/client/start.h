/* SPDX-License-Identifier: MIT */
/* Starting a manager on demand. Inside src/client only. */
#ifndef TESSERA_CLIENT_START_H
#define TESSERA_CLIENT_START_H

#include "base/err.h"

/*
 * Starts tesserad (beside this executable, else the installed one) for a runtime folder,
 * as a process of its own, and waits until it serves or gives up. note (may be NULL) is
 * told when that takes long.
 */
int start_manager(const char *runtime_dir, void (*note)(const char *words),
                  struct err *e);

#endif
