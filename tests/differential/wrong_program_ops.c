/* SPDX-License-Identifier: MIT */
#include "say.h"
const struct op wrong_program_ops[] = {{0}};
