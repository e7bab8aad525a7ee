/* SPDX-License-Identifier: MIT */
/* assembly.h - the mesh that needs no file: a gear train on a plate. */
#ifndef CAD_ASSEMBLY_H
#define CAD_ASSEMBLY_H

#include "cad/mesh.h"

/* Returns 0 or -ENOMEM. Always to be followed by mesh_fini. */
int assembly_make(struct mesh *mesh, struct failure *why);

#endif
