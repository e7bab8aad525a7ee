/* SPDX-License-Identifier: MIT */
/* vec.h - points and directions in space. */
#ifndef CAD_VEC_H
#define CAD_VEC_H

#include <math.h>

struct vec {
    double x, y, z;
};

static inline struct vec
vec_add(struct vec a, struct vec b)
{
    return (struct vec){a.x + b.x, a.y + b.y, a.z + b.z};
}

static inline struct vec
vec_sub(struct vec a, struct vec b)
{
    return (struct vec){a.x - b.x, a.y - b.y, a.z - b.z};
}

static inline struct vec
vec_scale(struct vec a, double by)
{
    return (struct vec){a.x * by, a.y * by, a.z * by};
}

static inline double
vec_dot(struct vec a, struct vec b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct vec
vec_cross(struct vec a, struct vec b)
{
    return (struct vec){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z,
                        a.x * b.y - a.y * b.x};
}

static inline double
vec_length(struct vec a)
{
    return sqrt(vec_dot(a, a));
}

/* Of length 1, or all zero when it has no direction. */
static inline struct vec
vec_unit(struct vec a)
{
    const double length = vec_length(a);

    return length > 0.0 && isfinite(length) ? vec_scale(a, 1.0 / length)
                                            : (struct vec){0};
}

#endif
