/* SPDX-License-Identifier: MIT */
#include "train/average.h"

void
average_gradients(struct model *const *models, unsigned count, float *room)
{
    const size_t parameters = model_parameters(models[0]);
    const float part = 1.0f / (float)count;

    for (unsigned i = 0; i < count; i++) {
        model_gradients_read(models[i], room + i * parameters);
        gpu_flush(models[i]->gpu);
    }
    for (unsigned i = 0; i < count; i++)
        gpu_finish(models[i]->gpu);
    for (unsigned i = 1; i < count; i++) {
        const float *const gradients = room + i * parameters;

        for (size_t j = 0; j < parameters; j++)
            room[j] += gradients[j];
    }
    for (size_t j = 0; j < parameters; j++)
        room[j] *= part;
    for (unsigned i = 0; i < count; i++)
        model_gradients_write(models[i], room);
}
