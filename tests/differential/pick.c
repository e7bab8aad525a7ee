/* SPDX-License-Identifier: MIT */
#include "world.h"

/* Any entry of an array for which `good` holds, or NULL. */
#define ANY(w, array, entry, good)                                                       \
    do {                                                                                 \
        const size_t total = sizeof(array) / sizeof(array)[0];                           \
        const size_t first_ = below(w, total);                                           \
                                                                                         \
        for (size_t k_ = 0; k_ < total; k_++) {                                          \
            __typeof__(&(array)[0]) entry = &(array)[(first_ + k_) % total];             \
                                                                                         \
            if (good)                                                                    \
                return entry;                                                            \
        }                                                                                \
        return NULL;                                                                     \
    } while (0)

struct memory *
any_buffer(struct world *w)
{
    ANY(w, w->memory, m, m->mem && !m->format);
}

struct memory *
any_image(struct world *w)
{
    ANY(w, w->memory, m, m->mem && m->format);
}

struct memory *
free_memory(struct world *w)
{
    ANY(w, w->memory, m, !m->mem);
}

struct event *
any_event(struct world *w)
{
    ANY(w, w->event, e, e->event != NULL);
}

struct event *
any_command_event(struct world *w)
{
    ANY(w, w->event, e, e->event && !e->user);
}

struct event *
any_user_event(struct world *w)
{
    ANY(w, w->event, e, e->event && e->user);
}

struct event *
free_event(struct world *w)
{
    ANY(w, w->event, e, !e->event);
}

struct queue *
any_queue(struct world *w)
{
    ANY(w, w->queue, q, q->queue != NULL);
}

struct program *
any_program(struct world *w)
{
    ANY(w, w->program, p, p->program != NULL);
}

struct kernel *
any_kernel(struct world *w)
{
    ANY(w, w->kernel, k, k->kernel != NULL);
}

struct sampler *
any_sampler(struct world *w)
{
    ANY(w, w->sampler, s, s->sampler != NULL);
}

bool
mapped(const struct world *w, const struct memory *m)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        if (w->mapping[i].pointer && &w->memory[w->mapping[i].memory] == m)
            return true;
    }
    return false;
}
