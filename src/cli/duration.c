/* SPDX-License-Identifier: MIT */
#include "cli/duration.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_DIGITS 6

static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"min", UINT64_C(60000000000)},
    {"h", UINT64_C(3600000000000)},
};

static const struct unit *
unit_find(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

/* Digits at *p as a number of at most `most` digits; returns how many there were. */
static int
digits(const char **p, int most, uint64_t *ret)
{
    uint64_t n = 0;
    int count = 0;

    for (; isdigit((unsigned char)**p); (*p)++, count++) {
        if (count == most)
            return -ERANGE;
        n = n * 10 + (uint64_t)(**p - '0');
    }
    *ret = n;
    return count;
}

int
duration_parse(const char *text, uint64_t *ret_ns)
{
    const struct unit *unit;
    uint64_t whole, part = 0, scale = 1, ns;
    int n = digits(&text, 18, &whole);

    if (n <= 0)
        return n < 0 ? n : -EINVAL;
    if (*text == '.') {
        text++;
        n = digits(&text, FRACTION_DIGITS, &part);
        if (n <= 0)
            return -EINVAL;
        for (; n > 0; n--)
            scale *= 10;
    }
    unit = unit_find(text);
    if (!unit)
        return -EINVAL;
    if (__builtin_mul_overflow(whole, unit->ns, &ns) ||
        __builtin_add_overflow(ns, part * unit->ns / scale, &ns))
        return -ERANGE;
    *ret_ns = ns;
    return 0;
}

void
duration_format(uint64_t ns, char *buf, size_t cap)
{
    const struct unit *unit = &units[0];
    char text[DURATION_TEXT_BYTES];
    size_t len;

    /* Up to seconds: nobody reads "0.033 h". */
    for (size_t i = 0; i < 4 && ns >= units[i].ns; i++)
        unit = &units[i];
    if (ns == 0)
        unit = &units[3];
    len = (size_t)snprintf(text, sizeof text, "%.3f", (double)ns / (double)unit->ns);
    while (len > 1 && text[len - 1] == '0')
        text[--len] = '\0';
    if (len > 1 && text[len - 1] == '.')
        text[--len] = '\0';
    snprintf(buf, cap, "%s %s", text, unit->name);
}
