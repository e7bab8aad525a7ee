/* SPDX-License-Identifier: MIT */
#include "manager/strv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
strv_add(struct strv *s, const char *fmt, ...)
{
    char **more = reallocarray(s->v, s->n + 2, sizeof *more), *word = NULL;
    va_list ap;
    int n;

    if (!more) {
        s->failed = true;
        return;
    }
    s->v = more;
    va_start(ap, fmt);
    n = vasprintf(&word, fmt, ap);
    va_end(ap);
    if (n < 0) {
        s->failed = true;
        word = NULL;
    }
    s->v[s->n] = word;
    s->n += word ? 1 : 0;
    s->v[s->n] = NULL;
}

void
strv_add_env(struct strv *s, const char *name)
{
    const char *value = getenv(name);

    if (value)
        strv_add(s, "%s=%s", name, value);
}

void
strv_fini(struct strv *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct strv){0};
}
