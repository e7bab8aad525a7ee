/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.8: programs from source, binaries, IL and built-in kernels; builds. */
#include "api_use.h"

#include <stdlib.h>

static const char one_source[] = "kernel void one(global int *p) { *p = VALUE; }\n";

static cl_program
from_source(struct use *u, const char *source)
{
    cl_program p = clCreateProgramWithSource(u->context, 1, &source, NULL, &u->rc);

    MUST(u->rc);
    return p;
}

/* The program's kernel `one` stores that number. */
static bool
program_stores(struct use *u, cl_program p, cl_int want)
{
    const size_t global = 1;
    cl_kernel k = clCreateKernel(p, "one", &u->rc);
    bool good = k && clSetKernelArg(k, 0, sizeof(cl_mem), &u->buffer) == CL_SUCCESS &&
                clEnqueueNDRangeKernel(u->queue, k, 1, NULL, &global, &global, 0, NULL,
                                       NULL) == CL_SUCCESS &&
                buffer_is(u, 0, &want, sizeof want);

    return k && clReleaseKernel(k) == CL_SUCCESS && good;
}

/* ---- 5.8.1 from source ------------------------------------------------------------- */

static bool
is_for_all_devices(const struct use *u, cl_program p)
{
    cl_device_id devices[16];
    size_t size = u->n_devices * sizeof *devices;

    return NUMBER(clGetProgramInfo, p, CL_PROGRAM_NUM_DEVICES) == u->n_devices &&
           clGetProgramInfo(p, CL_PROGRAM_DEVICES, size, devices, NULL) == CL_SUCCESS &&
           memcmp(devices, u->devices, size) == 0;
}

static bool
pieces_are_joined(struct use *u)
{
    const char *pieces[3] = {"kernel void (NOT THIS)", "one(global int *p)",
                             "{ *p = 1; }"};
    const size_t lengths[3] = {12, 0, 11};
    cl_program p = clCreateProgramWithSource(u->context, 3, pieces, lengths, &u->rc);
    bool good =
        p && u->rc == CL_SUCCESS &&
        TEXT_IS(clGetProgramInfo, p, CL_PROGRAM_SOURCE,
                "kernel void one(global int *p){ *p = 1; }") &&
        NUMBER(clGetProgramInfo, p, CL_PROGRAM_CONTEXT) == (uintptr_t)u->context &&
        is_for_all_devices(u, p);

    return p && clReleaseProgram(p) == CL_SUCCESS && good;
}

static cl_int
source_of(struct use *u, cl_context c, cl_uint n, const char **strings)
{
    return NEW(u, clCreateProgramWithSource(c, n, strings, NULL, &u->rc));
}

static void
sources(struct use *u)
{
    const char *const call = "clCreateProgramWithSource";
    const char *good[1] = {one_source}, *holed[2] = {one_source, NULL};

    RIGHT(call, "pieces are joined by their lengths", pieces_are_joined(u));
    WRONG(call, "no context", CL_INVALID_CONTEXT, source_of(u, NULL, 1, good));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               source_of(u, (cl_context)u->buffer, 1, good));
    WRONG(call, "no strings", CL_INVALID_VALUE, source_of(u, u->context, 0, good));
    WRONG_CRASHES("source-without-strings", call, "no list of strings", CL_INVALID_VALUE,
                  source_of(u, u->context, 1, NULL));
    WRONG(call, "a string that is none", CL_INVALID_VALUE,
          source_of(u, u->context, 2, holed));
}

/* ---- 5.8.1 from a binary ----------------------------------------------------------- */

struct binary {
    size_t size;
    unsigned char *bytes;
};

/* The binary for u->device. */
static struct binary
binary_of(const struct use *u, cl_program p)
{
    const cl_uint n = (cl_uint)NUMBER(clGetProgramInfo, p, CL_PROGRAM_NUM_DEVICES);
    const cl_uint at = n == u->n_devices ? u->at : 0;
    unsigned char *all[16] = {NULL};
    struct binary b = {0};
    size_t sizes[16];

    MUST(clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, n * sizeof *sizes, sizes, NULL));
    b.size = sizes[at];
    b.bytes = all[at] = malloc(b.size + 1);
    MUST(clGetProgramInfo(p, CL_PROGRAM_BINARIES, n * sizeof *all, all, NULL));
    return b;
}

static bool
binary_runs(struct use *u, const struct binary *b)
{
    const unsigned char *bytes = b->bytes;
    cl_int status = 1;
    cl_program p = clCreateProgramWithBinary(u->context, 1, &u->device, &b->size, &bytes,
                                             &status, &u->rc);
    bool good = p && u->rc == CL_SUCCESS && status == CL_SUCCESS &&
                clBuildProgram(p, 1, &u->device, "", NULL, NULL) == CL_SUCCESS &&
                program_stores(u, p, 41);

    return p && clReleaseProgram(p) == CL_SUCCESS && good;
}

static cl_int
loaded(struct use *u, cl_uint n, const cl_device_id *d, const size_t *sizes,
       const unsigned char **bytes)
{
    cl_int status;

    return NEW(
        u, clCreateProgramWithBinary(u->context, n, d, sizes, bytes, &status, &u->rc));
}

static void
binaries(struct use *u, const struct binary *b)
{
    static const unsigned char junk[64] = "this is no program for any device";
    const unsigned char *good = b->bytes, *bad = junk, *none = NULL;
    const size_t zero = 0, junk_size = sizeof junk;
    const cl_device_id wrong = (cl_device_id)u->buffer;
    const char *const call = "clCreateProgramWithBinary";

    RIGHT(call, "saved, loaded, built, run", binary_runs(u, b));
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          NEW(u, clCreateProgramWithBinary(NULL, 1, &u->device, &b->size, &good, NULL,
                                           &u->rc)));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               NEW(u, clCreateProgramWithBinary((cl_context)u->buffer, 1, &u->device,
                                                &b->size, &good, NULL, &u->rc)));
    WRONG(call, "no devices", CL_INVALID_VALUE,
          loaded(u, 0, &u->device, &b->size, &good));
    WRONG(call, "no list of devices", CL_INVALID_VALUE,
          loaded(u, 1, NULL, &b->size, &good));
    WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
               loaded(u, 1, &wrong, &b->size, &good));
    WRONG(call, "no lengths", CL_INVALID_VALUE, loaded(u, 1, &u->device, NULL, &good));
    WRONG_CRASHES("binary-without-list", call, "no binaries", CL_INVALID_VALUE,
                  loaded(u, 1, &u->device, &b->size, NULL));
    WRONG(call, "a length of 0", CL_INVALID_VALUE,
          loaded(u, 1, &u->device, &zero, &good));
    WRONG(call, "a binary that is none", CL_INVALID_VALUE,
          loaded(u, 1, &u->device, &b->size, &none));
    WRONG(call, "a binary of nothing known", CL_INVALID_BINARY,
          loaded(u, 1, &u->device, &junk_size, &bad));
}

/* ---- 5.8.1, 5.8.3 from IL, from built-in kernels; specialization constants --------- */

static void
intermediate(struct use *u)
{
    const char *const call = "clCreateProgramWithIL";
    const char *const constant = "clSetProgramSpecializationConstant";
    const cl_uint junk[4] = {1, 2, 3, 4}, five = 5;
    char il[256] = "";

    MUST(clGetDeviceInfo(u->device, CL_DEVICE_IL_VERSION, sizeof il, il, NULL));
    if (!*il) {
        REFUSED_DIFFERS(
            "il-refused", CL_INVALID_VALUE, call, "no IL is reported",
            CL_INVALID_OPERATION,
            NEW(u, clCreateProgramWithIL(u->context, junk, sizeof junk, &u->rc)));
        /* And the program was not made from IL. */
        REFUSED_OR(constant, "no IL is reported", CL_INVALID_OPERATION,
                   CL_INVALID_PROGRAM,
                   clSetProgramSpecializationConstant(u->program, 0, sizeof five, &five));
    } else {
        WRONG(call, "a module of nothing known", CL_INVALID_VALUE,
              NEW(u, clCreateProgramWithIL(u->context, junk, sizeof junk, &u->rc)));
        WRONG(call, "no module", CL_INVALID_VALUE,
              NEW(u, clCreateProgramWithIL(u->context, NULL, 16, &u->rc)));
        WRONG(call, "a length of 0", CL_INVALID_VALUE,
              NEW(u, clCreateProgramWithIL(u->context, junk, 0, &u->rc)));
        WRONG(constant, "a program not made from IL", CL_INVALID_PROGRAM,
              clSetProgramSpecializationConstant(u->program, 0, sizeof five, &five));
    }
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          NEW(u, clCreateProgramWithIL(NULL, junk, sizeof junk, &u->rc)));
    WRONG(constant, "no program", CL_INVALID_PROGRAM,
          clSetProgramSpecializationConstant(NULL, 0, sizeof five, &five));
}

static cl_int
built_in(struct use *u, cl_context c, cl_uint n, const cl_device_id *d, const char *names)
{
    return NEW(u, clCreateProgramWithBuiltInKernels(c, n, d, names, &u->rc));
}

/*
 * The kernel of that name is there. Whether such a program has to be built is not said; a build
 * does nothing wrong. A device may name kernels that it then fails to build: the kernel is
 * refused for that reason.
 */
static bool
built_in_is_there(struct use *u, char *names)
{
    cl_int built = CL_SUCCESS;
    cl_program p;
    cl_kernel k;
    bool good;

    names[strcspn(names, ";")] = '\0';
    p = clCreateProgramWithBuiltInKernels(u->context, 1, &u->device, names, &u->rc);
    if (!p || u->rc != CL_SUCCESS)
        return false;
    k = clCreateKernel(p, names, &u->rc);
    if (!k) {
        built = clBuildProgram(p, 1, &u->device, "", NULL, NULL);
        k = clCreateKernel(p, names, &u->rc);
    }
    if (k)
        good = TEXT_IS(clGetKernelInfo, k, CL_KERNEL_FUNCTION_NAME, names) &&
               clReleaseKernel(k) == CL_SUCCESS;
    else
        good =
            built == CL_BUILD_PROGRAM_FAILURE && u->rc == CL_INVALID_PROGRAM_EXECUTABLE;
    good &= NUMBER(clGetProgramInfo, p, CL_PROGRAM_NUM_DEVICES) == 1 &&
            NUMBER(clGetProgramInfo, p, CL_PROGRAM_CONTEXT) == (uintptr_t)u->context;
    return clReleaseProgram(p) == CL_SUCCESS && good;
}

static void
built_ins(struct use *u)
{
    const char *const call = "clCreateProgramWithBuiltInKernels";
    const cl_device_id wrong = (cl_device_id)u->buffer;
    char names[4096] = "";

    MUST(clGetDeviceInfo(u->device, CL_DEVICE_BUILT_IN_KERNELS, sizeof names, names,
                         NULL));
    if (*names)
        RIGHT(call, "the device's first is there", built_in_is_there(u, names));
    else
        REFUSED(call, "there are none", CL_INVALID_VALUE,
                built_in(u, u->context, 1, &u->device, "any"));
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          built_in(u, NULL, 1, &u->device, names));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               built_in(u, (cl_context)u->buffer, 1, &u->device, names));
    WRONG(call, "no devices", CL_INVALID_VALUE,
          built_in(u, u->context, 0, &u->device, names));
    WRONG(call, "no list of devices", CL_INVALID_VALUE,
          built_in(u, u->context, 1, NULL, names));
    WRONG(call, "no names", CL_INVALID_VALUE,
          built_in(u, u->context, 1, &u->device, NULL));
    WRONG(call, "a name that no device has", CL_INVALID_VALUE,
          built_in(u, u->context, 1, &u->device, "no.such.kernel"));
    if (*names)
        WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
                   built_in(u, u->context, 1, &wrong, names));
}

/* ---- 5.8.4 builds ------------------------------------------------------------------ */

struct told {
    volatile int called;
    cl_program program;
};

static void CL_CALLBACK
tell(cl_program p, void *user_data)
{
    struct told *t = user_data;

    t->program = p;
    __atomic_store_n(&t->called, 1, __ATOMIC_RELEASE);
}

static uint64_t
build_number(const struct use *u, cl_program p, cl_uint param)
{
    uint64_t v = 0;

    return clGetProgramBuildInfo(p, u->device, param, sizeof v, &v, NULL) == CL_SUCCESS
               ? (uint32_t)v
               : UINT64_MAX;
}

static bool
build_tells(struct use *u, cl_program p)
{
    struct told t = {0};
    char options[64] = "";

    return build_number(u, p, CL_PROGRAM_BUILD_STATUS) == (uint32_t)CL_BUILD_NONE &&
           build_number(u, p, CL_PROGRAM_BINARY_TYPE) == CL_PROGRAM_BINARY_TYPE_NONE &&
           clBuildProgram(p, 1, &u->device, "-DVALUE=41", tell, &t) == CL_SUCCESS &&
           comes_true(&t.called) && t.program == p &&
           build_number(u, p, CL_PROGRAM_BUILD_STATUS) == CL_BUILD_SUCCESS &&
           build_number(u, p, CL_PROGRAM_BINARY_TYPE) ==
               CL_PROGRAM_BINARY_TYPE_EXECUTABLE &&
           clGetProgramBuildInfo(p, u->device, CL_PROGRAM_BUILD_OPTIONS, sizeof options,
                                 options, NULL) == CL_SUCCESS &&
           strcmp(options, "-DVALUE=41") == 0 &&
           NUMBER(clGetProgramInfo, p, CL_PROGRAM_NUM_KERNELS) == 1 &&
           TEXT_IS(clGetProgramInfo, p, CL_PROGRAM_KERNEL_NAMES, "one") &&
           program_stores(u, p, 41);
}

/* Devices, callbacks, options: what clBuildProgram and clCompileProgram share. */
static void
wrong_builds(struct use *u, cl_program p)
{
    const char *const call = "clBuildProgram";
    const cl_device_id wrong = (cl_device_id)u->buffer;
    cl_program no_program = (cl_program)u->buffer;

    WRONG(call, "no program", CL_INVALID_PROGRAM,
          clBuildProgram(NULL, 1, &u->device, "", NULL, NULL));
    WRONG_KIND(call, "a program that is a buffer", CL_INVALID_PROGRAM,
               clBuildProgram(no_program, 1, &u->device, "", NULL, NULL));
    WRONG(call, "a count but no devices", CL_INVALID_VALUE,
          clBuildProgram(p, 1, NULL, "", NULL, NULL));
    WRONG(call, "devices but no count", CL_INVALID_VALUE,
          clBuildProgram(p, 0, &u->device, "", NULL, NULL));
    WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
               clBuildProgram(p, 1, &wrong, "", NULL, NULL));
    WRONG(call, "user data without a callback", CL_INVALID_VALUE,
          clBuildProgram(p, 1, &u->device, "", NULL, u));
    WRONG(call, "an option that there is not", CL_INVALID_BUILD_OPTIONS,
          clBuildProgram(p, 1, &u->device, "-no-such-option", NULL, NULL));
}

static bool
failed_build_says_why(struct use *u, cl_program p)
{
    static char log[8192];

    return clBuildProgram(p, 1, &u->device, "", NULL, NULL) == CL_BUILD_PROGRAM_FAILURE &&
           build_number(u, p, CL_PROGRAM_BUILD_STATUS) == (uint32_t)CL_BUILD_ERROR &&
           clGetProgramBuildInfo(p, u->device, CL_PROGRAM_BUILD_LOG, sizeof log, log,
                                 NULL) == CL_SUCCESS &&
           strstr(log, "VALUE") != NULL;
}

static cl_int
build_with_kernel(struct use *u, cl_program p)
{
    cl_kernel k = clCreateKernel(p, "one", &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = clBuildProgram(p, 1, &u->device, "-DVALUE=42", NULL, NULL);
    MUST(clReleaseKernel(k));
    return rc;
}

static void
builds(struct use *u)
{
    const char *const call = "clBuildProgram";
    cl_program p = from_source(u, one_source), bad = from_source(u, one_source);
    struct binary b;
    uint64_t v;

    WRONG("clGetProgramInfo", "kernels of a program not built",
          CL_INVALID_PROGRAM_EXECUTABLE,
          clGetProgramInfo(p, CL_PROGRAM_NUM_KERNELS, sizeof v, &v, NULL));
    wrong_builds(u, bad);
    RIGHT(call, "status, options, callback, kernels", build_tells(u, p));
    WRONG(call, "a program that has kernels", CL_INVALID_OPERATION,
          build_with_kernel(u, p));
    RIGHT(call, "a refused build leaves the program as it was", program_stores(u, p, 41));
    WRONG(call, "source that does not compile", CL_BUILD_PROGRAM_FAILURE,
          clBuildProgram(bad, 1, &u->device, "", NULL, NULL));
    RIGHT("clGetProgramBuildInfo", "the log says why", failed_build_says_why(u, bad));
    b = binary_of(u, p);
    binaries(u, &b);
    free(b.bytes);
    MUST(clReleaseProgram(p));
    MUST(clReleaseProgram(bad));
}

/* ---- 5.8.5 compiling and linking --------------------------------------------------- */

static const char header_source[] = "#define FROM_HEADER 17\n";
static const char library_source[] = "int helper(int x) { return x + 1; }\n";
static const char user_source[] = "#include \"inner/value.h\"\n"
                                  "int helper(int x);\n"
                                  "kernel void one(global int *p)\n"
                                  "{ *p = helper(FROM_HEADER); }\n";

static cl_int
compile(struct use *u, cl_program p, cl_uint n, const cl_program *headers,
        const char **names, const char *options)
{
    return clCompileProgram(p, 1, &u->device, options, n, headers, names, NULL, NULL);
}

static cl_int
link_of(struct use *u, const cl_program *in, cl_uint n, const char *options)
{
    cl_program p =
        clLinkProgram(u->context, 1, &u->device, options, n, in, NULL, NULL, &u->rc);

    /* A link that fails in the linker gives a program all the same, for its log. */
    if (p)
        MUST(clReleaseProgram(p));
    return u->rc;
}

static bool
linked_program_runs(struct use *u, const cl_program *in)
{
    cl_program p =
        clLinkProgram(u->context, 1, &u->device, "", 2, in, NULL, NULL, &u->rc);
    bool good =
        p && u->rc == CL_SUCCESS &&
        build_number(u, p, CL_PROGRAM_BINARY_TYPE) == CL_PROGRAM_BINARY_TYPE_EXECUTABLE &&
        program_stores(u, p, 18);

    return p && clReleaseProgram(p) == CL_SUCCESS && good;
}

static void
wrong_compiles(struct use *u, cl_program p, cl_program header)
{
    const char *const call = "clCompileProgram";
    const cl_device_id wrong = (cl_device_id)u->buffer;
    const cl_program no_program = (cl_program)u->buffer;
    const char *name = "inner/value.h";

    WRONG(call, "no program", CL_INVALID_PROGRAM, compile(u, NULL, 0, NULL, NULL, ""));
    WRONG_KIND(call, "a program that is a buffer", CL_INVALID_PROGRAM,
               compile(u, no_program, 0, NULL, NULL, ""));
    WRONG(call, "a count but no devices", CL_INVALID_VALUE,
          clCompileProgram(p, 1, NULL, "", 0, NULL, NULL, NULL, NULL));
    WRONG(call, "devices but no count", CL_INVALID_VALUE,
          clCompileProgram(p, 0, &u->device, "", 0, NULL, NULL, NULL, NULL));
    WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
               clCompileProgram(p, 1, &wrong, "", 0, NULL, NULL, NULL, NULL));
    WRONG(call, "user data without a callback", CL_INVALID_VALUE,
          clCompileProgram(p, 1, &u->device, "", 0, NULL, NULL, NULL, u));
    WRONG_CRASHES("compile-headers", call, "headers without names", CL_INVALID_VALUE,
                  compile(u, p, 1, &header, NULL, ""));
    WRONG_CRASHES("compile-headers", call, "names without headers", CL_INVALID_VALUE,
                  compile(u, p, 1, NULL, &name, ""));
    WRONG_CRASHES("compile-headers", call, "headers but no count", CL_INVALID_VALUE,
                  compile(u, p, 0, &header, &name, ""));
    WRONG(call, "an option that there is not", CL_INVALID_COMPILER_OPTIONS,
          compile(u, p, 0, NULL, NULL, "-no-such-option"));
    WRONG(call, "source that does not compile", CL_COMPILE_PROGRAM_FAILURE,
          compile(u, p, 0, NULL, NULL, ""));
}

static void
wrong_links(struct use *u, const cl_program *in)
{
    const char *const call = "clLinkProgram";
    const cl_program uncompiled = from_source(u, one_source);
    const cl_program no_program = (cl_program)u->buffer;
    const cl_device_id wrong = (cl_device_id)u->buffer;

    WRONG(call, "no context", CL_INVALID_CONTEXT,
          NEW(u, clLinkProgram(NULL, 1, &u->device, "", 2, in, NULL, NULL, &u->rc)));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               NEW(u, clLinkProgram((cl_context)u->buffer, 1, &u->device, "", 2, in, NULL,
                                    NULL, &u->rc)));
    WRONG(call, "a count but no devices", CL_INVALID_VALUE,
          NEW(u, clLinkProgram(u->context, 1, NULL, "", 2, in, NULL, NULL, &u->rc)));
    WRONG(
        call, "devices but no count", CL_INVALID_VALUE,
        NEW(u, clLinkProgram(u->context, 0, &u->device, "", 2, in, NULL, NULL, &u->rc)));
    WRONG_KIND(
        call, "a device that is a buffer", CL_INVALID_DEVICE,
        NEW(u, clLinkProgram(u->context, 1, &wrong, "", 2, in, NULL, NULL, &u->rc)));
    WRONG(call, "no programs", CL_INVALID_VALUE, link_of(u, in, 0, ""));
    WRONG(call, "no list of programs", CL_INVALID_VALUE, link_of(u, NULL, 1, ""));
    WRONG_KIND(call, "a program that is a buffer", CL_INVALID_PROGRAM,
               link_of(u, &no_program, 1, ""));
    WRONG(call, "a program not compiled", CL_INVALID_OPERATION,
          link_of(u, &uncompiled, 1, ""));
    WRONG(call, "an option that there is not", CL_INVALID_LINKER_OPTIONS,
          link_of(u, in, 2, "-no-such-option"));
    WRONG(call, "user data without a callback", CL_INVALID_VALUE,
          NEW(u, clLinkProgram(u->context, 1, &u->device, "", 2, in, NULL, u, &u->rc)));
    WRONG(call, "a function that no program has", CL_LINK_PROGRAM_FAILURE,
          link_of(u, in, 1, ""));
    MUST(clReleaseProgram(uncompiled));
}

static void
compiling(struct use *u)
{
    cl_program header = from_source(u, header_source), bad = from_source(u, one_source);
    const cl_program in[2] = {from_source(u, user_source),
                              from_source(u, library_source)};
    const char *name = "inner/value.h";
    bool compiled;

    if (!device_number(u, CL_DEVICE_COMPILER_AVAILABLE)) {
        REFUSED("clCompileProgram", "no compiler is reported", CL_COMPILER_NOT_AVAILABLE,
                compile(u, in[1], 0, NULL, NULL, ""));
        REFUSED("clLinkProgram", "no linker is reported", CL_LINKER_NOT_AVAILABLE,
                link_of(u, in, 2, ""));
        return;
    }
    compiled = compile(u, in[0], 1, &header, &name, "") == CL_SUCCESS &&
               compile(u, in[1], 0, NULL, NULL, "") == CL_SUCCESS &&
               build_number(u, in[0], CL_PROGRAM_BINARY_TYPE) ==
                   CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT;
    RIGHT("clCompileProgram", "with a header in memory", compiled);
    wrong_compiles(u, bad, header);
    if (compiled) {
        RIGHT("clLinkProgram", "two objects run as one", linked_program_runs(u, in));
        wrong_links(u, in);
    } else {
        RIGHT("clLinkProgram", "there is something to link", compiled);
    }
    MUST(clReleaseProgram(in[0]));
    MUST(clReleaseProgram(in[1]));
    MUST(clReleaseProgram(header));
    MUST(clReleaseProgram(bad));
}

/* ---- 5.8.2, 5.8.8, 5.8.9: callbacks, unloading, queries ---------------------------- */

static bool
release_is_told(struct use *u, struct told *t, cl_int *ret)
{
    cl_program p = from_source(u, one_source);

    *ret = clSetProgramReleaseCallback(p, tell, t);
    return clReleaseProgram(p) == CL_SUCCESS &&
           (*ret != CL_SUCCESS || (comes_true(&t->called) && t->program == p));
}

/* A device without clean-up kernels may refuse the callback, and here may take it. */
static void
release_callback(struct use *u)
{
    const char *const call = "clSetProgramReleaseCallback";
    cl_program no_program = (cl_program)u->buffer;
    struct told t = {0};
    cl_int rc = CL_SUCCESS;
    bool told = release_is_told(u, &t, &rc);

    REFUSED_OR(call, "clean-up kernels are not reported", CL_INVALID_OPERATION,
               CL_SUCCESS, rc);
    RIGHT(call, "called at the last release, or not taken", told);
    WRONG(call, "no program", CL_INVALID_PROGRAM,
          clSetProgramReleaseCallback(NULL, tell, &t));
    WRONG_KIND_OR(call, "a program that is a buffer", CL_INVALID_PROGRAM,
                  rc == CL_SUCCESS ? NO_STATUS : rc,
                  clSetProgramReleaseCallback(no_program, tell, &t));
    WRONG_OR(call, "no callback", CL_INVALID_VALUE, rc == CL_SUCCESS ? NO_STATUS : rc,
             clSetProgramReleaseCallback(u->program, NULL, &t));
}

static void
unloading(struct use *u)
{
    RIGHT("clUnloadCompiler", "a program still builds after it",
          clUnloadCompiler() == CL_SUCCESS &&
              NUMBER(clGetProgramInfo, u->program, CL_PROGRAM_NUM_KERNELS) == 3);
    RIGHT("clUnloadPlatformCompiler", "a program still builds after it",
          clUnloadPlatformCompiler(u->platform) == CL_SUCCESS &&
              NUMBER(clGetProgramInfo, u->program, CL_PROGRAM_NUM_KERNELS) == 3);
    WRONG_KIND("clUnloadPlatformCompiler", "a platform that is a buffer",
               CL_INVALID_PLATFORM, clUnloadPlatformCompiler((cl_platform_id)u->buffer));
}

static cl_int
build_info(cl_program p, cl_device_id d, cl_uint param, size_t size, void *value)
{
    return clGetProgramBuildInfo(p, d, param, size, value, NULL);
}

static void
build_queries(struct use *u)
{
    const char *const call = "clGetProgramBuildInfo";
    const cl_uint status = CL_PROGRAM_BUILD_STATUS;
    cl_int v;

    WRONG(call, "no program", CL_INVALID_PROGRAM,
          build_info(NULL, u->device, status, sizeof v, &v));
    WRONG_KIND(call, "a program that is a buffer", CL_INVALID_PROGRAM,
               build_info((cl_program)u->buffer, u->device, status, sizeof v, &v));
    WRONG(call, "no device", CL_INVALID_DEVICE,
          build_info(u->program, NULL, status, sizeof v, &v));
    WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
               build_info(u->program, (cl_device_id)u->buffer, status, sizeof v, &v));
    WRONG(call, "a parameter that there is not", CL_INVALID_VALUE,
          build_info(u->program, u->device, 0x7ffffff0, sizeof v, &v));
    WRONG(call, "room one byte too small", CL_INVALID_VALUE,
          build_info(u->program, u->device, status, 3, &v));
}

void
api_program(struct use *u)
{
    const struct query q = {
        "clGetProgramInfo", (query_fn)clGetProgramInfo, u->program,     u->buffer,
        CL_INVALID_PROGRAM, CL_PROGRAM_REFERENCE_COUNT, sizeof(cl_uint)};
    const struct counted counts = {"clRetainProgram", "clReleaseProgram",
                                   (count_fn)clRetainProgram, (count_fn)clReleaseProgram,
                                   q};

    sources(u);
    builds(u);
    compiling(u);
    intermediate(u);
    built_ins(u);
    use_query(&q);
    use_counts(&counts);
    build_queries(u);
    api_build(u);
    release_callback(u);
    unloading(u);
}
