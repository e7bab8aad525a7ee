/* SPDX-License-Identifier: MIT */
/*
 * average.h - data-parallel training: replicas of one model, each on a device and with a
 * batch of its own, take the mean of their gradients, and so stay the same.
 */
#ifndef TRAIN_AVERAGE_H
#define TRAIN_AVERAGE_H

#include "train/model.h"

/*
 * Between model_gradients and model_update of all: every one gets the mean. It is added up
 * in the order of the models, the same bits each time. room: count * model_parameters()
 * floats, the devices' until their queues are empty. Waits.
 */
void average_gradients(struct model *const *models, unsigned count, float *room);

#endif
