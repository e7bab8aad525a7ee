/* SPDX-License-Identifier: MIT */
/*
 * The first stream of a snapshot, which is the manager's: one section with a JSON object that says
 * what the vGPU was, and whose the streams are that follow, one for each session. Pure.
 */
#ifndef TESSERA_MANAGER_SNAPSHOT_HEAD_H
#define TESSERA_MANAGER_SNAPSHOT_HEAD_H

#include "base/err.h"
#include "link/account.h"
#include "link/control.h"
#include "manager/gpu.h"
#include "manager/vgpu_state.h"

#define SNAPSHOT_HEAD_KIND 1u
#define SNAPSHOT_HEAD_VERSION 1
#define SNAPSHOT_HEAD_MAX_BYTES (256u << 10)
#define SNAPSHOT_NUMBER_BYTES 17 /* 16 hexadecimal digits and the NUL */
#define BOOT_ID_BYTES 37

struct snapshot_session {
    uint8_t token[CONTROL_TOKEN_BYTES];
    char program[ACCOUNT_PROGRAM_BYTES]; /* printable */
    struct process_id guest;             /* pid 0: unknown here */
    char boot_id[BOOT_ID_BYTES];         /* of the kernel that the guest ran on */
    bool container;
    uint64_t vm_port; /* + 1; 0: by a socket */
    uint64_t slot;
};

/* A program of CUDA's, which waits in the machine's memory (frozen.h). */
struct snapshot_program {
    struct process_id process;
    char program[ACCOUNT_PROGRAM_BYTES]; /* printable */
    char boot_id[BOOT_ID_BYTES];
    uint64_t used_bytes;
};

/* Of the memory that it shares with a virtual machine: what one session has in one piece. */
struct snapshot_extent {
    uint16_t slot, first, n; /* chunks (link/bar_map.h) */
};

struct snapshot_head {
    uint64_t number; /* random, not 0 */
    char name[VGPU_NAME_MAX + 1], uuid[UUID_TEXT_BYTES], type[TYPE_NAME_MAX];
    char gpu[VGPU_NAME_MAX + 1], device[GPU_TEXT_BYTES], driver[GPU_TEXT_BYTES];
    uint64_t framebuffer_bytes;
    bool software, discrete;
    unsigned nsessions;
    struct snapshot_session sessions[ACCOUNT_SLOTS];
    unsigned nprograms;
    struct snapshot_program programs[ACCOUNT_SLOTS];
    unsigned nextents;
    struct snapshot_extent extents[BAR_MAP_CHUNKS]; /* in order */
};

/* -EINVAL with words when the bytes are not one of our version. */
int snapshot_head_parse(const char *buf, size_t len, struct snapshot_head *ret,
                        struct err *e);

/*
 * snapshot_head_file.c: from where a snapshot begins; the descriptor is then behind it.
 * -ECANCELED: stop_fd (-1: there is none) is readable; -EPROTO, -EBADMSG: it is none.
 */
int snapshot_head_read(int fd, int stop_fd, struct snapshot_head *ret, struct err *e);

/* The running kernel's; "" where it does not say. */
void boot_id_read(char *buf, size_t cap);

/* Notes what sessions have in m, and gives a session that had `from` the same as `slot`. */
void snapshot_bar_take(struct snapshot_head *h, const struct bar_map *m);
void snapshot_bar_put(const struct snapshot_head *h, unsigned from, struct bar_map *m,
                      unsigned slot);

/* malloc'ed; NULL without memory. */
char *snapshot_head_format(const struct snapshot_head *h);

/* 16 digits; 0 is no number. */
int snapshot_number_parse(const char *text, uint64_t *ret);
void snapshot_number_format(uint64_t number, char text[SNAPSHOT_NUMBER_BYTES]);

#define TOKEN_TEXT_BYTES (2 * CONTROL_TOKEN_BYTES + 1)

/* 32 digits; a token is not all zero. */
int token_parse(const char *text, uint8_t ret[CONTROL_TOKEN_BYTES]);
void token_format(const uint8_t token[CONTROL_TOKEN_BYTES], char text[TOKEN_TEXT_BYTES]);
bool token_is_zero(const uint8_t token[CONTROL_TOKEN_BYTES]);

#endif
