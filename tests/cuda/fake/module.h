/* SPDX-License-Identifier: MIT */
/* module.h - a kernel of a module. */
#ifndef TESSERA_TESTS_FAKE_MODULE_H
#define TESSERA_TESTS_FAKE_MODULE_H

#include "tests/cuda/fake/fake.h"

struct CUfunc_st {
    struct CUfunc_st *next;
    fake_kernel_fn *kernel;
    uint64_t cost_ns; /* of a launch; 0: FAKE_LAUNCH_NS */
    bool loaded;      /* to the device: it was launched */
    unsigned params;  /* how many; 0: it does not tell */
};

#endif
