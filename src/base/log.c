/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const char *log_program = "tessera";
static enum log_level log_max = LOG_LEVEL_INFO;

void
log_init(const char *program)
{
    const char *want = getenv("TESSERA_LOG");

    log_program = program;
    for (unsigned i = 0; want && i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(want, level_names[i]) == 0)
            log_max = (enum log_level)i;
    }
}

void
log_line(enum log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    int n;

    if (level > log_max)
        return;
    n = snprintf(line, sizeof line - 1, "%s: %s: ", log_program, level_names[level]);
    va_start(ap, fmt);
    n += vsnprintf(line + n, sizeof line - 1 - (size_t)n, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n] = '\n';
    /*
     * One write, so that lines of several processes do not mix; a lost log line is no
     * error.
     */
    if (write(STDERR_FILENO, line, (size_t)n + 1) < 0)
        return;
}
