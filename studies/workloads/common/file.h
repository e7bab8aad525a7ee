/* SPDX-License-Identifier: MIT */
/* file.h - a whole file in memory, plain or packed by gzip. */
#ifndef WORKLOADS_FILE_H
#define WORKLOADS_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"

/*
 * *ret_bytes is the caller's to free. Refused is what unpacks to more than max bytes: a
 * file of a few must not take all memory.
 */
int file_load(const char *path, size_t max, uint8_t **ret_bytes, size_t *ret_size,
              struct failure *why);

#endif
