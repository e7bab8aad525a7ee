/* SPDX-License-Identifier: MIT */
#include "snapshot/ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define PIECE_BYTES (4u << 20)
#define PIECES 3u

struct piece {
    uint8_t *bytes;
    size_t fill;
    int failed; /* after these */
};

struct ahead {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned read, taken; /* pieces so far; under the lock */
    bool stop;            /* under the lock */
    struct piece pieces[PIECES];
    off_t next; /* the thread's: a multiple of a page */
    size_t at;  /* the taker's: in the piece `taken` */
    uint8_t *memory;
};

/* Is more than half of it in the page cache? */
static bool
is_cached(int fd, off_t at)
{
    static const size_t n = PIECE_BYTES / PAGE_BYTES;
    unsigned char there[PIECE_BYTES / PAGE_BYTES];
    void *p = mmap(NULL, PIECE_BYTES, PROT_READ, MAP_SHARED, fd, at);
    size_t count = 0;

    if (p == MAP_FAILED)
        return true;
    if (mincore(p, PIECE_BYTES, there) < 0)
        memset(there, 1, n); /* it does not tell */
    munmap(p, PIECE_BYTES);
    for (size_t i = 0; i < n; i++)
        count += there[i] & 1;
    return count > n / 2;
}

/* At most so many: fewer at the file's end alone. */
static ssize_t
read_piece(int fd, uint8_t *bytes, off_t at)
{
    size_t done = 0;

    while (done < PIECE_BYTES) {
        ssize_t n = pread(fd, bytes + done, PIECE_BYTES - done, at + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
        if (done % PAGE_BYTES != 0)
            break;
    }
    return (ssize_t)done;
}

/* Its flags are those of all who have it open: only while it is read. */
static ssize_t
read_piece_direct(int fd, uint8_t *bytes, off_t at)
{
    const int flags = fcntl(fd, F_GETFL);
    ssize_t n;

    if (flags < 0 || is_cached(fd, at) || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
        return -EINVAL;
    n = read_piece(fd, bytes, at);
    fcntl(fd, F_SETFL, flags);
    return n;
}

static void
piece_fill(struct ahead *a, struct piece *p)
{
    ssize_t n = read_piece_direct(a->fd, p->bytes, a->next);

    if (n < 0)
        n = read_piece(a->fd, p->bytes, a->next);
    p->failed = n < 0 ? (int)n : n < (ssize_t)PIECE_BYTES ? -ENODATA : 0;
    p->fill = n < 0 ? 0 : (size_t)n;
    a->next += PIECE_BYTES;
}

static void *
reads(void *arg)
{
    struct ahead *a = arg;
    struct piece *p;

    pthread_mutex_lock(&a->lock);
    do {
        while (!a->stop && a->read - a->taken == PIECES)
            pthread_cond_wait(&a->changed, &a->lock);
        if (a->stop)
            break;
        p = &a->pieces[a->read % PIECES];
        pthread_mutex_unlock(&a->lock);
        piece_fill(a, p);
        pthread_mutex_lock(&a->lock);
        a->read++;
        pthread_cond_broadcast(&a->changed);
    } while (p->failed == 0);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* The piece that is taken from, once it has been read. */
static struct piece *
piece_wait(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->read == a->taken)
        pthread_cond_wait(&a->changed, &a->lock);
    pthread_mutex_unlock(&a->lock);
    return &a->pieces[a->taken % PIECES];
}

static void
piece_give_back(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    a->taken++;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    a->at = 0;
}

/* A piece with something left, which may be the one before the failure that it returns. */
static int
piece_with_bytes(struct ahead *a, struct piece **ret)
{
    for (;;) {
        struct piece *p = piece_wait(a);

        *ret = p;
        if (a->at < p->fill)
            return 0;
        if (p->failed < 0)
            return p->failed;
        piece_give_back(a);
    }
}

int
ahead_take(struct ahead *a, void *room, size_t len, const uint8_t **ret)
{
    size_t done = 0;

    *ret = room;
    while (done < len) {
        struct piece *p;
        const int rc = piece_with_bytes(a, &p);
        size_t n;

        if (rc < 0)
            return rc;
        n = p->fill - a->at < len - done ? p->fill - a->at : len - done;
        if (n == len)
            *ret = p->bytes + a->at;
        else
            memcpy((uint8_t *)room + done, p->bytes + a->at, n);
        a->at += n;
        done += n;
    }
    return 0;
}

struct ahead *
ahead_new(int fd, off_t from)
{
    struct ahead *a = calloc(1, sizeof *a);
    struct stat st;

    if (!a)
        return NULL;
    *a = (struct ahead){.fd = fd, .at = (size_t)from % PAGE_BYTES};
    a->next = from - (off_t)a->at;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        a->memory = aligned_alloc(PAGE_BYTES, PIECES * PIECE_BYTES);
    for (unsigned i = 0; a->memory && i < PIECES; i++)
        a->pieces[i].bytes = a->memory + (size_t)i * PIECE_BYTES;
    if (!a->memory || pthread_create(&a->thread, NULL, reads, a) != 0) {
        free(a->memory);
        free(a);
        return NULL;
    }
    return a;
}

void
ahead_free(struct ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a->memory);
    free(a);
}
