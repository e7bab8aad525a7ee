/* SPDX-License-Identifier: MIT */
/*
 * model.h - the language model of Zaremba, Sutskever and Vinyals (2014), without dropout:
 * vectors of words, two layers of LSTM cells, softmax; trained by truncated
 * backpropagation through time. All of it is on the device. None of the calls here waits
 * for the device unless it says so; failures stick to the gpu.
 */
#ifndef LANGUAGE_MODEL_H
#define LANGUAGE_MODEL_H

#include <stdint.h>

#include "common/gpu.h"
#include "language/lstm.h"

enum {
    MODEL_LAYERS = 2,
    MODEL_PARAMS = 3 * MODEL_LAYERS + 3,
};

struct model_spec {
    const char *name;
    uint32_t default_steps;
    int units;      /* of each layer, and of a word's vector */
    int unroll;     /* words that a step takes from each text of the batch */
    int batch;      /* texts that are read at once */
    int vocabulary; /* words that it knows, at most */
    float clip;     /* the norm of the gradients, at most */
    float spread;   /* parameters start between this and its negative */
};

/* All models that there are; ends with an entry without name. */
extern const struct model_spec model_specs[];

/* NULL when there is none of that name. */
const struct model_spec *model_spec_find(const char *name);

/* A text on the device, cut into `batch` texts of the same length, one after another. */
struct texts {
    cl_mem words;
    uint32_t length; /* of each one; every word has one behind it */
};

/* count > batch words. */
void texts_init(struct texts *texts, struct gpu *gpu, const uint16_t *words,
                uint32_t count, int batch);
void texts_fini(struct texts *texts);

struct model {
    const struct model_spec *spec;
    struct gpu *gpu; /* borrowed */
    int vocabulary;  /* words that the text has: at most the spec's */
    struct param vectors, weights, biases; /* of the words; of the softmax */
    struct lstm layers[MODEL_LAYERS];
    struct param *params[MODEL_PARAMS]; /* all of the above */
    cl_mem rows;                        /* struct row of kernels.cl */
    cl_mem input, input_grad;           /* [unroll][batch][units] */
    cl_mem logits;                      /* [unroll][batch][vocabulary] */
    cl_mem loss;                        /* of each row */
    cl_mem transposed, parts, scale;    /* work space */
    int rows_done;                      /* of the last pass */
};

/* Allocates all that a step needs. Always to be followed by model_fini. */
void model_init(struct model *m, struct gpu *gpu, const struct model_spec *spec,
                uint32_t vocabulary);
void model_fini(struct model *m);

/* How many there are, with a vocabulary of that size. */
uint32_t model_parameters(const struct model_spec *spec, uint32_t vocabulary);

/* Back to the start of the training that the seed defines. Waits. */
void model_reset(struct model *m, uint64_t seed);

/* Forgets what it has read. */
void model_clear(struct model *m);

/* One step, on `unroll` words at `at` and on of each text. */
void model_train(struct model *m, const struct texts *texts, uint32_t at);

/* Forward only, over as many words, at most `unroll`. */
void model_test(struct model *m, const struct texts *texts, uint32_t at, int steps);

/* The mean loss of the words of the last step or test. Waits. */
double model_loss(struct model *m);

#endif
