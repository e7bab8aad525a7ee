/* SPDX-License-Identifier: MIT */
/*
 * Map, unmap and migrate in the fake driver: its memory is the host's, so the commands
 * only take their turn. A mapping is remembered from its enqueue to that of its unmap.
 */
#include "worker/fake_internal.h"

#include <stdlib.h>

static cl_int
map_check(cl_mem mem, cl_map_flags flags)
{
    const cl_map_flags rw = CL_MAP_READ | CL_MAP_WRITE;

    if ((flags & ~(rw | CL_MAP_WRITE_INVALIDATE_REGION)) ||
        ((flags & rw) && (flags & CL_MAP_WRITE_INVALIDATE_REGION)))
        return CL_INVALID_VALUE;
    if ((flags & CL_MAP_READ) &&
        (mem->flags & (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS)))
        return CL_INVALID_OPERATION;
    if ((flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) &&
        (mem->flags & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)))
        return CL_INVALID_OPERATION;
    return CL_SUCCESS;
}

static cl_int
mapping_add(cl_mem mem, void *ptr)
{
    struct fake_mapping *m = malloc(sizeof(*m));

    if (!m)
        return CL_OUT_OF_HOST_MEMORY;
    m->ptr = ptr;
    pthread_mutex_lock(&fake_lock);
    list_add_tail(&mem->mappings, &m->node);
    pthread_mutex_unlock(&fake_lock);
    return CL_SUCCESS;
}

static bool
mapping_remove(cl_mem mem, const void *ptr)
{
    struct fake_mapping *found = NULL;
    struct list *pos, *tmp;

    pthread_mutex_lock(&fake_lock);
    list_for_each_safe(pos, tmp, &mem->mappings)
    {
        struct fake_mapping *m = container_of(pos, struct fake_mapping, node);

        if (m->ptr != ptr)
            continue;
        found = m;
        list_del(pos);
        break;
    }
    pthread_mutex_unlock(&fake_lock);
    free(found);
    return found;
}

void *
fake_map(cl_command_queue q, cl_command_type type, cl_mem mem, cl_map_flags flags,
         size_t offset, const struct fake_sync *s, cl_int *ret_err)
{
    struct fake_command *c = NULL;
    cl_int err = map_check(mem, flags);

    if (!err)
        err = fake_command_new(q, type, s, &c);
    if (err)
        return fake_ret(ret_err, err, NULL);

    err = mapping_add(mem, mem->bytes + offset);
    if (err) {
        fake_command_free(c);
        return fake_ret(ret_err, err, NULL);
    }
    fake_command_uses(c, mem);
    err = fake_command_submit(c, s);
    if (err)
        mapping_remove(mem, mem->bytes + offset);
    return fake_ret(ret_err, err, mem->bytes + offset);
}

/* NOLINTBEGIN(readability-function-size): the parameters are OpenCL's. */
void *
fake_clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer,
                        cl_bool blocking_map, cl_map_flags map_flags, size_t offset,
                        size_t size, cl_uint num_events_in_wait_list,
                        const cl_event *event_wait_list, cl_event *event,
                        cl_int *errcode_ret)
{
    cl_int err = fake_mem_check(command_queue, buffer, offset, size);

    if (!err && size == 0)
        err = CL_INVALID_VALUE;
    if (err)
        return fake_ret(errcode_ret, err, NULL);
    return fake_map(command_queue, CL_COMMAND_MAP_BUFFER, buffer, map_flags, offset,
                    &(struct fake_sync){num_events_in_wait_list, event_wait_list, event,
                                        blocking_map},
                    errcode_ret);
}
/* NOLINTEND(readability-function-size) */

cl_int
fake_clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj,
                             void *mapped_ptr, cl_uint num_events_in_wait_list,
                             const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    struct fake_command *c;
    cl_int err = fake_mem_check(command_queue, memobj, 0, 0);

    if (!err)
        err = fake_command_new(command_queue, CL_COMMAND_UNMAP_MEM_OBJECT, &s, &c);
    if (err)
        return err;
    if (!mapping_remove(memobj, mapped_ptr)) {
        fake_command_free(c);
        return CL_INVALID_VALUE;
    }
    fake_command_uses(c, memobj);
    return fake_command_submit(c, &s);
}

/* NOLINTBEGIN(readability-function-size): the parameters are OpenCL's. */
cl_int
fake_clEnqueueMigrateMemObjects(cl_command_queue command_queue, cl_uint num_mem_objects,
                                const cl_mem *mem_objects, cl_mem_migration_flags flags,
                                cl_uint num_events_in_wait_list,
                                const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    const cl_mem_migration_flags known =
        CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;
    struct fake_command *c;
    cl_int err = CL_SUCCESS;

    if (num_mem_objects == 0 || !mem_objects || (flags & ~known))
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; !err && i < num_mem_objects; i++)
        err = fake_mem_check(command_queue, mem_objects[i], 0, 0);
    if (!err)
        err = fake_command_new(command_queue, CL_COMMAND_MIGRATE_MEM_OBJECTS, &s, &c);
    return err ? err : fake_command_submit(c, &s);
}
/* NOLINTEND(readability-function-size) */
