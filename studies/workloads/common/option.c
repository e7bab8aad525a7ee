/* SPDX-License-Identifier: MIT */
#include "common/option.h"

#include <errno.h>
#include <stdlib.h>

uint64_t
option_count(const char *text, uint64_t min, uint64_t max, const char *name,
             struct argp_state *state)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < min || value > max)
        argp_error(state, "--%s %s: a number from %llu to %llu is needed", name, text,
                   (unsigned long long)min, (unsigned long long)max);
    return value;
}

static double
number(const char *text, double max, const char *name, const char *what,
       struct argp_state *state)
{
    char *end;
    const double value = strtod(text, &end);

    if (end == text || *end || !(value >= 0.0 && value <= max))
        argp_error(state, "--%s %s: %s from 0 to %.0f are needed", name, text, what, max);
    return value;
}

double
option_number(const char *text, double max, const char *name, const char *what,
              struct argp_state *state)
{
    const double value = number(text, max, name, what, state);

    if (value <= 0.0)
        argp_error(state, "--%s %s: more than 0 %s are needed", name, text, what);
    return value;
}

double
option_number_or_0(const char *text, double max, const char *name, const char *what,
                   struct argp_state *state)
{
    return number(text, max, name, what, state);
}
