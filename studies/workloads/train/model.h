/* SPDX-License-Identifier: MIT */
/*
 * model.h - a network, its training step and its evaluation, all on the device. None
 * of the calls here waits for the device unless it says so; failures stick to the gpu.
 */
#ifndef TRAIN_MODEL_H
#define TRAIN_MODEL_H

#include <stdint.h>

#include "common/gpu.h"
#include "train/dataset.h"
#include "train/layer.h"

enum { MODEL_LAYERS_MAX = 10 };

/* How an image becomes a network's input. */
enum intake {
    INTAKE_WHOLE, /* as it is, 0 to 1 */
    INTAKE_CROP,  /* cut out, to train with at random and flipped; about -2 to 2 */
};

struct model_spec {
    const char *name;
    uint32_t default_steps, default_batch;
    float learning_rate;               /* Adam's */
    const struct dataset_format *data; /* what it learns from */
    enum intake intake;
    struct shape input;
    int layer_count;
    struct layer_spec layers[MODEL_LAYERS_MAX]; /* the last one puts out the logits */
};

/* All models that there are; ends with an entry without name. */
extern const struct model_spec model_specs[];

/* NULL when there is none of that name. */
const struct model_spec *model_spec_find(const char *name);

/* Images and labels on the device, and the order in which they are taken. */
struct source {
    cl_mem images, labels, order;
    uint32_t count;
    struct shape image;
};

struct model {
    const struct model_spec *spec;
    struct gpu *gpu; /* borrowed */
    int batch;
    uint64_t seed;
    uint32_t replica; /* of several that learn together: draws of its own. 0: the first */
    uint32_t steps_done; /* since model_reset */
    struct layer layers[MODEL_LAYERS_MAX];
    struct scratch scratch;
    cl_mem input, labels; /* of the batch: floats, bytes */
    cl_mem loss;          /* of each image of the batch */
};

/* Allocates all that a step needs. Always to be followed by model_fini. */
void model_init(struct model *m, struct gpu *gpu, const struct model_spec *spec,
                int batch);
void model_fini(struct model *m);

/* Parameters of the model, each counted once. */
uint32_t model_parameters(const struct model *m);

/* Back to the start of the training that the seed defines. Waits. */
void model_reset(struct model *m, uint64_t seed);

/*
 * One step on the `batch` samples at order[first]. hits, a buffer of at least batch
 * bytes, tells for each one whether it was recognized.
 */
void model_train(struct model *m, const struct source *source, uint32_t first,
                 cl_mem hits);

/* Its two halves: the gradients of the parameters, and what they change. */
void model_gradients(struct model *m, const struct source *source, uint32_t first,
                     cl_mem hits);
void model_update(struct model *m);

/*
 * Between the halves: the gradients, model_parameters() floats, to the host and back. Both are
 * only begun: after gpu_finish they are done.
 */
void model_gradients_read(struct model *m, float *ret_gradients);
void model_gradients_write(struct model *m, const float *gradients);

/* Forward only, for count <= batch samples; their hits go to hits[first ...]. */
void model_test(struct model *m, const struct source *source, uint32_t first, int count,
                cl_mem hits);

/* The key of the next step's dropout and crops; a layer adds its index to it. */
uint32_t model_step_key(const struct model *m);

/* The mean loss of the last step's batch. Waits. */
float model_loss(struct model *m);

#endif
