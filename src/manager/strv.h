/* SPDX-License-Identifier: MIT */
/* A growing list of words, NULL at its end: arguments and environments. */
#ifndef TESSERA_MANAGER_STRV_H
#define TESSERA_MANAGER_STRV_H

#include <stdbool.h>
#include <stddef.h>

struct strv {
    char **v; /* owned, and each word too */
    size_t n;
    bool failed; /* out of memory somewhere: checked once, at the end */
};

void strv_add(struct strv *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds NAME=VALUE when this process has the variable. */
void strv_add_env(struct strv *s, const char *name);

void strv_fini(struct strv *s);

#define _cleanup_strv_ __attribute__((cleanup(strv_fini)))

#endif
