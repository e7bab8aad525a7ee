/* SPDX-License-Identifier: MIT */
#include "guest/front/driver.h"

#include "base/cleanup.h"
#include "guest/front/entries.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSION_FILE "/proc/driver/nvidia/version"

/* Where distributions and NVIDIA's own installer put it. */
static const char *const folders[] = {
#if defined(__x86_64__)
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
#elif defined(__aarch64__)
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
#endif
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/nvidia/current",
    "/run/opengl-driver/lib",
};

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

/* Of "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 ...": 550.54.14. */
static bool
version_of(char *text, char **ret)
{
    char *rest = text, *word;

    while ((word = strsep(&rest, " \t\n"))) {
        const size_t digits = strspn(word, "0123456789");

        if (digits && word[digits] == '.' && word[strspn(word, "0123456789.")] == '\0') {
            *ret = word;
            return true;
        }
    }
    return false;
}

static void *
open_installed(const char *file, const char *function)
{
    char text[1024], path[512], *version;
    _cleanup_close_ int fd = open(VERSION_FILE, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    void *found = NULL;

    if (n <= 0)
        return NULL;
    text[n] = '\0';
    if (!version_of(text, &version))
        return NULL;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && !found; i++) {
        snprintf(path, sizeof path, "%s/%s.%s", folders[i], file, version);
        found = open_path(path, function);
    }
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
