/* SPDX-License-Identifier: MIT */
/* folder.h - a folder for the time of the run. */
#ifndef OFFICE_FOLDER_H
#define OFFICE_FOLDER_H

#include <limits.h>

#include "common/failure.h"

struct folder {
    char path[PATH_MAX]; /* empty: none */
};

/* Makes a new one in the folder `in`; NULL: in $TMPDIR or /tmp. */
int folder_make(struct folder *ret_folder, const char *in, struct failure *why);

/* Removes it and all that is in it. */
int folder_remove(struct folder *f, struct failure *why);

#endif
