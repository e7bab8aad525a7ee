/* SPDX-License-Identifier: MIT */
#include "gate/gate.h"

void
gate_init(struct gate *g, struct gate_page *page)
{
    g->page = page;
    atomic_init(&g->own_copied_bytes, 0);
}

void
gate_submit(struct gate *g)
{
    atomic_fetch_add_explicit(&g->page->commands, 1, memory_order_relaxed);
}

void
gate_complete(struct gate *g, uint64_t busy_ns)
{
    atomic_fetch_add_explicit(&g->page->busy_ns, busy_ns, memory_order_relaxed);
}

void
gate_copied(struct gate *g, uint64_t bytes)
{
    atomic_fetch_add_explicit(&g->own_copied_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&g->page->copied_bytes, bytes, memory_order_relaxed);
}

void
gate_guest_copied(struct gate *g, uint64_t total_bytes)
{
    uint64_t own = atomic_load_explicit(&g->own_copied_bytes, memory_order_relaxed);
    uint64_t shown = atomic_load_explicit(&g->page->copied_bytes, memory_order_relaxed);

    if (total_bytes + own > shown && total_bytes + own > own)
        atomic_store_explicit(&g->page->copied_bytes, total_bytes + own,
                              memory_order_relaxed);
}
