/* SPDX-License-Identifier: MIT */
/* tessera oci-edit reads a bundle's config.json; what it has edited it leaves as it is. */
#include "base/cleanup.h"
#include "container/container.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *
edits(void)
{
    return json_pack("{s[s] s[{ss ss s[s]}] s[{ss ss si si}] s{si}}", "env",
                     "OCL_ICD_VENDORS=/icd", "mounts", "hostPath", "/run/tessera/vgpus/a",
                     "containerPath", "/run/tessera-guest/a", "options", "bind",
                     "deviceNodes", "path", "/run/tessera-guest/a/port0", "hostPath",
                     "/dev/vport1p1", "major", 244, "minor", 1, "dmem",
                     "nvidia/0000:01:00.0", 1 << 30);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *ours;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *once = NULL, *twice = NULL;

    if (!ours)
        ours = edits();
    if (container_oci_edit((const char *)data, size, ours, &once, &e) < 0) {
        if (!e.msg || once)
            abort();
        return 0;
    }
    if (container_oci_edit(once, strlen(once), ours, &twice, &e) < 0 ||
        strcmp(once, twice) != 0)
        abort();
    return 0;
}
