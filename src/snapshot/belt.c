/* SPDX-License-Identifier: MIT */
#include "snapshot/belt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

bool
belt_init(struct belt *b, void *(*run)(void *arg), void *arg)
{
    *b = (struct belt){
        .memory = aligned_alloc(BELT_PAGE_BYTES, (size_t)BELT_PIECES * BELT_PIECE_BYTES)};
    if (!b->memory)
        return false;
    for (unsigned i = 0; i < BELT_PIECES; i++)
        b->pieces[i].bytes = b->memory + (size_t)i * BELT_PIECE_BYTES;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    if (pthread_create(&b->thread, NULL, run, arg) == 0)
        return true;
    free(b->memory);
    return false;
}

struct belt_piece *
belt_next_empty(struct belt *b)
{
    struct belt_piece *p;

    pthread_mutex_lock(&b->lock);
    while (!b->stop && b->filled - b->emptied == BELT_PIECES)
        pthread_cond_wait(&b->changed, &b->lock);
    p = b->stop ? NULL : &b->pieces[b->filled % BELT_PIECES];
    pthread_mutex_unlock(&b->lock);
    return p;
}

struct belt_piece *
belt_next_full(struct belt *b)
{
    struct belt_piece *p;

    pthread_mutex_lock(&b->lock);
    while (!b->stop && b->filled == b->emptied)
        pthread_cond_wait(&b->changed, &b->lock);
    p = b->stop ? NULL : &b->pieces[b->emptied % BELT_PIECES];
    pthread_mutex_unlock(&b->lock);
    return p;
}

static void
count(struct belt *b, unsigned *which)
{
    pthread_mutex_lock(&b->lock);
    *which += 1;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void
belt_filled(struct belt *b)
{
    count(b, &b->filled);
}

void
belt_emptied(struct belt *b)
{
    count(b, &b->emptied);
}

void
belt_drain(struct belt *b)
{
    pthread_mutex_lock(&b->lock);
    while (b->filled != b->emptied)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

void
belt_fini(struct belt *b)
{
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b->memory);
}

int
direct_begin(int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0 ? flags : -1;
}

void
direct_end(int fd, int flags)
{
    fcntl(fd, F_SETFL, flags);
}

bool
is_regular_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}
