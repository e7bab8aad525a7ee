/* SPDX-License-Identifier: MIT */
/* Times as people write them: "2ms", "1.5s", "500us". Pure. */
#ifndef TESSERA_CLI_DURATION_H
#define TESSERA_CLI_DURATION_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads digits, a fraction of at most 6 digits, and a unit: ns, us, ms, s, min or h. Nothing else
 * may stand before, between or after. -EINVAL: not a time (2 alone too: nobody can tell of what);
 * -ERANGE: longer than 584 years.
 */
int duration_parse(const char *text, uint64_t *ret_ns);

/* "2 ms", "1.5 s", "500 us", "0 s": three decimals at most, rounded; buf is always ended. */
#define DURATION_TEXT_BYTES 32
void duration_format(uint64_t ns, char *buf, size_t cap);

#endif
