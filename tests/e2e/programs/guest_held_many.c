/* SPDX-License-Identifier: MIT */
/*
 * Many commands behind a user event:
 *
 *   guest_held_many flood N GO       says "held" and waits for the file GO; then lets them go
 *   guest_held_many limit N LIMIT    of N commands LIMIT are accepted, all others fail; twice
 *   guest_held_many bytes N          of N commands with 2 KiB each some fail; twice
 */
#include "heldtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned
number(const char *word)
{
    return (unsigned)strtoul(word, NULL, 10);
}

static void
open_as_event(void)
{
    held_open(2, (char *[]){"guest_held_many", "event"});
}

static void
flood(unsigned n, const char *go)
{
    cl_command_queue queues[] = {out_of_order(), cl_queue(&c, 0)};
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 1);
    struct hold h;

    hold_begin(&h);
    for (unsigned i = 0; i < n; i++)
        launch_held(&h, queues[i % 2], b, i);
    OK(clFlush(queues[0]));
    OK(clFlush(queues[1]));
    done("held");
    wait_for_file(go);
    hold_open(&h);
    OK(clFinish(queues[0]));
    OK(clFinish(queues[1]));
    OK(clReleaseMemObject(b));
    OK(clReleaseCommandQueue(queues[0]));
    OK(clReleaseCommandQueue(queues[1]));
    done("over");
}

/* Those that were accepted are complete once the event is set, all others have failed. */
static unsigned
count_complete(cl_command_queue queue, unsigned n, cl_event *e, struct hold *h)
{
    unsigned complete = 0;

    OK(clFlush(queue));
    sleep_ms(20);
    hold_open(h);
    clFinish(queue); /* with the error of those that failed */
    for (unsigned i = 0; i < n; i++) {
        const cl_int status = status_of(e[i]);

        EXPECT(status <= CL_COMPLETE);
        complete += status == CL_COMPLETE;
    }
    release_events(n, e);
    return complete;
}

static void
limit(unsigned n, unsigned most)
{
    cl_event *e = alloc(n * sizeof(cl_event));
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 2);

    for (unsigned round = 0; round < 2; round++) {
        cl_command_queue queue = out_of_order();
        struct hold h;
        unsigned complete;

        hold_begin(&h);
        for (unsigned i = 0; i < n; i++)
            e[i] = launch(queue, b, i, h.n, h.list);
        complete = count_complete(queue, n, e, &h);
        printf("%u of %u commands\n", complete, n);
        EXPECT(complete == most);
        OK(clReleaseCommandQueue(queue));
    }
    OK(clReleaseMemObject(b));
    free(e);
}

static void
bytes(unsigned n)
{
    cl_event *e = alloc(n * sizeof(cl_event));
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 3);
    unsigned first = 0;

    for (unsigned round = 0; round < 2; round++) {
        cl_command_queue queue = out_of_order();
        struct hold h;
        unsigned complete;

        hold_begin(&h);
        for (unsigned i = 0; i < n; i++)
            OK(clEnqueueWriteBuffer(queue, b, CL_FALSE, 0, 2048, host, h.n, h.list,
                                    &e[i]));
        complete = count_complete(queue, n, e, &h);
        printf("%u of %u writes\n", complete, n);
        EXPECT(complete > 0 && complete < n);
        EXPECT(round == 0 || complete == first);
        first = complete;
        OK(clReleaseCommandQueue(queue));
    }
    compare(b, host, "writes");
    OK(clReleaseMemObject(b));
    free(e);
}

int
main(int argc, char **argv)
{
    if (argc < 3)
        fail("usage: %s flood N GO | limit N LIMIT | bytes N", argv[0]);
    open_as_event();
    if (strcmp(argv[1], "flood") == 0 && argc > 3)
        flood(number(argv[2]), argv[3]);
    else if (strcmp(argv[1], "limit") == 0 && argc > 3)
        limit(number(argv[2]), number(argv[3]));
    else
        bytes(number(argv[2]));
    held_close();
    return 0;
}
