/* SPDX-License-Identifier: MIT */
/*
 * A growing buffer in the wire's form (numbers of 8 bytes, byte strings padded to 8), for answers
 * whose length is not known beforehand. After a failed allocation nothing more is added and
 * `failed` is set.
 */
#ifndef TESSERA_WORKER_BYTES_H
#define TESSERA_WORKER_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data; /* owned */
    size_t len, cap;
    bool failed;
};

void bytes_u64(struct bytes *b, uint64_t v);

/* A byte string: its length, its bytes, padding. */
void bytes_string(struct bytes *b, const void *data, size_t len);

void bytes_fini(struct bytes *b);

#define _cleanup_bytes_ __attribute__((cleanup(bytes_fini)))

#endif
