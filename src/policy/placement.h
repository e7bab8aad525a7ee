/* SPDX-License-Identifier: MIT */
/*
 * Placement: on which GPU a new vGPU goes, and where in its framebuffer.
 *
 * A vGPU of any type starts at a multiple of its type's size, as NVIDIA's placement ids
 * do (40 GB board: 20 GB at 0, 20; 10 GB at 0, 10, 20, 30), and at most max_instances of
 * a type are on a GPU.
 *
 *   equal-size mode  all vGPUs of a GPU are of one type; the lowest free start
 *   mixed-size mode  types mix; the start that leaves the largest free piece in one; of
 *                    those the one in the smallest piece; of those the lowest
 *
 * Passthrough takes a whole idle GPU, in either mode.
 *
 * Pure functions, any thread. Everything that is passed in stays the caller's and is only
 * read; sizes and starts are bytes. Suspended vGPUs hold no memory: leave them out.
 */
#ifndef TESSERA_POLICY_PLACEMENT_H
#define TESSERA_POLICY_PLACEMENT_H

#include "policy/types.h"

#include <stdbool.h>
#include <stdint.h>

#define PLACEMENT_TEXT_MAX 512

enum gpu_mode { EQUAL_SIZE, MIXED_SIZE };

/*
 * SPREAD (breadth first): the GPU with the fewest vGPUs, then the most free bytes.
 * PACK (depth first): the GPU with the greatest part of its memory in use, then the most
 * vGPUs. Ties go to the GPU listed first.
 */
enum placement_order { SPREAD, PACK };

struct placement_vgpu {
    uint64_t framebuffer_bytes;
    uint64_t start_bytes;
    unsigned type_max_instances;
    const char *type_name; /* for the words of a refusal */
    bool passthrough;      /* holds the whole GPU; the fields above do not count */
};

struct placement_gpu {
    const char *name;      /* gpu0 */
    const char *model;     /* first part of the type names: cpu, h200 */
    uint64_t memory_bytes; /* that types are cut from */
    enum gpu_mode mode;
    unsigned nvgpus;
    const struct placement_vgpu *vgpus; /* nvgpus of them, in any order */
    bool reserved_elsewhere; /* someone outside Tessera uses it: takes nothing */
};

enum placement_refusal {
    PLACEMENT_OK,
    PLACEMENT_NO_SPACE,          /* no free start of the type's size */
    PLACEMENT_OTHER_TYPE_IN_USE, /* equal-size mode, and another type is there */
    PLACEMENT_TYPE_FULL,         /* max_instances of the type are there */
    PLACEMENT_PASSED_THROUGH,    /* one guest has the whole GPU */
    PLACEMENT_IN_USE,            /* passthrough needs an idle GPU */
    PLACEMENT_RESERVED,          /* reserved_elsewhere */
    PLACEMENT_NO_SUCH_TYPE,
    PLACEMENT_NO_GPU, /* none was given */
};

struct placement_choice {
    unsigned gpu;          /* index into gpus */
    uint64_t start_bytes;  /* 0 for passthrough */
    struct vgpu_type type; /* passthrough: "passthrough", the GPU's memory, 1 instance */
};

struct placement_problem {
    enum placement_refusal refusal;
    char text[PLACEMENT_TEXT_MAX]; /* why, and what would work; one line, no full stop */
};

/*
 * May this GPU take one more vGPU of the type, and where? *ret_start is written on
 * PLACEMENT_OK only. A type under TYPE_MIN_BYTES is PLACEMENT_NO_SUCH_TYPE.
 */
enum placement_refusal placement_check_gpu(const struct placement_gpu *gpu,
                                           const struct vgpu_type *type,
                                           uint64_t *ret_start);

/* May this GPU be passed through? */
enum placement_refusal placement_check_passthrough(const struct placement_gpu *gpu);

/* How many more vGPUs of the type this GPU takes now (mdev's available_instances). */
unsigned placement_available(const struct placement_gpu *gpu,
                             const struct vgpu_type *type);

/* Bytes that no vGPU holds, and the largest run of them; 0 when passed through. */
uint64_t placement_free_bytes(const struct placement_gpu *gpu);
uint64_t placement_largest_free(const struct placement_gpu *gpu);

/*
 * Picks one of n GPUs for a vGPU of the named type; type_name NULL asks for passthrough.
 * GPUs that do not have the type are passed over. To ask for one certain GPU, pass it
 * alone.
 *
 * Returns 0 and fills *ret, or placement_errno() of the refusal and fills *ret_problem
 * (may be NULL). Where GPUs refuse for different reasons, refusal is that of the first
 * GPU that has the type, and the text names them all.
 */
int placement_pick(const struct placement_gpu *gpus, unsigned n, const char *type_name,
                   enum placement_order order, struct placement_choice *ret,
                   struct placement_problem *ret_problem);

/*
 * May the GPU's mode be changed? Back to equal-size not while types differ on it:
 * PLACEMENT_OTHER_TYPE_IN_USE. ret_problem as above.
 */
enum placement_refusal placement_mode_change_check(const struct placement_gpu *gpu,
                                                   enum gpu_mode mode,
                                                   struct placement_problem *ret_problem);

/*
 * 0; -ENOSPC: no space, type full; -EBUSY: other type, passed through, in use, reserved;
 * -ENOENT: no such type; -ENODEV: no GPU.
 */
int placement_errno(enum placement_refusal refusal);

#endif
