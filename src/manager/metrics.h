/* SPDX-License-Identifier: MIT */
/*
 * All figures as text, in one of two formats: Prometheus' 0.0.4, and OpenMetrics 1.0 for who asks
 * for it. Names are by Prometheus' conventions: base units, _total for counters.
 */
#ifndef TESSERA_MANAGER_METRICS_H
#define TESSERA_MANAGER_METRICS_H

#include "manager/manager.h"

/* malloc'ed; NULL without memory. */
char *metrics_text(struct manager *m, bool openmetrics);

/* Its content type; static words. */
const char *metrics_type(bool openmetrics);

/* Does an Accept header (NULL: there is none) ask for OpenMetrics? */
bool metrics_wants_open(const char *accept);

#endif
