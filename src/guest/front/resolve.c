/* SPDX-License-Identifier: MIT */
#include "guest/front/resolve.h"

#include "guest/front/driver.h"
#include "guest/front/entries.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ENTRIES_MAX 1024 /* CUDA has some 700 */

static char absent; /* its address: the driver has none of that name */
_Atomic(void *) front_reals[ENTRIES_MAX];

static int
no_driver(void)
{
    return front_driver.no_driver;
}

static int
no_function(void)
{
    return front_driver.no_function;
}

void *
front_real(unsigned number)
{
    void *found = atomic_load_explicit(&front_reals[number], memory_order_relaxed);

    if (!found) {
        found = driver_function(front_entries[number].name);
        atomic_store_explicit(&front_reals[number], found ? found : &absent,
                              memory_order_relaxed);
    }
    return found == &absent ? NULL : found;
}

void *
front_resolve(unsigned long number)
{
    const struct front_entry *const e = &front_entries[number];
    void *const real = front_real((unsigned)number);
    void *target = e->own ? e->own : real;

    if (!real && !(e->own && e->role == FRONT_OWN))
        target = driver_is_there() ? (void *)no_function : (void *)no_driver;
    __atomic_store_n(&front_targets[number], target, __ATOMIC_RELAXED);
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
front_own(void *pointer, const char *symbol)
{
    void *found = pointer;

    for (unsigned i = 0; i < front_count; i++) {
        const struct front_entry *const e = &front_entries[i];

        if (!e->own || front_real(i) != pointer)
            continue;
        found = e->own;
        if (is_form_of(e->name, symbol))
            break; /* else another name of the same function */
    }
    return found;
}
