/* SPDX-License-Identifier: MIT */
/* RUNTIME/operations.sock: lines of JSON, one operation a connection (docs/control-api.md). */
#ifndef TESSERA_MANAGER_OPERATION_SOCKET_H
#define TESSERA_MANAGER_OPERATION_SOCKET_H

#include "manager/manager.h"

struct operation_socket;

int operation_socket_start(struct manager *m, struct operation_socket **ret,
                           struct err *e);

/* Also removes the socket and hangs up on everybody. After operations_forget(). */
void operation_socket_stop(struct operation_socket *s);

#endif
