/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <stdarg.h>

void
step(struct world *w, const char *call, const char *fmt, ...)
{
    va_list ap;

    w->acted = true;
    printf("%3u %s ", w->step, call);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    fflush(stdout);
}

cl_int
answer(const struct world *w, cl_int status)
{
    (void)w;
    printf(" = %s\n", status_name(status));
    return status;
}

void
note(const struct world *w, const char *fmt, ...)
{
    va_list ap;

    printf("%3u   ", w->step);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void
note_bytes(const struct world *w, const char *what, const void *p, size_t bytes)
{
    const uint8_t *b = p;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ b[i]) * 1099511628211u;
    note(w, "%s: %zu bytes, hash %016llx", what, bytes, (unsigned long long)hash);
    for (size_t i = 0; w->options->verbose && i < bytes; i++)
        printf("%s%02x%s", i % 32 == 0 ? "      " : "", b[i],
               i % 32 == 31 || i + 1 == bytes ? "\n" : " ");
}

void
wrong(struct world *w, const char *id, const char *call, cl_int status)
{
    w->acted = true;
    printf("%3u wrong %s", w->step, call);
    if (id)
        printf(" [%s]", id);
    answer(w, status);
    fflush(stdout);
}
