/* SPDX-License-Identifier: MIT */
#include "worker/holes.h"

#include "base/log.h"
#include "worker/mem.h"
#include "worker/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

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

void
holes_give_back(const struct holes *h, int fd)
{
    for (size_t i = 0; i < h->n; i++) {
        if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)h->all[i].off, (off_t)h->all[i].len) < 0)
            log_warning("memory of a suspended session is not given back: %s",
                        strerror(errno));
    }
}
