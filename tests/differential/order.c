/* SPDX-License-Identifier: MIT */
#include "order.h"

#include "say.h"

#include <string.h>

static uint64_t
bit(unsigned command)
{
    return UINT64_C(1) << command;
}

static uint64_t
closure(const struct world *w, unsigned command)
{
    return bit(command) | w->command[command].before;
}

static bool
conflict(const struct access *a, const struct access *b)
{
    return a->root == b->root && (a->write || b->write) && a->lo < b->hi && b->lo < a->hi;
}

static bool
commands_conflict(const struct command *a, const struct command *b)
{
    for (unsigned i = 0; i < a->accesses; i++) {
        for (unsigned j = 0; j < b->accesses; j++) {
            if (conflict(&a->access[i], &b->access[j]))
                return true;
        }
    }
    return false;
}

bool
mapping_allows(const struct world *w, const struct access *a)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        if (w->mapping[i].pointer && conflict(a, &w->mapping[i].access))
            return false;
    }
    return true;
}

uint64_t
queue_reach(const struct queue *q)
{
    return q->all;
}

/* What is before any command that is given to q now. */
static uint64_t
queue_before(const struct queue *q)
{
    return q->in_order ? q->all : q->fence;
}

static struct event *
slot_of(struct world *w, int command)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        if (w->event[i].event && w->event[i].command == command)
            return &w->event[i];
    }
    return NULL;
}

/* Makes e wait for an event that the program holds. */
static void
wait_for(struct world *w, struct enqueue *e, const struct event *event)
{
    char name[16];

    if (e->n == WAITS)
        return;
    /* Another queue's commands must have been sent on before anything waits for them. */
    if (!event->user && event->command >= 0 && &w->queue[event->queue] != e->queue) {
        step(w, "clFlush", "q%u", event->queue);
        answer(w, clFlush(w->queue[event->queue].queue));
    }
    snprintf(name, sizeof name, " e%u", event->id);
    strcat(e->text, name);
    e->waits[e->n++] = event->event;
    if (event->command >= 0)
        e->command.before |= closure(w, event->command);
}

void
enqueue_begin(struct world *w, struct enqueue *e, cl_command_type type)
{
    if (w->commands == COMMANDS)
        finish_all(w);
    memset(e, 0, sizeof *e);
    e->queue = any_queue(w);
    e->type = type;
    e->command.queue = (unsigned)(e->queue - w->queue);
    e->command.before = queue_before(e->queue);
    if (chance(w, 60))
        e->slot = free_event(w);
    snprintf(e->text, sizeof e->text, "q%u waits:", e->command.queue);
    for (size_t i = below(w, 3); i > 0; i--) {
        const struct event *event = any_event(w);

        if (event && chance(w, 60))
            wait_for(w, e, event);
    }
}

void
enqueue_use(struct enqueue *e, const struct memory *m, size_t lo, size_t bytes,
            bool write)
{
    e->command.access[e->command.accesses++] = (struct access){
        .root = m->root, .lo = m->lo + lo, .hi = m->lo + lo + bytes, .write = write};
    e->command.pixels |= m->desc.image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER;
}

static void
order_after(struct world *w, struct enqueue *e, unsigned command)
{
    const struct event *event = slot_of(w, (int)command);

    if (event && e->n < WAITS && chance(w, 70))
        wait_for(w, e, event);
    else
        host_wait(w, (int)command);
}

bool
enqueue_order(struct world *w, struct enqueue *e, bool blocking)
{
    for (unsigned i = 0; i < e->command.accesses; i++) {
        if (!mapping_allows(w, &e->command.access[i]))
            return false;
    }
    for (unsigned i = 0; i < w->commands; i++) {
        if ((w->done | e->command.before) & bit(i))
            continue;
        if (commands_conflict(&w->command[i], &e->command))
            order_after(w, e, i);
    }
    /* PoCL waits for all of the queue, out of order as it may be. */
    if (blocking)
        unblock(w, e->command.before | e->queue->all);
    if (e->slot) {
        e->slot->id = ++w->ids;
        snprintf(e->text + strlen(e->text), 32, " event: e%u", e->slot->id);
    }
    return true;
}

const cl_event *
enqueue_waits(const struct enqueue *e)
{
    return e->n ? e->waits : NULL;
}

cl_event *
enqueue_event(struct enqueue *e)
{
    return e->slot ? &e->event : NULL;
}

static int
command_add(struct world *w, const struct command *c)
{
    w->command[w->commands] = *c;
    return (int)w->commands++;
}

int
enqueue_end(struct world *w, struct enqueue *e, cl_int status, bool blocking)
{
    int index;

    if (status != CL_SUCCESS)
        return -1;
    e->command.event = e->event;
    index = command_add(w, &e->command);
    if (e->slot) {
        w->command[index].event_id = e->slot->id;
        *e->slot = (struct event){.event = e->event,
                                  .id = e->slot->id,
                                  .command = index,
                                  .queue = e->command.queue,
                                  .profiled = e->queue->profiled,
                                  .pixels = e->command.pixels,
                                  .type = e->type};
    }
    e->queue->all |= closure(w, (unsigned)index);
    if (blocking)
        complete(w, closure(w, (unsigned)index));
    return index;
}

void
queue_fence(struct world *w, struct queue *q, int command)
{
    if (command >= 0)
        q->fence |= closure(w, (unsigned)command);
}

int
user_event_add(struct world *w, struct event *slot)
{
    const struct command c = {.event = slot->event, .user = true, .event_id = slot->id};

    return command_add(w, &c);
}

void
user_event_set(struct world *w, unsigned command)
{
    struct command *c = &w->command[command];

    step(w, "clSetUserEventStatus", "e%u", c->event_id);
    c->user = false;
    answer(w, clSetUserEventStatus(c->event, CL_COMPLETE));
    complete(w, bit(command));
}

void
unblock(struct world *w, uint64_t commands)
{
    for (unsigned i = 0; i < w->commands; i++) {
        if ((commands & bit(i)) && w->command[i].user)
            user_event_set(w, i);
    }
}

void
complete(struct world *w, uint64_t commands)
{
    for (unsigned i = 0; i < w->commands; i++) {
        struct command *c = &w->command[i];
        struct event *event;
        char what[32];

        if (!(commands & bit(i)) || (w->done & bit(i)))
            continue;
        w->done |= bit(i);
        event = slot_of(w, (int)i);
        if (event)
            event->command = -1;
        for (unsigned m = 0; m < MAPPINGS; m++) {
            if (w->mapping[m].pointer && w->mapping[m].command == (int)i)
                w->mapping[m].command = -1;
        }
        snprintf(what, sizeof what, "step %u brought", c->result_step);
        if (c->result)
            note_bytes(w, what, c->result, c->result_bytes);
    }
}

static void
finish_queue(struct world *w, unsigned queue)
{
    struct queue *q = &w->queue[queue];

    unblock(w, q->all);
    step(w, "clFinish", "q%u", queue);
    answer(w, clFinish(q->queue));
    complete(w, q->all);
}

void
host_wait(struct world *w, int command)
{
    const struct event *event;

    if (command < 0 || (w->done & bit((unsigned)command)))
        return;
    if (w->command[command].user) {
        user_event_set(w, (unsigned)command);
        return;
    }
    event = slot_of(w, command);
    if (!event || chance(w, 30)) {
        finish_queue(w, w->command[command].queue);
        return;
    }
    unblock(w, closure(w, (unsigned)command));
    step(w, "clWaitForEvents", "e%u", event->id);
    answer(w, clWaitForEvents(1, &event->event));
    complete(w, closure(w, (unsigned)command));
}

void
finish_all(struct world *w)
{
    unblock(w, ~UINT64_C(0));
    for (unsigned i = 0; i < QUEUES; i++) {
        if (w->queue[i].queue)
            finish_queue(w, i);
        w->queue[i].all = w->queue[i].fence = 0;
    }
    w->commands = 0;
    w->done = 0;
}
