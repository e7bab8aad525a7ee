/* SPDX-License-Identifier: MIT */
/* What the files vgpu*.c share. */
#ifndef TESSERA_MANAGER_VGPU_INTERNAL_H
#define TESSERA_MANAGER_VGPU_INTERNAL_H

#include "manager/vgpu.h"

/* A vGPU in memory alone, in no list yet; NULL without memory. vgpu_forget() ends it. */
struct vgpu *vgpu_new(struct manager *m, const struct vgpu_state *s);

/* Enters it among the manager's, by name, so that every list of vGPUs reads the same. */
void vgpu_insert(struct vgpu *v);

/* RUNTIME/accounts/NAME, malloc'ed. */
char *vgpu_account_path(const struct vgpu *v);

int vgpu_pick_uuid(struct vgpu_state *s, struct err *e);

/*
 * A place for a vGPU that comes back: for a framebuffer of that size, or the smallest larger one
 * that there is; on the GPU `asked` ("": any, but rather on `home`). Fills what *s says of it.
 */
int vgpu_place_again(const struct manager *m, uint64_t framebuffer_bytes,
                     const char *asked, const char *home, struct vgpu_state *s,
                     struct err *e);

/* Steps of making one; each says in *e what went wrong. */
int vgpu_make_account(struct vgpu *v, struct err *e);
int vgpu_listen(struct vgpu *v, struct err *e);
int vgpu_watch_owner(struct vgpu *v, struct err *e);

/* The part of vgpu_listen() and of vgpu_remove_files() that is for guests in containers. */
int vgpu_container_listen(struct vgpu *v, struct err *e);

/* The same for another socket of that name in the folder for containers. */
int vgpu_container_listen_at(struct vgpu *v, const char *name, loop_fn *accepted,
                             struct watch **ret, struct err *e);
void vgpu_container_remove(const char *vgpu_folder);

#define VGPU_BACKLOG 64 /* as many as there can be sessions */

/* The process that it lived with is gone: deletes it. A loop_fn. */
void vgpu_owner_gone(void *vgpu);

/* Removes its files; those that are not there are no harm. */
void vgpu_remove_files(const struct vgpu *v);

#endif
