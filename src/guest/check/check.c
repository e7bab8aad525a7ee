/* SPDX-License-Identifier: MIT */
#include "guest/check/check.h"

#include "base/cleanup.h"
#include "guest/check/ask.h"
#include "guest/check/loader.h"
#include "guest/check/process.h"
#include "guest/check/report.h"
#include "guest/check/vm.h"

static void
report_nowhere(struct report *r)
{
    report_failed(
        r, "vgpu",
        "on the host: a process is started by 'tessera run NAME -- PROGRAM', a container "
        "with '--device tessera.dev/vgpu=NAME', a virtual machine is given one by "
        "'tessera vm attach DOMAIN NAME'",
        "TESSERA_VGPU is not set, nothing is mounted below /run/tessera-guest, and there "
        "is no ivshmem device of Tessera's");
}

static void
check(struct report *r)
{
    _cleanup_free_ char *library = NULL;

    if (!process_check(r) && !vm_check(r))
        report_nowhere(r);
    library = loader_check(r);
    if (r->root[0])
        report_skipped(r, "device", "OpenCL is not asked, as --root is given");
    else
        ask_check(r, library);
}

bool
guest_check(const char *root, bool json)
{
    struct report r = {.root = root};
    bool has_vgpu;

    check(&r);
    has_vgpu = report_has_vgpu(&r);
    if (json)
        report_print_json(&r);
    else
        report_print(&r);
    report_fini(&r);
    return has_vgpu;
}
