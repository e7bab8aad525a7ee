/* SPDX-License-Identifier: MIT */
/*
 * Snapshots, written and read in order: a file, a pipe or a socket. A snapshot is a list of
 * sections; a section has a kind, an id and any number of bytes. What is zero takes no room.
 *
 * Functions return 0 or a negative errno with words in *e; after an error of a writer or a reader
 * all that follows fails alike. Descriptors stay the caller's.
 */
#ifndef TESSERA_SNAPSHOT_SNAPSHOT_H
#define TESSERA_SNAPSHOT_SNAPSHOT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- writing ------------------------------------------------------------------------- */

struct snapshot_writer;

/* compress: else what is not zero is stored as it is. */
int snapshot_writer_new(int fd, bool compress, struct snapshot_writer **ret,
                        struct err *e);

/*
 * The same to a pipe or socket whose reader may keep its writer waiting: once stop_fd is readable
 * all fails with -ECANCELED. Nobody else writes there meanwhile.
 */
int snapshot_writer_new_until(int fd, bool compress, int stop_fd,
                              struct snapshot_writer **ret, struct err *e);

/* Begins a section and ends the one before. kind is not 0. */
int snapshot_begin(struct snapshot_writer *w, uint32_t kind, uint64_t id, struct err *e);

/* Adds to the section; the caller may change the bytes afterwards. */
int snapshot_put(struct snapshot_writer *w, const void *bytes, size_t len, struct err *e);

/* Ends the snapshot. Without it what was written is no whole one, and a reader says so. */
int snapshot_finish(struct snapshot_writer *w, struct err *e);

/* Bytes that went to the descriptor so far. */
uint64_t snapshot_written_bytes(const struct snapshot_writer *w);

void snapshot_writer_free(struct snapshot_writer *w); /* NULL is fine */

/* ---- reading ------------------------------------------------------------------------- */

struct snapshot_reader;

struct snapshot_section {
    uint32_t kind; /* 0: there are no more */
    uint64_t id;
    uint64_t number; /* from 1, for words about it */
};

/* -EPROTO: it is no snapshot, or of a later version. */
int snapshot_reader_new(int fd, struct snapshot_reader **ret, struct err *e);

/*
 * The same of a pipe or socket that may keep its reader waiting: once stop_fd is readable all fails
 * with -ECANCELED.
 */
int snapshot_reader_new_until(int fd, int stop_fd, struct snapshot_reader **ret,
                              struct err *e);

/*
 * The next section; what is left of the one before is read over, and checked. -EBADMSG: it is
 * damaged, -ENODATA: cut. The words say which section that is.
 */
int snapshot_next(struct snapshot_reader *r, struct snapshot_section *ret, struct err *e);

/* Up to len bytes of the section: their number, 0 at its end, or an error as above. */
ssize_t snapshot_get(struct snapshot_reader *r, void *bytes, size_t len, struct err *e);

/* Exactly so many: -EBADMSG where the section has fewer. */
int snapshot_get_exact(struct snapshot_reader *r, void *bytes, size_t len, struct err *e);

/*
 * The same into a file, from `at` on, where it is zero: zeros are not written, so that they take no
 * room. New pages of memory come cheaper so than by touching them, and where there are none left it
 * fails with -ENOSPC.
 */
int snapshot_get_zeroed(struct snapshot_reader *r, int fd, off_t at, size_t len,
                        struct err *e);

/*
 * All that is left of the section, into memory that is zero: its length, -EFBIG when it is longer
 * than cap. Zeros are not written.
 */
ssize_t snapshot_get_sparse(struct snapshot_reader *r, void *zeroed, size_t cap,
                            struct err *e);

void snapshot_reader_free(struct snapshot_reader *r); /* NULL is fine */

/* ---- files --------------------------------------------------------------------------- */

/*
 * A new file beside path that takes its place when it is whole: until snapshot_file_keep() path is
 * as it was. Mode 0600.
 */
struct snapshot_file {
    int fd;
    char *path, *beside;
};

#define SNAPSHOT_FILE_NONE ((struct snapshot_file){.fd = -1})

int snapshot_file_new(const char *path, struct snapshot_file *ret, struct err *e);

/* Waits until it is on the disk, and renames it. */
int snapshot_file_keep(struct snapshot_file *f, struct err *e);

/* Removes what was not kept. */
void snapshot_file_fini(struct snapshot_file *f);

#endif
