/* SPDX-License-Identifier: MIT */
#include "guest/cuda/resolve.h"

#include "guest/cuda/driver.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static char absent; /* its address: the driver has none of that name */
static _Atomic(void *) reals[CUDA_ENTRIES];

static int
no_driver(void)
{
    return CUDA_ERROR_STUB_LIBRARY;
}

static int
no_function(void)
{
    return CUDA_ERROR_NOT_SUPPORTED;
}

void *
cuda_real(enum cuda_number number)
{
    void *found = atomic_load_explicit(&reals[number], memory_order_relaxed);

    if (!found) {
        found = driver_function(cuda_entries[number].name);
        atomic_store_explicit(&reals[number], found ? found : &absent,
                              memory_order_relaxed);
    }
    return found == &absent ? NULL : found;
}

void *
cuda_resolve(unsigned long number)
{
    const struct cuda_entry *const e = &cuda_entries[number];
    void *const real = cuda_real((enum cuda_number)number);
    void *target = e->own ? e->own : real;

    if (!real)
        target = driver_is_there() ? (void *)no_function : (void *)no_driver;
    __atomic_store_n(&cuda_targets[number], target, __ATOMIC_RELAXED);
    return target;
}

/* Is name, an export's, a version or a stream's form of symbol? */
static bool
is_form_of(const char *name, const char *symbol)
{
    const size_t len = strlen(symbol);

    return strncmp(name, symbol, len) == 0 && (name[len] == '\0' || name[len] == '_');
}

void *
cuda_own(void *pointer, const char *symbol)
{
    void *found = pointer;

    for (unsigned i = 0; i < CUDA_ENTRIES; i++) {
        const struct cuda_entry *const e = &cuda_entries[i];

        if (!e->own || cuda_real((enum cuda_number)i) != pointer)
            continue;
        found = e->own;
        if (is_form_of(e->name, symbol))
            break; /* else another name of the same function */
    }
    return found;
}
