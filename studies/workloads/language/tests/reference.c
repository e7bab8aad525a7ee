/* SPDX-License-Identifier: MIT */
#include "language/tests/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A row of values of that width. */
static double *
row_of(double *values, int row, int width)
{
    return values + (size_t)row * (size_t)width;
}

static double *
doubles(int count)
{
    double *const p = calloc((size_t)count, sizeof *p);

    if (!p)
        abort();
    return p;
}

static void
layer_init(struct reference *ref, int index)
{
    const int len = ref->spec->batch * ref->spec->units, steps = ref->spec->unroll;
    struct reference_layer *const l = &ref->layers[index];
    const int first = 1 + 3 * index;

    l->inputs = ref->values[first];
    l->state = ref->values[first + 1];
    l->biases = ref->values[first + 2];
    l->inputs_grad = ref->grads[first];
    l->state_grad = ref->grads[first + 1];
    l->biases_grad = ref->grads[first + 2];
    l->gates = doubles(steps * 4 * len);
    l->gates_grad = doubles(steps * 4 * len);
    l->cells = doubles((1 + steps) * len);
    l->cells_grad = doubles((1 + steps) * len);
    l->out = doubles((1 + steps) * len);
    l->out_grad = doubles((1 + steps) * len);
}

void
reference_init(struct reference *ref, const struct model_spec *spec, int vocabulary)
{
    const int units = spec->units, rows = spec->unroll * spec->batch;
    const int square = units * 4 * units, table = vocabulary * units;
    const int lens[MODEL_PARAMS] = {table,  square,    square, 4 * units, square,
                                    square, 4 * units, table,  vocabulary};

    *ref = (struct reference){.spec = spec, .vocabulary = vocabulary};
    for (int i = 0; i < MODEL_PARAMS; i++) {
        ref->lens[i] = lens[i];
        ref->values[i] = doubles(lens[i]);
        ref->grads[i] = doubles(lens[i]);
    }
    for (int i = 0; i < MODEL_LAYERS; i++)
        layer_init(ref, i);
    ref->input = doubles(rows * units);
    ref->input_grad = doubles(rows * units);
    ref->share = doubles(rows * vocabulary);
    ref->words = calloc((size_t)rows + (size_t)spec->batch, sizeof *ref->words);
}

void
reference_fini(struct reference *ref)
{
    for (int i = 0; i < MODEL_PARAMS; i++) {
        free(ref->values[i]);
        free(ref->grads[i]);
    }
    for (int i = 0; i < MODEL_LAYERS; i++) {
        struct reference_layer *const l = &ref->layers[i];

        free(l->gates);
        free(l->gates_grad);
        free(l->cells);
        free(l->cells_grad);
        free(l->out);
        free(l->out_grad);
    }
    free(ref->input);
    free(ref->input_grad);
    free(ref->share);
    free(ref->words);
}

static double
logistic(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* The sums for the gates of a cell, then what becomes of them; row: of step and text. */
static void
layer_forward(const struct reference *ref, int index, int row, const double *input)
{
    const struct reference_layer *const l = &ref->layers[index];
    const int units = ref->spec->units, f = 2 * units, o = 3 * units;
    const int after = row + ref->spec->batch;
    double *const gates = row_of(l->gates, row, 4 * units);
    const double *const out_before = row_of(l->out, row, units);
    const double *const cells_before = row_of(l->cells, row, units);
    double *const cells = row_of(l->cells, after, units);
    double *const out = row_of(l->out, after, units);

    for (int j = 0; j < 4 * units; j++) {
        double sum = l->biases[j];

        for (int i = 0; i < units; i++)
            sum += input[i] * l->inputs[i * 4 * units + j] +
                   out_before[i] * l->state[i * 4 * units + j];
        gates[j] = j / units == 1 ? tanh(sum) : logistic(sum);
    }
    for (int u = 0; u < units; u++) {
        const double *const g = gates + u;

        cells[u] = g[f] * cells_before[u] + g[0] * g[units];
        out[u] = g[o] * tanh(cells[u]);
    }
}

/* The input of a layer, and the gradient of that. */
static double *
input_of(const struct reference *ref, int index, int row, double **ret_grad)
{
    const int units = ref->spec->units;
    const struct reference_layer *below;

    if (!index) {
        *ret_grad = row_of(ref->input_grad, row, units);
        return row_of(ref->input, row, units);
    }
    below = &ref->layers[index - 1];
    *ret_grad = row_of(below->out_grad, row + ref->spec->batch, units);
    return row_of(below->out, row + ref->spec->batch, units);
}

/* Fills the row of `share`; returns its cross-entropy. */
static double
softmax(const struct reference *ref, int row)
{
    const int words = ref->vocabulary, units = ref->spec->units;
    const double *const weights = ref->values[MODEL_PARAMS - 2];
    double *const share = row_of(ref->share, row, words), *grad;
    const double *const out = input_of(ref, MODEL_LAYERS, row, &grad);
    double sum = 0.0;

    for (int w = 0; w < words; w++) {
        double logit = ref->values[MODEL_PARAMS - 1][w];

        for (int u = 0; u < units; u++)
            logit += out[u] * weights[u * words + w];
        share[w] = exp(logit);
        sum += share[w];
    }
    for (int w = 0; w < words; w++)
        share[w] /= sum;
    return -log(share[ref->words[row + ref->spec->batch]]);
}

double
reference_forward(struct reference *ref)
{
    const int units = ref->spec->units, rows = ref->spec->unroll * ref->spec->batch;
    double loss = 0.0, *grad;

    for (int row = 0; row < rows; row++) {
        memcpy(row_of(ref->input, row, units),
               row_of(ref->values[0], ref->words[row], units),
               (size_t)units * sizeof(double));
        for (int i = 0; i < MODEL_LAYERS; i++)
            layer_forward(ref, i, row, input_of(ref, i, row, &grad));
        loss += softmax(ref, row) / ref->spec->batch;
    }
    return loss;
}

static void
softmax_backward(struct reference *ref, int row)
{
    const int words = ref->vocabulary, units = ref->spec->units;
    double *out_grad, *const out = input_of(ref, MODEL_LAYERS, row, &out_grad);

    for (int w = 0; w < words; w++) {
        const int hit = w == ref->words[row + ref->spec->batch];
        const double grad = (ref->share[row * words + w] - hit) / ref->spec->batch;

        ref->grads[MODEL_PARAMS - 1][w] += grad;
        for (int u = 0; u < units; u++) {
            ref->grads[MODEL_PARAMS - 2][u * words + w] += grad * out[u];
            out_grad[u] += grad * ref->values[MODEL_PARAMS - 2][u * words + w];
        }
    }
}

/* The gradients of the sums for the gates, and of the cell of the step before. */
static void
cell_backward(const struct reference *ref, struct reference_layer *l, int row)
{
    const int units = ref->spec->units, f = 2 * units, o = 3 * units;
    const int after = row + ref->spec->batch;
    const double *const cells_before = row_of(l->cells, row, units);
    const double *const cells = row_of(l->cells, after, units);
    const double *const cells_grad = row_of(l->cells_grad, after, units);
    const double *const out_grad = row_of(l->out_grad, after, units);

    for (int u = 0; u < units; u++) {
        const double *const g = row_of(l->gates, row, 4 * units) + u;
        double *const grad = row_of(l->gates_grad, row, 4 * units) + u;
        const double t = tanh(cells[u]), dh = out_grad[u];
        const double dc = cells_grad[u] + dh * g[o] * (1.0 - t * t);

        grad[0] = dc * g[units] * g[0] * (1.0 - g[0]);
        grad[units] = dc * g[0] * (1.0 - g[units] * g[units]);
        grad[f] = dc * cells_before[u] * g[f] * (1.0 - g[f]);
        grad[o] = dh * t * g[o] * (1.0 - g[o]);
        row_of(l->cells_grad, row, units)[u] = dc * g[f];
    }
}

static void
layer_backward(struct reference *ref, int index, int row)
{
    struct reference_layer *const l = &ref->layers[index];
    const int units = ref->spec->units;
    double *input_grad, *const input = input_of(ref, index, row, &input_grad);
    const double *const gates_grad = row_of(l->gates_grad, row, 4 * units);
    const double *const out_before = row_of(l->out, row, units);
    double *const out_grad_before = row_of(l->out_grad, row, units);

    cell_backward(ref, l, row);
    for (int j = 0; j < 4 * units; j++) {
        const double grad = gates_grad[j];

        l->biases_grad[j] += grad;
        for (int i = 0; i < units; i++) {
            l->inputs_grad[i * 4 * units + j] += grad * input[i];
            l->state_grad[i * 4 * units + j] += grad * out_before[i];
            input_grad[i] += grad * l->inputs[i * 4 * units + j];
            out_grad_before[i] += grad * l->state[i * 4 * units + j];
        }
    }
}

void
reference_backward(struct reference *ref)
{
    const int units = ref->spec->units, rows = ref->spec->unroll * ref->spec->batch;
    const size_t row_bytes = (size_t)units * sizeof(double);
    const size_t out_bytes = ((size_t)rows + (size_t)ref->spec->batch) * row_bytes;

    for (int i = 0; i < MODEL_PARAMS; i++)
        memset(ref->grads[i], 0, (size_t)ref->lens[i] * sizeof(double));
    memset(ref->input_grad, 0, (size_t)rows * row_bytes);
    for (int i = 0; i < MODEL_LAYERS; i++) {
        memset(ref->layers[i].out_grad, 0, out_bytes);
        memset(ref->layers[i].cells_grad, 0, out_bytes);
    }
    for (int row = rows - 1; row >= 0; row--) {
        softmax_backward(ref, row);
        for (int i = MODEL_LAYERS - 1; i >= 0; i--)
            layer_backward(ref, i, row);
        for (int u = 0; u < units; u++)
            ref->grads[0][ref->words[row] * units + u] +=
                ref->input_grad[row * units + u];
    }
}
