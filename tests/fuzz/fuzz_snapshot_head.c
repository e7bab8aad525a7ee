/* SPDX-License-Identifier: MIT */
/* The manager reads the first stream of a snapshot; what it took it writes the same. */
#include "base/cleanup.h"
#include "manager/snapshot_head.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct snapshot_head h;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *text = NULL, *again = NULL;

    memset(&h, 0, sizeof h);
    if (snapshot_head_parse((const char *)data, size, &h, &e) < 0) {
        if (!e.msg)
            abort();
        return 0;
    }
    if (h.nsessions > ACCOUNT_SLOTS || h.number == 0)
        abort();
    text = snapshot_head_format(&h);
    if (!text || snapshot_head_parse(text, strlen(text), &h, &e) < 0)
        abort();
    again = snapshot_head_format(&h);
    if (!again || strcmp(text, again) != 0)
        abort();
    return 0;
}
