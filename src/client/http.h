/* SPDX-License-Identifier: MIT */
/* One HTTP exchange over a connected socket. Inside src/client only. */
#ifndef TESSERA_CLIENT_HTTP_H
#define TESSERA_CLIENT_HTTP_H

#include <stddef.h>

struct http_answer {
    int status;
    char *text;  /* the whole answer, owned */
    size_t body; /* where in it the body begins; a NUL follows the body */
};

/*
 * body may be NULL. -EPROTO when what comes back is not HTTP, -ECONNRESET when nothing
 * comes back.
 */
int http_exchange(int sock, const char *method, const char *path, const char *body,
                  struct http_answer *ret);

#endif
