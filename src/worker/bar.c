/* SPDX-License-Identifier: MIT */
#include "worker/bar.h"

#include "api/opencl_request.h"
#include "link/bar_map.h"
#include "wire/bar.h"
#include "worker/reply.h"
#include "worker/saved.h"
#include "worker/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define NO_EXTENT ((struct extent){EXTENT_NONE, 0})

/* What a session begins with: enough for a program whose buffers are small. */
#define FIRST_PART_BYTES (8ull << 20)

_Static_assert(BAR_MAP_CHUNKS == BAR_CHUNKS, "the map has a word for each chunk");

static int
part_take(struct session *s, uint64_t bytes, uint64_t *ret_off, uint64_t *ret_bytes)
{
    return bar_map_take(&s->account->bar, s->bar.chunk_bytes, s->options->slot, bytes,
                        ret_off, ret_bytes);
}

/* ---- bytes that go away under us ----------------------------------------------------------- */

static struct account_slot *bus_slot;

/* Whoever runs QEMU may cut the file off. The slot's reason is all that can be told from here. */
static void
bus_error(int sig)
{
    static const char reason[] =
        "the memory that is shared with the virtual machine was cut off";

    (void)sig;
    memcpy(bus_slot->reason, reason, sizeof reason);
    atomic_store(&bus_slot->state, SLOT_ENDED);
    _exit(1);
}

static int
bus_errors_end_the_session(struct session *s)
{
    const struct sigaction act = {.sa_handler = bus_error};

    bus_slot = s->slot;
    return sigaction(SIGBUS, &act, NULL) < 0 ? -errno : 0;
}

/* ---- the channel --------------------------------------------------------------------------- */

static int
bar_open(struct session *s)
{
    const struct session_options *o = s->options;
    struct stat st;

    if (fstat(o->bar_fd, &st) < 0)
        return -errno;
    s->bar = (struct bar){.fd = o->bar_fd,
                          .bytes = (uint64_t)st.st_size,
                          .chunk_bytes = bar_chunk_bytes((uint64_t)st.st_size)};
    if (s->bar.bytes != bar_bytes_for(o->framebuffer_bytes))
        return -EPROTO;
    return bus_errors_end_the_session(s);
}

int
bar_make_channel(struct session *s, struct welcome *w)
{
    uint64_t off, bytes;
    int rc = bar_open(s);

    if (rc == 0)
        rc = part_take(s, channel_bytes(w->commands_bytes, w->replies_bytes), &off,
                       &bytes);
    if (rc < 0)
        return rc;
    s->bar.channel_off = w->channel_off = off;
    rc = part_take(s, FIRST_PART_BYTES, &w->grant_off, &w->grant_bytes);
    if (rc < 0)
        return rc;
    return channel_make_in_bar(&s->channel, s->bar.fd, s->bar.bytes, off,
                               w->commands_bytes, w->replies_bytes);
}

int
bar_adopt_channel(struct session *s, const struct saved_session *h, bool *ret_fresh)
{
    const uint64_t bytes = channel_bytes(h->commands_bytes, h->replies_bytes);
    int rc = bar_open(s);

    if (rc == 0 && (h->heap_bytes != s->bar.bytes ||
                    bar_map_extent(&s->account->bar, s->bar.chunk_bytes, s->options->slot,
                                   h->channel_off) < bytes))
        rc = -EPROTO;
    if (rc == 0)
        rc = channel_adopt_in_bar(&s->channel, s->bar.fd, s->bar.bytes, h->channel_off,
                                  h->commands_bytes, h->replies_bytes);
    if (rc < 0)
        return rc;
    s->bar.channel_off = h->channel_off;
    s->boot = h->boot;
    /* Memory that was made anew since has no session in it. */
    *ret_fresh = atomic_load(&s->channel.page->state) != CHANNEL_SUSPENDED;
    return 0;
}

/* ---- parts of the heap --------------------------------------------------------------------- */

int
op_tessera_heap_grow(struct session *s, const struct req_tessera_heap_grow *r)
{
    uint64_t part[2] = {0};
    cl_int rc = CL_SUCCESS;

    if (!bar_is_used(&s->bar) || part_take(s, r->size, &part[0], &part[1]) < 0)
        rc = CL_OUT_OF_RESOURCES;
    reply_bytes(s, r->tag, rc, part, sizeof part, NO_EXTENT);
    return 0;
}

/* The next one who has it finds zeros, and the host its memory. */
int
op_tessera_heap_give(struct session *s, const struct req_tessera_heap_give *r)
{
    struct bar_map *map = &s->account->bar;
    uint64_t bytes = 0;

    if (bar_is_used(&s->bar) && r->offset != s->bar.channel_off)
        bytes = bar_map_extent(map, s->bar.chunk_bytes, s->options->slot, r->offset);
    if (bytes == 0)
        return request_bad_field(s, "offset", "no part of the heap begins there");
    if (fallocate(s->bar.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)r->offset,
                  (off_t)bytes) < 0)
        return session_fail(s, "cannot clear shared memory: %s", strerror(errno));
    bar_map_give(map, s->bar.chunk_bytes, r->offset, bytes);
    return 0;
}
