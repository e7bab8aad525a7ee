/* SPDX-License-Identifier: MIT */
#include "wire/channel.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define PAGE_BYTES 4096u

static uint64_t
page_area(void)
{
    return align_up(sizeof(struct channel_page), PAGE_BYTES);
}

static int
sealed_memfd(const char *name, uint64_t bytes)
{
    _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)bytes) < 0)
        return -errno;
    /* Sealed against resizing, so that no mapping can be cut off under its user (SIGBUS).
     */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    return take_fd(&fd);
}

static int
map_shared(int fd, uint64_t off, uint64_t bytes, void **ret)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                   (off_t)off);

    if (p == MAP_FAILED)
        return -errno;
    *ret = p;
    return 0;
}

static bool
ring_size_ok(uint32_t bytes)
{
    return bytes >= 1024 && bytes <= (64u << 20) && (bytes & (bytes - 1)) == 0;
}

/* What both sides know before they map: descriptors and sizes. */
struct channel_parts {
    int channel_fd, heap_fd;
    uint32_t commands_bytes, replies_bytes;
    uint64_t heap_bytes, channel_off;
};

uint64_t
channel_bytes(uint32_t commands_bytes, uint32_t replies_bytes)
{
    return align_up(page_area() + commands_bytes + replies_bytes, PAGE_BYTES);
}

static int
channel_attach(struct channel *c, enum channel_side side,
               const struct channel_parts *parts)
{
    uint64_t bytes = page_area() + parts->commands_bytes + parts->replies_bytes;
    struct ring *commands = side == CHANNEL_GUEST ? &c->tx : &c->rx;
    struct ring *replies = side == CHANNEL_GUEST ? &c->rx : &c->tx;
    void *page = NULL, *heap = NULL;
    int rc = map_shared(parts->channel_fd, parts->channel_off, bytes, &page);

    if (rc < 0)
        return rc;
    rc = map_shared(parts->heap_fd, 0, parts->heap_bytes, &heap);
    if (rc < 0) {
        munmap(page, bytes);
        return rc;
    }
    c->page = page;
    c->page_bytes = bytes;
    c->heap = heap;
    c->heap_bytes = parts->heap_bytes;
    ring_init(commands, &c->page->commands, (uint8_t *)page + page_area(),
              parts->commands_bytes);
    ring_init(replies, &c->page->replies,
              (uint8_t *)page + page_area() + parts->commands_bytes,
              parts->replies_bytes);
    return 0;
}

int
channel_make(struct channel *c, uint64_t heap_bytes, uint32_t commands_bytes,
             uint32_t replies_bytes, int *ret_channel_fd, int *ret_heap_fd)
{
    _cleanup_close_ int channel_fd = -1, heap_fd = -1;
    int rc;

    if (!ring_size_ok(commands_bytes) || !ring_size_ok(replies_bytes))
        return -EINVAL;
    heap_bytes = align_up(heap_bytes, PAGE_BYTES);
    channel_fd =
        sealed_memfd("tessera-channel", page_area() + commands_bytes + replies_bytes);
    if (channel_fd < 0)
        return channel_fd;
    heap_fd = sealed_memfd("tessera-heap", heap_bytes);
    if (heap_fd < 0)
        return heap_fd;
    *c = (struct channel){.fd = -1, .wake_fd = -1};
    rc = channel_attach(c, CHANNEL_WORKER,
                        &(struct channel_parts){channel_fd, heap_fd, commands_bytes,
                                                replies_bytes, heap_bytes, 0});
    if (rc < 0)
        return rc;
    *ret_channel_fd = take_fd(&channel_fd);
    *ret_heap_fd = take_fd(&heap_fd);
    return 0;
}

/* A memfd that nobody can make shorter: its pages are there for as long as it is mapped. */
static bool
is_sealed(int fd, uint64_t bytes)
{
    const int needed = F_SEAL_SHRINK | F_SEAL_GROW;
    const int seals = fcntl(fd, F_GET_SEALS);
    struct statfs fs;
    struct stat st;

    return seals >= 0 && (seals & needed) == needed && fstat(fd, &st) == 0 &&
           (uint64_t)st.st_size == bytes && fstatfs(fd, &fs) == 0 &&
           fs.f_type == TMPFS_MAGIC;
}

int
channel_adopt(struct channel *c, uint64_t heap_bytes, uint32_t commands_bytes,
              uint32_t replies_bytes, int channel_fd, int heap_fd)
{
    if (!ring_size_ok(commands_bytes) || !ring_size_ok(replies_bytes))
        return -EINVAL;
    if (!is_sealed(channel_fd, page_area() + commands_bytes + replies_bytes) ||
        !is_sealed(heap_fd, heap_bytes))
        return -EPROTO;
    *c = (struct channel){.fd = -1, .wake_fd = -1};
    return channel_attach(c, CHANNEL_WORKER,
                          &(struct channel_parts){channel_fd, heap_fd, commands_bytes,
                                                  replies_bytes, heap_bytes, 0});
}

/* The guest's: nobody else in it is handed them by fork. */
static void
channel_keep_from_children(struct channel *c)
{
    madvise(c->page, c->page_bytes, MADV_DONTFORK);
    madvise(c->heap, c->heap_bytes, MADV_DONTFORK);
}

int
channel_map(struct channel *c, const struct welcome *w, int channel_fd, int heap_fd)
{
    struct stat channel_st, heap_st;
    int rc;

    *c = (struct channel){.fd = -1, .wake_fd = -1};
    if (!ring_size_ok(w->commands_bytes) || !ring_size_ok(w->replies_bytes))
        return -EPROTO;
    if (fstat(channel_fd, &channel_st) < 0 || fstat(heap_fd, &heap_st) < 0)
        return -errno;
    if ((uint64_t)channel_st.st_size <
            page_area() + w->commands_bytes + w->replies_bytes ||
        (uint64_t)heap_st.st_size < w->heap_bytes)
        return -EPROTO;
    rc = channel_attach(c, CHANNEL_GUEST,
                        &(struct channel_parts){channel_fd, heap_fd, w->commands_bytes,
                                                w->replies_bytes, w->heap_bytes, 0});
    if (rc == 0)
        channel_keep_from_children(c);
    return rc;
}

int
channel_adopt_in_bar(struct channel *c, int bar_fd, uint64_t bar_bytes, uint64_t offset,
                     uint32_t commands_bytes, uint32_t replies_bytes)
{
    *c = (struct channel){.fd = -1, .wake_fd = -1};
    if (!ring_size_ok(commands_bytes) || !ring_size_ok(replies_bytes))
        return -EINVAL;
    return channel_attach(c, CHANNEL_WORKER,
                          &(struct channel_parts){bar_fd, bar_fd, commands_bytes,
                                                  replies_bytes, bar_bytes, offset});
}

int
channel_make_in_bar(struct channel *c, int bar_fd, uint64_t bar_bytes, uint64_t offset,
                    uint32_t commands_bytes, uint32_t replies_bytes)
{
    int rc =
        channel_adopt_in_bar(c, bar_fd, bar_bytes, offset, commands_bytes, replies_bytes);

    if (rc == 0)
        memset(c->page, 0, c->page_bytes);
    return rc;
}

int
channel_map_bar(struct channel *c, const struct welcome *w, int bar_fd,
                uint64_t bar_bytes)
{
    const uint64_t bytes = channel_bytes(w->commands_bytes, w->replies_bytes);
    int rc;

    *c = (struct channel){.fd = -1, .wake_fd = -1};
    if (!ring_size_ok(w->commands_bytes) || !ring_size_ok(w->replies_bytes) ||
        w->channel_off % PAGE_BYTES != 0 || w->heap_bytes != bar_bytes ||
        !range_inside(w->channel_off, bytes, bar_bytes))
        return -EPROTO;
    rc = channel_attach(c, CHANNEL_GUEST,
                        &(struct channel_parts){bar_fd, bar_fd, w->commands_bytes,
                                                w->replies_bytes, bar_bytes,
                                                w->channel_off});
    if (rc < 0)
        return rc;
    channel_keep_from_children(c);
    c->tx.weak = c->rx.weak = true;
    return 0;
}

void
channel_fini(struct channel *c)
{
    /* First: the peer may be told by a word in the page. */
    if (c->transport && c->fd >= 0)
        c->transport->close(c);
    if (c->page)
        munmap(c->page, c->page_bytes);
    if (c->heap)
        munmap(c->heap, c->heap_bytes);
    if (c->page && c->wake_fd >= 0)
        close(c->wake_fd);
    *c = (struct channel){.fd = -1, .wake_fd = -1};
}

bool
channel_close_copies(struct channel *c, int timeout_ms)
{
    atomic_store_explicit(&c->page->closed, CHANNEL_CLOSED, memory_order_seq_cst);
    for (int ms = 0; ms <= timeout_ms; ms++) {
        if (atomic_load_explicit(&c->page->copying, memory_order_seq_cst) == 0)
            return true;
        poll(NULL, 0, 1);
    }
    return false;
}

void
channel_open_copies(struct channel *c)
{
    atomic_store_explicit(&c->page->closed, CHANNEL_OPEN, memory_order_release);
}

/* The cores that we may use; 1 if nobody tells. */
static int
cores_allowed(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : CPU_COUNT(&set);
}

/*
 * A sleeping peer costs 13 to 300 us, so a short spin pays; with a single core the peer
 * cannot run while we spin, and with two it competes with the device's own threads.
 */
uint64_t
channel_spin_ns(void)
{
    const int cores = cores_allowed();

    if (cores <= 1)
        return 0;
    return cores <= 2 ? 20000 : 50000;
}

uint64_t
channel_dispatch_spin_ns(void)
{
    const uint64_t ns = channel_spin_ns();

    return cores_allowed() > 2 ? 4 * ns : ns;
}
