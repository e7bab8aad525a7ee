/* SPDX-License-Identifier: MIT */
/*
 * A session is saved, made again and saved again: both snapshots must be alike. And what takes a
 * snapshot to pieces and puts it together, since a fuzzer changes what is inside its checksums:
 *
 *   switches (8 bytes) | kind, id, bytes, zeros (4 bytes each) | the bytes | kind, …
 *
 * is a list of sections, each followed by so many zeros. The head is a packed_head, which stays as
 * it is when struct saved_session changes: else all seeds would be refused at once.
 */
#ifndef TESSERA_FUZZ_ROUND_TRIP_H
#define TESSERA_FUZZ_ROUND_TRIP_H

#include "stage.h"
#include "worker/restore.h"
#include "worker/saved.h"

#define SNAPSHOT_NUMBER 0x7465737365726131ull
#define SNAPSHOT_SWITCHES 8u

struct packed_section {
    uint32_t kind, id, bytes, zeros;
};

/* New fields come last; those that a seed has not are 0. */
struct packed_head {
    uint32_t version, flags;
    uint64_t number;
    uint8_t token[TOKEN_BYTES];
    uint64_t heap_bytes;
    uint32_t commands_bytes, replies_bytes, commands_at, replies_at;
    uint64_t reserved_bytes, moments, channel_off, boot;
    char program[64], driver[192];
};

void head_pack(const struct saved_session *h, struct packed_head *ret);
void head_unpack(const struct packed_head *p, struct saved_session *ret);

/* What is in fd, from its beginning. 0, or a negative errno with words. */
int restore_again(struct stage *g, int fd, const struct guest_memory *memory,
                  restore_progress_fn *progress, struct err *e);

/* Ends a session that was made so, whether that went well or not. */
void restored_end(struct stage *g);

/*
 * Of a session that is paused, or restored. copy: the first save copies all. Aborts where the two
 * differ. FUZZ_SAVE_DIR names a folder where what was saved becomes a seed of fuzz_restore.
 */
void round_trip(struct session *s, bool copy);

/* An empty memfd, the same one each time. */
int scratch_file(void);

#endif
