/* SPDX-License-Identifier: MIT */
#include "guest/cuda/recordings.h"

#include "guest/cuda/calls.h"

#include <stdatomic.h>
#include <stddef.h>

#define RECORDINGS_MAX 256u /* streams at once; of more it is not known when they end */

static _Atomic(void *) recording[RECORDINGS_MAX]; /* NULL: a free place */
static _Atomic int count;

static bool
change(void *from, void *to)
{
    for (unsigned i = 0; i < RECORDINGS_MAX; i++) {
        void *expected = from;

        if (atomic_compare_exchange_strong(&recording[i], &expected, to))
            return true;
    }
    return false;
}

void
recordings_change(void *stream, bool records)
{
    if (!stream)
        return;
    if (records && change(NULL, stream))
        atomic_fetch_add(&count, 1);
    else if (!records && change(stream, NULL))
        atomic_fetch_sub(&count, 1);
}

bool
recordings_any(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed) > 0;
}

bool
recordings_has(void *stream)
{
    return recordings_any() && call_is_capturing(stream);
}

void
recordings_forget(void)
{
    for (unsigned i = 0; i < RECORDINGS_MAX; i++)
        atomic_store(&recording[i], NULL);
    atomic_store(&count, 0);
}
