/* SPDX-License-Identifier: MIT */
/* disk.h - whole files: loaded, and saved as an editor saves them. */
#ifndef OFFICE_DISK_H
#define OFFICE_DISK_H

#include <stddef.h>

#include "common/failure.h"

/*
 * *ret_bytes is the caller's to free; a NUL follows the bytes. A file of more than max
 * bytes is refused.
 */
int disk_load(const char *path, size_t max, char **ret_bytes, size_t *ret_size,
              struct failure *why);

/* Writes PATH.new, syncs it to the disk, and puts it in the place of PATH. */
int disk_save(const char *path, const char *bytes, size_t size, struct failure *why);

#endif
