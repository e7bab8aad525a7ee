/* SPDX-License-Identifier: MIT */
/*
 * An intrusive, circular, doubly linked list: the head is a node that belongs to no
 * element.
 */
#ifndef TESSERA_BASE_LIST_H
#define TESSERA_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define container_of(ptr, type, member)                                                  \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void
list_init(struct list *l)
{
    l->prev = l;
    l->next = l;
}

static inline bool
list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void
list_add_tail(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* The node becomes a list of its own, so removing it twice is harmless. */
static inline void
list_del(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_for_each_safe(pos, tmp, head)                                               \
    for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);                     \
         (pos) = (tmp), (tmp) = (pos)->next)

#endif
