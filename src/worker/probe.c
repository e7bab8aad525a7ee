/* SPDX-License-Identifier: MIT */
/*
 * Drivers are asked in a child, one line of JSON per device, so that one that crashes, hangs or
 * prints costs no more than the devices that come after it.
 */
#include "worker/probe.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "worker/device.h"

#include <CL/cl_ext.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define PROBE_TIMEOUT_MS 30000
#define PROBE_MAX_BYTES (1u << 20)

static void
cleanup_decrefp(json_t **j)
{
    json_decref(*j);
}

#define _cleanup_json_ __attribute__((cleanup(cleanup_decrefp)))

/* ---- the child: asks the drivers --------------------------------------------------- */

static json_t *
info_string(const struct loader *l, cl_device_id device, cl_device_info param)
{
    char text[512] = "";
    json_t *j;

    l->get_device_info(device, param, sizeof text - 1, text, NULL);
    j = json_string(text);
    return j ? j : json_string("");
}

static uint64_t
info_number(const struct loader *l, cl_device_id device, cl_device_info param)
{
    uint64_t v = 0; /* little-endian: also right for answers of 4 bytes */

    if (l->get_device_info(device, param, sizeof v, &v, NULL) != CL_SUCCESS)
        return 0;
    return v;
}

static json_t *
info_type(const struct loader *l, cl_device_id device)
{
    uint64_t type = info_number(l, device, CL_DEVICE_TYPE);

    if (type & CL_DEVICE_TYPE_GPU)
        return json_string("gpu");
    return json_string(type & CL_DEVICE_TYPE_CPU ? "cpu" : "accelerator");
}

static json_t *
info_uuid(const struct loader *l, cl_device_id device)
{
    uint8_t u[CL_UUID_SIZE_KHR] = {0};
    char text[40];

    if (l->get_device_info(device, CL_DEVICE_UUID_KHR, sizeof u, u, NULL) != CL_SUCCESS)
        return json_null();
    snprintf(text, sizeof text,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
             u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
             u[13], u[14], u[15]);
    return json_string(text);
}

static json_t *
info_pci(const struct loader *l, cl_device_id device)
{
    cl_device_pci_bus_info_khr p = {0};
    cl_uint bus = 0, slot = 0, domain = 0;
    char text[48];

    if (l->get_device_info(device, CL_DEVICE_PCI_BUS_INFO_KHR, sizeof p, &p, NULL) !=
        CL_SUCCESS) {
        if (l->get_device_info(device, NV_PCI_BUS_ID, sizeof bus, &bus, NULL) !=
                CL_SUCCESS ||
            l->get_device_info(device, NV_PCI_SLOT_ID, sizeof slot, &slot, NULL) !=
                CL_SUCCESS)
            return json_null();
        l->get_device_info(device, NV_PCI_DOMAIN_ID, sizeof domain, &domain, NULL);
        p = (cl_device_pci_bus_info_khr){domain, bus, slot >> 3, slot & 7};
    }
    snprintf(text, sizeof text, "%04x:%02x:%02x.%x", p.pci_domain, p.pci_bus,
             p.pci_device, p.pci_function);
    return json_string(text);
}

static json_t *
describe_device(const struct loader *l, const char *platform, cl_uint index,
                cl_device_id device)
{
    uint64_t memory = info_number(l, device, CL_DEVICE_GLOBAL_MEM_SIZE);

    return json_pack(
        "{s:s, s:I, s:o, s:o, s:o, s:I, s:b, s:I, s:o, s:o, s:o, s:o}", "platform",
        platform, "index", (json_int_t)index, "name",
        info_string(l, device, CL_DEVICE_NAME), "vendor",
        info_string(l, device, CL_DEVICE_VENDOR), "type", info_type(l, device),
        "memory_bytes", (json_int_t)memory, "host_unified",
        info_number(l, device, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0, "compute_units",
        (json_int_t)info_number(l, device, CL_DEVICE_MAX_COMPUTE_UNITS), "driver",
        info_string(l, device, CL_DRIVER_VERSION), "version",
        info_string(l, device, CL_DEVICE_VERSION), "uuid", info_uuid(l, device), "pci",
        info_pci(l, device));
}

static void
probe_platform(const struct loader *l, cl_platform_id platform, int out)
{
    _cleanup_free_ cl_device_id *devices = NULL;
    char name[256] = "";
    cl_uint n;

    l->get_platform_info(platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
    /* A vGPU on a vGPU would be an endless mirror. */
    if (strcmp(name, "Tessera") == 0)
        return;
    n = loader_devices(l, platform, &devices);
    for (cl_uint i = 0; i < n; i++) {
        _cleanup_json_ json_t *device = describe_device(l, name, i, devices[i]);
        _cleanup_free_ char *line = device ? json_dumps(device, JSON_COMPACT) : NULL;

        if (line) {
            write_all(out, line, strlen(line));
            write_all(out, "\n", 1);
        }
    }
}

static void
probe_opencl(int out)
{
    _cleanup_free_ cl_platform_id *platforms = NULL;
    struct loader l;
    cl_uint n;

    if (loader_open(&l) < 0)
        return;
    n = loader_platforms(&l, &platforms);
    for (cl_uint i = 0; i < n; i++)
        probe_platform(&l, platforms[i], out);
}

static _Noreturn void
probe_child(bool nvml, const char *path, int out)
{
    /* What a driver prints is no part of the answer. */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (nvml)
        probe_nvml(path, out);
    else
        probe_opencl(out);
    _exit(0);
}

/* ---- the parent: collects lines ---------------------------------------------------- */

static void
collect_lines(char *text, json_t *devices)
{
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        json_t *device = json_loads(line, 0, NULL);

        /* The last line of a child that crashed may be half a line. */
        if (device)
            json_array_append_new(devices, device);
    }
}

/* Reads until the child is done or the time is up. */
static void
collect(int in, json_t *devices)
{
    _cleanup_free_ char *text = malloc(PROBE_MAX_BYTES + 1);
    uint64_t end = now_ns() + PROBE_TIMEOUT_MS * 1000000ull, now;
    size_t len = 0;

    while (text && len < PROBE_MAX_BYTES && (now = now_ns()) < end) {
        struct pollfd p = {.fd = in, .events = POLLIN};
        ssize_t n;

        if (poll(&p, 1, (int)((end - now) / 1000000) + 1) <= 0)
            continue;
        n = read(in, text + len, PROBE_MAX_BYTES - len);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    if (text) {
        text[len] = '\0';
        collect_lines(text, devices);
    }
}

static void
end_child(pid_t child)
{
    int status = 0;

    /* Done, or stuck in a driver. */
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        log_warning("a driver %s while it was asked for its devices",
                    WTERMSIG(status) == SIGKILL ? "did not answer" : "crashed");
}

int
probe_main(bool nvml, const char *path)
{
    _cleanup_json_ json_t *answer = json_pack("{s:[]}", "devices");
    int fds[2];
    pid_t child;

    if (!answer || pipe2(fds, O_CLOEXEC) < 0)
        return 1;
    child = fork();
    if (child < 0)
        return 1;
    if (child == 0) {
        close(fds[0]);
        probe_child(nvml, path, fds[1]);
    }
    close(fds[1]);
    collect(fds[0], json_object_get(answer, "devices"));
    close(fds[0]);
    end_child(child);
    if (json_dumpf(answer, stdout, JSON_COMPACT) < 0 || printf("\n") < 0 ||
        fflush(stdout) != 0)
        return 1;
    return 0;
}
