/* SPDX-License-Identifier: MIT */
/* Where NVIDIA's driver libraries are. */
#ifndef TESSERA_BASE_NVIDIA_H
#define TESSERA_BASE_NVIDIA_H

#include <stdbool.h>
#include <stddef.h>

/* In a container with a vGPU: there they are, as Tessera's stand at their own places. */
#define NVIDIA_FOLDER_IN_CONTAINER "/usr/lib/tessera/nvidia"

/* The kernel module's version, "550.54.14". false: there is none. */
bool nvidia_version(char *ret, size_t cap);

/*
 * The place-th path where the library of that version may be: "libcuda.so" is
 * /usr/lib64/libcuda.so.550.54.14. false: there are no more places.
 */
bool nvidia_path(unsigned place, const char *file, const char *version, char *ret,
                 size_t cap);

/* The library that was given (NULL: none), or the first of them that is there; false, "": none. */
bool nvidia_library(const char *given, const char *file, char *ret, size_t cap);

#endif
