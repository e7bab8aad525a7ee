/* SPDX-License-Identifier: MIT */
/*
 * What a control API request may say. Pure functions over bytes: they check
 * shape and spelling, never whether a name exists. All return 0, or -EINVAL
 * with words.
 */
#ifndef TESSERA_MANAGER_REQUEST_H
#define TESSERA_MANAGER_REQUEST_H

#include "base/err.h"
#include "manager/vgpu_state.h"
#include "policy/placement.h"
#include "policy/sched.h"

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_MAX_BYTES 65536
#define REQUEST_NAME_BYTES 64

/* POST /v1/vgpus */
struct request_create {
    char name[REQUEST_NAME_BYTES]; /* "" only with ephemeral: the manager picks one */
    char type[REQUEST_NAME_BYTES]; /* "" with passthrough */
    char gpu[REQUEST_NAME_BYTES];  /* "" = any */
    bool passthrough;
    bool ephemeral; /* lives as long as the process that asked for it */
};

/* PATCH /v1/gpus/NAME: at least one is set. */
struct request_gpu {
    bool has_mode, has_order, has_policy, has_slice, has_elastic, has_watchdog;
    enum gpu_mode mode;
    enum placement_order order;
    enum sched_policy policy;
    unsigned slice_us; /* 0: the default */
    unsigned elastic_percent;
    unsigned watchdog_seconds; /* 0: off */
};

/* PUT /v1/vgpus/NAME/vm */
struct request_vm {
    bool has_uid;
    uint64_t uid;                   /* whom QEMU runs as */
    char domain[VM_NAME_BYTES];     /* "": not told */
    char label[REQUEST_NAME_BYTES]; /* "": as it is, or the vGPU's name */
};

/* PUT /v1/vgpus/NAME/moved */
struct request_moved {
    char socket[MOVED_PATH_BYTES];
};

/* POST /v1/shutdown */
struct request_shutdown {
    bool end_vgpus;
};

enum operation_kind { OPERATION_SUSPEND, OPERATION_RESUME, OPERATION_CLONE };

/* The first line at RUNTIME/operations.sock */
struct request_operation {
    enum operation_kind kind;
    char vgpu[REQUEST_NAME_BYTES], name[REQUEST_NAME_BYTES]; /* name: the clone's */
    char gpu[REQUEST_NAME_BYTES];                            /* "" = any */
    char file[SNAPSHOT_PATH_BYTES]; /* what the descriptor is, for the record */
    bool confirm;   /* the caller says when the snapshot is in its place */
    bool suspended; /* what is made stays suspended, into a copy of the snapshot */
};

int request_parse_operation(const char *buf, size_t len, struct request_operation *ret,
                            struct err *e);

int request_parse_create(const char *buf, size_t len, struct request_create *ret,
                         struct err *e);
int request_parse_gpu(const char *buf, size_t len, struct request_gpu *ret,
                      struct err *e);
/* Nothing is asked for. */
bool request_gpu_is_empty(const struct request_gpu *r);

int request_parse_vm(const char *buf, size_t len, struct request_vm *ret, struct err *e);

int request_parse_moved(const char *buf, size_t len, struct request_moved *ret,
                        struct err *e);

int request_parse_shutdown(const char *buf, size_t len, struct request_shutdown *ret,
                           struct err *e);

#endif
