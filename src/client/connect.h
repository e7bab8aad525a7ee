/* SPDX-License-Identifier: MIT */
/* A client's inside, and how it reaches its manager. Inside src/client only. */
#ifndef TESSERA_CLIENT_CONNECT_H
#define TESSERA_CLIENT_CONNECT_H

#include "client/client.h"

#define SYSTEM_RUNTIME_DIR "/run/tessera"
#define CODE_BYTES 32

struct client {
    char *runtime_dir;
    char *socket, *operations; /* paths */
    bool no_start;
    void (*note)(const char *words);
    pid_t manager;
    char code[CODE_BYTES];
};

/* A connection to the control API, or to operations; the server is known to be ours or root's. */
int client_connect(struct client *c, struct err *e);
int client_connect_operations(struct client *c, struct err *e);

/* Takes the manager's {"code", "message"} as the client's error; returns what it means in C. */
int client_refused(struct client *c, const json_t *error, struct err *e);

#endif
