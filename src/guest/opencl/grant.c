/* SPDX-License-Identifier: MIT */
/* Parts of a heap that all sessions of a virtual machine share (docs/protocol.md). */
#include "guest/opencl/session.h"

#include "api/opencl_send.h"

#include <stdlib.h>
#include <string.h>

/* Asked for at least: small things then need no round trip each. */
#define PART_BYTES (8ull << 20)
/* Kept though nothing uses it. */
#define IDLE_BYTES (32ull << 20)

/* How long a part is that was added at off; the worker knows. */
static bool
part_ask(struct session *s, uint64_t len)
{
    struct pending p = {0};
    uint64_t part[2] = {0}; /* offset, length */
    cl_int rc = send_tessera_heap_grow(s, &p, len);

    if (rc == CL_SUCCESS)
        rc = session_wait(s, &p);
    if (rc == CL_SUCCESS)
        rc = (cl_int)p.status;
    if (rc == CL_SUCCESS && p.answer && p.answer_len == sizeof part)
        memcpy(part, p.answer, sizeof part);
    free(p.answer);
    return part[1] > 0 && heap_add(&s->heap, part[0], part[1]) == 0;
}

bool
session_heap_grow(struct session *s, uint64_t len)
{
    if (!s->heap_grows || heap_has(&s->heap, len))
        return true;
    session_heap_trim(s);
    return (len < PART_BYTES && part_ask(s, PART_BYTES)) || part_ask(s, len);
}

void
session_heap_trim(struct session *s)
{
    uint64_t off;

    while (s->heap_grows && heap_remove(&s->heap, IDLE_BYTES, &off)) {
        if (send_tessera_heap_give(s, NULL, off) != CL_SUCCESS)
            return;
    }
}
