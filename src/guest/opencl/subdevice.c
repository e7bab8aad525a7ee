/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, section 4.3: partitioning a device. The worker asks the driver twice, for the number
 * of parts and then for the parts themselves: their ids are picked here.
 */
#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "guest/opencl/device.h"
#include "guest/opencl/program.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the list says ------------------------------------------------------------ */

static bool
device_partitions_by(cl_device_id device, cl_device_partition_property name)
{
    const cl_device_partition_property *names;
    size_t len = 0;

    names = device_handle_bytes(device, CL_DEVICE_PARTITION_PROPERTIES, &len);
    for (size_t i = 0; names && i < len / sizeof *names; i++) {
        if (names[i] == name)
            return true;
    }
    return false;
}

/* The list inside: at most so many parts, of at most so many compute units together. */
static cl_int
check_counts(cl_device_id device, const cl_device_partition_property *counts,
             size_t *ret_n)
{
    uint64_t units = device_handle_number(device, CL_DEVICE_MAX_COMPUTE_UNITS, 0);
    uint64_t parts =
        device_handle_number(device, CL_DEVICE_PARTITION_MAX_SUB_DEVICES, units);
    size_t n = 0;

    for (; counts[n] != CL_DEVICE_PARTITION_BY_COUNTS_LIST_END; n++) {
        if (n == parts || counts[n] < 0 || (uint64_t)counts[n] > units)
            return CL_INVALID_DEVICE_PARTITION_COUNT;
        units -= (uint64_t)counts[n];
    }
    *ret_n = n;
    return n > 0 ? CL_SUCCESS : CL_INVALID_DEVICE_PARTITION_COUNT;
}

/* One way of partitioning and its final 0; *ret_n is the list's length with that. */
static cl_int
check_partition(cl_device_id device, const cl_device_partition_property *p, size_t *ret_n)
{
    size_t n = 1;
    cl_int rc;

    if (!p || !device_partitions_by(&device->d->handle, p[0]))
        return CL_INVALID_VALUE;
    /* Known to the vGPU, but this part of it cannot be divided further. */
    if (!device_partitions_by(device, p[0]))
        return CL_DEVICE_PARTITION_FAILED;
    if (p[0] == CL_DEVICE_PARTITION_BY_COUNTS) {
        rc = check_counts(device, p + 1, &n);
        if (rc != CL_SUCCESS)
            return rc;
        n++;
    }
    if (p[n + 1] != 0)
        return CL_INVALID_VALUE;
    *ret_n = n + 2;
    return CL_SUCCESS;
}

/* ---- parts ------------------------------------------------------------------------- */

struct partition {
    struct session *session; /* held */
    cl_device_id device;
    const cl_device_partition_property *properties;
    size_t n_properties;
};

static void
subdevice_destroy(struct object *o)
{
    cl_device_id device = (cl_device_id)o;

    object_unhold(&device->parent->o);
    free(device->info);
    free(device->partition);
    free(device);
}

static cl_device_id
subdevice_new(const struct partition *p)
{
    const size_t bytes = p->n_properties * sizeof *p->properties;
    cl_device_id device = calloc(1, sizeof *device);

    if (!device)
        return NULL;
    object_init(&device->o, KIND_device, p->session, subdevice_destroy);
    device->d = p->device->d;
    device->parent = p->device;
    object_hold(&p->device->o);
    device->partition = malloc(bytes);
    device->o.id = session_new_id(p->session);
    if (!device->partition || device->o.id.v == 0) {
        session_drop_id(p->session, device->o.id);
        object_unhold(&device->o);
        return NULL;
    }
    memcpy(device->partition, p->properties, bytes);
    device->n_partition = p->n_properties;
    return device;
}

static cl_int
partition_send(const struct partition *p, cl_uint n, const struct guest_id *ids,
               cl_uint *ret_n)
{
    struct pending pending = {0};
    uint64_t count = 0;
    cl_int rc =
        send_clCreateSubDevices(p->session, &pending, p->device->o.id, p->properties,
                                p->n_properties * sizeof *p->properties, n, ids);

    if (rc == CL_SUCCESS)
        rc = session_wait(p->session, &pending);
    if (rc == CL_SUCCESS)
        rc = (cl_int)pending.status;
    if (rc == CL_SUCCESS && pending.answer && pending.answer_len == sizeof count)
        memcpy(&count, pending.answer, sizeof count);
    free(pending.answer);
    *ret_n = (cl_uint)count;
    return rc;
}

static cl_int
info_send(void *arg, struct pending *pending, struct extent out)
{
    cl_device_id device = arg;

    return send_tessera_device_info(device->o.session, pending, device->o.id, out);
}

/* The worker has made them: from here on they are released, not dropped. */
static cl_int
subdevices_ask(const struct partition *p, cl_uint n, const cl_device_id *parts)
{
    cl_int rc = CL_SUCCESS;

    for (cl_uint i = 0; rc == CL_SUCCESS && i < n; i++)
        rc = ask_bytes(p->session, info_send, parts[i], &parts[i]->info,
                       &parts[i]->info_len);
    for (cl_uint i = 0; rc != CL_SUCCESS && i < n; i++)
        object_release(&parts[i]->o);
    return rc;
}

static cl_int
subdevices_make(const struct partition *p, cl_uint n, cl_device_id *parts)
{
    _cleanup_free_ struct guest_id *ids = calloc(n + 1, sizeof *ids);
    cl_uint made = 0, count;
    cl_int rc = ids ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;

    for (; rc == CL_SUCCESS && made < n; made++) {
        parts[made] = subdevice_new(p);
        if (!parts[made]) {
            rc = CL_OUT_OF_HOST_MEMORY;
            break;
        }
        ids[made] = parts[made]->o.id;
    }
    if (rc == CL_SUCCESS)
        rc = partition_send(p, n, ids, &count);
    if (rc == CL_SUCCESS)
        return subdevices_ask(p, n, parts);
    for (cl_uint i = 0; i < made; i++) {
        session_drop_id(p->session, parts[i]->o.id);
        object_unhold(&parts[i]->o);
    }
    return rc;
}

static cl_int
partition(const struct partition *p, cl_uint num_devices, cl_device_id *out_devices,
          cl_uint *ret_n)
{
    _cleanup_free_ cl_device_id *parts = NULL;
    cl_int rc = partition_send(p, 0, NULL, ret_n);

    if (rc != CL_SUCCESS || !out_devices)
        return rc;
    if (num_devices < *ret_n)
        return CL_INVALID_VALUE;
    parts = calloc(*ret_n + 1, sizeof(cl_device_id));
    rc = parts ? subdevices_make(p, *ret_n, parts) : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        memcpy(out_devices, parts, *ret_n * sizeof(cl_device_id));
    return rc;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clCreateSubDevices(cl_device_id in_device,
                       const cl_device_partition_property *properties,
                       cl_uint num_devices, cl_device_id *out_devices,
                       cl_uint *num_devices_ret)
{
    struct partition p = {.device = in_device, .properties = properties};
    cl_uint n = 0;
    cl_int rc;

    if (!object_is(in_device, KIND_device))
        return CL_INVALID_DEVICE;
    p.session = in_device->o.session;
    if (p.session)
        session_hold(p.session);
    else if ((rc = device_session(in_device->d, &p.session)) != CL_SUCCESS)
        return rc;
    rc = check_partition(in_device, properties, &p.n_properties);
    if (rc == CL_SUCCESS)
        rc = partition(&p, num_devices, out_devices, &n);
    session_unhold(p.session);
    if (rc == CL_SUCCESS && num_devices_ret)
        *num_devices_ret = n;
    return rc;
}
