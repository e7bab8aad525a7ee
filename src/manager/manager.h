/* SPDX-License-Identifier: MIT */
/*
 * The manager: everything that one tesserad knows. One thread, one libuv loop;
 * whatever has to wait (a worker's end, a request's answer) is a callback on
 * that loop.
 */
#ifndef TESSERA_MANAGER_MANAGER_H
#define TESSERA_MANAGER_MANAGER_H

#include "base/err.h"
#include "base/list.h"
#include "manager/cgroup.h"
#include "manager/folders.h"
#include "manager/inventory.h"
#include "manager/loop.h"
#include "manager/options.h"
#include "manager/request.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct http;
struct metrics_http;
struct operation_socket;

struct manager {
    const struct options *options;
    struct folders folders;
    char *worker, *icd_library, *cuda_library, *nvml_library; /* paths, owned */
    struct inventory inventory;
    enum placement_order order; /* one for all GPUs, as it decides between them */
    struct list vgpus;          /* struct vgpu, by name */
    json_t *warnings;           /* words for /v1/status: what went wrong at the start */
    struct http *http;
    struct metrics_http *metrics; /* NULL: no port is asked for */
    struct list operations;       /* struct operation */
    struct operation_socket *operation_socket;
    struct cgroups cgroups;
    struct alarm
        *groups_left;        /* another try at groups whose last process took its time */
    uint64_t groups_wait_ms; /* till that */
    bool worker_users;       /* workers have users of their own */
    unsigned trashed;        /* names what waits to be removed */
    struct alarm *idle;      /* with --idle-exit */
    uint64_t started_ns, last_request_ns;
    uv_loop_t loop;
    bool loop_made;
    uv_signal_t signals[2];
};

/* Starts everything: folders, lock, inventory, vGPUs of before, control API. */
int manager_init(struct manager *m, const struct options *o, struct err *e);

/* Serves until manager_stop() or a signal. vGPUs and their sessions go on after it. */
void manager_run(struct manager *m);
void manager_stop(struct manager *m);

/* Also ends a manager that manager_init() left half made. */
void manager_fini(struct manager *m);

/*
 * Changes settings; g NULL means every GPU. The placement order
 * decides between GPUs, so it is one for all, whichever GPU it is set through.
 * On an error nothing is changed.
 */
int manager_set_gpus(struct manager *m, struct gpu *g, const struct request_gpu *r,
                     struct err *e);

/* A line in the log and in /v1/status. */
void manager_warn(struct manager *m, const char *words);

#endif
