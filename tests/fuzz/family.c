/* SPDX-License-Identifier: MIT */
#include "message.h"
#include "mutator.h"

const unsigned fuzz_family = FUZZ_FAMILY;
