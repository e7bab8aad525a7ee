/* SPDX-License-Identifier: MIT */
/*
 * A library in front of another, which has the same exports. What they are is described in
 * api/cuda.txt and api/nvml.txt; numbers, table and trampolines are made of that, one set in each
 * library.
 */
#ifndef TESSERA_GUEST_FRONT_ENTRIES_H
#define TESSERA_GUEST_FRONT_ENTRIES_H

enum front_role {
    FRONT_PASS,
    FRONT_OWN, /* ours also where there is no driver */
    FRONT_LOOK,
    FRONT_ALLOCATE,
    FRONT_FREE,
    FRONT_SUBMIT,
    FRONT_CAPTURE,
    FRONT_REPORT,
    FRONT_CONTEXT,
    FRONT_SYNC,
};

struct front_entry {
    const char *name; /* as it is exported */
    void *own;        /* Tessera's function for it; NULL: none, the driver's is called */
    enum front_role role;
};

/* By name. */
extern const struct front_entry front_entries[];
extern const unsigned front_count;

/* Where each export goes, by the same numbers. Until it is called first: to front_resolve(). */
extern void *front_targets[];

/* And the driver's own functions, as far as they were asked for (resolve.h). */
extern _Atomic(void *) front_reals[];

/* What the library is in front of: each has one of these. */
struct front_driver {
    const char *file;           /* before the version: "libcuda.so" */
    const char *variable;       /* of the environment: an absolute path in its place */
    const char *known;          /* a function that it must have */
    int no_driver, no_function; /* what a call answers that leads nowhere */
};

extern const struct front_driver front_driver;

#endif
