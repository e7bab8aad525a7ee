/* SPDX-License-Identifier: MIT */
/*
 * Streams that record a graph (CUDA driver API, 6.18): what is put into them runs, and takes
 * memory, when the graph is launched; and meanwhile contexts cannot be waited for.
 */
#ifndef TESSERA_GUEST_CUDA_RECORDINGS_H
#define TESSERA_GUEST_CUDA_RECORDINGS_H

#include <stdbool.h>

/* From now on it does, or no longer. */
void recordings_change(void *stream, bool records);

/* Does any stream of the process? */
bool recordings_any(void);

/* Does this one, or would it disturb one to use it? It may have joined another one's. */
bool recordings_has(void *stream);

/* The process is a child: none of them is its own. */
void recordings_forget(void);

#endif
