/* SPDX-License-Identifier: MIT */
/*
 * reference.h - the same networks in plain C and double precision, written to be seen
 * through: loops over the definition of each layer, nothing shared with the kernels.
 */
#ifndef TRAIN_REFERENCE_H
#define TRAIN_REFERENCE_H

#include "train/model.h"

struct reference_layer {
    struct shape in, out;
    int weight_count;
    double *weights, *biases, *weights_grad, *biases_grad;
    double *output, *output_grad; /* batch * shape_size(out) */
};

struct reference {
    const struct model_spec *spec;
    int batch;
    uint32_t step_key;
    double *input;   /* batch * shape_size(spec->input) */
    uint8_t *labels; /* batch */
    struct reference_layer layers[MODEL_LAYERS_MAX];
};

void reference_init(struct reference *ref, const struct model_spec *spec, int batch);
void reference_fini(struct reference *ref);

/* The mean loss of the batch, with dropout. */
double reference_forward(struct reference *ref);

/* Fills in the gradients, after reference_forward. */
void reference_backward(struct reference *ref);

#endif
