/* SPDX-License-Identifier: MIT */
#include "wire/bar.h"

#include "wire/hello.h"

#include <stdio.h>
#include <string.h>

/* Beside the framebuffer: rings of all ports, messages, transfers under way. */
#define BAR_EXTRA_BYTES (64ull << 20)
#define BAR_MOST_BYTES (1ull << 46)

/* A quarter more than the framebuffer: extents are contiguous, and may leave gaps. */
uint64_t
bar_bytes_for(uint64_t framebuffer_bytes)
{
    uint64_t bytes = BAR_EXTRA_BYTES;

    if (framebuffer_bytes > BAR_MOST_BYTES / 2)
        return 0;
    while (bytes < framebuffer_bytes + framebuffer_bytes / 4 + BAR_EXTRA_BYTES)
        bytes *= 2;
    return bytes;
}

bool
bar_header_valid(const struct bar_header *h, uint64_t bytes)
{
    return memcmp(h->magic, BAR_MAGIC, BAR_MAGIC_BYTES) == 0 && h->bytes == bytes &&
           bytes >= BAR_EXTRA_BYTES && (bytes & (bytes - 1)) == 0 && h->ports > 0 &&
           h->ports <= BAR_PORTS && h->name[0] != '\0' &&
           memchr(h->name, '\0', sizeof h->name);
}

void
bar_header_fill(struct bar_header *h, const char *name, uint64_t bytes,
                uint64_t framebuffer_bytes)
{
    *h = (struct bar_header){.version = WIRE_VERSION,
                             .ports = BAR_PORTS,
                             .bytes = bytes,
                             .framebuffer_bytes = framebuffer_bytes};
    memcpy(h->magic, BAR_MAGIC, BAR_MAGIC_BYTES);
    snprintf(h->name, sizeof h->name, "%s", name);
}
