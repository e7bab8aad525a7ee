/* SPDX-License-Identifier: MIT */
/*
 * vGPU types: the sizes into which a GPU's framebuffer can be cut, and the names of types
 * and vGPUs. A type is a framebuffer size and the most instances of it that one GPU
 * holds; the list matches NVIDIA's vGPU profiles for the same memory (ours may hold more
 * rows).
 *
 * Pure functions on the caller's memory; any thread. Sizes are bytes; GiB, MiB are
 * binary.
 */
#ifndef TESSERA_POLICY_TYPES_H
#define TESSERA_POLICY_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TYPES_MAX 13      /* most types of one GPU */
#define TYPE_NAME_MAX 48  /* with the final NUL */
#define TYPE_MODEL_MAX 30 /* longest model, without NUL: "-17179869183g" still fits */
#define TYPE_MIN_BYTES (UINT64_C(64) << 20)

#define VGPU_NAME_MAX 48 /* longest name of a vGPU, without NUL */

struct vgpu_type {
    char name[TYPE_NAME_MAX]; /* "<model>-<size>": cpu-512m, h200-17g */
    uint64_t framebuffer_bytes;
    unsigned max_instances; /* per GPU, at least 1 */
};

/*
 * The types of a GPU of that model and memory, the largest first: memory / n for n in
 * {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32}, rounded down to whole GiB from 4 GiB on,
 * to whole MiB below; nothing under 64 MiB. max_instances is n; where two n round to one
 * size, the larger n counts, so that name, size and type stand for each other.
 *
 * Writes at most cap types and returns how many were written (TYPES_MAX is always enough,
 * 0 for a GPU under 64 MiB). -EINVAL: the model is empty or longer than TYPE_MODEL_MAX.
 */
int types_of_gpu(const char *model, uint64_t memory_bytes, struct vgpu_type *out,
                 unsigned cap);

/* Finds the type of that exact name. -ENOENT: this GPU has none; -EINVAL as above. */
int type_parse(const char *model, uint64_t memory_bytes, const char *name,
               struct vgpu_type *ret);

/*
 * Words for people: "17 GiB", "512 MiB", "17.6 GiB", "0 B". One decimal at most, always
 * rounded down, so that no more is promised than there is. Below 4 GiB what is not whole
 * GiB is given in MiB, as in type names. buf is always ended.
 */
#define SIZE_TEXT_BYTES 20 /* "17179869183.9 GiB" */
void size_format(uint64_t bytes, char *buf, size_t cap);

/*
 * Reads a size: digits, a fraction of at most 6 digits where a unit follows, one space if
 * wanted, a unit k, m, g, t in either case with "iB" or without, or B for bytes: 512m,
 * 2g, 2GiB, "17 GiB", 1.5g, 1073741824. Part of a byte is rounded down. Nothing else may
 * stand before or after. -EINVAL: not a size (GB too: nobody can tell 10^9 from 2^30);
 * -ERANGE: does not fit 64 bits.
 */
int size_parse(const char *text, uint64_t *ret);

/*
 * A vGPU's name: [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most VGPU_NAME_MAX characters, not
 * "all" (good for CDI, file names and libvirt).
 */
bool vgpu_name_valid(const char *name);

/*
 * What is wrong with a name, as a clause after the name: "is reserved"; NULL: it is fine.
 * The words are static.
 */
const char *vgpu_name_problem(const char *name);

#endif
