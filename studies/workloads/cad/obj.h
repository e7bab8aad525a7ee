/* SPDX-License-Identifier: MIT */
/*
 * obj.h - meshes in Wavefront OBJ text: v, vn and f lines, with groups and materials only
 * as the place where another surface begins; all else is skipped.
 */
#ifndef CAD_OBJ_H
#define CAD_OBJ_H

#include <stddef.h>

#include "cad/mesh.h"

/*
 * Reads nothing but text[0..size). Returns 0 with a finished mesh of one body, or
 * -EBADMSG with the line that is wrong, -EINVAL when there is nothing to draw, -ENOMEM.
 * Always to be followed by mesh_fini.
 */
int obj_parse(const char *text, size_t size, struct mesh *ret_mesh, struct failure *why);

/* The same of a file, of at most 1 GiB. */
int obj_load(const char *path, struct mesh *ret_mesh, struct failure *why);

#endif
