/* SPDX-License-Identifier: MIT */
#include "guest/opencl/stream.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>

#define LINE_BYTES 64u

/* dst is aligned to a line. */
static void
stream_lines(uint8_t *dst, const uint8_t *src, size_t lines)
{
    for (; lines > 0; lines--, dst += LINE_BYTES, src += LINE_BYTES) {
        const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)src);
        const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(src + 16));
        const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(src + 32));
        const __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(src + 48));

        _mm_stream_si128((__m128i *)(void *)dst, a);
        _mm_stream_si128((__m128i *)(void *)(dst + 16), b);
        _mm_stream_si128((__m128i *)(void *)(dst + 32), c);
        _mm_stream_si128((__m128i *)(void *)(dst + 48), d);
    }
    _mm_sfence();
}

void
stream_copy(void *dst, const void *src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;
    size_t head = -(uintptr_t)d % LINE_BYTES, lines;

    if (head > n)
        head = n;
    memcpy(d, s, head);
    lines = (n - head) / LINE_BYTES;
    stream_lines(d + head, s + head, lines);
    head += lines * LINE_BYTES;
    memcpy(d + head, s + head, n - head);
}
#else
void
stream_copy(void *dst, const void *src, size_t n)
{
    memcpy(dst, src, n);
}
#endif
