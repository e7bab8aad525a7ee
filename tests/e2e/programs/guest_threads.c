/* SPDX-License-Identifier: MIT */
/* guest_threads [THREADS [ROUNDS]]: threads that share a context, each with a queue. */
#include "cltest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS ((size_t)5000)
#define MAX_THREADS 64

struct worker {
    pthread_t thread;
    const struct cl *cl;
    cl_program program;
    unsigned number, rounds;
};

static void
round_once(const struct worker *w, cl_command_queue queue, cl_kernel kernel,
           uint32_t *host, uint32_t *back, uint32_t seed)
{
    const size_t global = WORDS;
    cl_mem buffer = cl_buffer(w->cl, CL_MEM_READ_WRITE, WORDS * 4, NULL);

    pattern_fill(host, WORDS, seed);
    OK(clEnqueueWriteBuffer(queue, buffer, CL_FALSE, 0, WORDS * 4, host, 0, NULL, NULL));
    cl_args(kernel, buffer, seed);
    for (unsigned i = 0; i < 3; i++)
        OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, buffer, seed % 2, 0, WORDS * 4, back, 0, NULL, NULL));
    OK(clFinish(queue));
    for (unsigned i = 0; i < 3; i++)
        scramble_host(host, WORDS, seed);
    same_words(back, host, WORDS, "a thread's buffer");
    OK(clReleaseMemObject(buffer));
}

static void *
work(void *arg)
{
    const struct worker *w = arg;
    cl_command_queue queue = cl_queue(w->cl, 0);
    cl_kernel kernel = cl_kernel_of(w->program, "scramble");
    uint32_t *host = alloc(WORDS * 4), *back = alloc(WORDS * 4);

    for (unsigned i = 0; i < w->rounds; i++)
        round_once(w, queue, kernel, host, back, w->number * 1000 + i);
    OK(clReleaseKernel(kernel));
    OK(clReleaseCommandQueue(queue));
    free(host);
    free(back);
    return NULL;
}

int
main(int argc, char **argv)
{
    const unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 8;
    const unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 40;
    static struct worker workers[MAX_THREADS];
    cl_program program;
    struct cl c;

    EXPECT(threads <= MAX_THREADS);
    cl_open(&c);
    program = cl_build(&c, scramble_source);
    for (unsigned i = 0; i < threads; i++) {
        workers[i] =
            (struct worker){.cl = &c, .program = program, .number = i, .rounds = rounds};
        EXPECT(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    OK(clReleaseProgram(program));
    cl_close(&c);
    printf("%u threads, %u rounds\n", threads, rounds);
    return 0;
}
