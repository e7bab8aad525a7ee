/* SPDX-License-Identifier: MIT */
/* What is kept of a vGPU over a restart: STATE/vgpus/NAME.json. */
#ifndef TESSERA_MANAGER_VGPU_STATE_H
#define TESSERA_MANAGER_VGPU_STATE_H

#include "base/err.h"
#include "policy/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VGPU_STATE_VERSION 1
#define VGPU_STATE_MAX_BYTES 65536
#define VM_NAME_BYTES 128
#define UUID_TEXT_BYTES 37 /* 8-4-4-4-12 and the NUL */

/* A process that still is the one meant only while its start time is the same. */
struct process_id {
    uint64_t pid, start_ticks; /* pid 0 = none */
};

/* The virtual machine that has it. */
struct vgpu_vm_state {
    bool attached, has_uid;
    uint64_t uid;               /* whom QEMU runs as, if it was told */
    char domain[VM_NAME_BYTES]; /* for people; "": unknown */
    /* What the machine calls it, as a machine's copy knows the names of before; "": its name. */
    char label[VGPU_NAME_MAX + 1];
};

#define SNAPSHOT_PATH_BYTES 1024
#define MOVED_PATH_BYTES 108 /* as long as a socket's path may be (unix(7)) */

/* Suspended: its sessions are in a snapshot. */
struct vgpu_suspended_state {
    uint64_t number; /* the snapshot's; 0: it is not suspended */
    bool own;        /* it is in our own folder (vgpu_suspend.h) */
    char file
        [SNAPSHOT_PATH_BYTES]; /* else this is where; "": only who asked for it knows */
    char moved[MOVED_PATH_BYTES]; /* its socket where it went on; "": nowhere */
};

struct vgpu_state {
    char name[VGPU_NAME_MAX + 1];
    char uuid[UUID_TEXT_BYTES];
    char gpu[VGPU_NAME_MAX + 1];
    char type[TYPE_NAME_MAX]; /* "passthrough" when it is */
    bool passthrough;
    uint64_t framebuffer_bytes, start_bytes, max_instances;
    uint64_t owner_uid;
    uint64_t created_unix; /* seconds */
    /* Ephemeral: the process that the vGPU lives and dies with. */
    struct process_id owner;
    struct vgpu_vm_state vm;
    struct vgpu_suspended_state suspended;
};

/* Pure. -EINVAL with words when the bytes are not a whole state file of our version. */
int vgpu_state_parse(const char *buf, size_t len, struct vgpu_state *ret, struct err *e);

/* The file's content, malloc'ed; NULL without memory. */
char *vgpu_state_format(const struct vgpu_state *s);

/* Writes and removes the file in folder (STATE/vgpus). */
int vgpu_state_save(const char *folder, const struct vgpu_state *s, struct err *e);
void vgpu_state_remove(const char *folder, const char *name);

/*
 * Reads folder/file. A damaged file is renamed FILE.damaged, so that the next
 * start does not meet it again; *e then says so.
 */
int vgpu_state_load(const char *folder, const char *file, struct vgpu_state *ret,
                    struct err *e);

#endif
