/* SPDX-License-Identifier: MIT */
#include "say.h"
const struct op wrong_image_ops[] = {{0}};
