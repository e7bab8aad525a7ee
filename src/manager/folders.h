/* SPDX-License-Identifier: MIT */
/* Where the manager keeps things (docs/architecture.md, "Folders and files"). */
#ifndef TESSERA_MANAGER_FOLDERS_H
#define TESSERA_MANAGER_FOLDERS_H

#include "base/err.h"
#include "manager/options.h"

#define SYSTEM_RUNTIME "/run/tessera"

struct folders {
    char *runtime, *state;
    char *control;                  /* RUNTIME/control.sock */
    char *operations;               /* RUNTIME/operations.sock */
    char *workers;                  /* in runtime: the workers' control sockets */
    char *vgpus, *accounts, *turns; /* in runtime */
    char *cache, *tmp,
        *trash;          /* the workers' (jail.h): in runtime, or in state where nothing
                                       in runtime can be executed */
    char *vm;            /* in runtime: sockets for QEMU */
    char *icd;           /* in runtime: the guests' OCL_ICD_VENDORS */
    char *container_icd; /* the same of guests in containers */
    char *cuda;          /* in runtime: where guests find libcuda.so.1 */
    char *state_vgpus, *state_gpus, *snapshots; /* in state */
    int lock_fd; /* RUNTIME/tesserad.pid, locked; -1 = not yet */
};

/*
 * Finds, makes and checks all folders: they must be ours and nobody else may
 * write there, or -EPERM. Ended by folders_fini(), also after an error.
 */
int folders_init(struct folders *f, const struct options *o, struct err *e);
void folders_fini(struct folders *f);

/* false: what is compiled there cannot be loaded (noexec). */
bool folder_runs_code(const char *path);

/*
 * Takes the lock that one manager per runtime folder holds, waiting up to
 * wait_ms for one that is just leaving. -EBUSY names the process that has it.
 * The kernel lets go of it when this process ends, however it ends.
 */
int folders_lock(struct folders *f, unsigned wait_ms, struct err *e);

/*
 * Sends stderr and stdout to RUNTIME/tesserad.log from here on, and keeps no folder of
 * the caller's busy.
 */
int folders_log_to_file(const struct folders *f, struct err *e);

/* Writes tessera.icd, which names the guests' library, into `folder`. */
int folders_write_icd(const char *folder, const char *library, struct err *e);

/* Makes a link of that name in `folder` to the library, in place of one that is there. */
int folders_link_library(const char *folder, const char *name, const char *library,
                         struct err *e);

/*
 * The path of a program or library: `given`, else beside this executable, else
 * installed_dir/name. malloc'ed.
 */
char *program_path(const char *given, const char *name, const char *installed_dir);

#endif
