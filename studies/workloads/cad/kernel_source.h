/* SPDX-License-Identifier: MIT */
/* kernel_source.h - the text of geometry.cl and pixels.cl, embedded by the build. */
#ifndef CAD_KERNEL_SOURCE_H
#define CAD_KERNEL_SOURCE_H

extern const char kernel_source[];

#endif
