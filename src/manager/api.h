/* SPDX-License-Identifier: MIT */
/* The control API without its transport: docs/control-api.md. */
#ifndef TESSERA_MANAGER_API_H
#define TESSERA_MANAGER_API_H

#include "manager/vgpu.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* One request and its answer. Lives until the transport frees it with api_call_fini(). */
struct api_call {
    /* The transport fills these; body may be NULL. */
    struct manager *m;
    struct peer peer;
    char *body; /* owned */
    size_t body_len;
    void (*finished)(struct api_call *c); /* a late answer is there */
    bool openmetrics;                     /* the caller reads OpenMetrics' text */

    /* The answer: JSON, or plain text where text is set. */
    unsigned status;
    json_t *json;          /* owned */
    char *text;            /* owned, malloc'ed */
    const char *text_type; /* its content type */
    bool stops_manager;    /* once the answer is sent */

    /* Between the two. */
    char name[VGPU_NAME_MAX + 1]; /* what stands for * in the route */
    struct vgpu_waiter waiter;
    struct vgpu_waiter *ending; /* shutdown: one per vGPU that has to go first, owned */
    unsigned nending, nleft;    /* all of them, and those still there */
};

void api_call_init(struct api_call *c, struct manager *m);

/*
 * Answers a request. True: the answer is in *c. False: it comes later, by
 * finished().
 */
bool api_dispatch(struct api_call *c, const char *method, const char *path);

/* May that user do this? -EPERM with words. admin: what is root's and the manager's own user's. */
int api_check_peer(uid_t uid, bool admin, struct err *e);

/* The code of an error, for programs. */
const char *api_error_code(int rc);

/* Fills the answer with an error: the one place that maps errno to HTTP. */
void api_fail(struct api_call *c, const struct err *e);

void api_call_fini(struct api_call *c);

#endif
