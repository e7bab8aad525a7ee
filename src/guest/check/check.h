/* SPDX-License-Identifier: MIT */
/* Tells a person why programs here find no vGPU, or that they find one. */
#ifndef TESSERA_GUEST_CHECK_CHECK_H
#define TESSERA_GUEST_CHECK_CHECK_H

#include <stdbool.h>

/* Prints what it finds below root ("" is the system itself). Is there a vGPU, and all in order? */
bool guest_check(const char *root, bool json);

#endif
