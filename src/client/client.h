/* SPDX-License-Identifier: MIT */
/*
 * libtessera: the control API from C (docs/control-api.md). One struct client per
 * thread. Answers are jansson objects as the API documents them; each is a new reference
 * that the caller gives back with json_decref().
 *
 * All functions return 0 or a negative errno with words in *e. Nothing is printed.
 */
#ifndef TESSERA_CLIENT_CLIENT_H
#define TESSERA_CLIENT_CLIENT_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct client;

struct client_options {
    const char *runtime_dir; /* NULL = TESSERA_RUNTIME_DIR, else the usual one */
    bool no_start;           /* never start a manager; so does TESSERA_NO_START=1 */
    /* Told, in words for a person, what takes long or is worth knowing; may be NULL. */
    void (*note)(const char *words);
};

/* Connects to nothing yet; the options' strings are copied. */
int client_new(const struct client_options *o, struct client **ret, struct err *e);
void client_free(struct client *c);

/*
 * One request. Where no manager listens, one is started (unless forbidden: -ESRCH). A
 * control socket that belongs neither to us nor to root is refused: -EPERM. body may be
 * NULL, and so may ret.
 */
int client_call(struct client *c, const char *method, const char *path,
                const json_t *body, json_t **ret, struct err *e);

/*
 * The manager's word for the last call's error ("name-taken"); "" when it was none of
 * its.
 */
const char *client_error_code(const struct client *c);

/* From here on no manager is started any more. */
void client_forbid_start(struct client *c);

const char *client_runtime_dir(const struct client *c);

/* The process that answered last, as the kernel tells; 0 = none yet. */
pid_t client_manager_pid(const struct client *c);

/* vGPUs. Names may be any text. */

struct client_vgpu {
    const char *name; /* NULL: the manager picks one (ephemeral only) */
    const char *type; /* NULL: passthrough */
    const char *gpu;  /* NULL: any */
    bool ephemeral;   /* gone when this process is */
};

int client_vgpu_create(struct client *c, const struct client_vgpu *v, json_t **ret,
                       struct err *e);
int client_vgpu_get(struct client *c, const char *name, json_t **ret, struct err *e);

/* A suspended one goes on at another manager, at this socket: its programs are sent there. */
int client_vgpu_moved(struct client *c, const char *name, const char *socket,
                      struct err *e);

/* Returns when it is gone; *ret (may be NULL) is how it looked at the end. */
int client_vgpu_delete(struct client *c, const char *name, json_t **ret, struct err *e);

/* prefix, name, suffix as a path, with the name's odd bytes escaped; malloc'ed. */
char *client_path(const char *prefix, const char *name, const char *suffix);

#endif
