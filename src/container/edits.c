/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/nvidia.h"
#include "container/container.h"

#include <errno.h>
#include <string.h>

/* The guest's library finds vGPUs there (src/guest/opencl/find.h). */
#define VGPU_FOLDER "/run/tessera-guest"
/* For both OpenCL loaders, ocl-icd and Khronos': the one folder with drivers. */
#define ICD_FOLDER "/etc/tessera/icd"
/*
 * Where loaders look without OCL_ICD_VENDORS, beside the image's own drivers: programs that podman
 * and docker start by `exec` have the image's environment, without what CDI adds.
 */
#define VENDORS_FILE "/etc/OpenCL/vendors/tessera.icd"

static const char *
text_of(const json_t *o, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : fallback;
}

/* A software GPU is made of cores, and they can be told; a card's maker has tools of their own. */
static int
passed_through(const json_t *vgpu, const char *name, struct err *e)
{
    const char *cores = text_of(json_object_get(vgpu, "passthrough"), "cores", NULL);

    if (!cores)
        return err_set(e, -ENOTSUP,
                       "'%s' is passthrough: its GPU comes into a container as its maker "
                       "provides (NVIDIA: --device nvidia.com/gpu=...), not by Tessera",
                       name);
    return err_set(
        e, -ENOTSUP,
        "'%s' is passthrough: Tessera has nothing to mount. The software GPU is "
        "the image's own PoCL, if it has one, on these cores: --cpuset-cpus %s",
        name, cores);
}

int
container_check(const json_t *vgpu, struct err *e)
{
    const char *name = text_of(vgpu, "name", "?"), *state = text_of(vgpu, "state", "");
    const json_t *container = json_object_get(vgpu, "container");

    if (strcmp(state, "unavailable") == 0)
        return err_set(e, -ENODEV, "'%s' is unavailable: %s", name,
                       text_of(vgpu, "unavailable", "?"));
    if (strcmp(state, "deleting") == 0)
        return err_set(e, -ENODEV, "'%s' is being deleted", name);
    if (json_is_object(json_object_get(vgpu, "passthrough")))
        return passed_through(vgpu, name, e);
    if ((!text_of(container, "folder", NULL) && !text_of(container, "memory", NULL)) ||
        !text_of(container, "icd_folder", NULL) || !text_of(container, "library", NULL) ||
        !text_of(container, "library_in_container", NULL))
        return err_set(
            e, -EPROTO,
            "the manager does not say what a container needs for '%s': if it is "
            "older than this program, 'tessera shutdown' and ask again",
            name);
    return 0;
}

static json_t *
mount_as(const char *source, const char *target, const char *access)
{
    return json_pack("{ss ss s[sssss]}", "hostPath", source, "containerPath", target,
                     "options", "bind", access, "nosuid", "nodev", "rprivate");
}

/*
 * Read-only, also the folder with the socket: connecting is not writing, and a container must not
 * take the socket away from others.
 */
static json_t *
mount_new(const char *source, const char *target)
{
    return mount_as(source, target, "ro");
}

static int
give(json_t *made, json_t **ret, struct err *e)
{
    if (!made)
        return err_set(e, -ENOMEM, "out of memory");
    *ret = made;
    return 0;
}

/*
 * Tessera's library where the host has NVIDIA's, which is where NVIDIA's own tools mount that; and
 * theirs elsewhere.
 */
static int
add_front(json_t *edits, const char *ours, const char *theirs, const char *file,
          const char *variable)
{
    _cleanup_free_ char *place = str_printf(NVIDIA_FOLDER_IN_CONTAINER "/%s", file);
    _cleanup_free_ char *setting = place ? str_printf("%s=%s", variable, place) : NULL;
    json_t *const mounts = json_object_get(edits, "mounts");

    if (!ours || !theirs)
        return 0;
    if (!setting || json_array_append_new(mounts, mount_new(theirs, place)) < 0 ||
        json_array_append_new(mounts, mount_new(ours, theirs)) < 0)
        return -ENOMEM;
    return json_array_append_new(json_object_get(edits, "env"), json_string(setting));
}

/* What a program of CUDA's needs. */
static int
add_cuda(json_t *edits, const json_t *cuda)
{
    int rc =
        add_front(edits, text_of(cuda, "library", NULL), text_of(cuda, "driver", NULL),
                  "libcuda.so", "TESSERA_CUDA_DRIVER");

    if (rc == 0)
        rc = add_front(edits, text_of(cuda, "nvml_library", NULL),
                       text_of(cuda, "nvml_driver", NULL), "libnvidia-ml.so",
                       "TESSERA_NVML_DRIVER");
    return rc;
}

const json_t *
container_first(const json_t *vgpus)
{
    for (size_t i = 0; i < json_array_size(vgpus); i++) {
        const json_t *const v = json_array_get(vgpus, i);

        if (json_is_object(json_object_get(json_object_get(v, "container"), "cuda")))
            return v;
    }
    return json_array_get(vgpus, 0);
}

int
container_common_edits(const json_t *vgpu, json_t **ret, struct err *e)
{
    const json_t *c = json_object_get(vgpu, "container");
    _cleanup_free_ char *icd = NULL;
    json_t *edits;
    int rc = container_check(vgpu, e);

    if (rc < 0)
        return rc;
    icd = str_printf("%s/tessera.icd", text_of(c, "icd_folder", ""));
    if (!icd)
        return err_set(e, -ENOMEM, "out of memory");
    edits = json_pack(
        "{s[s] s[ooo]}", "env", "OCL_ICD_VENDORS=" ICD_FOLDER, "mounts",
        mount_new(text_of(c, "library", ""), text_of(c, "library_in_container", "")),
        mount_new(text_of(c, "icd_folder", ""), ICD_FOLDER),
        mount_new(icd, VENDORS_FILE));
    if (edits && add_cuda(edits, json_object_get(c, "cuda")) < 0) {
        json_decref(edits);
        edits = NULL;
    }
    return give(edits, ret, e);
}

/* The n-th port of a virtual machine's vGPU. */
static json_t *
port_new(const char *folder, size_t n, const json_t *port)
{
    _cleanup_free_ char *path = str_printf("%s/port%zu", folder, n);

    return path ? json_pack("{ss sO sO sO}", "path", path, "hostPath",
                            json_object_get(port, "path"), "major",
                            json_object_get(port, "major"), "minor",
                            json_object_get(port, "minor"))
                : NULL;
}

/*
 * In a virtual machine: a file of sysfs, which is mounted elsewhere, since containers' own /sys is
 * read-only and AppArmor's profile of docker forbids writing there; and devices.
 */
static json_t *
vm_edits(const json_t *container, const char *folder)
{
    const json_t *ports = json_object_get(container, "ports");
    _cleanup_free_ char *target = str_printf("%s/memory", folder);
    json_t *nodes = json_array();

    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *port = json_array_get(ports, i);

        if (json_is_object(port))
            json_array_append_new(nodes, port_new(folder, i, port));
    }
    return json_pack("{s[o] so}", "mounts",
                     target ? mount_as(text_of(container, "memory", ""), target, "rw")
                            : NULL,
                     "deviceNodes", nodes);
}

int
container_vgpu_edits(const json_t *vgpu, json_t **ret, struct err *e)
{
    const json_t *c = json_object_get(vgpu, "container");
    int rc = container_check(vgpu, e);
    _cleanup_free_ char *target = NULL;

    if (rc < 0)
        return rc;
    target = str_printf(VGPU_FOLDER "/%s", text_of(vgpu, "name", ""));
    if (!target)
        return err_set(e, -ENOMEM, "out of memory");
    return give(
        text_of(c, "folder", NULL)
            ? json_pack("{s[o]}", "mounts", mount_new(text_of(c, "folder", ""), target))
            : vm_edits(c, target),
        ret, e);
}

int
container_extend(json_t *edits, const json_t *more)
{
    static const char *const lists[] = {"mounts", "deviceNodes"};

    for (unsigned i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *list = json_object_get(more, lists[i]);
        json_t *there = json_object_get(edits, lists[i]);

        if (!there && json_array_size(list) > 0) {
            there = json_array();
            json_object_set_new(edits, lists[i], there);
        }
        if (list && json_array_extend(there, (json_t *)list) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Of two vGPUs of one card it may have what both have. */
static int
add_dmem(json_t *edits, const json_t *vgpu)
{
    const json_t *cuda = json_object_get(json_object_get(vgpu, "container"), "cuda");
    const char *region = text_of(cuda, "dmem_region", "");
    const json_int_t bytes = json_integer_value(json_object_get(cuda, "dmem_bytes"));
    json_t *dmem = json_object_get(edits, "dmem");

    if (!region[0] || bytes <= 0)
        return 0;
    if (!dmem) {
        dmem = json_object();
        if (json_object_set_new(edits, "dmem", dmem) < 0)
            return -ENOMEM;
    }
    return json_object_set_new(
        dmem, region,
        json_integer(json_integer_value(json_object_get(dmem, region)) + bytes));
}

static int
add_vgpu(json_t *edits, const json_t *vgpu, struct err *e)
{
    json_t *more = NULL;
    int rc = container_vgpu_edits(vgpu, &more, e);

    if (rc < 0)
        return rc;
    rc = container_extend(edits, more);
    json_decref(more);
    if (rc == 0)
        rc = add_dmem(edits, vgpu);
    return rc < 0 ? err_set(e, rc, "out of memory") : 0;
}

int
container_edits(const json_t *vgpus, json_t **ret, struct err *e)
{
    json_t *edits = NULL;
    int rc = container_common_edits(container_first(vgpus), &edits, e);

    for (size_t i = 0; i < json_array_size(vgpus) && rc == 0; i++)
        rc = add_vgpu(edits, json_array_get(vgpus, i), e);
    if (rc < 0) {
        json_decref(edits);
        return rc;
    }
    *ret = edits;
    return 0;
}
