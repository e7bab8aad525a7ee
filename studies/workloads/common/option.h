/* SPDX-License-Identifier: MIT */
/* option.h - numbers on the command line; what is none ends the process (status 64). */
#ifndef WORKLOADS_OPTION_H
#define WORKLOADS_OPTION_H

#include <argp.h>
#include <stdint.h>

/* min to max, for --name TEXT. */
uint64_t option_count(const char *text, uint64_t min, uint64_t max, const char *name,
                      struct argp_state *state);

/* More than 0, at most max, for --name TEXT; what says of what ("seconds"). */
double option_number(const char *text, double max, const char *name, const char *what,
                     struct argp_state *state);

/* As option_number, but 0 is allowed, too. */
double option_number_or_0(const char *text, double max, const char *name,
                          const char *what, struct argp_state *state);

#endif
