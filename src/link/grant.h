/* SPDX-License-Identifier: MIT */
/*
 * What a program gets that is served in its own process (CUDA), and not by a worker. Connecting is
 * the request: the manager reads nothing. It answers with one grant and descriptors, and hangs up;
 * the program's end gives all back.
 *
 *     VGPU/cuda      program ── connect() ──▶ manager
 *                    program ◀── struct grant, account, turns, bell ── manager
 *     VGPU/usage     the same to look only: the account, to be read, and no slot
 */
#ifndef TESSERA_LINK_GRANT_H
#define TESSERA_LINK_GRANT_H

#include "link/account.h"

#define GRANT_MAGIC 0x67525354u /* "TSRg" */
#define GRANT_VERSION 4u
#define GRANT_DEVICE_BYTES 96
#define GRANT_NO_SLOT UINT32_MAX
#define GRANT_NO_GATE UINT32_MAX
/* In the vGPU's folder. */
#define GRANT_SOCKET "cuda"
#define GRANT_LOOK_SOCKET "usage"

struct grant {
    uint32_t magic, version;
    int32_t status; /* 0, or a negative errno, and reason says why */
    uint32_t slot;  /* in the account: the program's own; GRANT_NO_SLOT: it looks only */
    uint32_t
        gate; /* in the GPU's turns; GRANT_NO_GATE: nobody governs, the account is all */
    char reason[ACCOUNT_REASON_BYTES];
    char device[GRANT_DEVICE_BYTES]; /* in CUDA_VISIBLE_DEVICES */
    uint64_t pinned_bytes; /* of the host's, for all sessions of the vGPU together */
};

/* One of a program's vGPUs: what it was granted. */
struct vgpu_grant {
    struct account_page *account;
    unsigned slot;         /* there: its own */
    struct turn_view view; /* of its gate; the file is NULL: nobody governs */
    uint64_t pinned_bytes; /* LIMIT_PINNED_BYTES in the account may grow to that */
    char device[GRANT_DEVICE_BYTES];
};

/*
 * Connects at folder/cuda and maps what it gets there. 0; a negative errno: there is no manager, or
 * it said no. -ENOENT: the vGPU has no CUDA.
 */
int grant_ask(const char *folder, struct vgpu_grant *ret);

/* Connects at folder/usage and maps the account there, to be read. 0 or a negative errno. */
struct vgpu_look {
    const struct account_page *account;
    char device[GRANT_DEVICE_BYTES];
};
int grant_look(const char *folder, struct vgpu_look *ret);

#endif
