/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_MANAGER_METRICS_H
#define TESSERA_MANAGER_METRICS_H

#include "manager/manager.h"

/* All figures in Prometheus' text format 0.0.4, malloc'ed; NULL without memory. */
char *metrics_text(const struct manager *m);

#endif
