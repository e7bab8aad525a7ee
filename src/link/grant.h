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
#define GRANT_VERSION 2u
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
};

/*
 * Connects at folder/cuda and maps the account, whose slot *ret_slot is the caller's, and the view
 * of its gate; ret_view->file is NULL where there is none. 0; a negative errno: there is no
 * manager, or it said no.
 */
int grant_ask(const char *folder, struct account_page **ret, unsigned *ret_slot,
              struct turn_view *ret_view);

/* Connects at folder/usage and maps the account there, to be read. 0 or a negative errno. */
int grant_look(const char *folder, const struct account_page **ret);

#endif
