/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
err_set(struct err *e, int code, const char *fmt, ...)
{
    char *msg = NULL;
    va_list ap;

    if (!e)
        return code;
    va_start(ap, fmt);
    if (vasprintf(&msg, fmt, ap) < 0)
        msg = NULL;
    va_end(ap);
    free(e->msg);
    e->msg = msg;
    e->code = code;
    return code;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
    char *head = NULL, *msg = NULL;
    va_list ap;

    if (!e)
        return 0;
    va_start(ap, fmt);
    if (vasprintf(&head, fmt, ap) < 0)
        head = NULL;
    va_end(ap);
    if (head && asprintf(&msg, "%s: %s", head, err_msg(e)) >= 0) {
        free(e->msg);
        e->msg = msg;
    }
    free(head);
    return e->code;
}

const char *
err_msg(const struct err *e)
{
    if (e->msg)
        return e->msg;
    return e->code ? strerror(-e->code) : "no error";
}

void
err_fini(struct err *e)
{
    free(e->msg);
    e->msg = NULL;
    e->code = 0;
}
