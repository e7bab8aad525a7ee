/* SPDX-License-Identifier: MIT */
/*
 * reference.h - the language model once more, in plain C and doubles: one word after
 * another, one sum after another. Parameters come in the order of struct model.
 */
#ifndef LANGUAGE_TESTS_REFERENCE_H
#define LANGUAGE_TESTS_REFERENCE_H

#include "language/model.h"

struct reference_layer {
    double *inputs, *state, *biases; /* of the parameters, and their gradients */
    double *inputs_grad, *state_grad, *biases_grad;
    double *gates, *gates_grad; /* [steps][batch][4 * units] */
    double *cells, *cells_grad; /* [1 + steps][batch][units], as out */
    double *out, *out_grad;
};

struct reference {
    const struct model_spec *spec;
    int vocabulary;
    int lens[MODEL_PARAMS];
    double *values[MODEL_PARAMS], *grads[MODEL_PARAMS]; /* owned */
    struct reference_layer layers[MODEL_LAYERS];
    double *input, *input_grad; /* [steps][batch][units] */
    double *share;              /* [steps][batch][vocabulary]: the softmax */
    int *words;                 /* [1 + steps][batch] */
};

void reference_init(struct reference *ref, const struct model_spec *spec, int vocabulary);
void reference_fini(struct reference *ref);

/* The loss, summed over the steps and the mean over the texts. */
double reference_forward(struct reference *ref);

/* Fills the gradients; after reference_forward. */
void reference_backward(struct reference *ref);

#endif
