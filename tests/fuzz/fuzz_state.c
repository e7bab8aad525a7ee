/* SPDX-License-Identifier: MIT */
/* The manager reads a vGPU's state file; what it took it writes the same. */
#include "base/cleanup.h"
#include "manager/vgpu_state.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *text = NULL;
    struct vgpu_state s, again;

    memset(&s, 0, sizeof s);
    memset(&again, 0, sizeof again);
    if (vgpu_state_parse((const char *)data, size, &s, &e) < 0) {
        if (!e.msg)
            abort();
        return 0;
    }
    text = vgpu_state_format(&s);
    if (!text || vgpu_state_parse(text, strlen(text), &again, &e) < 0 ||
        memcmp(&s, &again, sizeof s) != 0)
        abort();
    return 0;
}
