/* SPDX-License-Identifier: MIT */
#include "say.h"
const struct op wrong_event_ops[] = {{0}};
