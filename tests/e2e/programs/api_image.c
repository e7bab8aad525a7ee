/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.3: images. */
#include "api_use.h"
void
api_image(struct use *u)
{
    (void)u;
}
