/* SPDX-License-Identifier: MIT */
/*
 * /metrics on a TCP port, for who cannot reach the control socket (tesserad --metrics-listen). It
 * answers GET /metrics to anybody who can connect, and nothing else.
 */
#ifndef TESSERA_MANAGER_METRICS_HTTP_H
#define TESSERA_MANAGER_METRICS_HTTP_H

#include "base/err.h"
#include "manager/manager.h"

#include <sys/socket.h>

struct metrics_http;

/*
 * Reads "PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT" (numbers alone, no names; without an address:
 * 127.0.0.1). -EINVAL when it is none of them.
 */
int metrics_address_parse(const char *text, struct sockaddr_storage *ret,
                          socklen_t *ret_len);

/* Listens where the options say; *ret stays NULL where they say nothing. */
int metrics_http_start(struct manager *m, struct metrics_http **ret, struct err *e);
void metrics_http_stop(struct metrics_http *h);

#endif
