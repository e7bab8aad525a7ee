/* SPDX-License-Identifier: MIT */
/* The Container Device Interface's specification, versions 0.3.0 and 0.5.0. */
#include "container/container.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char *
name_of(const json_t *vgpu)
{
    const char *name = json_string_value(json_object_get(vgpu, "name"));

    return name ? name : "";
}

/* From 0.5.0 on: devices whose name begins with a digit, and hostPath of device nodes. */
static const char *
version_for(const json_t *vgpus)
{
    for (size_t i = 0; i < json_array_size(vgpus); i++) {
        const json_t *v = json_array_get(vgpus, i);

        if (isdigit((unsigned char)name_of(v)[0]) ||
            json_object_get(json_object_get(v, "container"), "ports"))
            return "0.5.0";
    }
    return "0.3.0";
}

/* Engines look themselves: a number may be another one after the next start of the machine. */
static void
remove_numbers(json_t *edits)
{
    json_t *nodes = json_object_get(edits, "deviceNodes");

    for (size_t i = 0; i < json_array_size(nodes); i++) {
        json_object_del(json_array_get(nodes, i), "major");
        json_object_del(json_array_get(nodes, i), "minor");
    }
}

/* Takes edits over. */
static int
add_device(json_t *devices, const char *name, json_t *edits, struct err *e)
{
    if (json_array_append_new(
            devices, json_pack("{ss so}", "name", name, "containerEdits", edits)) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    return 0;
}

/* The device `all`: what each needs. */
static int
add_all(json_t *devices, struct err *e)
{
    json_t *edits = json_object();

    for (size_t i = 0; i < json_array_size(devices); i++)
        container_extend(edits,
                         json_object_get(json_array_get(devices, i), "containerEdits"));
    return add_device(devices, "all", edits, e);
}

static int
add_devices(json_t *devices, const json_t *vgpus, struct err *e)
{
    int rc = 0;

    for (size_t i = 0; i < json_array_size(vgpus) && rc == 0; i++) {
        const json_t *vgpu = json_array_get(vgpus, i);
        json_t *edits;

        rc = container_vgpu_edits(vgpu, &edits, e);
        if (rc < 0)
            break;
        remove_numbers(edits);
        rc = add_device(devices, name_of(vgpu), edits, e);
    }
    return rc == 0 ? add_all(devices, e) : rc;
}

int
container_cdi_spec(const json_t *vgpus, json_t **ret, struct err *e)
{
    json_t *common, *devices;
    int rc = container_common_edits(container_first(vgpus), &common, e);

    if (rc < 0)
        return rc;
    devices = json_array();
    rc = add_devices(devices, vgpus, e);
    if (rc < 0) {
        json_decref(common);
        json_decref(devices);
        return rc;
    }
    *ret = json_pack("{ss ss so so}", "cdiVersion", version_for(vgpus), "kind",
                     CONTAINER_CDI_KIND, "containerEdits", common, "devices", devices);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}
