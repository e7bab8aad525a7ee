/* SPDX-License-Identifier: MIT */
/* Asks OpenCL itself which vGPUs there are. */
#ifndef TESSERA_GUEST_CHECK_ASK_H
#define TESSERA_GUEST_CHECK_ASK_H

#include "guest/check/report.h"

/* library: ours, as the .icd file names it; NULL if none does. */
void ask_check(struct report *r, const char *library);

#endif
