/* SPDX-License-Identifier: MIT */
/* The parts of tessera-guest. */
#ifndef TESSERA_GUESTCLI_COMMANDS_H
#define TESSERA_GUESTCLI_COMMANDS_H

#include "base/err.h"

#include <jansson.h>

/*
 * The vGPUs of this virtual machine, as the control API would tell of them to src/container. An
 * array, perhaps empty; NULL without memory.
 */
json_t *machine_vgpus(void);

/* Hand vGPUs on to containers. argv[0] is "tessera-guest NAME"; they return the exit status. */
int guest_cdi(int argc, char **argv);
int guest_oci_edit(int argc, char **argv);
int guest_container_args(int argc, char **argv);

#endif
