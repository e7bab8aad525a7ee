/* SPDX-License-Identifier: MIT */
/* Programs of the fake driver: the text is all there is; a build looks for names in it. */
#include "worker/fake_internal.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* What a binary begins with; the source follows, without its NUL. */
static const char magic[] = "FAKECL1\n";
#define MAGIC_LEN (sizeof(magic) - 1)

static void
program_destroy(void *self)
{
    cl_program p = self;

    fake_unref(p->context);
    p->base.kind = FAKE_DEAD;
    free(p->source);
    free(p->options);
    free(p->log);
    free(p->names);
    free(p);
}

/* Takes source, which is NULL if there was no memory for it. */
static cl_program
program_new(cl_context context, char *source, bool from_binary, cl_int *ret_err)
{
    cl_program p = source ? calloc(1, sizeof(*p)) : NULL;

    if (!p) {
        free(source);
        return fake_ret(ret_err, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    fake_object_init(p, FAKE_PROGRAM, program_destroy);
    p->context = fake_ref(context);
    p->source = source;
    p->from_binary = from_binary;
    p->status = CL_BUILD_NONE;
    return fake_ret(ret_err, CL_SUCCESS, p);
}

static size_t
part_len(const char **strings, const size_t *lengths, cl_uint i)
{
    return lengths && lengths[i] ? lengths[i] : strlen(strings[i]);
}

static char *
parts_join(cl_uint count, const char **strings, const size_t *lengths)
{
    size_t len = 1;
    char *all, *end;

    for (cl_uint i = 0; i < count; i++)
        len += part_len(strings, lengths, i);
    end = all = malloc(len);
    for (cl_uint i = 0; all && i < count; i++)
        end = mempcpy(end, strings[i], part_len(strings, lengths, i));
    if (end)
        *end = '\0';
    return all;
}

cl_program
fake_clCreateProgramWithSource(cl_context context, cl_uint count, const char **strings,
                               const size_t *lengths, cl_int *errcode_ret)
{
    if (!fake_is(context, FAKE_CONTEXT))
        return fake_ret(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (count == 0 || !strings)
        return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);
    for (cl_uint i = 0; i < count; i++) {
        if (!strings[i])
            return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    return program_new(context, parts_join(count, strings, lengths), false, errcode_ret);
}

static cl_int
binary_check(const unsigned char *binary, size_t len)
{
    if (!binary || len == 0)
        return CL_INVALID_VALUE;
    return len < MAGIC_LEN || memcmp(binary, magic, MAGIC_LEN) != 0 ? CL_INVALID_BINARY
                                                                    : CL_SUCCESS;
}

/* NOLINTBEGIN(readability-function-size): the parameters are OpenCL's. */
cl_program
fake_clCreateProgramWithBinary(cl_context context, cl_uint num_devices,
                               const cl_device_id *device_list, const size_t *lengths,
                               const unsigned char **binaries, cl_int *binary_status,
                               cl_int *errcode_ret)
{
    cl_int err;

    if (!fake_is(context, FAKE_CONTEXT))
        return fake_ret(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (num_devices != 1 || !device_list || !lengths || !binaries)
        return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);
    err = fake_check_device(num_devices, device_list);
    if (err)
        return fake_ret(errcode_ret, err, NULL);
    err = binary_check(binaries[0], lengths[0]);
    if (binary_status)
        *binary_status = err;
    if (err)
        return fake_ret(errcode_ret, err, NULL);
    return program_new(
        context, strndup((const char *)binaries[0] + MAGIC_LEN, lengths[0] - MAGIC_LEN),
        true, errcode_ret);
}
/* NOLINTEND(readability-function-size) */

/* Under fake_lock. Takes what it is given; returns what clBuildProgram() answers. */
static cl_int
build_set(cl_program p, char **options, char **log, char **names, cl_uint num)
{
    const bool bad = *log;

    if (p->num_kernels)
        return CL_INVALID_OPERATION;
    free(p->options);
    free(p->log);
    free(p->names);
    p->options = take_ptr(*options);
    p->log = take_ptr(*log);
    p->names = bad ? NULL : take_ptr(*names);
    p->num_names = bad ? 0 : num;
    p->status = bad ? CL_BUILD_ERROR : CL_BUILD_SUCCESS;
    return bad ? CL_BUILD_PROGRAM_FAILURE : CL_SUCCESS;
}

static cl_int
program_build(cl_program p, const char *given)
{
    cl_uint num = 0;
    _cleanup_free_ char *options = strdup(given ? given : "");
    _cleanup_free_ char *log = fake_fault_build()
                                   ? strdup("The device failed to build the program\n")
                                   : fake_parse_error(p->source);
    _cleanup_free_ char *names = fake_parse_names(p->source, &num);
    cl_int err;

    if (!options || !names)
        return CL_OUT_OF_HOST_MEMORY;
    pthread_mutex_lock(&fake_lock);
    err = build_set(p, &options, &log, &names, num);
    pthread_mutex_unlock(&fake_lock);
    return err;
}

cl_int
fake_clBuildProgram(cl_program program, cl_uint num_devices,
                    const cl_device_id *device_list, const char *options,
                    void(CL_CALLBACK *pfn_notify)(cl_program, void *), void *user_data)
{
    cl_int err;

    if (!fake_is(program, FAKE_PROGRAM))
        return CL_INVALID_PROGRAM;
    err = fake_check_device(num_devices, device_list);
    if (!err && !pfn_notify && user_data)
        err = CL_INVALID_VALUE;
    if (err)
        return err;
    err = program_build(program, options);
    if (pfn_notify && (!err || err == CL_BUILD_PROGRAM_FAILURE))
        pfn_notify(program, user_data);
    return err;
}

/* Under fake_lock. */
static size_t
binary_len(cl_program p)
{
    return p->from_binary || p->status == CL_BUILD_SUCCESS ? MAGIC_LEN + strlen(p->source)
                                                           : 0;
}

/* The value is an array of pointers to where each device's binary goes. */
static cl_int
answer_binaries(cl_program p, struct fake_out out)
{
    unsigned char **where = out.value;

    if (out.ret_len)
        *out.ret_len = sizeof(*where);
    if (!where)
        return CL_SUCCESS;
    if (out.cap < sizeof(*where))
        return CL_INVALID_VALUE;
    if (where[0] && binary_len(p)) {
        memcpy(where[0], magic, MAGIC_LEN);
        memcpy(where[0] + MAGIC_LEN, p->source, strlen(p->source));
    }
    return CL_SUCCESS;
}

/* Under fake_lock. */
static cl_int
program_answer(cl_program p, cl_program_info param, struct fake_out out)
{
    const cl_device_id device = &fake_device;
    const cl_bool no = CL_FALSE;
    const cl_uint users = p->base.users, num_devices = 1;
    const size_t len = binary_len(p), num_names = p->num_names;
    const struct fake_info table[] = {
        FAKE_INFO(CL_PROGRAM_REFERENCE_COUNT, users),
        FAKE_INFO(CL_PROGRAM_CONTEXT, p->context),
        FAKE_INFO(CL_PROGRAM_NUM_DEVICES, num_devices),
        FAKE_INFO(CL_PROGRAM_DEVICES, device),
        FAKE_INFO(CL_PROGRAM_BINARY_SIZES, len),
        FAKE_INFO(CL_PROGRAM_NUM_KERNELS, num_names),
        FAKE_INFO(CL_PROGRAM_SCOPE_GLOBAL_CTORS_PRESENT, no),
        FAKE_INFO(CL_PROGRAM_SCOPE_GLOBAL_DTORS_PRESENT, no),
        {CL_PROGRAM_IL, NULL, 0},
    };

    if (param == CL_PROGRAM_SOURCE)
        return fake_answer_string(out, p->from_binary ? "" : p->source);
    if (param == CL_PROGRAM_BINARIES)
        return answer_binaries(p, out);
    if ((param == CL_PROGRAM_NUM_KERNELS || param == CL_PROGRAM_KERNEL_NAMES) &&
        p->status != CL_BUILD_SUCCESS)
        return CL_INVALID_PROGRAM_EXECUTABLE;
    if (param == CL_PROGRAM_KERNEL_NAMES)
        return fake_answer_string(out, p->names);
    return fake_answer_from(table, ARRAY_LEN(table), param, out);
}

cl_int
fake_clGetProgramInfo(cl_program program, cl_program_info param_name,
                      size_t param_value_size, void *param_value,
                      size_t *param_value_size_ret)
{
    const struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    cl_int err;

    if (!fake_is(program, FAKE_PROGRAM))
        return CL_INVALID_PROGRAM;
    pthread_mutex_lock(&fake_lock);
    err = program_answer(program, param_name, out);
    pthread_mutex_unlock(&fake_lock);
    return err;
}

/* Under fake_lock. */
static cl_int
build_answer(cl_program p, cl_program_build_info param, struct fake_out out)
{
    const cl_program_binary_type type = p->status == CL_BUILD_SUCCESS
                                            ? CL_PROGRAM_BINARY_TYPE_EXECUTABLE
                                            : CL_PROGRAM_BINARY_TYPE_NONE;
    const size_t globals = 0;
    const struct fake_info table[] = {
        FAKE_INFO(CL_PROGRAM_BUILD_STATUS, p->status),
        FAKE_INFO(CL_PROGRAM_BINARY_TYPE, type),
        FAKE_INFO(CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE, globals),
    };

    if (param == CL_PROGRAM_BUILD_OPTIONS)
        return fake_answer_string(out, p->options);
    if (param == CL_PROGRAM_BUILD_LOG)
        return fake_answer_string(out, p->log);
    return fake_answer_from(table, ARRAY_LEN(table), param, out);
}

cl_int
fake_clGetProgramBuildInfo(cl_program program, cl_device_id device,
                           cl_program_build_info param_name, size_t param_value_size,
                           void *param_value, size_t *param_value_size_ret)
{
    const struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    cl_int err;

    if (!fake_is(program, FAKE_PROGRAM))
        return CL_INVALID_PROGRAM;
    if (!fake_is(device, FAKE_DEVICE))
        return CL_INVALID_DEVICE;
    pthread_mutex_lock(&fake_lock);
    err = build_answer(program, param_name, out);
    pthread_mutex_unlock(&fake_lock);
    return err;
}
