/* SPDX-License-Identifier: MIT */
/* Attributes of devices: FOLDER/ENTRY/ATTRIBUTE, a line each. */
#ifndef TESSERA_BASE_SYSFS_H
#define TESSERA_BASE_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

/* The line without its end, cut to cap; false, and "", where there is none. */
bool sysfs_line(const char *folder, const char *entry, const char *attribute, char *ret,
                size_t cap);

/* Is it this number, in hexadecimal? */
bool sysfs_is(const char *folder, const char *entry, const char *attribute,
              unsigned long number);

#endif
