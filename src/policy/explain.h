/* SPDX-License-Identifier: MIT */
/*
 * The words of a refusal. Inside src/policy only; others read them in placement_problem.
 */
#ifndef TESSERA_POLICY_EXPLAIN_H
#define TESSERA_POLICY_EXPLAIN_H

#include "policy/placement.h"

/*
 * Can this GPU serve the request (type_name NULL: passthrough)? Fills *ret on
 * PLACEMENT_OK, all but ret->gpu; ret->type on every refusal but NO_SUCH_TYPE too.
 */
enum placement_refusal placement_check_request(const struct placement_gpu *gpu,
                                               const char *type_name,
                                               struct placement_choice *ret);

/* Is the vGPU of that type (and not passed through)? */
bool placement_is_type(const struct placement_vgpu *v, uint64_t framebuffer_bytes,
                       unsigned max_instances);

/* Says why no GPU could serve the request: every one of them was asked and refused. */
void explain_pick(const struct placement_gpu *gpus, unsigned n, const char *type_name,
                  struct placement_problem *ret);

/* Says that types differ on this GPU, and which. */
void explain_mode_change(const struct placement_gpu *gpu, struct placement_problem *ret);

#endif
