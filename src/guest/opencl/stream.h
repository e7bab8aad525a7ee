/* SPDX-License-Identifier: MIT */
/*
 * Copies of pieces of something large. What is written is not wanted in a cache, which
 * the piece that is read shall stay in: where the machine has stores that go past the
 * caches, they are used, as memcpy() would if it knew the whole size.
 */
#ifndef TESSERA_GUEST_OPENCL_STREAM_H
#define TESSERA_GUEST_OPENCL_STREAM_H

#include <stddef.h>

/* As memcpy(). */
void stream_copy(void *dst, const void *src, size_t n);

#endif
