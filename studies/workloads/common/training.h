/* SPDX-License-Identifier: MIT */
/*
 * training.h - a training from its data to its result; what is trained is the
 * workload's. A step's time runs from before its first command to the end of clFinish.
 *
 *   load | compile + warm-up | reset | [barrier] | step, step, ... | evaluation | result
 */
#ifndef WORKLOADS_TRAINING_H
#define WORKLOADS_TRAINING_H

#include "common/gpu.h"
#include "common/report.h"
#include "common/terminal.h"
#include "common/training_options.h"

enum { TRAINING_GPUS_MAX = 16 };

/* What is trained. `data` is the workload's own; failures on a device stick to its gpu. */
struct training_ops {
    const struct gpu_program *program;
    struct report_words words;
    const char *loading; /* the name of the first phase: "loading images" */

    unsigned gpus_max; /* devices that it can use together, at most TRAINING_GPUS_MAX */

    /* For so many devices. */
    int (*load)(void *data, unsigned gpus, struct failure *why);

    /*
     * Makes the model and takes the data to the device; called for one after the other. Returns
     * the model's parameters.
     */
    uint32_t (*open)(void *data, struct gpu *gpu);

    /* Back to the start that the seed defines. Waits. */
    void (*reset)(void *data, uint64_t seed);

    /* Queues the step of that number (the first after a reset is 0); what devices have to tell
     * each other is waited for. */
    void (*step)(void *data, uint32_t number);

    /* The loss of the last step's batch. Waits. */
    double (*loss)(void *data);

    /* Returns the score. Waits. Ends early, with any score, when `stop` becomes true. */
    double (*evaluate)(void *data, struct progress *progress);

    /* Releases what load and open made, also when they failed or were not called. */
    void (*fini)(void *data);
};

struct training_job {
    const struct training_ops *ops;
    void *data;
    const struct training_options *options;
    const char *model;
    const char *source; /* of the data, in a word or a path; NULL: not told */
    uint32_t batch;
    uint32_t units; /* what a step learns from on each device: images or words */
};

/*
 * Trains, evaluates and reports. Returns 0, or a negative errno with the reason; -EINTR
 * after SIGINT or SIGTERM.
 */
int training_run(const struct training_job *job, struct failure *why);

#endif
