/* SPDX-License-Identifier: MIT */
#include "train/tests/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *
doubles(int count)
{
    double *const p = calloc((size_t)count + 1, sizeof *p);

    if (!p)
        abort();
    return p;
}

/* Where an image's values of that size lie. */
static double *
of_image(double *values, int image, int size)
{
    return values + (size_t)image * (size_t)size;
}

static void
layer_shape(struct reference_layer *l, const struct layer_spec *spec)
{
    l->out = l->in;
    if (spec->kind == LAYER_CONV) {
        l->out.c = spec->units;
        l->weight_count = spec->kernel * spec->kernel * l->in.c * spec->units;
    } else if (spec->kind == LAYER_POOL) {
        l->out.h = (l->in.h + spec->stride - 1) / spec->stride;
        l->out.w = (l->in.w + spec->stride - 1) / spec->stride;
    } else if (spec->kind == LAYER_DENSE) {
        l->out = (struct shape){1, 1, spec->units};
        l->weight_count = shape_size(l->in) * spec->units;
    }
}

void
reference_init(struct reference *ref, const struct model_spec *spec, int batch)
{
    struct shape shape = spec->input;

    *ref = (struct reference){.spec = spec, .batch = batch};
    ref->input = doubles(batch * shape_size(shape));
    ref->labels = calloc((size_t)batch, 1);
    for (int i = 0; i < spec->layer_count; i++) {
        struct reference_layer *const l = &ref->layers[i];

        l->in = shape;
        layer_shape(l, &spec->layers[i]);
        shape = l->out;
        l->weights = doubles(l->weight_count);
        l->weights_grad = doubles(l->weight_count);
        l->biases = doubles(spec->layers[i].units);
        l->biases_grad = doubles(spec->layers[i].units);
        l->output = doubles(batch * shape_size(shape));
        l->output_grad = doubles(batch * shape_size(shape));
    }
}

void
reference_fini(struct reference *ref)
{
    for (int i = 0; i < ref->spec->layer_count; i++) {
        struct reference_layer *const l = &ref->layers[i];

        free(l->weights);
        free(l->weights_grad);
        free(l->biases);
        free(l->biases_grad);
        free(l->output);
        free(l->output_grad);
    }
    free(ref->input);
    free(ref->labels);
}

/* Where element (y, x, c) of an image lies; -1 outside of it. */
static int
place(struct shape s, int y, int x, int c)
{
    return y < 0 || x < 0 || y >= s.h || x >= s.w ? -1 : (y * s.w + x) * s.c + c;
}

/*
 * Calls visit for each triple (output element, weight, input element) of a layer that
 * are multiplied: this is all that a convolution and a dense layer are.
 */
typedef void visit_fn(struct reference_layer *l, const double *in, double *in_grad,
                      int image, const int index[3]);

static void
visit_conv(struct reference_layer *l, int k, int image, const double *in, double *in_grad,
           visit_fn *visit)
{
    const int windows = l->out.h * l->out.w * k * k;

    for (int i = 0; i < windows; i++) {
        const int dx = i % k, dy = i / k % k;
        const int x = i / (k * k) % l->out.w, y = i / (k * k) / l->out.w;

        for (int c = 0; c < l->in.c; c++)
            for (int u = 0; u < l->out.c; u++) {
                const int from = place(l->in, y + dy - k / 2, x + dx - k / 2, c);
                const int weight = ((dy * k + dx) * l->in.c + c) * l->out.c + u;

                if (from >= 0)
                    visit(l, in, in_grad, image,
                          (int[]){place(l->out, y, x, u), weight, from});
            }
    }
}

static void
visit_dense(struct reference_layer *l, int image, const double *in, double *in_grad,
            visit_fn *visit)
{
    for (int from = 0; from < shape_size(l->in); from++)
        for (int u = 0; u < l->out.c; u++)
            visit(l, in, in_grad, image, (int[]){u, from * l->out.c + u, from});
}

static void
visit_layer(struct reference *ref, int layer, int image, const double *in,
            double *in_grad, visit_fn *visit)
{
    const struct layer_spec *const spec = &ref->spec->layers[layer];

    if (spec->kind == LAYER_CONV)
        visit_conv(&ref->layers[layer], spec->kernel, image, in, in_grad, visit);
    else
        visit_dense(&ref->layers[layer], image, in, in_grad, visit);
}

static void
visit_forward(struct reference_layer *l, const double *in, double *in_grad, int image,
              const int index[3])
{
    (void)in_grad;
    l->output[image * shape_size(l->out) + index[0]] +=
        l->weights[index[1]] * in[index[2]];
}

static void
visit_backward(struct reference_layer *l, const double *in, double *in_grad, int image,
               const int index[3])
{
    const double grad = l->output_grad[image * shape_size(l->out) + index[0]];

    l->weights_grad[index[1]] += grad * in[index[2]];
    if (in_grad)
        in_grad[index[2]] += grad * l->weights[index[1]];
}

/* Where window number `out` begins, of those that are padded by as much on each side. */
static int
window_start(const struct layer_spec *spec, int out, int outs, int size)
{
    const int covered = (outs - 1) * spec->stride + spec->kernel;

    return out * spec->stride - (covered > size ? (covered - size) / 2 : 0);
}

/* The input element that a pooled output takes. */
static int
pool_winner(const struct layer_spec *spec, const struct reference_layer *l,
            const double *in, int out)
{
    const int c = out % l->out.c, k = spec->kernel;
    const int x = window_start(spec, out / l->out.c % l->out.w, l->out.w, l->in.w);
    const int y = window_start(spec, out / l->out.c / l->out.w, l->out.h, l->in.h);
    int best = -1;

    for (int i = 0; i < k * k; i++) {
        const int at = place(l->in, y + i / k, x + i % k, c);

        if (at >= 0 && (best < 0 || in[at] > in[best]))
            best = at;
    }
    return best;
}

/* What an input is divided by: (1 + alpha * the squares around it)^(3/4). */
static double
lrn_divisor(const struct layer_spec *spec, const struct reference_layer *l,
            const double *in, int at)
{
    double squares = 0.0;

    for (int i = 0; i < l->in.c; i++) {
        const double other = in[at - at % l->in.c + i];

        if (abs(i - at % l->in.c) <= spec->radius)
            squares += other * other;
    }
    return pow(1.0 + (double)spec->alpha * squares, 0.75);
}

/*
 * With d = s^(3/4), s = 1 + alpha * the squares: out = in / d, and another input x
 * changes it by -in * (3/4) / (d * s) * 2 * alpha * x.
 */
static void
lrn_backward(const struct layer_spec *spec, const struct reference_layer *l,
             const double *in, double *in_grad, int at, double grad)
{
    const double d = lrn_divisor(spec, l, in, at), s = pow(d, 4.0 / 3.0);

    in_grad[at] += grad / d;
    for (int i = 0; i < l->in.c; i++) {
        const int other = at - at % l->in.c + i;

        if (abs(i - at % l->in.c) <= spec->radius)
            in_grad[other] -=
                grad * in[at] * 1.5 * (double)spec->alpha * in[other] / (d * s);
    }
}

static double
dropout_factor(const struct reference *ref, int layer, uint32_t element)
{
    const double keep = (double)ref->spec->layers[layer].keep;
    uint32_t x = element ^ (ref->step_key + (uint32_t)layer);

    x = (x ^ x >> 16) * 0x85ebca6b;
    x = (x ^ x >> 13) * 0xc2b2ae35;
    x ^= x >> 16;
    return (x >> 8) * 0x1p-24 < keep ? 1.0 / keep : 0.0;
}

static void
forward_image(struct reference *ref, int layer, int image, const double *in)
{
    const struct layer_spec *const spec = &ref->spec->layers[layer];
    struct reference_layer *const l = &ref->layers[layer];
    const int size = shape_size(l->out);
    double *const out = of_image(l->output, image, size);

    for (int i = 0; i < size; i++) {
        if (spec->kind == LAYER_POOL)
            out[i] = in[pool_winner(spec, l, in, i)];
        else if (spec->kind == LAYER_LRN)
            out[i] = in[i] / lrn_divisor(spec, l, in, i);
        else if (spec->kind == LAYER_DROPOUT)
            out[i] = in[i] * dropout_factor(ref, layer, (uint32_t)(image * size + i));
        else
            out[i] = l->biases[i % l->out.c];
    }
    if (!l->weight_count)
        return;
    visit_layer(ref, layer, image, in, NULL, visit_forward);
    for (int i = 0; i < size; i++)
        if (spec->relu && out[i] < 0.0)
            out[i] = 0.0;
}

static void
backward_image(struct reference *ref, int layer, int image, const double *in,
               double *in_grad)
{
    const struct layer_spec *const spec = &ref->spec->layers[layer];
    struct reference_layer *const l = &ref->layers[layer];
    const int size = shape_size(l->out);
    double *const grad = of_image(l->output_grad, image, size);

    for (int i = 0; i < size; i++) {
        if (spec->kind == LAYER_POOL && in_grad) {
            in_grad[pool_winner(spec, l, in, i)] += grad[i];
        } else if (spec->kind == LAYER_LRN && in_grad) {
            lrn_backward(spec, l, in, in_grad, i, grad[i]);
        } else if (spec->kind == LAYER_DROPOUT && in_grad) {
            in_grad[i] +=
                grad[i] * dropout_factor(ref, layer, (uint32_t)(image * size + i));
        } else if (l->weight_count) {
            if (spec->relu && l->output[image * size + i] <= 0.0)
                grad[i] = 0.0;
            l->biases_grad[i % l->out.c] += grad[i];
        }
    }
    if (l->weight_count)
        visit_layer(ref, layer, image, in, in_grad, visit_backward);
}

static double *
input_of(struct reference *ref, int layer, int image)
{
    const int size = shape_size(ref->layers[layer].in);

    return of_image(layer ? ref->layers[layer - 1].output : ref->input, image, size);
}

/* Cross-entropy of an image; its gradient goes to the logits'. */
static double
image_loss(struct reference *ref, int image)
{
    struct reference_layer *const l = &ref->layers[ref->spec->layer_count - 1];
    const int classes = l->out.c, label = ref->labels[image];
    const double *const logits = of_image(l->output, image, classes);
    double sum = 0.0;

    for (int i = 0; i < classes; i++)
        sum += exp(logits[i]);
    for (int i = 0; i < classes; i++)
        l->output_grad[image * classes + i] =
            (exp(logits[i]) / sum - (i == label)) / ref->batch;
    return log(sum) - logits[label];
}

double
reference_forward(struct reference *ref)
{
    double loss = 0.0;

    for (int image = 0; image < ref->batch; image++) {
        for (int i = 0; i < ref->spec->layer_count; i++)
            forward_image(ref, i, image, input_of(ref, i, image));
        loss += image_loss(ref, image) / ref->batch;
    }
    return loss;
}

static void
clear_grads(struct reference *ref)
{
    for (int i = 0; i < ref->spec->layer_count; i++) {
        struct reference_layer *const l = &ref->layers[i];
        const size_t outputs = (size_t)ref->batch * (size_t)shape_size(l->out);

        memset(l->weights_grad, 0, (size_t)l->weight_count * sizeof(double));
        memset(l->biases_grad, 0, (size_t)ref->spec->layers[i].units * sizeof(double));
        if (i < ref->spec->layer_count - 1)
            memset(l->output_grad, 0, outputs * sizeof(double));
    }
}

void
reference_backward(struct reference *ref)
{
    clear_grads(ref);
    for (int image = 0; image < ref->batch; image++)
        for (int i = ref->spec->layer_count - 1; i >= 0; i--) {
            const int size = shape_size(ref->layers[i].in);

            backward_image(ref, i, image, input_of(ref, i, image),
                           i ? of_image(ref->layers[i - 1].output_grad, image, size)
                             : NULL);
        }
}
