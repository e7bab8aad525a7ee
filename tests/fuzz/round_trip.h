/* SPDX-License-Identifier: MIT */
/*
 * A session is saved, made again and saved again: both snapshots must be alike. And what takes a
 * snapshot to pieces and puts it together, since a fuzzer changes what is inside its checksums:
 *
 *   switches (8 bytes) | kind, id, bytes, zeros (4 bytes each) | the bytes | kind, …
 *
 * is a list of sections, each followed by so many zeros.
 */
#ifndef TESSERA_FUZZ_ROUND_TRIP_H
#define TESSERA_FUZZ_ROUND_TRIP_H

#include "stage.h"
#include "worker/restore.h"

#define SNAPSHOT_NUMBER 0x7465737365726131ull
#define SNAPSHOT_SWITCHES 8u

struct packed_section {
    uint32_t kind, id, bytes, zeros;
};

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
