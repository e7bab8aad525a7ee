/* SPDX-License-Identifier: MIT */
/*
 * A driver of very few functions, whose answers are made of their arguments: do all of them get
 * through a trampoline, at the first call and later?
 */
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int cuInit(unsigned flags);
EXPORT int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                          unsigned by, unsigned bz, unsigned shared, void *stream,
                          void **params, void **extra);
EXPORT int cuParamSetf(void *f, int offset, float value);
EXPORT int cuEventElapsedTime(double a, double b, double c, double d, double e, double f,
                              double g, double h, double i);

int
cuInit(unsigned flags)
{
    return (int)flags + 1;
}

int
cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
               unsigned bz, unsigned shared, void *stream, void **params, void **extra)
{
    const unsigned numbers[] = {(unsigned)(uintptr_t)f,
                                gx,
                                gy,
                                gz,
                                bx,
                                by,
                                bz,
                                shared,
                                (unsigned)(uintptr_t)stream,
                                (unsigned)(uintptr_t)params,
                                (unsigned)(uintptr_t)extra};
    unsigned sum = 0;

    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sum = sum * 3 + numbers[i];
    return (int)sum;
}

int
cuParamSetf(void *f, int offset, float value)
{
    return (int)((float)(intptr_t)f + (float)offset + value);
}

/* Not what it is in the driver: as many floating-point arguments as registers have, and one. */
int
cuEventElapsedTime(double a, double b, double c, double d, double e, double f, double g,
                   double h, double i)
{
    return (int)(a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i);
}
