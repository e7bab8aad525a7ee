/* SPDX-License-Identifier: MIT */
#include "guest/opencl/vm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCI_DEVICES "/sys/bus/pci/devices"
#define VIRTIO_PORTS "/sys/class/virtio-ports"

#define PAGE_BYTES 4096u

/*
 * A port whose worker has just ended is closed on the host, until QEMU connects it again: that is a
 * second (chardev option reconnect).
 */
#define PORT_TRIES 30
#define PORT_STEP_MS 100

/* ---- finding ------------------------------------------------------------------------- */

/* The header of an ivshmem device that is ours. */
static bool
header_read(const char *path, struct bar_header *ret)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    void *p;

    if (fd < 0 || fstat(fd, &st) < 0)
        return false;
    p = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return false;
    memcpy(ret, p, sizeof *ret);
    munmap(p, PAGE_BYTES);
    return bar_header_valid(ret, (uint64_t)st.st_size);
}

/*
 * The write-combining file where there is one: what is written there is not a transaction each, and
 * on hosts that let a guest choose (AMD) the plain file is not cached at all.
 */
static char *
bar_find(const char *entry, struct bar_header *ret)
{
    static const char *const files[] = {"resource2_wc", "resource2"};

    if (!sysfs_is(PCI_DEVICES, entry, "vendor", BAR_PCI_VENDOR) ||
        !sysfs_is(PCI_DEVICES, entry, "device", BAR_PCI_DEVICE))
        return NULL;
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        _cleanup_free_ char *path = str_printf("%s/%s/%s", PCI_DEVICES, entry, files[i]);

        if (path && header_read(path, ret))
            return take_ptr(path);
    }
    return NULL;
}

/* "tessera.NAME.N" */
static bool
port_parse(const char *text, const char *name, unsigned ports, unsigned *ret_n)
{
    const size_t prefix = strlen(BAR_PORT_PREFIX), len = strlen(name);
    char *end;

    if (strncmp(text, BAR_PORT_PREFIX, prefix) != 0 ||
        strncmp(text + prefix, name, len) != 0 || text[prefix + len] != '.')
        return false;
    text += prefix + len + 1;
    *ret_n = (unsigned)strtoul(text, &end, 10);
    return end != text && *end == '\0' && *ret_n < ports;
}

static void
ports_find(struct vm_vgpu *v, unsigned ports)
{
    _cleanup_closedir_ DIR *dir = opendir(VIRTIO_PORTS);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        char text[sizeof v->name + 32];
        unsigned n;

        if (sysfs_line(VIRTIO_PORTS, e->d_name, "name", text, sizeof text) &&
            port_parse(text, v->name, ports, &n) && !v->ports[n])
            v->ports[n] = str_printf("/dev/%s", e->d_name);
    }
}

static bool
has_port(const struct vm_vgpu *v)
{
    for (unsigned i = 0; i < BAR_PORTS; i++)
        if (v->ports[i])
            return true;
    return false;
}

/* In a machine that has just started they get their names after the memory is there. */
static void
ports_await(struct vm_vgpu *v, unsigned ports)
{
    ports_find(v, ports);
    for (unsigned i = 1; !has_port(v) && i < PORT_TRIES; i++) {
        poll(NULL, 0, PORT_STEP_MS);
        ports_find(v, ports);
    }
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct vm_vgpu *)a)->name, ((const struct vm_vgpu *)b)->name);
}

unsigned
vm_find(struct vm_vgpu *ret, unsigned max)
{
    _cleanup_closedir_ DIR *dir = opendir(PCI_DEVICES);
    const struct dirent *e;
    unsigned n = 0;

    while (dir && n < max && (e = readdir(dir))) {
        struct vm_vgpu *v = &ret[n];
        struct bar_header h;

        *v = (struct vm_vgpu){.bar = bar_find(e->d_name, &h)};
        if (!v->bar)
            continue;
        v->bytes = h.bytes;
        memcpy(v->name, h.name, sizeof v->name);
        ports_await(v, h.ports);
        n++;
    }
    qsort(ret, n, sizeof *ret, by_name);
    return n;
}

bool
vm_find_mounted(const char *folder, struct vm_vgpu *ret)
{
    struct vm_vgpu v = {.bar = str_printf("%s/memory", folder)};
    struct bar_header h;

    if (!v.bar || !header_read(v.bar, &h)) {
        free(v.bar);
        return false;
    }
    v.bytes = h.bytes;
    memcpy(v.name, h.name, sizeof v.name);
    for (unsigned i = 0; i < h.ports && i < BAR_PORTS; i++) {
        _cleanup_free_ char *path = str_printf("%s/port%u", folder, i);

        if (path && access(path, F_OK) == 0)
            v.ports[i] = take_ptr(path);
    }
    *ret = v;
    return true;
}

/* ---- opening ------------------------------------------------------------------------- */

/* Is the other end there? A port that the host has closed says so at once. */
static bool
port_is_connected(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) >= 0 && !(p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

struct port_search {
    unsigned there, busy;
    unsigned closed; /* or without its device file yet */
    int err;         /* of the last that failed otherwise */
};

/* One round over all ports. */
static int
port_try(const struct vm_vgpu *v, struct port_search *s)
{
    *s = (struct port_search){0};
    for (unsigned i = 0; i < BAR_PORTS; i++) {
        _cleanup_close_ int fd = -1;

        if (!v->ports[i])
            continue;
        s->there++;
        fd = fd_above_stdio(open(v->ports[i], O_RDWR | O_NONBLOCK | O_CLOEXEC));
        if (fd >= 0 && port_is_connected(fd))
            return take_fd(&fd);
        if (fd >= 0 || errno == ENOENT)
            s->closed++;
        else if (errno == EBUSY)
            s->busy++;
        else
            s->err = errno;
    }
    return -1;
}

static int
port_problem(const struct vm_vgpu *v, const struct port_search *s, char *reason,
             size_t cap)
{
    if (s->there == 0) {
        snprintf(reason, cap,
                 "the virtual machine has its memory, but no port named %s%s.0",
                 BAR_PORT_PREFIX, v->name);
        return -ENODEV;
    }
    if (s->closed > 0) {
        snprintf(reason, cap,
                 "nobody answers on the host: is tesserad running there, and the vGPU "
                 "still attached to this virtual machine?");
        return -ENOTCONN;
    }
    if (s->busy > 0) {
        snprintf(
            reason, cap,
            "all of its %u ports are in use by other programs of this virtual machine",
            s->there);
        return -EBUSY;
    }
    snprintf(reason, cap, "cannot open its ports: %s%s", strerror(s->err),
             s->err == EACCES ? " (are you in the group tessera?)" : "");
    return -s->err;
}

int
vm_open(const struct vm_vgpu *v, int *ret_port, int *ret_bar, char *reason, size_t cap)
{
    _cleanup_close_ int port = -1, bar = -1;
    struct port_search s;

    for (unsigned i = 0; port < 0 && i < PORT_TRIES; i++) {
        if (i > 0)
            poll(NULL, 0, PORT_STEP_MS);
        port = port_try(v, &s);
        if (port < 0 && s.closed == 0)
            break;
    }
    if (port < 0)
        return port_problem(v, &s, reason, cap);
    bar = fd_above_stdio(open(v->bar, O_RDWR | O_CLOEXEC));
    if (bar < 0) {
        snprintf(reason, cap, "cannot open %s: %s", v->bar, strerror(errno));
        return -errno;
    }
    *ret_port = take_fd(&port);
    *ret_bar = take_fd(&bar);
    return 0;
}
