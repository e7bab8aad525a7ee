/* SPDX-License-Identifier: MIT */
/* layer_ops.h - the kinds of layers, for layer.c. */
#ifndef TRAIN_LAYER_OPS_H
#define TRAIN_LAYER_OPS_H

#include "train/layer.h"

extern const struct layer_ops layer_conv_ops, layer_pool_ops, layer_lrn_ops,
    layer_dense_ops, layer_dropout_ops;

/* Inputs of each unit: the rows of the weight matrix; 0 for a layer without weights. */
int layer_inputs(const struct layer *l);

/* Into how many parts a sum over that many rows is cut, to occupy a whole device. */
int layer_parts(int rows);

#endif
