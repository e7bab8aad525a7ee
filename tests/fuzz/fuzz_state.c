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
    _cleanup_free_ char *text = NULL, *again = NULL;
    struct vgpu_state s;

    if (vgpu_state_parse((const char *)data, size, &s, &e) < 0) {
        if (!e.msg)
            abort();
        return 0;
    }
    text = vgpu_state_format(&s);
    if (!text || vgpu_state_parse(text, strlen(text), &s, &e) < 0)
        abort();
    again = vgpu_state_format(&s);
    if (!again || strcmp(text, again) != 0)
        abort();
    return 0;
}
