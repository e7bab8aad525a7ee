/* SPDX-License-Identifier: MIT */
/*
 * guest_compile FOLDER [strict]: programs compiled apart and linked, include files and embedded
 * headers, binaries of every type, builds with callbacks, options and their errors. The folder is
 * for include files; the program works inside it. `strict` adds that a build with a callback is
 * under way when the call returns, which not every driver does.
 */
#include "cltest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 30000u

static struct cl c;

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static cl_program
source(const char *text)
{
    cl_int rc;
    cl_program p = clCreateProgramWithSource(c.context, 1, &text, NULL, &rc);

    OK(rc);
    return p;
}

static cl_build_status
status_of(cl_program p)
{
    cl_build_status status;

    OK(clGetProgramBuildInfo(p, c.device, CL_PROGRAM_BUILD_STATUS, sizeof status, &status,
                             NULL));
    return status;
}

static cl_program_binary_type
type_of(cl_program p)
{
    cl_program_binary_type type;

    OK(clGetProgramBuildInfo(p, c.device, CL_PROGRAM_BINARY_TYPE, sizeof type, &type,
                             NULL));
    return type;
}

static void
log_has(cl_program p, const char *words)
{
    size_t len;
    char *log;

    OK(clGetProgramBuildInfo(p, c.device, CL_PROGRAM_BUILD_LOG, 0, NULL, &len));
    log = alloc(len + 1);
    OK(clGetProgramBuildInfo(p, c.device, CL_PROGRAM_BUILD_LOG, len, log, NULL));
    if (!strstr(log, words))
        fail("the log has no '%s': %s", words, log);
    free(log);
}

/* kernel void k(global int *o): what it leaves in o[0]. */
static int
run_k(cl_program p)
{
    cl_kernel kernel = cl_kernel_of(p, "k");
    cl_mem b = cl_buffer(&c, 0, sizeof(int), NULL);
    const size_t one = 1;
    int got = -1;

    OK(clSetKernelArg(kernel, 0, sizeof(cl_mem), &b));
    OK(clEnqueueNDRangeKernel(c.queue, kernel, 1, NULL, &one, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(c.queue, b, CL_TRUE, 0, sizeof got, &got, 0, NULL, NULL));
    OK(clReleaseMemObject(b));
    OK(clReleaseKernel(kernel));
    return got;
}

static int
build_and_run(const char *text, const char *options)
{
    cl_program p = source(text);
    int got;

    if (clBuildProgram(p, 1, &c.device, options, NULL, NULL) != CL_SUCCESS) {
        log_has(p, "no error");
        fail("a build fails without a log: %s", text);
    }
    got = run_k(p);
    OK(clReleaseProgram(p));
    return got;
}

static void
write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    EXPECT(f != NULL);
    fputs(text, f);
    fclose(f);
}

/* ---- compile and link -------------------------------------------------------------- */

static void
compile_and_link(void)
{
    cl_program headers[] = {
        source("#define ELEVEN 11\n"),
        source("#include \"low/eleven.h\"\nint plus(int a, int b);\n")};
    const char *names[] = {"low/eleven.h", "plus.h"};
    cl_program main_part =
        source("#include \"plus.h\"\n"
               "kernel void k(global int *o) { *o = plus(ELEVEN, N); }\n");
    cl_program plus = source("int plus(int a, int b) { return a + b; }\n");
    cl_program parts[2], linked, library;
    cl_uint n;
    cl_int rc;
    char text[64] = "x";

    OK(clCompileProgram(main_part, 1, &c.device, "-DN=31", 2, headers, names, NULL,
                        NULL));
    EXPECT(status_of(main_part) == CL_BUILD_SUCCESS);
    EXPECT(type_of(main_part) == CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT);
    EXPECT(!clCreateKernel(main_part, "k", &rc));
    OK(clCompileProgram(plus, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL));
    parts[0] = main_part;
    parts[1] = plus;
    linked = clLinkProgram(c.context, 1, &c.device, NULL, 2, parts, NULL, NULL, &rc);
    OK(rc);
    EXPECT(type_of(linked) == CL_PROGRAM_BINARY_TYPE_EXECUTABLE);
    EXPECT(run_k(linked) == 42);
    OK(clGetProgramInfo(linked, CL_PROGRAM_SOURCE, sizeof text, text, NULL));
    EXPECT(text[0] == '\0');
    OK(clGetProgramInfo(linked, CL_PROGRAM_NUM_DEVICES, sizeof n, &n, NULL));
    EXPECT(n == 1);
    library = clLinkProgram(c.context, 1, &c.device, "-create-library", 1, &plus, NULL,
                            NULL, &rc);
    OK(rc);
    EXPECT(type_of(library) == CL_PROGRAM_BINARY_TYPE_LIBRARY);
    parts[1] = library;
    OK(clReleaseProgram(linked));
    linked = clLinkProgram(c.context, 0, NULL, "", 2, parts, NULL, NULL, &rc);
    OK(rc);
    EXPECT(run_k(linked) == 42);
    OK(clReleaseProgram(linked));
    OK(clReleaseProgram(library));
    OK(clReleaseProgram(plus));
    OK(clReleaseProgram(main_part));
    OK(clReleaseProgram(headers[0]));
    OK(clReleaseProgram(headers[1]));
    done("compiled with embedded headers, linked, linked with a library");
}

static void
link_errors(void)
{
    cl_program whole = source("kernel void k(global int *o) { *o = 1; }\n");
    cl_program lost = source("int gone(int a);\n"
                             "kernel void k(global int *o) { *o = gone(1); }\n");
    cl_program p;
    cl_int rc;

    EXPECT(!clLinkProgram(c.context, 1, &c.device, "", 0, NULL, NULL, NULL, &rc) &&
           rc == CL_INVALID_VALUE);
    EXPECT(!clLinkProgram(c.context, 1, &c.device, "", 1, &whole, NULL, NULL, &rc) &&
           rc == CL_INVALID_OPERATION);
    EXPECT(!clLinkProgram(c.context, 1, NULL, "", 1, &whole, NULL, NULL, &rc) &&
           rc == CL_INVALID_VALUE);
    OK(clBuildProgram(whole, 1, &c.device, "", NULL, NULL));
    EXPECT(!clLinkProgram(c.context, 1, &c.device, "", 1, &whole, NULL, NULL, &rc) &&
           rc == CL_INVALID_OPERATION);
    OK(clCompileProgram(lost, 1, &c.device, "", 0, NULL, NULL, NULL, NULL));
    EXPECT(!clLinkProgram(c.context, 1, &c.device, "-bogus", 1, &lost, NULL, NULL, &rc) &&
           rc == CL_INVALID_LINKER_OPTIONS);
    EXPECT(!clLinkProgram(c.context, 1, &c.device, "-enable-link-options", 1, &lost, NULL,
                          NULL, &rc) &&
           rc == CL_INVALID_LINKER_OPTIONS);
    /* A program or none, but an error. */
    p = clLinkProgram(c.context, 1, &c.device, "", 1, &lost, NULL, NULL, &rc);
    EXPECT(rc == CL_LINK_PROGRAM_FAILURE);
    if (p) {
        EXPECT(status_of(p) == CL_BUILD_ERROR);
        OK(clReleaseProgram(p));
    }
    OK(clReleaseProgram(whole));
    OK(clReleaseProgram(lost));
    done("errors of links");
}

static void
compile_errors(void)
{
    cl_program p = source("int f( {\n");
    cl_kernel kernel;

    EXPECT(clCompileProgram(p, 1, &c.device, "", 0, NULL, NULL, NULL, NULL) ==
           CL_COMPILE_PROGRAM_FAILURE);
    EXPECT(status_of(p) == CL_BUILD_ERROR);
    log_has(p, "error");
    EXPECT(clCompileProgram(p, 1, &c.device, "-bogus", 0, NULL, NULL, NULL, NULL) ==
           CL_INVALID_COMPILER_OPTIONS);
    EXPECT(clBuildProgram(p, 1, &c.device, "-bogus", NULL, NULL) ==
           CL_INVALID_BUILD_OPTIONS);
    EXPECT(clBuildProgram(p, 1, NULL, "", NULL, NULL) == CL_INVALID_VALUE);
    EXPECT(clBuildProgram(p, 0, &c.device, "", NULL, NULL) == CL_INVALID_VALUE);
    EXPECT(clBuildProgram(p, 0, NULL, "", NULL, p) == CL_INVALID_VALUE);
    EXPECT(clBuildProgram(NULL, 0, NULL, "", NULL, NULL) == CL_INVALID_PROGRAM);
    OK(clReleaseProgram(p));
    p = source("kernel void k(global int *o) { *o = 1; }\n");
    OK(clBuildProgram(p, 0, NULL, "", NULL, NULL));
    kernel = cl_kernel_of(p, "k");
    EXPECT(clBuildProgram(p, 0, NULL, "", NULL, NULL) == CL_INVALID_OPERATION);
    EXPECT(clCompileProgram(p, 0, NULL, "", 0, NULL, NULL, NULL, NULL) ==
           CL_INVALID_OPERATION);
    OK(clReleaseKernel(kernel));
    OK(clBuildProgram(p, 0, NULL, "", NULL, NULL));
    OK(clReleaseProgram(p));
    done("errors of compilations");
}

/* ---- include files ----------------------------------------------------------------- */

static void
include_files(const char *folder)
{
    cl_program p;
    char text[512], options[512];

    EXPECT(mkdir("inc", 0700) == 0 && mkdir("inc/sub", 0700) == 0 &&
           mkdir("inc/none", 0700) == 0 && mkdir("other", 0700) == 0);
    write_file("inc/one.h", "#define ONE 1\n");
    write_file("inc/sub/two.h", "#ifndef TWO\n#define TWO (ONE + 1)\n"
                                "#include \"three.h\"\n#include \"../one.h\"\n#endif\n");
    write_file("inc/sub/three.h", "#ifndef THREE\n#define THREE 3\n#include \"two.h\"\n"
                                  "#endif\n");
    write_file("other/one.h", "#define ONE 100\n");
    write_file("here.h", "#define HERE 1000\n");
    write_file("inc/wrong.h", "#error \"wrong on purpose\"\n");
    EXPECT(
        build_and_run("#include \"one.h\"\nkernel void k(global int *o) { *o = ONE; }\n",
                      "-Iinc") == 1);
    EXPECT(build_and_run("#include <one.h>\nkernel void k(global int *o) { *o = ONE; }\n",
                         "-I other -I inc") == 100);
    EXPECT(build_and_run("#include \"sub/two.h\"\n"
                         "kernel void k(global int *o) { *o = TWO * 10 + THREE; }\n",
                         "-DX=1 -I inc -w") == 23);
    EXPECT(build_and_run("#include \"none/../one.h\"\n"
                         "kernel void k(global int *o) { *o = ONE; }\n",
                         "-I inc") == 1);
    EXPECT(build_and_run(
               "#include \"here.h\"\nkernel void k(global int *o) { *o = HERE; }\n",
               NULL) == 1000);
    EXPECT(build_and_run("#define FILE_NAME \"one.h\"\n#include FILE_NAME\n"
                         "kernel void k(global int *o) { *o = ONE; }\n",
                         "-I inc") == 1);
    EXPECT(build_and_run("#if __has_include(\"one.h\") && !__has_include(\"two.h\")\n"
                         "kernel void k(global int *o) { *o = 7; }\n#endif\n",
                         "-I inc") == 7);
    snprintf(text, sizeof text,
             "#include \"%s/inc/one.h\"\nkernel void k(global int *o) { *o = ONE; }\n",
             folder);
    EXPECT(build_and_run(text, "") == 1);
    snprintf(options, sizeof options, "-I%s/inc", folder);
    EXPECT(
        build_and_run("#include \"one.h\"\nkernel void k(global int *o) { *o = ONE; }\n",
                      options) == 1);
    /* The file changes, and so does what is built. */
    write_file("inc/one.h", "#define ONE 111\n");
    EXPECT(
        build_and_run("#include \"one.h\"\nkernel void k(global int *o) { *o = ONE; }\n",
                      "-Iinc") == 111);
    p = source("#include \"wrong.h\"\n");
    EXPECT(clBuildProgram(p, 0, NULL, "-I inc", NULL, NULL) == CL_BUILD_PROGRAM_FAILURE);
    log_has(p, "inc/wrong.h:1:2: \"wrong on purpose\"");
    OK(clReleaseProgram(p));
    p = source("#include \"missing.h\"\n");
    EXPECT(clBuildProgram(p, 0, NULL, "-I inc", NULL, NULL) == CL_BUILD_PROGRAM_FAILURE);
    log_has(p, "'missing.h' file not found");
    OK(clReleaseProgram(p));
    p = source("#include \"/nowhere/missing.h\"\n");
    EXPECT(clBuildProgram(p, 0, NULL, "", NULL, NULL) == CL_BUILD_PROGRAM_FAILURE);
    log_has(p, "'/nowhere/missing.h' file not found");
    OK(clReleaseProgram(p));
    done("include files");
}

/* A program compiled from files, with a header embedded that is a file too. */
static void
include_and_embed(void)
{
    cl_program header = source("#define WHO 5\n"), p, linked;
    const char *name = "who.h";
    cl_int rc;

    write_file("inc/who.h", "#define WHO 6\n");
    p = source("#include \"who.h\"\n#include \"sub/two.h\"\n"
               "kernel void k(global int *o) { *o = WHO + THREE; }\n");
    OK(clCompileProgram(p, 1, &c.device, "-Iinc", 1, &header, &name, NULL, NULL));
    linked = clLinkProgram(c.context, 1, &c.device, "", 1, &p, NULL, NULL, &rc);
    OK(rc);
    EXPECT(run_k(linked) == 8 || run_k(linked) == 9);
    OK(clReleaseProgram(linked));
    OK(clReleaseProgram(p));
    OK(clReleaseProgram(header));
    done("include files and embedded headers together");
}

/* ---- binaries ---------------------------------------------------------------------- */

/* The one for our device, of all that the program is for. */
static unsigned char *
binary_of(cl_program p, size_t *ret_size)
{
    unsigned char *bytes[16] = {NULL};
    cl_device_id devices[16];
    size_t sizes[16], i = 0;

    OK(clGetProgramInfo(p, CL_PROGRAM_DEVICES, sizeof devices, devices, NULL));
    while (devices[i] != c.device)
        i++;
    OK(clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, NULL));
    *ret_size = sizes[i];
    EXPECT(*ret_size > 0);
    bytes[i] = alloc(*ret_size);
    OK(clGetProgramInfo(p, CL_PROGRAM_BINARIES, sizeof bytes, bytes, NULL));
    return bytes[i];
}

static cl_program
from_binary(const void *bytes, size_t size, cl_int want)
{
    const unsigned char *binary = bytes;
    cl_int rc, status = 4711;
    cl_program p =
        clCreateProgramWithBinary(c.context, 1, &c.device, &size, &binary, &status, &rc);

    EXPECT(rc == want && (p != NULL) == (want == CL_SUCCESS));
    if (want != CL_INVALID_VALUE)
        EXPECT(status == want);
    return p;
}

static void
binaries(void)
{
    cl_program object = source("int f(int a) { return a * 2; }\n"), library, again, whole;
    cl_program parts[2];
    unsigned char *bytes;
    size_t size;
    cl_int rc;

    from_binary("this is no binary of any kind", 29, CL_INVALID_BINARY);
    from_binary("x", 0, CL_INVALID_VALUE);
    OK(clCompileProgram(object, 1, &c.device, "", 0, NULL, NULL, NULL, NULL));
    bytes = binary_of(object, &size);
    again = from_binary(bytes, size, CL_SUCCESS);
    EXPECT(type_of(again) == CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT);
    EXPECT(status_of(again) == CL_BUILD_NONE);
    EXPECT(clCompileProgram(again, 1, &c.device, "", 0, NULL, NULL, NULL, NULL) ==
           CL_INVALID_OPERATION);
    free(bytes);
    parts[0] = source("int f(int a);\nkernel void k(global int *o) { *o = f(21); }\n");
    OK(clCompileProgram(parts[0], 1, &c.device, "", 0, NULL, NULL, NULL, NULL));
    parts[1] = again;
    whole = clLinkProgram(c.context, 1, &c.device, "", 2, parts, NULL, NULL, &rc);
    OK(rc);
    EXPECT(run_k(whole) == 42);
    OK(clReleaseProgram(again));
    library = clLinkProgram(c.context, 1, &c.device, "-create-library", 1, &object, NULL,
                            NULL, &rc);
    OK(rc);
    bytes = binary_of(library, &size);
    again = from_binary(bytes, size, CL_SUCCESS);
    EXPECT(type_of(again) == CL_PROGRAM_BINARY_TYPE_LIBRARY);
    free(bytes);
    OK(clReleaseProgram(again));
    bytes = binary_of(whole, &size);
    again = from_binary(bytes, size, CL_SUCCESS);
    EXPECT(type_of(again) == CL_PROGRAM_BINARY_TYPE_EXECUTABLE);
    EXPECT(!clCreateKernel(again, "k", &rc) && rc == CL_INVALID_PROGRAM_EXECUTABLE);
    OK(clBuildProgram(again, 1, &c.device, "", NULL, NULL));
    EXPECT(run_k(again) == 42);
    free(bytes);
    OK(clReleaseProgram(again));
    OK(clReleaseProgram(whole));
    OK(clReleaseProgram(library));
    OK(clReleaseProgram(parts[0]));
    OK(clReleaseProgram(object));
    done("binaries: object, library, executable, and none");
}

/* ---- callbacks --------------------------------------------------------------------- */

struct notified {
    atomic_int calls;
    _Atomic(cl_program) program;
    cl_build_status status;
    pthread_t thread;
};

static void CL_CALLBACK
on_built(cl_program p, void *arg)
{
    struct notified *n = arg;

    if (p)
        n->status = status_of(p);
    n->thread = pthread_self();
    atomic_store(&n->program, p);
    atomic_fetch_add(&n->calls, 1);
}

static void
wait_calls(struct notified *n)
{
    for (unsigned ms = 0; atomic_load(&n->calls) == 0; ms++) {
        EXPECT(ms < WAIT_MS);
        sleep_ms(1);
    }
}

static void
callbacks(void)
{
    struct notified built = {0}, failed = {0}, compiled = {0}, linked = {0};
    cl_program good = source("kernel void k(global int *o) { *o = 3; }\n");
    cl_program bad = source("kernel void k( {\n"), executable;
    cl_int rc;

    OK(clBuildProgram(good, 1, &c.device, "", on_built, &built));
    wait_calls(&built);
    EXPECT(built.status == CL_BUILD_SUCCESS && atomic_load(&built.program) == good);
    EXPECT(run_k(good) == 3);
    /* How a bad build ended is the status's; the call may say so as well. */
    rc = clBuildProgram(bad, 1, &c.device, "", on_built, &failed);
    EXPECT(rc == CL_SUCCESS || rc == CL_BUILD_PROGRAM_FAILURE);
    wait_calls(&failed);
    EXPECT(failed.status == CL_BUILD_ERROR);
    log_has(bad, "error");
    OK(clCompileProgram(good, 1, &c.device, "", 0, NULL, NULL, on_built, &compiled));
    wait_calls(&compiled);
    EXPECT(type_of(good) == CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT);
    executable =
        clLinkProgram(c.context, 1, &c.device, "", 1, &good, on_built, &linked, &rc);
    OK(rc);
    wait_calls(&linked);
    EXPECT(executable && run_k(executable) == 3);
    EXPECT(atomic_load(&linked.program) == executable);
    OK(clReleaseProgram(executable));
    OK(clReleaseProgram(good));
    OK(clReleaseProgram(bad));
    done("builds, compilations and links with callbacks");
}

/* A source that takes a compiler a while. */
static char *
long_text(void)
{
    const unsigned kernels = 300;
    char *text = alloc(kernels * 160ull), *end = text;

    for (unsigned i = 0; i < kernels; i++)
        end += sprintf(
            end,
            "kernel void k%u(global float *o) { float x = o[%u]; for (int i = 0; "
            "i < 100; i++) x = sin(x) * cos(x + i) + pow(x, %u.5f); o[0] = x; }\n",
            i, i, i);
    return text;
}

static void
build_is_under_way(void)
{
    struct notified built = {0};
    char *text = long_text(), log[16] = "x";
    cl_program p = source(text);
    cl_int rc;

    OK(clBuildProgram(p, 1, &c.device, "", on_built, &built));
    EXPECT(status_of(p) == CL_BUILD_IN_PROGRESS);
    EXPECT(type_of(p) == CL_PROGRAM_BINARY_TYPE_NONE);
    EXPECT(clBuildProgram(p, 1, &c.device, "", NULL, NULL) == CL_INVALID_OPERATION);
    EXPECT(!clCreateKernel(p, "k0", &rc) && rc == CL_INVALID_PROGRAM_EXECUTABLE);
    OK(clGetProgramBuildInfo(p, c.device, CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL));
    EXPECT(log[0] == '\0' && atomic_load(&built.calls) == 0);
    wait_calls(&built);
    EXPECT(built.status == CL_BUILD_SUCCESS &&
           !pthread_equal(built.thread, pthread_self()));
    OK(clReleaseProgram(p));
    free(text);
}

int
main(int argc, char **argv)
{
    bool strict = argc > 2 && strcmp(argv[2], "strict") == 0;
    char folder[256];

    EXPECT(argc >= 2 && chdir(argv[1]) == 0 && getcwd(folder, sizeof folder));
    cl_open(&c);
    compile_and_link();
    link_errors();
    compile_errors();
    include_files(folder);
    include_and_embed();
    binaries();
    callbacks();
    if (strict)
        build_is_under_way();
    cl_close(&c);
    return 0;
}
