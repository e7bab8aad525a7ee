/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "guest/opencl/vm.h"
#include "guestcli/commands.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define LIBRARY TESSERA_GUEST_LIBDIR "/libtessera-opencl.so"
#define LIBRARY_IN_CONTAINER "/usr/lib/tessera/libtessera-opencl.so"
#define ICD_FOLDER TESSERA_GUEST_LIBDIR "/icd"

#define MACHINE_VGPUS_MAX 64

/* null where there is none, so that each keeps its number. */
static json_t *
port_describe(const char *path)
{
    struct stat st;

    if (!path || stat(path, &st) < 0)
        return json_null();
    return json_pack("{ss si si}", "path", path, "major", (int)major(st.st_rdev), "minor",
                     (int)minor(st.st_rdev));
}

static json_t *
describe(const struct vm_vgpu *v)
{
    /* Links are not followed in a container: /sys/bus/pci/devices is full of them. */
    _cleanup_free_ char *memory = realpath(v->bar, NULL);
    json_t *ports = json_array();

    for (unsigned i = 0; i < BAR_PORTS; i++)
        json_array_append_new(ports, port_describe(v->ports[i]));
    return json_pack("{ss ss s{ss ss ss ss so}}", "name", v->name, "state", "idle",
                     "container", "memory", memory ? memory : v->bar, "icd_folder",
                     ICD_FOLDER, "library", LIBRARY, "library_in_container",
                     LIBRARY_IN_CONTAINER, "ports", ports);
}

json_t *
machine_vgpus(void)
{
    static struct vm_vgpu vgpus[MACHINE_VGPUS_MAX];
    const unsigned n = vm_find(vgpus, MACHINE_VGPUS_MAX);
    json_t *list = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, describe(&vgpus[i]));
    return list;
}
