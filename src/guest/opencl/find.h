/* SPDX-License-Identifier: MIT */
/*
 * Where this process's vGPUs are. A process of `tessera run` is told by TESSERA_VGPU. In a
 * container each vGPU is a folder mounted below FIND_FOLDER, and nothing names them: each is
 * mounted by an edit of its own, and two that set one variable would overwrite each other.
 */
#ifndef TESSERA_GUEST_OPENCL_FIND_H
#define TESSERA_GUEST_OPENCL_FIND_H

/* src/container/edits.c mounts there. */
#define FIND_FOLDER "/run/tessera-guest"

/*
 * Writes the folders, malloc'ed, at most max of them: those that `named` lists, separated by ':',
 * in that order; if it is NULL those in `folder` that hold a socket, or in a virtual machine a
 * vGPU's memory, by name. Returns their number, 0 also without memory.
 */
unsigned find_vgpus(const char *named, const char *folder, char **ret_folders,
                    unsigned max);

#endif
