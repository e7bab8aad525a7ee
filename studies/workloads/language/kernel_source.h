/* SPDX-License-Identifier: MIT */
/* kernel_source.h - the text of kernels.cl, embedded by the build. */
#ifndef LANGUAGE_KERNEL_SOURCE_H
#define LANGUAGE_KERNEL_SOURCE_H

extern const char kernel_source[];

#endif
