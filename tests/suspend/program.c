/* SPDX-License-Identifier: MIT */
/* Programs in every state: of source, built, compiled, linked, failed, of binaries. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cl_program
of_source(const char *source)
{
    cl_int rc;
    cl_program p = clCreateProgramWithSource(w.context, 1, &source, NULL, &rc);

    OK(rc);
    return p;
}

/* A program's kernel `k(global uint *p)` must make this of words that are 0. */
static void
gives(cl_program p, uint32_t want)
{
    const cl_uint zero = 0;
    const size_t words = 16;
    uint32_t got[16];
    cl_kernel k = kernel_of(p, "k");
    cl_mem m = buffer_new(0, sizeof got, NULL);

    OK(clEnqueueFillBuffer(w.queue, m, &zero, 4, 0, sizeof got, 0, NULL, NULL));
    OK(clSetKernelArg(k, 0, sizeof(cl_mem), &m));
    OK(clEnqueueNDRangeKernel(w.queue, k, 1, NULL, &words, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(w.queue, m, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL));
    for (size_t i = 0; i < words; i++)
        EXPECT(got[i] == want);
    OK(clReleaseKernel(k));
    OK(clReleaseMemObject(m));
}

/* ---- of source --------------------------------------------------------------------- */

static cl_program not_built, plain, with_options, of_strings, rebuilt;

static void
source_make(void)
{
    const char *const strings[] = {"kernel void k(global uint *p)\n{\n", "#ifdef X\n",
                                   "p[get_global_id(0)] = X;\n#endif\n}\nnot this"};
    const size_t lengths[] = {0, 0, strlen(strings[2]) - strlen("not this")};
    cl_int rc;

    not_built = of_source("kernel void k(global uint *p) { p[get_global_id(0)] = 1; }");
    plain = build("kernel void k(global uint *p) { p[get_global_id(0)] = 2; }", NULL);
    with_options = build("kernel void k(global uint *p) { p[get_global_id(0)] = A + B; }",
                         "-DA=40 -D B=2 -cl-fast-relaxed-math -cl-std=CL1.2");
    of_strings =
        clCreateProgramWithSource(w.context, 3, (const char **)strings, lengths, &rc);
    OK(rc);
    OK(clBuildProgram(of_strings, 0, NULL, "-DX=7", NULL, NULL));
    rebuilt =
        build("kernel void k(global uint *p) { p[get_global_id(0)] = A; }", "-DA=1");
    OK(clBuildProgram(rebuilt, 1, &w.device, "-DA=9", NULL, NULL));
    OK(clRetainProgram(plain));
    watch(PROGRAM, not_built, "a program that is not built");
    watch(PROGRAM, plain, "a program that is built");
    watch(PROGRAM, with_options, "a program with options");
    watch(PROGRAM, of_strings, "a program of several strings");
    watch(PROGRAM, rebuilt, "a program that was built twice");
}

static void
source_check(void)
{
    gives(plain, 2);
    gives(with_options, 42);
    gives(of_strings, 7);
    gives(rebuilt, 9);
}

static void
source_use(void)
{
    OK(clBuildProgram(not_built, 1, &w.device, "", NULL, NULL));
    gives(not_built, 1);
    OK(clBuildProgram(with_options, 1, &w.device, "-DA=1 -DB=2", NULL, NULL));
    gives(with_options, 3);
    OK(clReleaseProgram(plain));
    gives(plain, 2);
    OK(clReleaseProgram(not_built));
    OK(clReleaseProgram(plain));
    OK(clReleaseProgram(with_options));
    OK(clReleaseProgram(of_strings));
    OK(clReleaseProgram(rebuilt));
}

/* ---- compiled and linked ----------------------------------------------------------- */

static cl_program header, compiled, helper, library, linked, linked_with_library, folder;

static cl_program
link_of(cl_uint n, const cl_program *of, const char *options)
{
    cl_int rc;
    cl_program p =
        clLinkProgram(w.context, 1, &w.device, options, n, of, NULL, NULL, &rc);

    OK(rc);
    return p;
}

static void
linked_make(void)
{
    const char *const name = "folder/number.h";

    header = of_source("#define NUMBER 1000\n");
    compiled = of_source("#include \"folder/number.h\"\n"
                         "uint more(uint v);\n"
                         "kernel void k(global uint *p)\n"
                         "{ p[get_global_id(0)] = more(NUMBER); }\n");
    OK(clCompileProgram(compiled, 1, &w.device, "", 1, &header, (const char **)&name,
                        NULL, NULL));
    helper = of_source("uint more(uint v) { return v + ADD; }\n");
    OK(clCompileProgram(helper, 1, &w.device, "-DADD=5", 0, NULL, NULL, NULL, NULL));
    library = link_of(1, &helper, "-create-library");
    linked = link_of(2, (cl_program[]){compiled, helper}, "");
    linked_with_library = link_of(2, (cl_program[]){compiled, library}, "");
    watch(PROGRAM, header, "a header");
    watch(PROGRAM, compiled, "a compiled program");
    watch(PROGRAM, library, "a library");
    watch(PROGRAM, linked, "a linked program");
    watch(PROGRAM, linked_with_library, "a program linked with a library");
}

static void
linked_check(void)
{
    gives(linked, 1005);
    gives(linked_with_library, 1005);
}

/* What was compiled before can still be linked, and what was linked outlives its parts. */
static void
linked_use(void)
{
    cl_program again = link_of(2, (cl_program[]){compiled, library}, "");

    gives(again, 1005);
    OK(clReleaseProgram(header));
    OK(clReleaseProgram(compiled));
    OK(clReleaseProgram(helper));
    OK(clReleaseProgram(library));
    linked_check();
    OK(clReleaseProgram(again));
    OK(clReleaseProgram(linked));
    OK(clReleaseProgram(linked_with_library));
}

/* ---- with a folder of headers, which is gone later --------------------------------- */

static void
folder_make(void)
{
    char path[] = "/tmp/everything-XXXXXX", file[64], options[64];
    FILE *f;

    EXPECT(mkdtemp(path) != NULL);
    snprintf(file, sizeof file, "%s/number.h", path);
    snprintf(options, sizeof options, "-I %s", path);
    f = fopen(file, "w");
    EXPECT(f != NULL);
    fputs("#define NUMBER 77\n", f);
    fclose(f);
    folder = build("#include \"number.h\"\n"
                   "kernel void k(global uint *p) { p[get_global_id(0)] = NUMBER; }",
                   options);
    watch(PROGRAM, folder, "a program with a header of a folder");
    unlink(file);
    rmdir(path);
}

static void
folder_check(void)
{
    gives(folder, 77);
}

static void
folder_use(void)
{
    gives(folder, 77);
    OK(clReleaseProgram(folder));
}

/* ---- failed ------------------------------------------------------------------------ */

static cl_program failed, failed_after;

static void
failed_make(void)
{
    failed = of_source("kernel void k(global uint *p) { p[0] = nonsense; }");
    EXPECT(clBuildProgram(failed, 1, &w.device, "", NULL, NULL) ==
           CL_BUILD_PROGRAM_FAILURE);
    failed_after =
        build("kernel void k(global uint *p) { p[get_global_id(0)] = A; }", "-DA=3");
    EXPECT(clBuildProgram(failed_after, 1, &w.device, "-DA=nonsense", NULL, NULL) ==
           CL_BUILD_PROGRAM_FAILURE);
    watch(PROGRAM, failed, "a program that cannot be built");
    watch(PROGRAM, failed_after, "a program that failed the second time");
}

static void
failed_check(void)
{
    char log[4096] = "";
    cl_int rc;

    OK(clGetProgramBuildInfo(failed, w.device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log,
                             NULL));
    EXPECT(strstr(log, "nonsense") != NULL);
    EXPECT(clCreateKernel(failed, "k", &rc) == NULL && rc != CL_SUCCESS);
}

static void
failed_use(void)
{
    OK(clBuildProgram(failed, 1, &w.device, "-Dnonsense=4", NULL, NULL));
    OK(clReleaseProgram(failed));
    OK(clBuildProgram(failed_after, 1, &w.device, "-DA=5", NULL, NULL));
    gives(failed_after, 5);
    OK(clReleaseProgram(failed_after));
}

/* ---- of a binary ------------------------------------------------------------------- */

static cl_program of_binary, of_binary_not_built;

static void
binary_make(void)
{
    cl_program p =
        build("kernel void k(global uint *p) { p[get_global_id(0)] = 123; }", "");
    unsigned char *binary;
    size_t size;
    cl_int rc, status;

    gives(p, 123); /* the binary then has what kernels need */
    OK(clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL));
    binary = malloc(size);
    EXPECT(binary != NULL && size > 0);
    OK(clGetProgramInfo(p, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL));
    of_binary = clCreateProgramWithBinary(w.context, 1, &w.device, &size,
                                          (const unsigned char **)&binary, &status, &rc);
    OK(rc);
    OK(clBuildProgram(of_binary, 1, &w.device, "", NULL, NULL));
    of_binary_not_built = clCreateProgramWithBinary(
        w.context, 1, &w.device, &size, (const unsigned char **)&binary, &status, &rc);
    OK(rc);
    free(binary);
    OK(clReleaseProgram(p));
    watch(PROGRAM, of_binary, "a program of a binary");
}

static void
binary_check(void)
{
    gives(of_binary, 123);
}

static void
binary_use(void)
{
    OK(clBuildProgram(of_binary_not_built, 1, &w.device, "", NULL, NULL));
    gives(of_binary_not_built, 123);
    OK(clReleaseProgram(of_binary));
    OK(clReleaseProgram(of_binary_not_built));
}

/* ---- of IL, of built-in kernels ---------------------------------------------------- */

static void
il_make(void)
{
    char version[256] = "";

    OK(clGetDeviceInfo(w.device, CL_DEVICE_IL_VERSION, sizeof version, version, NULL));
    if (version[0] == '\0')
        part_skip("the device has no intermediate language");
    part_fail("the device has %s: this test needs a program in it", version);
}

static cl_program built_in;

static void
built_in_make(void)
{
    char names[4096] = "";
    cl_int rc;

    OK(clGetDeviceInfo(w.device, CL_DEVICE_BUILT_IN_KERNELS, sizeof names, names, NULL));
    if (names[0] == '\0')
        part_skip("the device has no built-in kernels");
    names[strcspn(names, ";")] = '\0';
    built_in = clCreateProgramWithBuiltInKernels(w.context, 1, &w.device, names, &rc);
    OK(rc);
    watch(PROGRAM, built_in, "a program of a built-in kernel");
}

static void
built_in_use(void)
{
    OK(clReleaseProgram(built_in));
}

/* ---- printf ------------------------------------------------------------------------ */

static cl_program printing;
static cl_kernel prints;

static void
printf_make(void)
{
    printing = build("kernel void k(uint v) { printf(\"the number is %u\\n\", v); }", "");
    prints = kernel_of(printing, "k");
    watch(PROGRAM, printing, "a program that prints");
    watch(KERNEL, prints, "a kernel that prints");
}

/* What comes on standard output, while a kernel prints, into text. */
static void
printed(cl_uint v, char *text, size_t cap)
{
    const size_t one = 1;
    FILE *const file = tmpfile();
    const int kept_stdout = dup(STDOUT_FILENO);

    EXPECT(file != NULL && kept_stdout >= 0);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    OK(clSetKernelArg(prints, 0, sizeof v, &v));
    OK(clEnqueueNDRangeKernel(w.queue, prints, 1, NULL, &one, NULL, 0, NULL, NULL));
    OK(clFinish(w.queue));
    fflush(stdout);
    dup2(kept_stdout, STDOUT_FILENO);
    close(kept_stdout);
    rewind(file);
    text[fread(text, 1, cap - 1, file)] = '\0';
    fclose(file);
}

static void
printf_use(void)
{
    char text[256];

    printed(4711, text, sizeof text);
    EXPECT(strcmp(text, "the number is 4711\n") == 0);
    OK(clReleaseKernel(prints));
    OK(clReleaseProgram(printing));
}

const struct part program_parts[] = {
    {"programs of source", source_make, source_check, source_use},
    {"compiled and linked programs", linked_make, linked_check, linked_use},
    {"a program with a folder of headers", folder_make, folder_check, folder_use},
    {"programs whose build failed", failed_make, failed_check, failed_use},
    {"programs of binaries", binary_make, binary_check, binary_use},
    {"programs of IL", il_make, NULL, NULL},
    {"programs of built-in kernels", built_in_make, NULL, built_in_use},
    {"a program that prints", printf_make, NULL, printf_use},
    {0},
};
