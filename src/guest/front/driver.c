/* SPDX-License-Identifier: MIT */
#include "guest/front/driver.h"

#include "base/nvidia.h"
#include "guest/front/entries.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static char none; /* its address: there is no driver */
static _Atomic(void *) driver;

/* Ourselves, by whatever name: each call would come back to us without end. */
static bool
is_ours(void *symbol)
{
    Dl_info ours, that;

    return dladdr(&none, &ours) && dladdr(symbol, &that) &&
           ours.dli_fbase == that.dli_fbase;
}

static void *
open_path(const char *path, const char *function)
{
    void *const handle = path[0] == '/' ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *const known = handle ? dlsym(handle, function) : NULL;

    if (known && !is_ours(known))
        return handle;
    if (handle)
        dlclose(handle);
    return NULL;
}

static void *
open_installed(const char *file, const char *function)
{
    char path[512], version[64];
    void *found = NULL;

    snprintf(path, sizeof path, "%s/%s", NVIDIA_FOLDER_IN_CONTAINER, file);
    found = open_path(path, function);
    if (found || !nvidia_version(version, sizeof version))
        return found;
    for (unsigned i = 0; !found && nvidia_path(i, file, version, path, sizeof path); i++)
        found = open_path(path, function);
    return found;
}

void *
driver_open(const char *file, const char *variable, const char *function)
{
    const char *const path = secure_getenv(variable);
    void *const found = path ? open_path(path, function) : NULL;

    return found ? found : open_installed(file, function);
}

/*
 * Threads that come together each open it, which counts, and one of the equal answers stays: no
 * lock that a fork could leave behind.
 */
static void *
open_ours(void)
{
    void *found =
        driver_open(front_driver.file, front_driver.variable, front_driver.known);

    if (!found)
        found = &none;
    atomic_store_explicit(&driver, found, memory_order_release);
    return found;
}

static void *
driver_handle(void)
{
    void *const found = atomic_load_explicit(&driver, memory_order_acquire);

    return found ? found : open_ours();
}

void *
driver_function(const char *name)
{
    void *const handle = driver_handle();

    return handle == &none ? NULL : dlsym(handle, name);
}

int
driver_is_there(void)
{
    return driver_handle() != &none;
}
