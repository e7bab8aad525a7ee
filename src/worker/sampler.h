/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_WORKER_SAMPLER_H
#define TESSERA_WORKER_SAMPLER_H

#include "worker/object.h"

void sampler_fini(struct session *s, struct object *o);

#endif
