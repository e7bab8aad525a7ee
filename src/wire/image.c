/* SPDX-License-Identifier: MIT */
#include "wire/image.h"

#include "base/checked.h"

#include <CL/cl.h>

static uint32_t
channels_of(uint64_t order)
{
    switch (order) {
    case CL_R:
    case CL_A:
    case CL_DEPTH:
    case CL_LUMINANCE:
    case CL_INTENSITY:
        return 1;
    case CL_RG:
    case CL_RA:
    case CL_Rx:
        return 2;
    case CL_RGB:
    case CL_RGx:
    case CL_sRGB:
        return 3;
    case CL_RGBA:
    case CL_ARGB:
    case CL_BGRA:
    case CL_ABGR:
    case CL_RGBx:
    case CL_sRGBA:
    case CL_sBGRA:
    case CL_sRGBx:
        return 4;
    default:
        return 0;
    }
}

/* Bytes of one channel; 0 for the packed types, and for what is no type. */
static uint32_t
channel_bytes(uint64_t type)
{
    switch (type) {
    case CL_SNORM_INT8:
    case CL_UNORM_INT8:
    case CL_SIGNED_INT8:
    case CL_UNSIGNED_INT8:
        return 1;
    case CL_SNORM_INT16:
    case CL_UNORM_INT16:
    case CL_SIGNED_INT16:
    case CL_UNSIGNED_INT16:
    case CL_HALF_FLOAT:
        return 2;
    case CL_SIGNED_INT32:
    case CL_UNSIGNED_INT32:
    case CL_FLOAT:
        return 4;
    default:
        return 0;
    }
}

/* All channels of an element in one short or int. */
static uint32_t
packed_bytes(uint64_t order, uint64_t type)
{
    bool rgb = order == CL_RGB || order == CL_RGBx;

    switch (type) {
    case CL_UNORM_SHORT_565:
    case CL_UNORM_SHORT_555:
        return rgb ? 2 : 0;
    case CL_UNORM_INT_101010:
        return rgb ? 4 : 0;
    case CL_UNORM_INT_101010_2:
        return order == CL_RGBA ? 4 : 0;
    default:
        return 0;
    }
}

static bool
is_float_or_normalized(uint64_t type)
{
    return type == CL_UNORM_INT8 || type == CL_UNORM_INT16 || type == CL_SNORM_INT8 ||
           type == CL_SNORM_INT16 || type == CL_HALF_FLOAT || type == CL_FLOAT;
}

/* The orders that do not take every type (footnotes of the channel order table). */
static bool
order_takes(uint64_t order, uint64_t type)
{
    switch (order) {
    case CL_LUMINANCE:
    case CL_INTENSITY:
        return is_float_or_normalized(type);
    case CL_DEPTH:
        return type == CL_UNORM_INT16 || type == CL_FLOAT;
    case CL_ARGB:
    case CL_BGRA:
    case CL_ABGR:
        return channel_bytes(type) == 1;
    case CL_sRGB:
    case CL_sRGBx:
    case CL_sRGBA:
    case CL_sBGRA:
        return type == CL_UNORM_INT8;
    case CL_RGB:
    case CL_RGBx:
        return false; /* packed types alone */
    default:
        return true;
    }
}

uint32_t
image_element_bytes(uint64_t channel_order, uint64_t channel_type)
{
    uint32_t packed = packed_bytes(channel_order, channel_type);

    if (packed)
        return packed;
    if (!order_takes(channel_order, channel_type))
        return 0;
    return channels_of(channel_order) * channel_bytes(channel_type);
}

bool
image_extent(uint64_t image_type, const uint64_t sizes[IMAGE_SIZES], uint64_t ret[3])
{
    uint64_t y = 1, z = 1;

    switch (image_type) {
    case CL_MEM_OBJECT_IMAGE1D:
    case CL_MEM_OBJECT_IMAGE1D_BUFFER:
        break;
    case CL_MEM_OBJECT_IMAGE1D_ARRAY:
        y = sizes[IMAGE_ARRAY_SIZE];
        break;
    case CL_MEM_OBJECT_IMAGE2D:
        y = sizes[IMAGE_HEIGHT];
        break;
    case CL_MEM_OBJECT_IMAGE2D_ARRAY:
        y = sizes[IMAGE_HEIGHT];
        z = sizes[IMAGE_ARRAY_SIZE];
        break;
    case CL_MEM_OBJECT_IMAGE3D:
        y = sizes[IMAGE_HEIGHT];
        z = sizes[IMAGE_DEPTH];
        break;
    default:
        return false;
    }
    ret[0] = sizes[IMAGE_WIDTH];
    ret[1] = y;
    ret[2] = z;
    return ret[0] && y && z;
}

bool
image_region_ok(const uint64_t extent[3], const uint64_t origin[3],
                const uint64_t region[3])
{
    for (int i = 0; i < 3; i++) {
        if (region[i] == 0 || !range_inside(origin[i], region[i], extent[i]))
            return false;
    }
    return true;
}

bool
image_region_bytes(uint32_t element, const uint64_t region[3], uint64_t *ret)
{
    uint64_t bytes;

    return checked_mul(region[0], element, &bytes) &&
           checked_mul(bytes, region[1], &bytes) && checked_mul(bytes, region[2], ret);
}
