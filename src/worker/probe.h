/* SPDX-License-Identifier: MIT */
/* The inventory: which OpenCL devices this host has (docs/architecture.md, "--probe"). */
#ifndef TESSERA_WORKER_PROBE_H
#define TESSERA_WORKER_PROBE_H

/* Prints the JSON to stdout. Returns the process's exit status. */
int probe_main(void);

#endif
