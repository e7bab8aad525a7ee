/* SPDX-License-Identifier: MIT */
/* HTTP on the control socket, by libmicrohttpd on the manager's own loop and thread. */
#ifndef TESSERA_MANAGER_HTTP_H
#define TESSERA_MANAGER_HTTP_H

#include "manager/manager.h"

struct http;

/* Listens at RUNTIME/control.sock. */
int http_start(struct manager *m, struct http **ret, struct err *e);

/* A socket for who may use this manager, non-blocking: the owner's alone, or its group's, too. */
int control_listen(const char *path, struct err *e);

/* Also removes the socket. Requests still waiting for an answer get none. */
void http_stop(struct http *h);

#endif
