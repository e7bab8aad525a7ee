/* SPDX-License-Identifier: MIT */
/*
 * What `tessera top` shows: rates between two readings of the control API's /v1/stats, whose
 * counters only grow. Pure: JSON in, numbers out.
 *
 * A vGPU without an earlier reading began with counters at 0. Where a counter has fallen (another
 * manager, another vGPU of that name) the rate is 0 until the next pair.
 */
#ifndef TESSERA_CLI_SAMPLE_H
#define TESSERA_CLI_SAMPLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shares are parts of the GPU's time, 1 = all; NAN: there is none to tell. */
struct vgpu_rates {
    const char *name, *type, *state;        /* the later reading's */
    double asked;                           /* what the policy promises it now */
    double got;                             /* turns with its commands on the device */
    double busy;                            /* device time, by the device's clock */
    double waiting;                         /* with commands that waited for a turn */
    double compiling;                       /* first launches' compiler */
    double kernels, copied_bytes, overruns; /* a second */
    uint64_t framebuffer_bytes, used_bytes;
    unsigned sessions;
};

struct gpu_rates {
    const char *name, *model, *policy;
    uint64_t slice_us, memory_bytes;
    double used, idle, arbiter_cpu; /* parts of the time; the arbiter's: of one core */
    double turns;                   /* a second */
    struct vgpu_rates *vgpus;       /* part of the sample's memory */
    size_t nvgpus;
};

struct sample {
    uint64_t time_ns, elapsed_ns;
    struct gpu_rates *gpus;
    size_t ngpus;
    json_t *later; /* what the words point into */
};

enum sample_order {
    ORDER_GOT,
    ORDER_ASKED,
    ORDER_MEMORY,
    ORDER_WAITING,
    ORDER_KERNELS,
    ORDER_NAME
};

/*
 * Both are answers of /v1/stats; earlier may be NULL (all counters began at 0). -ENOMEM; -EPROTO
 * when they are no such answers; -EAGAIN when no time lies between them.
 */
int sample_init(struct sample *s, const json_t *earlier, json_t *later);
void sample_fini(struct sample *s);

/* Sorts the vGPUs of each GPU, the largest first (names: from a to z). */
void sample_sort(struct sample *s, enum sample_order order);

/* "got", "asked", "memory", "waiting", "kernels", "name"; false for another word. */
bool sample_order_parse(const char *word, enum sample_order *ret);
const char *sample_order_word(enum sample_order order);

/* As an object for programs; NAN is null. The caller's. */
json_t *sample_json(const struct sample *s);

#endif
