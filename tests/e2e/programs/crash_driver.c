/* SPDX-License-Identifier: MIT */
/* An OpenCL driver that crashes whoever loads it. */
#include <signal.h>

__attribute__((constructor)) static void
crash(void)
{
    raise(SIGSEGV);
}
