/* SPDX-License-Identifier: MIT */
#include "say.h"
const struct op wrong_ops[] = {{0}};
