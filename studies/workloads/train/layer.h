/* SPDX-License-Identifier: MIT */
/*
 * layer.h - the layers of a network. Each keeps what it put out and the gradient of
 * the loss with respect to that; a layer's input is the output of the one before it.
 */
#ifndef TRAIN_LAYER_H
#define TRAIN_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/gpu.h"
#include "common/rng.h"
#include "train/shape.h"

enum layer_kind { LAYER_CONV, LAYER_POOL, LAYER_LRN, LAYER_DENSE, LAYER_DROPOUT };

/*
 * A line of a model's description; what a kind does not use is 0. Windows are padded
 * SAME, as TensorFlow means it. LRN (local response normalization; Krizhevsky,
 * Sutskever, Hinton 2012) divides by (1 + alpha * the sum of squares)^(3/4).
 */
struct layer_spec {
    enum layer_kind kind;
    int units;    /* conv: output channels; dense: outputs */
    int kernel;   /* conv: side of the window, odd; stride 1. pool: side, at most 15 */
    int stride;   /* pool */
    bool relu;    /* conv, dense */
    float keep;   /* dropout: probability to keep an element */
    int radius;   /* LRN: channels to each side that count */
    float alpha;  /* LRN: their weight */
    float stddev; /* conv, dense: of the truncated normal weights at the start */
    float bias;   /* conv, dense: biases at the start */
};

/* Weights or biases with their gradient and Adam's two moments. */
struct param {
    int len;
    cl_mem value, grad, mean, var;
};

/* Work space that the layers of a model use one after another. */
struct scratch {
    cl_mem patches_grad, transposed, parts;
};

/* What one pass over the layers shares. */
struct pass {
    struct gpu *gpu;
    struct scratch *scratch;
    int images;
    bool training;     /* dropout is on */
    uint32_t step_key; /* what differs from step to step */
};

struct layer {
    const struct layer_ops *ops;
    struct layer_spec spec;
    struct shape in, out;
    int index;
    struct param weights, biases; /* len 0: none */
    cl_mem output, output_grad;   /* batch * shape_size(out) floats */
    cl_mem patches;               /* conv: batch * h * w rows of kernel^2 * c */
    cl_mem winners;               /* pool: a byte for each output */
    cl_mem scale; /* LRN: of each output, what its 3/4th power divides by */
};

/* In backward, input_grad is NULL when nobody needs it. */
struct layer_ops {
    void (*forward)(struct layer *l, const struct pass *p, cl_mem input);
    void (*backward)(struct layer *l, const struct pass *p, cl_mem input,
                     cl_mem input_grad);
};

/* Floats of scratch that a layer needs; the model takes the largest of each. */
struct scratch_need {
    size_t patches_grad, transposed, parts;
};

/* Allocates for batches of that size. Failures stick to gpu. */
void layer_init(struct layer *l, struct gpu *gpu, const struct layer_spec *spec,
                struct shape in, int batch);
void layer_fini(struct layer *l);

struct scratch_need layer_scratch_need(const struct layer *l, int batch);

/* The start of a training: new weights, Adam's moments zero. Blocks. */
void layer_reset(struct layer *l, struct gpu *gpu, struct rng *rng);

#endif
