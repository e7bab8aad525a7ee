/* SPDX-License-Identifier: MIT */
/*
 * vGPUs in containers. What a container needs is described once, as the containerEdits of the
 * Container Device Interface: {"env": [...], "mounts": [{"hostPath", "containerPath", "options"}],
 * "deviceNodes": [{"path", "hostPath", "major", "minor"}]}. The rest puts that into the forms that
 * container engines take. container_edits() adds "dmem", which CDI and options cannot say: how many
 * bytes of which region of a device's memory the kernel shall let the container have, {REGION: N}.
 *
 * vGPUs are objects as the control API tells of them. Within a virtual machine, where nobody can be
 * asked, src/guestcli makes such objects: their `container` has, in place of `folder`, `memory` (a
 * file to map) and `ports` ([{"path", "major", "minor"}], a null where one is missing).
 *
 * All functions return 0 or a negative errno with words in *e; what they return through ret_
 * belongs to the caller. But for those of files.c nothing is read or written.
 */
#ifndef TESSERA_CONTAINER_CONTAINER_H
#define TESSERA_CONTAINER_CONTAINER_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_CDI_KIND "tessera.dev/vgpu"
/* One of the folders that all engines look into. */
#define CONTAINER_CDI_FOLDER "/etc/cdi"
#define CONTAINER_CDI_FILE CONTAINER_CDI_FOLDER "/tessera.json"

/*
 * Can a container use it? -ENOTSUP: it is passed through; -ENODEV: it cannot be used at all;
 * -EPROTO: the manager does not say what to mount.
 */
int container_check(const json_t *vgpu, struct err *e);

/*
 * What every container with a vGPU needs; the same for all vGPUs of a manager, but that those of
 * GPUs with CUDA need more: one of them, container_first(), speaks for all.
 */
const json_t *container_first(const json_t *vgpus);
int container_common_edits(const json_t *vgpu, json_t **ret, struct err *e);

/* What this one needs besides. */
int container_vgpu_edits(const json_t *vgpu, json_t **ret, struct err *e);

/* All that a container needs which uses these vGPUs (an array; at least one). */
int container_edits(const json_t *vgpus, json_t **ret, struct err *e);

/* Adds the lists of one description to another's. 0 or -ENOMEM. */
int container_extend(json_t *edits, const json_t *more);

/*
 * A CDI spec with a device for each of these vGPUs (an array; at least one), and one named `all`.
 * In the oldest version of the format that can say it, so that old engines take it.
 */
int container_cdi_spec(const json_t *vgpus, json_t **ret, struct err *e);

/*
 * Edits an OCI bundle's config.json. What is there stays, but mounts at our places and settings of
 * our variables: those are made anew, so that editing twice is editing once. *ret_text ends with a
 * newline. -EINVAL: it is no such file.
 */
int container_oci_edit(const char *text, size_t len, const json_t *edits, char **ret_text,
                       struct err *e);

/* The same with the file config.json of the folder `bundle`, whose path is malloc'ed. */
int container_oci_edit_bundle(const char *bundle, const json_t *edits, char **ret_path,
                              struct err *e);

/* Writes a CDI spec as a file, whole or not at all; path NULL: prints it. */
int container_cdi_write(const char *path, const json_t *spec, struct err *e);

/*
 * Options of docker and podman, an array of words: -v SOURCE:TARGET:ro, --mount for a path with a
 * colon, --device SOURCE:TARGET, -e NAME=VALUE. -EINVAL: they cannot say it, as a path holds a
 * colon and a comma.
 */
int container_options(const json_t *edits, json_t **ret, struct err *e);

/* Words as a shell reads them, quoted where they must be, with spaces between them; malloc'ed. */
char *container_shell_words(const json_t *words);

#endif
