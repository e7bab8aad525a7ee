/* SPDX-License-Identifier: MIT */
#include "worker/jobs.h"

#include "worker/scope.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>

void
jobs_init(struct jobs *j, unsigned max_threads)
{
    *j = (struct jobs){.max_threads = max_threads};
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->cond, NULL);
    j->last = &j->first;
}

static struct job *
jobs_next(struct jobs *j)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&j->lock);
    struct job *job;

    j->idle++;
    while (!j->first)
        pthread_cond_wait(&j->cond, &j->lock);
    j->idle--;
    job = j->first;
    j->first = job->next;
    if (!j->first)
        j->last = &j->first;
    j->queued--;
    return job;
}

static void *
jobs_main(void *arg)
{
    const struct jobs *j = arg;

    /* Of this thread alone; where that is forbidden they run like the others. */
    if (j->nice > 0)
        (void)setpriority(PRIO_PROCESS, 0, j->nice);
    for (;;) {
        struct job *job = jobs_next(arg);

        job->run(job);
    }
    return NULL;
}

/* Lock held. More waiting than idle threads: one more thread, if there may be one. */
static int
jobs_make_thread(struct jobs *j)
{
    pthread_t thread;
    int rc;

    if (j->idle > j->queued || j->threads == j->max_threads)
        return 0;
    rc = pthread_create(&thread, NULL, jobs_main, j);
    if (rc != 0)
        return j->threads > 0 ? 0 : -rc;
    pthread_detach(thread);
    j->threads++;
    return 0;
}

bool
jobs_idle(struct jobs *j)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&j->lock);

    return j->queued == 0 && j->idle == j->threads;
}

int
jobs_start(struct jobs *j, struct job *job)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&j->lock);
    int rc;

    if (j->queued == JOBS_QUEUED)
        return -EAGAIN;
    rc = jobs_make_thread(j);
    if (rc < 0)
        return rc;
    job->next = NULL;
    *j->last = job;
    j->last = &job->next;
    j->queued++;
    pthread_cond_signal(&j->cond);
    return 0;
}
