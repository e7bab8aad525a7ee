/* SPDX-License-Identifier: MIT */
/*
 * Pieces of memory that go round between a thread that has a file and whoever has the bytes: one
 * side fills them, the other empties them, in order.
 */
#ifndef TESSERA_SNAPSHOT_BELT_H
#define TESSERA_SNAPSHOT_BELT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BELT_PAGE_BYTES 4096u
#define BELT_PIECE_BYTES (4u << 20) /* at a page's beginning */
#define BELT_PIECES 3u

struct belt_piece {
    uint8_t *bytes;
    size_t fill;
    int failed; /* after these */
};

struct belt {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned filled, emptied; /* pieces so far; under the lock, as what follows */
    bool stop;
    struct belt_piece pieces[BELT_PIECES];
    uint8_t *memory;
};

/* With a thread that runs run(arg) until a wait returns NULL. false: there is none. */
bool belt_init(struct belt *b, void *(*run)(void *arg), void *arg);

/* The next piece to fill or to empty, once there is one. NULL: the belt stops. */
struct belt_piece *belt_next_empty(struct belt *b);
struct belt_piece *belt_next_full(struct belt *b);

/* It is filled, or empty again. */
void belt_filled(struct belt *b);
void belt_emptied(struct belt *b);

/* Waits until all that were filled are empty again. */
void belt_drain(struct belt *b);

/* The thread ends after the piece that it is at. */
void belt_fini(struct belt *b);

/*
 * Before and after a read or write past the page cache (O_DIRECT). The flag is that of all who have
 * the file open: only meanwhile. Returns the flags to put back, negative: not possible.
 */
int direct_begin(int fd);
void direct_end(int fd, int flags);

/* Is it a file on a disk, or memory? */
bool is_regular_file(int fd);

#endif
