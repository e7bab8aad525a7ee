/* SPDX-License-Identifier: MIT */
/*
 * lstm.h - a layer of LSTM cells, unrolled over the steps of a batch. Buffers have a row
 * for each step and text; of `out` and `cells` the rows of step -1 come first, which the
 * batch before left. Nothing here waits for the device; failures stick to the gpu.
 */
#ifndef LANGUAGE_LSTM_H
#define LANGUAGE_LSTM_H

#include "common/gpu.h"

struct param {
    int len;
    cl_mem value, grad;
};

void param_init(struct param *param, struct gpu *gpu, int len);
void param_fini(struct param *param);

/* What one pass over the layers shares. */
struct pass {
    struct gpu *gpu;
    int batch, steps;
    cl_mem transposed; /* work space: weights, one matrix after another */
};

struct lstm {
    int units, len;      /* len = batch * units */
    struct param inputs; /* [units][4 * units], as cell of kernels.cl has the gates */
    struct param state;  /* the same, for the output of the step before */
    struct param biases; /* [4 * units] */
    cl_mem gates;        /* [steps][batch][4 * units]; after backward their gradient */
    cl_mem cells, out;   /* [1 + steps][batch][units] */
    cl_mem out_grad;     /* as out; the layer above writes it */
    cl_mem cells_grad;   /* [batch][units], of one step */
};

/* As many inputs as units. Allocates for batches of that many steps. */
void lstm_init(struct lstm *l, struct gpu *gpu, int units, int batch, int steps);
void lstm_fini(struct lstm *l);

/* input begins at input_at, in floats. */
void lstm_forward(struct lstm *l, const struct pass *p, cl_mem input, int input_at);

/* The gradients of the parameters and of input, which lie at input_at both. */
void lstm_backward(struct lstm *l, const struct pass *p, cl_mem input, cl_mem input_grad,
                   int input_at);

/* The last step becomes the one before the next batch's first. */
void lstm_carry(struct lstm *l, const struct pass *p);

/* Forgets what was carried. */
void lstm_clear(struct lstm *l, struct gpu *gpu);

#endif
