/* SPDX-License-Identifier: MIT */
/* Whether the OpenCL loader is told of our library, by an .icd file. */
#ifndef TESSERA_GUEST_CHECK_LOADER_H
#define TESSERA_GUEST_CHECK_LOADER_H

#include "guest/check/report.h"

/* The library as an .icd file names it, malloc'ed; NULL, and reported, if none does. */
char *loader_check(struct report *r);

#endif
