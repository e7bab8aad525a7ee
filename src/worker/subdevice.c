/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 4.3: partitioning a device, and what its parts say of themselves. */
#include "api/opencl_request.h"

#include <errno.h>
#include <stdlib.h>

/* In one list of properties; a device has fewer compute units. */
#define PROPERTIES_MAX 4096u

/*
 * The guest's list, ended for certain: drivers read a value behind a name, and one list inside the
 * other.
 */
static cl_device_partition_property *
properties_copy(const struct req_clCreateSubDevices *r)
{
    const size_t n = r->properties_len / sizeof(cl_device_partition_property);
    cl_device_partition_property *list = calloc(n + 3, sizeof *list);

    if (list)
        memcpy(list, r->properties, n * sizeof *list);
    return list;
}

/* Makes an object of each. 0, or a negative errno that ends the session. */
static int
subdevices_take(struct session *s, const struct req_clCreateSubDevices *r,
                const cl_device_id *devices)
{
    for (uint64_t i = 0; i < r->n_sub_devices; i++) {
        struct object *o = object_new(s, r->sub_devices[i], KIND_device);

        if (!o)
            return -ENOMEM;
        o->h.device = devices[i];
        object_made(s, o, CL_SUCCESS, 0);
    }
    return 0;
}

static cl_int
subdevices_count(struct session *s, const struct req_clCreateSubDevices *r,
                 const cl_device_partition_property *list, cl_uint *ret)
{
    *ret = 0;
    if (s->request.error != CL_SUCCESS)
        return s->request.error;
    if (!s->cl->clCreateSubDevices)
        return CL_INVALID_VALUE;
    return s->cl->clCreateSubDevices(r->in_device->h.device, list, 0, NULL, ret);
}

int
op_clCreateSubDevices(struct session *s, const struct req_clCreateSubDevices *r)
{
    _cleanup_free_ cl_device_partition_property *list = NULL;
    _cleanup_free_ cl_device_id *devices = NULL;
    uint64_t answer;
    cl_uint n;
    cl_int rc;

    if (r->properties_len % sizeof *list != 0 ||
        r->properties_len > PROPERTIES_MAX * sizeof *list)
        return request_bad_field(s, "properties", "no list of properties");
    list = properties_copy(r);
    devices = calloc(r->n_sub_devices + 1, sizeof(cl_device_id));
    if (!list || !devices)
        return session_fail(s, "the worker has no memory left");
    rc = subdevices_count(s, r, list, &n);
    if (rc == CL_SUCCESS && r->n_sub_devices > 0 && r->n_sub_devices != n)
        rc = CL_DEVICE_PARTITION_FAILED;
    if (rc == CL_SUCCESS && r->n_sub_devices > 0) {
        rc = s->cl->clCreateSubDevices(r->in_device->h.device, list, n, devices, NULL);
        if (rc == CL_SUCCESS && subdevices_take(s, r, devices) < 0)
            return -ENOMEM;
    }
    answer = n;
    reply_bytes(s, r->tag, rc, &answer, sizeof answer, (struct extent){EXTENT_NONE, 0});
    return 0;
}

int
op_tessera_device_info(struct session *s, const struct req_tessera_device_info *r)
{
    const struct device_limits limits = {s->options->framebuffer_bytes,
                                         s->shared_storage};
    _cleanup_bytes_ struct bytes info = {0};
    struct device part = s->device;

    if (s->request.error != CL_SUCCESS) {
        reply_status(s, r->tag, s->request.error);
        return 0;
    }
    part.id = r->device->h.device;
    device_describe(&part, &limits, &info);
    if (info.failed)
        reply_status(s, r->tag, CL_OUT_OF_HOST_MEMORY);
    else
        reply_bytes(s, r->tag, CL_SUCCESS, info.data, info.len, r->result);
    return 0;
}
