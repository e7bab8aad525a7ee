/* SPDX-License-Identifier: MIT */
/*
 * What queries answer, as text. Every number of a kind's range is asked for, known or not: an error
 * is an answer, too. Pointers must be the same as well, since the program has them.
 */
#include "suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCHED_MAX 512
#define ANSWER_MAX ((size_t)1 << 16)

static struct {
    enum kind kind;
    void *object;
    char name[64];
} all[WATCHED_MAX];
static size_t n_all;

void
watch(enum kind kind, void *object, const char *fmt, ...)
{
    va_list ap;

    EXPECT(n_all < WATCHED_MAX);
    all[n_all].kind = kind;
    all[n_all].object = object;
    va_start(ap, fmt);
    vsnprintf(all[n_all].name, sizeof all[n_all].name, fmt, ap);
    va_end(ap);
    n_all++;
}

/* One question: about what, by which number, with room for the answer. */
struct question {
    void *object;
    cl_uint param, index;
    size_t size;
    void *value;
    size_t *ret_len;
};

#define ASK(name, type, function)                                                        \
    static cl_int name(const struct question *q)                                         \
    {                                                                                    \
        return function((type)q->object, q->param, q->size, q->value, q->ret_len);       \
    }
ASK(ask_device, cl_device_id, clGetDeviceInfo)
ASK(ask_context, cl_context, clGetContextInfo)
ASK(ask_queue, cl_command_queue, clGetCommandQueueInfo)
ASK(ask_mem, cl_mem, clGetMemObjectInfo)
ASK(ask_image, cl_mem, clGetImageInfo)
ASK(ask_sampler, cl_sampler, clGetSamplerInfo)
ASK(ask_program, cl_program, clGetProgramInfo)
ASK(ask_kernel, cl_kernel, clGetKernelInfo)
ASK(ask_event, cl_event, clGetEventInfo)
ASK(ask_stamps, cl_event, clGetEventProfilingInfo)

static cl_int
ask_build(const struct question *q)
{
    return clGetProgramBuildInfo((cl_program)q->object, w.device, q->param, q->size,
                                 q->value, q->ret_len);
}

static cl_int
ask_arg(const struct question *q)
{
    return clGetKernelArgInfo((cl_kernel)q->object, q->index, q->param, q->size, q->value,
                              q->ret_len);
}

static cl_int
ask_work_group(const struct question *q)
{
    return clGetKernelWorkGroupInfo((cl_kernel)q->object, w.device, q->param, q->size,
                                    q->value, q->ret_len);
}

static cl_int
ask_sub_group(const struct question *q)
{
    const size_t local = 8;

    return clGetKernelSubGroupInfo((cl_kernel)q->object, w.device, q->param, sizeof local,
                                   &local, q->size, q->value, q->ret_len);
}

static cl_int
ask_command_buffer(const struct question *q)
{
    static clGetCommandBufferInfoKHR_fn f;

    if (!f)
        f = (clGetCommandBufferInfoKHR_fn)clGetExtensionFunctionAddressForPlatform(
            w.platform, "clGetCommandBufferInfoKHR");
    return f((cl_command_buffer_khr)q->object, q->param, q->size, q->value, q->ret_len);
}

struct range {
    enum kind kind;
    const char *word;
    cl_int (*ask)(const struct question *q);
    cl_uint first, last;
    bool each_arg;
};

/*
 * Left out: CL_PROGRAM_BINARY_SIZES and CL_PROGRAM_BINARIES, since drivers add to binaries what
 * they compile when kernels run, and the second has another form.
 */
static const struct range ranges[] = {
    {DEVICE, "info", ask_device, 0x1000, 0x1074, false},
    {CONTEXT, "info", ask_context, 0x1080, 0x1084, false},
    {QUEUE, "info", ask_queue, 0x1090, 0x1098, false},
    {MEM, "info", ask_mem, 0x1100, 0x110a, false},
    {IMAGE, "info", ask_mem, 0x1100, 0x110a, false},
    {IMAGE, "image", ask_image, 0x1110, 0x111a, false},
    {SAMPLER, "info", ask_sampler, 0x1150, 0x1158, false},
    {PROGRAM, "info", ask_program, 0x1160, 0x1164, false},
    {PROGRAM, "info", ask_program, 0x1167, 0x116b, false},
    {PROGRAM, "build", ask_build, 0x1181, 0x1185, false},
    {KERNEL, "info", ask_kernel, 0x1190, 0x1195, false},
    {KERNEL, "arg", ask_arg, 0x1196, 0x119a, true},
    {KERNEL, "work group", ask_work_group, 0x11b0, 0x11b5, false},
    {KERNEL, "sub-group", ask_sub_group, 0x2033, 0x2034, false},
    {EVENT, "info", ask_event, 0x11d0, 0x11d4, false},
    {EVENT, "stamps", ask_stamps, 0x1280, 0x1284, false},
    {COMMAND_BUFFER, "info", ask_command_buffer, 0x1294, 0x1298, false},
};

static void
print_bytes(FILE *out, const uint8_t *p, size_t n)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 1099511628211u;
    if (n > 32) {
        fprintf(out, " %zu bytes, hash %016llx", n, (unsigned long long)hash);
        return;
    }
    fputc(' ', out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%02x", p[i]);
}

static void
print_answer(FILE *out, const char *name, const struct range *r, void *object,
             cl_uint param, cl_uint index)
{
    static uint8_t value[ANSWER_MAX];
    size_t len = 0;
    const struct question q = {object, param, index, sizeof value, value, &len};
    cl_int rc;

    memset(value, 0, sizeof value);
    rc = r->ask(&q);
    fprintf(out, "%s: %s 0x%x", name, r->word, param);
    if (r->each_arg)
        fprintf(out, " of %u", index);
    fputc(':', out);
    if (rc != CL_SUCCESS)
        fprintf(out, " error %d", rc);
    else
        print_bytes(out, value, len < sizeof value ? len : sizeof value);
    fputc('\n', out);
}

static cl_uint
args_of(cl_kernel k)
{
    cl_uint n = 0;

    OK(clGetKernelInfo(k, CL_KERNEL_NUM_ARGS, sizeof n, &n, NULL));
    return n;
}

static void
print_all(FILE *out, size_t i, const struct range *r)
{
    const cl_uint n = r->each_arg ? args_of((cl_kernel)all[i].object) : 1;

    for (cl_uint index = 0; index < n; index++) {
        for (cl_uint param = r->first; param <= r->last; param++)
            print_answer(out, all[i].name, r, all[i].object, param, index);
    }
}

char *
watched(void)
{
    char *text = NULL;
    size_t len;
    FILE *const out = open_memstream(&text, &len);

    EXPECT(out != NULL);
    for (size_t i = 0; i < n_all; i++) {
        for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
            if (ranges[r].kind == all[i].kind)
                print_all(out, i, &ranges[r]);
        }
    }
    fclose(out);
    return text;
}
