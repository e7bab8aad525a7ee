/* SPDX-License-Identifier: MIT */
/*
 * The bytes of memory objects, read and written through the driver: buffers and images that do not
 * lie in the heap, or whose layout there is the driver's. The driver must have nothing else.
 */
#ifndef TESSERA_WORKER_CONTENT_H
#define TESSERA_WORKER_CONTENT_H

#include "worker/mem.h"

#define CONTENT_PIECE_BYTES (8u << 20)

struct content_io {
    struct session *s;
    cl_context context; /* that the queue is of; borrowed */
    cl_command_queue queue;
};

void content_init(struct content_io *io, struct session *s);
void content_fini(struct content_io *io);

/* A queue of the object's context, ours; NULL: the driver gives none. */
cl_command_queue content_queue(struct content_io *io, const struct mem *m);

/* All bytes of it, an image's packed tight; 0 for a part of another object, or a failed one. */
uint64_t content_bytes(struct session *s, const struct mem *m);

/*
 * The piece that begins at offset, at most CONTENT_PIECE_BYTES unless a single row is longer: its
 * length. Reads it into, or writes it from, bytes.
 */
uint64_t content_piece_bytes(struct session *s, const struct mem *m, uint64_t offset);
cl_int content_read(struct content_io *io, const struct mem *m, uint64_t offset,
                    void *bytes);
cl_int content_write(struct content_io *io, const struct mem *m, uint64_t offset,
                     const void *bytes);

#endif
