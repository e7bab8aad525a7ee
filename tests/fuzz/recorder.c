/* SPDX-License-Identifier: MIT */
/*
 * A worker that writes down the frames it takes, with the bytes of blobs that lie in the heap:
 * linked in place of opencl_dispatch_frame() (--wrap). It writes to TESSERA_CALLLOG.PID, which a
 * manager hands on; recordings.py makes seeds of it.
 *
 *   u64: storage is shared with the guest; then per frame u32 length, u32 length of its blob, both
 */
#include "api/opencl_request.h"

#include "message.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int __real_opencl_dispatch_frame(struct session *s, const void *frame, size_t len);
int __wrap_opencl_dispatch_frame(struct session *s, const void *frame, size_t len);

static void
record(int fd, const void *bytes, size_t n)
{
    if (write(fd, bytes, n) != (ssize_t)n)
        abort();
}

static int
recording(const struct session *s)
{
    static int fd = -1;
    const uint64_t shared = s->shared_storage;
    char path[4096];

    if (fd >= 0)
        return fd;
    snprintf(path, sizeof path, "%s.%d", getenv("TESSERA_CALLLOG"), (int)getpid());
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
    record(fd, &shared, sizeof shared);
    return fd;
}

/* The blob of a frame that has one in the heap. */
static struct extent
blob_of(const struct session *s, const uint8_t *frame, size_t len)
{
    const struct extent none = {EXTENT_NONE, 0};
    const struct message *m;
    struct frame_header h;
    size_t at = sizeof h, n;

    memcpy(&h, frame, sizeof h);
    m = message_of(h.op);
    for (unsigned i = 0; m && i < m->n; i++, at += n) {
        struct extent e = none;

        n = field_bytes(&m->fields[i], frame + at, len - at);
        if (n == 0)
            return none;
        if (m->fields[i].type == FIELD_BLOB)
            memcpy(&e, frame + at, sizeof e);
        if (e.off != EXTENT_NONE)
            return e.off <= s->channel.heap_bytes &&
                           e.len <= s->channel.heap_bytes - e.off
                       ? e
                       : none;
    }
    return none;
}

int
__wrap_opencl_dispatch_frame(struct session *s, const void *frame, size_t len)
{
    const struct extent blob = blob_of(s, frame, len);
    const uint32_t lens[2] = {(uint32_t)len, (uint32_t)blob.len};
    int fd = recording(s);

    record(fd, lens, sizeof lens);
    record(fd, frame, len);
    if (blob.len > 0)
        record(fd, s->channel.heap + blob.off, blob.len);
    return __real_opencl_dispatch_frame(s, frame, len);
}
