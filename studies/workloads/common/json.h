/* SPDX-License-Identifier: MIT */
/* json.h - pieces of a JSON line on stdout. */
#ifndef WORKLOADS_JSON_H
#define WORKLOADS_JSON_H

#include <stdint.h>

/* "name":"text", escaped. */
void json_string(const char *name, const char *text);

/* ,"name":value with nine digits, a float's exact bits; null for what is not finite. */
void json_number(const char *name, double value);

/* ,"name":value */
void json_count(const char *name, uint64_t value);

#endif
