/* SPDX-License-Identifier: MIT */
#include "common/failure.h"

#include <stdarg.h>
#include <stdio.h>

int
failure_set(struct failure *why, int code, const char *format, ...)
{
    va_list args;

    if (why->text[0])
        return code;

    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return code;
}
