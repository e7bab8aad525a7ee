/* SPDX-License-Identifier: MIT */
/*
 * The loader brings every vendor's driver into the process that asks, so that is a child. It tells
 * line by line what it finds, on the pipe that is its stdout and stderr, too: ours begin with MARK,
 * the others are what the library had to say.
 */
#include "guest/check/ask.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <CL/cl.h>

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#define LOADER "libOpenCL.so.1"
#define MARK '\001'
#define LIMIT_S 30
#define MAX_PLATFORMS 64
#define MAX_DEVICES 64
#define TEXT_BYTES 256
#define SAID_BYTES 512

static const char loader_advice[] = "install an OpenCL loader: ocl-icd-libopencl1 "
                                    "(Debian, Ubuntu), ocl-icd (Fedora, Arch), "
                                    "libOpenCL1 (SUSE)";

/* ---- the child ----------------------------------------------------------------------- */

typedef cl_int get_platforms_fn(cl_uint, cl_platform_id *, cl_uint *);
typedef cl_int get_platform_info_fn(cl_platform_id, cl_platform_info, size_t, void *,
                                    size_t *);
typedef cl_int get_devices_fn(cl_platform_id, cl_device_type, cl_uint, cl_device_id *,
                              cl_uint *);
typedef cl_int get_device_info_fn(cl_device_id, cl_device_info, size_t, void *, size_t *);

struct loader {
    get_platforms_fn *get_platforms;
    get_platform_info_fn *get_platform_info;
    get_devices_fn *get_devices;
    get_device_info_fn *get_device_info;
};

__attribute__((format(printf, 2, 3))) static void
tell(const char *key, const char *fmt, ...)
{
    char text[SAID_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *c = text; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    dprintf(STDOUT_FILENO, "%c%s %s\n", MARK, key, text);
}

static bool
loader_open(struct loader *l)
{
    void *so = dlopen(LOADER, RTLD_NOW | RTLD_LOCAL);

    if (!so) {
        tell("no-loader", "%s", dlerror());
        return false;
    }
    l->get_platforms = (get_platforms_fn *)dlsym(so, "clGetPlatformIDs");
    l->get_platform_info = (get_platform_info_fn *)dlsym(so, "clGetPlatformInfo");
    l->get_devices = (get_devices_fn *)dlsym(so, "clGetDeviceIDs");
    l->get_device_info = (get_device_info_fn *)dlsym(so, "clGetDeviceInfo");
    if (!l->get_platforms || !l->get_platform_info || !l->get_devices ||
        !l->get_device_info) {
        tell("no-loader", LOADER " is no OpenCL loader");
        return false;
    }
    return true;
}

static void
tell_devices(const struct loader *l, cl_platform_id platform)
{
    cl_device_id devices[MAX_DEVICES];
    cl_uint n = 0;
    cl_int rc = l->get_devices(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices, &n);

    if (rc != CL_SUCCESS)
        tell("no-device", "OpenCL error %d", rc);
    for (cl_uint i = 0; rc == CL_SUCCESS && i < n && i < MAX_DEVICES; i++) {
        char name[TEXT_BYTES] = "?";
        cl_ulong bytes = 0;

        l->get_device_info(devices[i], CL_DEVICE_NAME, sizeof name, name, NULL);
        l->get_device_info(devices[i], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes, &bytes,
                           NULL);
        tell("device", "%" PRIu64 " %s", (uint64_t)bytes, name);
    }
}

static void
tell_platforms(const struct loader *l)
{
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint n = 0;

    if (l->get_platforms(MAX_PLATFORMS, platforms, &n) != CL_SUCCESS)
        n = 0;
    for (cl_uint i = 0; i < n && i < MAX_PLATFORMS; i++) {
        char name[TEXT_BYTES] = "", version[TEXT_BYTES] = "";

        l->get_platform_info(platforms[i], CL_PLATFORM_NAME, sizeof name, name, NULL);
        if (strcmp(name, "Tessera") != 0)
            continue;
        l->get_platform_info(platforms[i], CL_PLATFORM_VERSION, sizeof version, version,
                             NULL);
        tell("platform", "%s", version);
        tell_devices(l, platforms[i]);
    }
    tell("done", "-");
}

/* The library by itself first: the loader says nothing of one that it cannot load. */
static _Noreturn void
child(int pipe_end, const char *library)
{
    struct loader l;

    alarm(LIMIT_S);
    dup2(pipe_end, STDOUT_FILENO);
    dup2(pipe_end, STDERR_FILENO);
    close(pipe_end);
    if (library && !dlopen(library, RTLD_NOW | RTLD_LOCAL))
        tell("no-library", "%s", dlerror());
    if (loader_open(&l))
        tell_platforms(&l);
    /* Not exit(): what the drivers would still do there is none of ours. */
    _exit(EXIT_SUCCESS);
}

/* ---- what it told -------------------------------------------------------------------- */

struct answer {
    char no_loader[SAID_BYTES], no_library[SAID_BYTES], no_device[SAID_BYTES];
    char platform[TEXT_BYTES];
    char said[SAID_BYTES]; /* the library's last words */
    bool done;
    int status; /* of waitpid() */
};

static void
keep(char *ret, size_t cap, const char *text)
{
    snprintf(ret, cap, "%s", text);
}

/* "BYTES NAME" */
static void
take_device(struct report *r, const char *text)
{
    char *name;
    const uint64_t bytes = strtoull(text, &name, 10);

    report_device(r, *name ? name + 1 : "?", bytes);
}

static void
take_line(struct report *r, struct answer *a, char *line)
{
    char *text = strchr(line, ' ');

    if (line[0] != MARK || !text) {
        /* Others' drivers may have words, too: ours names itself. */
        if (strstr(line, "tessera: "))
            keep(a->said, sizeof a->said,
                 strstr(line, "tessera: ") + strlen("tessera: "));
        return;
    }
    *text++ = '\0';
    if (strcmp(line + 1, "no-loader") == 0)
        keep(a->no_loader, sizeof a->no_loader, text);
    else if (strcmp(line + 1, "no-library") == 0)
        keep(a->no_library, sizeof a->no_library, text);
    else if (strcmp(line + 1, "no-device") == 0)
        keep(a->no_device, sizeof a->no_device, text);
    else if (strcmp(line + 1, "platform") == 0)
        keep(a->platform, sizeof a->platform, text);
    else if (strcmp(line + 1, "device") == 0)
        take_device(r, text);
    else if (strcmp(line + 1, "done") == 0)
        a->done = true;
}

static int
read_answer(struct report *r, struct answer *a, int pipe_end)
{
    _cleanup_fclose_ FILE *f = fdopen(pipe_end, "r");
    char line[SAID_BYTES + 64];

    if (!f) {
        close(pipe_end);
        return -errno;
    }
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        take_line(r, a, line);
    }
    return 0;
}

static int
ask(struct report *r, const char *library, struct answer *a)
{
    int ends[2];
    pid_t pid;
    int rc;

    fflush(stdout);
    if (pipe(ends) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(ends[1], library);
    }
    rc = pid < 0 ? -errno : 0;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return rc;
    }
    rc = read_answer(r, a, ends[0]);
    while (waitpid(pid, &a->status, 0) < 0 && errno == EINTR)
        ;
    return rc;
}

/* ---- what that means ----------------------------------------------------------------- */

static void
report_unfinished(struct report *r, const struct answer *a)
{
    static const char advice[] =
        "another vendor's driver may be the cause: look whether it is gone with "
        "OCL_ICD_VENDORS=FOLDER, a folder that holds a copy of tessera.icd alone";

    if (WIFSIGNALED(a->status) && WTERMSIG(a->status) == SIGALRM)
        report_failed(r, "device", advice, "OpenCL did not answer within %d s", LIMIT_S);
    else if (WIFSIGNALED(a->status))
        report_failed(r, "device", advice,
                      "a program that asks OpenCL for its platforms dies: %s",
                      strsignal(WTERMSIG(a->status)));
    else
        report_failed(
            r, "device", advice,
            "a program that asks OpenCL for its platforms is ended, with status %d",
            WEXITSTATUS(a->status));
}

/* "OpenCL 3.0 Tessera 0.1.0": the library's version is the last word. */
static void
report_versions(struct report *r, const struct answer *a)
{
    const char *space = strrchr(a->platform, ' ');

    if (space && strcmp(space + 1, TESSERA_VERSION) != 0)
        report_failed(
            r, "version", "install library and command from one package tessera-guest",
            "the library is of Tessera %s, this command of " TESSERA_VERSION, space + 1);
}

static void
report_devices(struct report *r, const struct answer *a)
{
    static const char version_advice[] =
        "install the package tessera-guest of the host's version (tessera version)";

    if (r->n_devices > 0 && !a->said[0])
        report_ok(r, "device", "OpenCL lists %u vGPU%s", r->n_devices,
                  r->n_devices == 1 ? "" : "s");
    else if (a->said[0])
        report_failed(r, "device",
                      strstr(a->said, "one Tessera release") ? version_advice : NULL,
                      "%s", a->said);
    else if (!a->platform[0])
        report_failed(r, "device", NULL, "OpenCL lists no platform called Tessera");
    else
        report_failed(r, "device", NULL,
                      "OpenCL lists the platform Tessera without a device (%s)",
                      a->no_device[0] ? a->no_device : "none");
}

void
ask_check(struct report *r, const char *library)
{
    struct answer a = {0};
    int rc = ask(r, library, &a);

    if (rc < 0) {
        report_failed(r, "loader", NULL, "cannot start a process: %s", strerror(-rc));
        return;
    }
    if (a.no_library[0])
        report_failed(r, "library", "install the package tessera-guest, whole", "%s",
                      a.no_library);
    else if (library)
        report_ok(r, "library", "%s can be loaded", library);
    if (a.no_loader[0]) {
        report_failed(r, "loader", loader_advice, "%s", a.no_loader);
        return;
    }
    report_ok(r, "loader", LOADER " can be loaded");
    if (!a.done) {
        report_unfinished(r, &a);
        return;
    }
    report_versions(r, &a);
    /* Without these it is plain why it lists none, and has been said. */
    if (library && !a.no_library[0] && (r->way || r->n_devices > 0))
        report_devices(r, &a);
    else
        report_skipped(r, "device", "OpenCL lists no vGPU, for the reasons above");
}
