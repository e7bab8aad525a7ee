/* SPDX-License-Identifier: MIT */
#include "worker/holes.h"

#include "base/log.h"
#include "worker/mem.h"
#include "worker/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* At a time, so that who gives more need not wait for all. */
#define STEP_BYTES (16u << 20)

static int
by_offset(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;

    return x->off < y->off ? -1 : x->off > y->off;
}

int
holes_find(struct session *s, struct holes *ret)
{
    size_t n = 0;

    mems_look_at_mappings(s);
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next)
        n++;
    *ret = (struct holes){.all = calloc(n + 1, sizeof *ret->all)};
    if (!ret->all)
        return -ENOMEM;
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next) {
        if (mem_hole(container_of(l, struct object, node), &ret->all[ret->n]))
            ret->n++;
    }
    if (ret->n > 0)
        qsort(ret->all, ret->n, sizeof *ret->all, by_offset);
    return 0;
}

void
holes_fini(struct holes *h)
{
    free(h->all);
    *h = (struct holes){0};
}

const struct extent *
holes_at(const struct holes *h, uint64_t off)
{
    size_t low = 0, high = h->n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if (h->all[mid].off + h->all[mid].len <= off)
            low = mid + 1;
        else
            high = mid;
    }
    return low < h->n ? &h->all[low] : NULL;
}

static void
give_back(int fd, uint64_t off, uint64_t len)
{
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
                  (off_t)len) < 0)
        log_warning("memory of a suspended session is not given back: %s",
                    strerror(errno));
}

void
holes_give_back(const struct holes *h, int fd)
{
    for (size_t i = 0; i < h->n; i++)
        give_back(fd, h->all[i].off, h->all[i].len);
}

/* ---- zeros ------------------------------------------------------------------------------- */

void
zero_pages_init(struct zero_pages *z, int fd, const struct holes *h)
{
    *z = (struct zero_pages){.fd = fd, .holes = h};
    pthread_mutex_init(&z->lock, NULL);
    pthread_cond_init(&z->changed, NULL);
}

static void *
gives_back(void *arg)
{
    struct zero_pages *z = arg;

    pthread_mutex_lock(&z->lock);
    while (!z->stop || z->range.len > 0) {
        const uint64_t off = z->range.off,
                       len = z->range.len < STEP_BYTES ? z->range.len : STEP_BYTES;

        if (len == 0) {
            pthread_cond_wait(&z->changed, &z->lock);
            continue;
        }
        z->range.off += len;
        z->range.len -= len;
        pthread_cond_broadcast(&z->changed);
        pthread_mutex_unlock(&z->lock);
        give_back(z->fd, off, len);
        pthread_mutex_lock(&z->lock);
    }
    pthread_mutex_unlock(&z->lock);
    return NULL;
}

/* Behind what the thread has still to do, or after it. */
static void
hand_over(struct zero_pages *z, uint64_t off, uint64_t len)
{
    pthread_mutex_lock(&z->lock);
    while (z->range.len > 0 && z->range.off + z->range.len != off)
        pthread_cond_wait(&z->changed, &z->lock);
    if (z->range.len == 0)
        z->range.off = off;
    z->range.len += len;
    pthread_cond_broadcast(&z->changed);
    pthread_mutex_unlock(&z->lock);
}

void
zero_pages_give_back(struct zero_pages *z, uint64_t off, uint64_t len)
{
    const struct extent *hole = holes_at(z->holes, off);
    const uint64_t end = off + len;

    for (; hole && hole < z->holes->all + z->holes->n && hole->off < end; hole++) {
        const uint64_t from = hole->off > off ? hole->off : off,
                       to = hole->off + hole->len < end ? hole->off + hole->len : end;

        if (!z->started)
            z->started = pthread_create(&z->thread, NULL, gives_back, z) == 0;
        if (z->started && to > from)
            hand_over(z, from, to - from);
    }
}

void
zero_pages_fini(struct zero_pages *z)
{
    if (z->started) {
        pthread_mutex_lock(&z->lock);
        z->stop = true;
        pthread_cond_broadcast(&z->changed);
        pthread_mutex_unlock(&z->lock);
        pthread_join(z->thread, NULL);
    }
    pthread_cond_destroy(&z->changed);
    pthread_mutex_destroy(&z->lock);
}
