/* SPDX-License-Identifier: MIT */
/*
 * Fill colors as elements. The conversions are those of the kernel language's write_image
 * functions (OpenCL C 3.0, sections 6.15.15 and 8.3): round to nearest even, saturate.
 */
#include "worker/image.h"

#include "wire/image.h"

#include <string.h>

/* Which of R, G, B, A each channel is, in the order of memory; NULL: not known here. */
static const char *
components_of(uint64_t order)
{
    switch (order) {
    case CL_R:
    case CL_Rx:
    case CL_LUMINANCE:
    case CL_INTENSITY:
    case CL_DEPTH:
        return "\0\0";
    case CL_A:
        return "\3";
    case CL_RG:
    case CL_RGx:
        return "\0\1\1";
    case CL_RA:
        return "\0\3";
    case CL_RGBA:
        return "\0\1\2\3";
    case CL_ARGB:
        return "\3\0\1\2";
    case CL_BGRA:
        return "\2\1\0\3";
    case CL_ABGR:
        return "\3\2\1\0";
    default:
        return NULL;
    }
}

static int64_t
clamp(int64_t v, int64_t low, int64_t high)
{
    if (v < low)
        return low;
    return v > high ? high : v;
}

static int64_t
to_even(float v)
{
    int64_t n = (int64_t)v; /* towards 0 */
    float rest = v - (float)n;

    if (rest > 0.5f || (rest == 0.5f && (n & 1)))
        return n + 1;
    if (rest < -0.5f || (rest == -0.5f && (n & 1)))
        return n - 1;
    return n;
}

/* A normalized value: the scaled float, rounded to even and saturated. NaN is 0. */
static int64_t
normalized(float f, float scale, int64_t low)
{
    float v = f * scale;

    if (!(v == v))
        return 0;
    if (v >= scale)
        return (int64_t)scale;
    return v <= (float)low ? low : to_even(v);
}

/* Rounded to nearest even; infinities, NaN and denormals are kept. */
static uint16_t
half_of(float f)
{
    uint32_t bits, sign, rest;
    float magnitude = f < 0 ? -f : f;

    memcpy(&bits, &f, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    if (f != f)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 65520.0f)
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x1p-14f) /* in units of the smallest denormal */
        return (uint16_t)(sign | (uint32_t)to_even(magnitude * 0x1p24f));
    memcpy(&rest, &magnitude, sizeof rest);
    rest += 0x0fffu + (rest >> 13 & 1);
    return (uint16_t)(sign | ((rest >> 13) - (112u << 10)));
}

/* One channel: `word` is the color's component, a float or an integer by the type. */
static bool
put_channel(uint64_t type, uint32_t word, uint8_t *to)
{
    int64_t v = 0;
    float f;

    memcpy(&f, &word, sizeof f);
    switch (type) {
    case CL_UNORM_INT8:
        v = normalized(f, 255.0f, 0);
        break;
    case CL_UNORM_INT16:
        v = normalized(f, 65535.0f, 0);
        break;
    case CL_SNORM_INT8:
        v = normalized(f, 127.0f, -128);
        break;
    case CL_SNORM_INT16:
        v = normalized(f, 32767.0f, -32768);
        break;
    case CL_SIGNED_INT8:
        v = clamp((int32_t)word, INT8_MIN, INT8_MAX);
        break;
    case CL_SIGNED_INT16:
        v = clamp((int32_t)word, INT16_MIN, INT16_MAX);
        break;
    case CL_UNSIGNED_INT8:
        v = clamp(word, 0, UINT8_MAX);
        break;
    case CL_UNSIGNED_INT16:
        v = clamp(word, 0, UINT16_MAX);
        break;
    case CL_HALF_FLOAT:
        v = half_of(f);
        break;
    case CL_SIGNED_INT32:
    case CL_UNSIGNED_INT32:
    case CL_FLOAT:
        v = word;
        break;
    default:
        return false;
    }
    memcpy(to, &v, image_element_bytes(CL_R, type)); /* little-endian, as the wire */
    return true;
}

bool
image_color(uint64_t channel_order, uint64_t channel_type, const uint8_t color[16],
            uint8_t ret[16])
{
    const uint32_t element = image_element_bytes(channel_order, channel_type);
    const uint32_t channel = image_element_bytes(CL_R, channel_type);
    const char *components = components_of(channel_order);

    if (!components || channel == 0 || element == 0 || (element & (element - 1)))
        return false;
    for (uint32_t i = 0, at = 0; at < element; i++, at += channel) {
        uint32_t words[4];

        memcpy(words, color, sizeof words);
        if (!put_channel(channel_type, words[(unsigned)components[i]], ret + at))
            return false;
    }
    return true;
}
