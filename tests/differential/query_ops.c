/* SPDX-License-Identifier: MIT */
/* Queries whose answers the specification settles: the tables of the clGet…Info calls. */
#include "kernels.h"
#include "order.h"
#include "say.h"

#include <string.h>

/* A number of whatever width, and its width. */
static void
answer_number(struct world *w, cl_int rc, uint64_t value, size_t bytes)
{
    if (answer(w, rc) == CL_SUCCESS)
        note(w, "%llu in %zu bytes", (unsigned long long)value, bytes);
}

static const char *
memory_name(const struct world *w, cl_mem mem)
{
    static char name[24];

    for (unsigned i = 0; i < MEMORIES; i++) {
        if (w->memory[i].mem && w->memory[i].mem == mem) {
            snprintf(name, sizeof name, "m%u", w->memory[i].id);
            return name;
        }
    }
    return mem ? "one released before" : "none";
}

static void
memory_info(struct world *w)
{
    static const struct {
        cl_mem_info info;
        const char *name;
    } infos[] = {{CL_MEM_TYPE, "TYPE"},
                 {CL_MEM_FLAGS, "FLAGS"},
                 {CL_MEM_SIZE, "SIZE"},
                 {CL_MEM_OFFSET, "OFFSET"},
                 {CL_MEM_USES_SVM_POINTER, "USES_SVM_POINTER"}};
    const struct memory *m = any_buffer(w);
    const size_t i = below(w, 5);
    uint64_t value = 0;
    size_t bytes = 0;
    cl_int rc;

    if (!m)
        return;
    step(w, "clGetMemObjectInfo", "m%u CL_MEM_%s", m->id, infos[i].name);
    rc = clGetMemObjectInfo(m->mem, infos[i].info, sizeof value, &value, &bytes);
    answer_number(w, rc, value, bytes);
}

static void
memory_handles(struct world *w)
{
    const struct memory *m = chance(w, 70) ? any_buffer(w) : any_image(w);
    cl_mem parent = NULL;
    cl_context context = NULL;
    void *host = NULL;
    cl_int rc;

    if (!m)
        return;
    step(w, "clGetMemObjectInfo", "m%u CL_MEM_CONTEXT, HOST_PTR, ASSOCIATED", m->id);
    rc = clGetMemObjectInfo(m->mem, CL_MEM_CONTEXT, sizeof context, &context, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetMemObjectInfo(m->mem, CL_MEM_HOST_PTR, sizeof host, &host, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetMemObjectInfo(m->mem, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent,
                                &parent, NULL);
    answer(w, rc);
    note(w, "context %s, host pointer %s, parent %s",
         context == w->context ? "the same" : "another",
         host == m->host ? "as given" : "another", memory_name(w, parent));
}

/*
 * Counts of objects that nothing else holds on to: no sub-buffer, mapping or command that
 * may still be running.
 */
static void
memory_count(struct world *w)
{
    const struct memory *m = any_buffer(w);
    const cl_uint times = (cl_uint)below(w, 3);
    cl_uint count = 0;

    if (!m || m->shared || m->sub || mapped(w, m) || w->commands > 0)
        return;
    for (cl_uint i = 0; i < times; i++)
        clRetainMemObject(m->mem);
    step(w, "clGetMemObjectInfo", "m%u CL_MEM_REFERENCE_COUNT", m->id);
    answer(w, clGetMemObjectInfo(m->mem, CL_MEM_REFERENCE_COUNT, sizeof count, &count,
                                 NULL));
    note(w, "%u after %u more", count, times);
    for (cl_uint i = 0; i < times; i++)
        clReleaseMemObject(m->mem);
}

static void
kernel_count(struct world *w)
{
    const struct kernel *k = any_kernel(w);
    cl_uint count = 0;

    if (!k || w->commands > 0)
        return;
    clRetainKernel(k->kernel);
    step(w, "clGetKernelInfo", "k%u CL_KERNEL_REFERENCE_COUNT", k->id);
    answer(w, clGetKernelInfo(k->kernel, CL_KERNEL_REFERENCE_COUNT, sizeof count, &count,
                              NULL));
    note(w, "%u after 1 more", count);
    clReleaseKernel(k->kernel);
}

static const char *
command_name(cl_command_type type)
{
    static const struct {
        cl_command_type type;
        const char *name;
    } names[] = {{CL_COMMAND_READ_BUFFER, "CL_COMMAND_READ_BUFFER"},
                 {CL_COMMAND_WRITE_BUFFER, "CL_COMMAND_WRITE_BUFFER"},
                 {CL_COMMAND_COPY_BUFFER, "CL_COMMAND_COPY_BUFFER"},
                 {CL_COMMAND_MAP_BUFFER, "CL_COMMAND_MAP_BUFFER"},
                 {CL_COMMAND_READ_IMAGE, "CL_COMMAND_READ_IMAGE"},
                 {CL_COMMAND_WRITE_IMAGE, "CL_COMMAND_WRITE_IMAGE"},
                 {CL_COMMAND_COPY_IMAGE, "CL_COMMAND_COPY_IMAGE"},
                 {CL_COMMAND_MAP_IMAGE, "CL_COMMAND_MAP_IMAGE"},
                 {CL_COMMAND_UNMAP_MEM_OBJECT, "CL_COMMAND_UNMAP_MEM_OBJECT"},
                 {CL_COMMAND_MIGRATE_MEM_OBJECTS, "CL_COMMAND_MIGRATE_MEM_OBJECTS"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].type == type)
            return names[i].name;
    }
    return "another";
}

static void
event_info(struct world *w)
{
    const struct event *e = any_event(w);
    cl_command_type type = 0;
    cl_command_queue queue = NULL;
    cl_context context = NULL;
    cl_int rc;

    if (!e)
        return;
    step(w, "clGetEventInfo", "e%u", e->id);
    rc = clGetEventInfo(e->event, CL_EVENT_COMMAND_TYPE, sizeof type, &type, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetEventInfo(e->event, CL_EVENT_COMMAND_QUEUE, sizeof queue, &queue, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetEventInfo(e->event, CL_EVENT_CONTEXT, sizeof context, &context, NULL);
    answer(w, rc);
    if (e->pixels)
        note(w, "type [image-buffer-type] = %s", command_name(type));
    else
        note(w, "type %x", type);
    note(w, "queue %s, context %s",
         !queue                              ? "none"
         : queue == w->queue[e->queue].queue ? "its own"
                                             : "another",
         context == w->context ? "the same" : "another");
}

static void
queue_info(struct world *w)
{
    const struct queue *q = any_queue(w);
    cl_command_queue_properties properties = 0;
    cl_device_id device = NULL;
    cl_context context = NULL;
    cl_queue_properties array[8] = {0};
    size_t bytes = 0;
    cl_int rc;

    step(w, "clGetCommandQueueInfo", "q%u", (unsigned)(q - w->queue));
    rc = clGetCommandQueueInfo(q->queue, CL_QUEUE_PROPERTIES, sizeof properties,
                               &properties, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetCommandQueueInfo(q->queue, CL_QUEUE_DEVICE, sizeof device, &device,
                                   NULL);
    if (rc == CL_SUCCESS)
        rc = clGetCommandQueueInfo(q->queue, CL_QUEUE_CONTEXT, sizeof context, &context,
                                   NULL);
    if (rc == CL_SUCCESS)
        rc = clGetCommandQueueInfo(q->queue, CL_QUEUE_PROPERTIES_ARRAY, sizeof array,
                                   array, &bytes);
    answer(w, rc);
    note(w, "properties %u, device %s, context %s, array of %zu bytes: %u %u",
         (unsigned)properties, device == w->device[q->device] ? "its own" : "another",
         context == w->context ? "the same" : "another", bytes, (unsigned)array[0],
         (unsigned)array[1]);
}

static void
context_info(struct world *w)
{
    cl_uint n = 0;
    cl_device_id devices[DEVICES + 1] = {NULL};
    size_t bytes = 0, properties = 7;
    cl_int rc;

    step(w, "clGetContextInfo", "CL_CONTEXT_NUM_DEVICES, DEVICES, PROPERTIES");
    rc = clGetContextInfo(w->context, CL_CONTEXT_NUM_DEVICES, sizeof n, &n, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetContextInfo(w->context, CL_CONTEXT_DEVICES, sizeof devices, devices,
                              &bytes);
    if (rc == CL_SUCCESS)
        rc = clGetContextInfo(w->context, CL_CONTEXT_PROPERTIES, 0, NULL, &properties);
    answer(w, rc);
    note(w, "%u devices, %zu bytes, in order: %s; properties of %zu bytes", n, bytes,
         memcmp(devices, w->device, n * sizeof *devices) == 0 ? "yes" : "no", properties);
}

static void
program_info(struct world *w)
{
    const struct program *p = any_program(w);
    size_t kernels = 0, names = 0;
    cl_uint devices = 0;
    cl_int rc;

    if (!p)
        return;
    step(w, "clGetProgramInfo", "p%u CL_PROGRAM_NUM_KERNELS, NUM_DEVICES", p->id);
    rc = clGetProgramInfo(p->program, CL_PROGRAM_NUM_KERNELS, sizeof kernels, &kernels,
                          NULL);
    if (rc == CL_SUCCESS)
        rc = clGetProgramInfo(p->program, CL_PROGRAM_KERNEL_NAMES, 0, NULL, &names);
    if (rc == CL_SUCCESS)
        rc = clGetProgramInfo(p->program, CL_PROGRAM_NUM_DEVICES, sizeof devices,
                              &devices, NULL);
    answer(w, rc);
    note(w, "%zu kernels, names of %zu bytes, %u devices", kernels, names, devices);
}

static void
build_info(struct world *w)
{
    const struct program *p = any_program(w);
    cl_program_binary_type type = 0;
    cl_build_status status = 7;
    char options[64] = "";
    cl_int rc;

    if (!p)
        return;
    step(w, "clGetProgramBuildInfo", "p%u STATUS, BINARY_TYPE, OPTIONS", p->id);
    rc = clGetProgramBuildInfo(p->program, w->device[0], CL_PROGRAM_BUILD_STATUS,
                               sizeof status, &status, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetProgramBuildInfo(p->program, w->device[0], CL_PROGRAM_BINARY_TYPE,
                                   sizeof type, &type, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetProgramBuildInfo(p->program, w->device[0], CL_PROGRAM_BUILD_OPTIONS,
                                   sizeof options, options, NULL);
    answer(w, rc);
    note(w, "status %d, type %x, options \"%s\"", status, type, options);
}

static void
kernel_info(struct world *w)
{
    const struct kernel *k = any_kernel(w);
    char name[32] = "";
    cl_uint n = 0;
    cl_context context = NULL;
    cl_int rc;

    if (!k)
        return;
    step(w, "clGetKernelInfo", "k%u FUNCTION_NAME, NUM_ARGS, CONTEXT", k->id);
    rc = clGetKernelInfo(k->kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetKernelInfo(k->kernel, CL_KERNEL_NUM_ARGS, sizeof n, &n, NULL);
    if (rc == CL_SUCCESS)
        rc =
            clGetKernelInfo(k->kernel, CL_KERNEL_CONTEXT, sizeof context, &context, NULL);
    answer(w, rc);
    note(w, "%s, %u arguments, context %s", name, n,
         context == w->context ? "the same" : "another");
}

/*
 * Programs from source are built with -cl-kernel-arg-info; whether a binary tells its arguments
 * is the implementation's to choose (section 5.9.3).
 */
static void
argument_info(struct world *w)
{
    const struct kernel *k = any_kernel(w);
    char name[32] = "", type[32] = "";
    cl_kernel_arg_address_qualifier address = 0;
    cl_kernel_arg_access_qualifier access = 0;
    cl_uint i;
    cl_int rc;

    if (!k || k->binary || kinds[k->kind].source > 1)
        return;
    i = (cl_uint)below(w, strlen(kinds[k->kind].args));
    step(w, "clGetKernelArgInfo", "k%u argument %u", k->id, i);
    rc = clGetKernelArgInfo(k->kernel, i, CL_KERNEL_ARG_NAME, sizeof name, name, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetKernelArgInfo(k->kernel, i, CL_KERNEL_ARG_TYPE_NAME, sizeof type, type,
                                NULL);
    if (rc == CL_SUCCESS)
        rc = clGetKernelArgInfo(k->kernel, i, CL_KERNEL_ARG_ADDRESS_QUALIFIER,
                                sizeof address, &address, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetKernelArgInfo(k->kernel, i, CL_KERNEL_ARG_ACCESS_QUALIFIER,
                                sizeof access, &access, NULL);
    if (answer(w, rc) == CL_SUCCESS)
        note(w, "%s %s, address %x, access %x", type, name, address, access);
}

static void
work_group_info(struct world *w)
{
    const struct kernel *k = any_kernel(w);
    size_t most = 0, required[3] = {7, 7, 7};
    cl_ulong local = 0;
    cl_int rc;

    if (!k)
        return;
    step(w, "clGetKernelWorkGroupInfo", "k%u", k->id);
    rc = clGetKernelWorkGroupInfo(k->kernel, w->device[0], CL_KERNEL_WORK_GROUP_SIZE,
                                  sizeof most, &most, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetKernelWorkGroupInfo(k->kernel, w->device[0],
                                      CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof required,
                                      required, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetKernelWorkGroupInfo(k->kernel, w->device[0], CL_KERNEL_LOCAL_MEM_SIZE,
                                      sizeof local, &local, NULL);
    answer(w, rc);
    note(w, "at most %zu, required %zu,%zu,%zu", most, required[0], required[1],
         required[2]);
}

const struct op query_ops[] = {
    {"memory info", QUERY | MEMORY, 4, memory_info},
    {"memory handles", QUERY, 2, memory_handles},
    {"memory count", QUERY | MEMORY, 2, memory_count},
    {"event info", QUERY | EVENT, 3, event_info},
    {"queue info", QUERY, 2, queue_info},
    {"context info", QUERY, 1, context_info},
    {"program info", QUERY | PROGRAM, 2, program_info},
    {"build info", QUERY | PROGRAM, 1, build_info},
    {"kernel info", QUERY | PROGRAM, 2, kernel_info},
    {"kernel count", QUERY | PROGRAM, 1, kernel_count},
    {"argument info", QUERY | PROGRAM, 2, argument_info},
    {"work-group info", QUERY | PROGRAM, 2, work_group_info},
    {0},
};
