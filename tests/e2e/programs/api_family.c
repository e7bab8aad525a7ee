/* SPDX-License-Identifier: MIT */
/* Cases that many entries have in common: queries, reference counts, wait lists. */
#include "api_use.h"

/* ---- queries (each call's own table of parameters) --------------------------------- */

void
use_query(const struct query *q)
{
    uint8_t room[4096];
    size_t size = 0;

    memset(room, 0xee, sizeof room);
    WRONG(q->entry, "no object", q->invalid, q->get(NULL, q->param, 0, NULL, &size));
    WRONG_KIND(q->entry, "an object of another kind", q->invalid,
               q->get(q->wrong, q->param, 0, NULL, &size));
    WRONG(q->entry, "a parameter that there is not", CL_INVALID_VALUE,
          q->get(q->object, 0x7ffffff0, sizeof room, room, &size));
    WRONG(q->entry, "room one byte too small", CL_INVALID_VALUE,
          q->get(q->object, q->param, q->size - 1, room, &size));
    RIGHT(q->entry, "the size alone",
          q->get(q->object, q->param, 0, NULL, &size) == CL_SUCCESS && size == q->size);
    RIGHT(q->entry, "more room than needed is left alone",
          q->get(q->object, q->param, sizeof room, room, NULL) == CL_SUCCESS &&
              room[q->size] == 0xee);
}

/* ---- reference counts -------------------------------------------------------------- */

static bool
counts_up(const struct counted *c)
{
    const struct query *q = &c->query;
    uint64_t before = number_of(q->get, q->object, q->param);

    return c->up(q->object) == CL_SUCCESS &&
           number_of(q->get, q->object, q->param) == before + 1 &&
           c->down(q->object) == CL_SUCCESS;
}

static bool
counts_down(const struct counted *c)
{
    const struct query *q = &c->query;
    uint64_t before = number_of(q->get, q->object, q->param);

    return c->up(q->object) == CL_SUCCESS && c->up(q->object) == CL_SUCCESS &&
           c->down(q->object) == CL_SUCCESS &&
           number_of(q->get, q->object, q->param) == before + 1 &&
           c->down(q->object) == CL_SUCCESS &&
           number_of(q->get, q->object, q->param) == before;
}

void
use_counts(const struct counted *c)
{
    const struct query *q = &c->query;

    RIGHT(c->retain, "the count goes up by one", counts_up(c));
    RIGHT(c->release, "the count goes down by one", counts_down(c));
    WRONG(c->retain, "no object", q->invalid, c->up(NULL));
    WRONG(c->release, "no object", q->invalid, c->down(NULL));
    WRONG_KIND(c->retain, "an object of another kind", q->invalid, c->up(q->wrong));
    WRONG_KIND(c->release, "an object of another kind", q->invalid, c->down(q->wrong));
}

/* ---- commands (section 5.11: events and wait lists) -------------------------------- */

static bool
event_tells(struct use *u, const struct enqueued *e)
{
    cl_event event = NULL;
    bool good;

    if (e->enqueue(u, u->queue, 1, &u->user_event, &event) != CL_SUCCESS || !event)
        return false;
    good =
        clWaitForEvents(1, &event) == CL_SUCCESS &&
        NUMBER(clGetEventInfo, event, CL_EVENT_COMMAND_TYPE) == e->type &&
        NUMBER(clGetEventInfo, event, CL_EVENT_COMMAND_EXECUTION_STATUS) == CL_COMPLETE &&
        NUMBER(clGetEventInfo, event, CL_EVENT_COMMAND_QUEUE) == (uintptr_t)u->queue &&
        NUMBER(clGetEventInfo, event, CL_EVENT_CONTEXT) == (uintptr_t)u->context;
    return clReleaseEvent(event) == CL_SUCCESS && good;
}

static cl_int
after_failure(struct use *u, const struct enqueued *e)
{
    cl_command_queue q = clCreateCommandQueue(u->context, u->device, 0, &u->rc);
    cl_event failed = failed_event(u);
    cl_int rc = e->enqueue(u, q, 1, &failed, NULL);

    MUST(clReleaseEvent(failed));
    MUST(clReleaseCommandQueue(q));
    return rc;
}

static cl_int
in_wait_list(struct use *u, const struct enqueued *e, void *second)
{
    const cl_event list[2] = {u->user_event, second};

    return e->enqueue(u, u->queue, 2, list, NULL);
}

#define WRONG_LIST(e, what, want, call)                                                  \
    CASE_(UNPACK_((e)->entry, "wrong", what, want, NO_STATUS, (e)->crash, NO_STATUS),    \
          call)

void
use_enqueue(struct use *u, const struct enqueued *e)
{
    cl_event event = NULL;

    RIGHT_DIFFERS(e->other_type, e->entry,
                  "its event tells type, queue, context, and completes",
                  event_tells(u, e));
    WRONG(e->entry, "no queue", CL_INVALID_COMMAND_QUEUE,
          e->enqueue(u, NULL, 0, NULL, NULL));
    WRONG_KIND(e->entry, "a queue that is a buffer", CL_INVALID_COMMAND_QUEUE,
               e->enqueue(u, (cl_command_queue)u->buffer, 0, NULL, NULL));
    WRONG_LIST(e, "a count but no wait list", CL_INVALID_EVENT_WAIT_LIST,
               e->enqueue(u, u->queue, 1, NULL, NULL));
    WRONG_LIST(e, "a wait list but no count", CL_INVALID_EVENT_WAIT_LIST,
               e->enqueue(u, u->queue, 0, &u->user_event, NULL));
    WRONG_LIST(e, "a wait list holding no event", CL_INVALID_EVENT_WAIT_LIST,
               in_wait_list(u, e, NULL));
    WRONG_KIND(e->entry, "a wait list holding a buffer", CL_INVALID_EVENT_WAIT_LIST,
               in_wait_list(u, e, u->buffer));
    WRONG_LIST(e, "a wait list holding another context's event", CL_INVALID_CONTEXT,
               in_wait_list(u, e, u->other_event));
    if (e->has_objects)
        WRONG(e->entry, "a queue of another context", CL_INVALID_CONTEXT,
              e->enqueue(u, u->other_queue, 0, NULL, NULL));
    if (e->blocks)
        WRONG_CRASHES("blocking-after-failure", e->entry,
                      "blocking, behind an event that failed",
                      CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, after_failure(u, e));
    RIGHT_(UNPACK_(e->entry, "right", "a refused call leaves the event alone", 0, 0,
                   e->crash, NO_STATUS),
           e->enqueue(u, u->queue, 1, NULL, &event) != CL_SUCCESS && event == NULL);
    MUST(clFinish(u->queue));
}
