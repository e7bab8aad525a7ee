/* SPDX-License-Identifier: MIT */
/*
 * document.h - a text on the disk. Whoever reads it checks that it is what was written
 * there last.
 */
#ifndef OFFICE_DOCUMENT_H
#define OFFICE_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"
#include "common/rng.h"

enum {
    DOCUMENT_BYTES = 192 << 10,
    DOCUMENT_BYTES_MAX = 256 << 10, /* an edited document loses its end beyond that */
    DOCUMENT_GIVEN_BYTES_MAX = 16 << 20, /* of a file that was given */
};

struct document {
    const char *path; /* borrowed */
    size_t size;
    uint32_t crc; /* zlib's */
};

/* Writes a new text of size bytes there. */
int document_make(struct document *ret_document, const char *path, size_t size,
                  struct rng *rng, struct failure *why);

/* Takes the file as it is. */
int document_open(struct document *ret_document, const char *path, struct failure *why);

/* Its d->size bytes and a NUL, the caller's to free; -EBADMSG when they are not what they were. */
int document_load(const struct document *d, char **ret_bytes, struct failure *why);

/* Inserts a paragraph, saves, and reads again what was saved. The answer: its checksum. */
int document_edit(struct document *d, struct rng *rng, uint64_t *ret_answer,
                  struct failure *why);

#endif
