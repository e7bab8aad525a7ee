/* SPDX-License-Identifier: MIT */
/*
 * What a hostile kernel can do on a software GPU, where kernels are machine code of the worker:
 * system calls.
 *
 *     jail_escape CALL [ARGUMENT...]    CALL is a name of the table below
 *     jail_escape bomb N                processes, each started by the one before, at most N
 *     jail_escape linger                starts a process that never ends
 *     jail_escape memory MIB            takes and touches so much
 *     jail_escape include PATH          prints what the compiler says of that file, whose name
 *                                       only macros put together
 *
 * An argument is a number, or s:TEXT for the address of a text. It prints "ok" or the error's
 * name; the answers of getpid, gettid and getuid are printed as they are.
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define ARGUMENTS 6
#define TEXT_AT 256 /* bytes: where the texts begin */
#define BUFFER_BYTES 4096

static const struct {
    const char *name;
    long number;
} calls[] = {
    {"add_key", SYS_add_key},
    {"bpf", SYS_bpf},
    {"chmod", SYS_fchmodat},
    {"clone", SYS_clone},
    {"execve", SYS_execve},
    {"fcntl", SYS_fcntl},
    {"getpid", SYS_getpid},
    {"gettid", SYS_gettid},
    {"getuid", SYS_getuid},
    {"io_uring_setup", SYS_io_uring_setup},
    {"ioctl", SYS_ioctl},
    {"kill", SYS_kill},
    {"mkdirat", SYS_mkdirat},
    {"mount", SYS_mount},
    {"openat", SYS_openat},
    {"perf_event_open", SYS_perf_event_open},
    {"prctl", SYS_prctl},
    {"process_vm_readv", SYS_process_vm_readv},
    {"ptrace", SYS_ptrace},
    {"sched_setaffinity", SYS_sched_setaffinity},
    {"setsid", SYS_setsid},
    {"setuid", SYS_setuid},
    {"socket", SYS_socket},
    {"tkill", SYS_tkill},
    {"unlinkat", SYS_unlinkat},
    {"unshare", SYS_unshare},
    {"userfaultfd", SYS_userfaultfd},
};

/* io: the number, six arguments, which of them are offsets into io (bits), then the answer. */
static const char source[] =
    "long call(long n, long a, long b, long c, long d, long e, long f) {\n"
    "    long r;\n"
#ifdef __aarch64__
    "    __asm__ volatile(\"mov x8, %1\\n mov x0, %2\\n mov x1, %3\\n mov x2, %4\\n\"\n"
    "                     \"mov x3, %5\\n mov x4, %6\\n mov x5, %7\\n svc #0\\n\"\n"
    "                     \"mov %0, x0\" : \"=r\"(r)\n"
    "                     : \"r\"(n), \"r\"(a), \"r\"(b), \"r\"(c), \"r\"(d), \"r\"(e), "
    "\"r\"(f)\n"
    "                     : \"x0\", \"x1\", \"x2\", \"x3\", \"x4\", \"x5\", \"x8\", "
    "\"memory\");\n"
#else
    "    long stack[3] = {d, e, f};\n"
    "    __asm__ volatile(\"movq (%5), %%r10\\n movq 8(%5), %%r8\\n movq 16(%5), "
    "%%r9\\n\"\n"
    "                     \"syscall\" : \"=a\"(r)\n"
    "                     : \"a\"(n), \"D\"(a), \"S\"(b), \"d\"(c), \"r\"(stack)\n"
    "                     : \"rcx\", \"r8\", \"r9\", \"r10\", \"r11\", \"memory\");\n"
#endif
    "    return r;\n"
    "}\n"
    "kernel void one(global long *io) {\n"
    "    long v[6];\n"
    "    for (int i = 0; i < 6; i++)\n"
    "        v[i] = io[1 + i] + ((io[7] >> i & 1) ? (long)io : 0);\n"
    "    io[8] = call(io[0], v[0], v[1], v[2], v[3], v[4], v[5]);\n"
    "    if (io[0] == CLONE && io[8] == 0)\n"
    "        call(EXIT, 0, 0, 0, 0, 0, 0);\n"
    "}\n"
    /* Each process is the child of one that waits for it, on the same stack. */
    "kernel void bomb(global long *io) {\n"
    "    long self = call(GETPID, 0, 0, 0, 0, 0, 0);\n"
    "    io[8] = 0;\n"
    "    for (io[1] = 0; io[1] < io[0] && io[8] >= 0; io[1]++) {\n"
    "        io[8] = call(CLONE, 0x4100 | 17, 0, 0, 0, 0, 0);\n"
    "        if (io[8] > 0)\n"
    "            break;\n"
    "        io[9] = io[8];\n"
    "    }\n"
    "    if (call(GETPID, 0, 0, 0, 0, 0, 0) != self)\n"
    "        call(EXIT, 0, 0, 0, 0, 0, 0);\n"
    "    io[8] = io[9];\n" /* of the last of them */
    "}\n"
    "kernel void linger(global long *io) {\n"
    "    if (call(CLONE, 0x4100 | 17, 0, 0, 0, 0, 0) == 0)\n"
    "        for (;;)\n"
    "            call(NANOSLEEP, (long)(io + 16), 0, 0, 0, 0, 0);\n"
    "}\n"
    "kernel void memory(global long *io) {\n"
    "    io[8] = call(MMAP, 0, io[0] << 20, 3, 0x22, -1, 0);\n"
    "    if (io[8] > 0)\n"
    "        for (long i = 0; i < io[0] << 20; i += 4096)\n"
    "            *(global char *)(io[8] + i) = 1;\n"
    "}\n";

static long
number_of(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i].name, name) == 0)
            return calls[i].number;
    }
    fail("there is no call '%s' here", name);
}

static void
fill_arguments(int64_t *io, char **argv)
{
    size_t at = TEXT_AT;

    for (int i = 0; argv[i]; i++) {
        size_t len = strlen(argv[i]) + 1;

        EXPECT(i < ARGUMENTS && at + len < BUFFER_BYTES);
        if (strncmp(argv[i], "s:", 2) != 0) {
            io[1 + i] = strtoll(argv[i], NULL, 0);
            continue;
        }
        memcpy((char *)io + at, argv[i] + 2, len - 2);
        io[1 + i] = (int64_t)at;
        io[7] |= 1 << i;
        at += len;
    }
}

static void
run(const struct cl *c, const char *kernel_name, int64_t *io)
{
    char options[256];
    const char *text = source;
    cl_int rc;
    cl_program p = clCreateProgramWithSource(c->context, 1, &text, NULL, &rc);
    cl_mem buffer = cl_buffer(c, CL_MEM_COPY_HOST_PTR, BUFFER_BYTES, io);
    cl_kernel k;
    const size_t one = 1;

    OK(rc);
    snprintf(options, sizeof options,
             "-DCLONE=%ld -DEXIT=%ld -DGETPID=%ld -DMMAP=%ld -DNANOSLEEP=%ld",
             (long)SYS_clone, (long)SYS_exit_group, (long)SYS_getpid, (long)SYS_mmap,
             (long)SYS_nanosleep);
    OK(clBuildProgram(p, 1, &c->device, options, NULL, NULL));
    k = cl_kernel_of(p, kernel_name);
    OK(clSetKernelArg(k, 0, sizeof buffer, &buffer));
    OK(clEnqueueNDRangeKernel(c->queue, k, 1, NULL, &one, &one, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(c->queue, buffer, CL_TRUE, 0, BUFFER_BYTES, io, 0, NULL,
                           NULL));
    OK(clReleaseKernel(k));
    OK(clReleaseProgram(p));
    OK(clReleaseMemObject(buffer));
}

static void
include(const struct cl *c, const char *path)
{
    static char log[16384];
    char text[512];
    const char *lines = text;
    cl_program p;
    cl_int rc;

    snprintf(text, sizeof text,
             "#define QUOTE(x) #x\n#define NAME(x) QUOTE(x)\n#include NAME(%s)\n", path);
    p = clCreateProgramWithSource(c->context, 1, &lines, NULL, &rc);
    OK(rc);
    EXPECT(clBuildProgram(p, 1, &c->device, "", NULL, NULL) != CL_SUCCESS);
    OK(clGetProgramBuildInfo(p, c->device, CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL));
    puts(log);
    OK(clReleaseProgram(p));
}

static void
print_answer(const char *name, long answer)
{
    if (answer < 0 && answer > -4096)
        printf("%s\n", strerrorname_np((int)-answer));
    else if (strncmp(name, "get", 3) == 0)
        printf("%ld\n", answer);
    else
        printf("ok\n");
}

static bool
is_kernel(const char *name)
{
    return strcmp(name, "bomb") == 0 || strcmp(name, "linger") == 0 ||
           strcmp(name, "memory") == 0;
}

int
main(int argc, char **argv)
{
    static int64_t io[BUFFER_BYTES / sizeof(int64_t)];
    struct cl c;

    EXPECT(argc >= 2);
    cl_open(&c);
    if (strcmp(argv[1], "include") == 0) {
        EXPECT(argc == 3);
        include(&c, argv[2]);
        cl_close(&c);
        return 0;
    }
    if (is_kernel(argv[1])) {
        io[0] = argc > 2 ? atol(argv[2]) : 0;
        io[16] = 3600; /* linger: a struct timespec */
        run(&c, argv[1], io);
    } else {
        io[0] = number_of(argv[1]);
        fill_arguments(io, argv + 2);
        run(&c, "one", io);
    }
    print_answer(argv[1], io[8]);
    cl_close(&c);
    return 0;
}
