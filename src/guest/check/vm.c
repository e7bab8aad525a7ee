/* SPDX-License-Identifier: MIT */
#include "guest/check/vm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sysfs.h"
#include "wire/bar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCI_DEVICES "/sys/bus/pci/devices"
#define VIRTIO_PORTS "/sys/class/virtio-ports"
#define SECURITY "sys/kernel/security"
#define BAR_LOOK_BYTES 4096u

#define TEXT_BYTES 256

static const char group_advice[] = "as root: usermod -aG tessera USER, then log in "
                                   "again; groups of a running session do not "
                                   "change";
static const char rule_advice[] =
    "as root: udevadm control --reload && udevadm trigger --action=add; the rule is "
    "60-tessera.rules and needs the group 'tessera' (systemd-sysusers, or groupadd "
    "--system "
    "tessera)";

/* ---- sysfs --------------------------------------------------------------------------- */

/* "none [integrity] confidentiality" says that integrity is on. */
static bool
locked_down(const struct report *r, char ret[TEXT_BYTES])
{
    char text[TEXT_BYTES];
    const char *begin, *end;

    sysfs_line(r->root, SECURITY, "lockdown", text, sizeof text);
    begin = strchr(text, '[');
    end = begin ? strchr(begin, ']') : NULL;
    if (!end)
        return false;
    snprintf(ret, TEXT_BYTES, "%.*s", (int)(end - begin - 1), begin + 1);
    return strcmp(ret, "none") != 0;
}

/* Why a file of the group's was refused: nobody but root may (the rule), or we may not. */
static void
report_refused(struct report *r, const char *check, const char *path)
{
    struct stat st = {0};
    const struct group *g;
    const bool seen = stat(path, &st) == 0,
               shared = (st.st_mode & 060) == 060 && st.st_gid != 0;

    g = seen ? getgrgid(st.st_gid) : NULL;
    if (shared)
        report_failed(r, check, group_advice,
                      "%s is for the group '%s', which you are not in", path,
                      g ? g->gr_name : "?");
    else
        report_failed(r, check, rule_advice,
                      "%s is for root alone: the udev rule has not been at work", path);
}

/* ---- memory -------------------------------------------------------------------------- */

enum bar { BAR_OURS, BAR_FOREIGN, BAR_OFF };

/* 0 with what it is, or a negative errno. */
static int
bar_look(const char *path, enum bar *ret)
{
    static const char off[BAR_MAGIC_BYTES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
    char magic[BAR_MAGIC_BYTES];
    struct stat st;
    void *p;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    *ret = BAR_FOREIGN;
    if (st.st_size < (off_t)BAR_LOOK_BYTES)
        return 0;
    p = mmap(NULL, BAR_LOOK_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    memcpy(magic, p, sizeof magic);
    munmap(p, BAR_LOOK_BYTES);
    if (memcmp(magic, BAR_MAGIC, sizeof magic) == 0)
        *ret = BAR_OURS;
    else if (memcmp(magic, off, sizeof magic) == 0)
        *ret = BAR_OFF;
    return 0;
}

static void
report_bar(struct report *r, const char *entry, const char *path, enum bar bar)
{
    switch (bar) {
    case BAR_OURS:
        report_ok(r, "memory", "%s: a vGPU's memory", path);
        break;
    case BAR_OFF:
        report_failed(r, "memory", "as root: echo 1 > /sys/bus/pci/devices/DEVICE/enable",
                      "the ivshmem device %s is switched off", entry);
        break;
    case BAR_FOREIGN:
        report_skipped(r, "memory", "the ivshmem device %s is not Tessera's", entry);
        break;
    }
}

static void
report_bar_error(struct report *r, const char *path, int rc)
{
    char level[TEXT_BYTES];

    if (rc == -EACCES)
        report_refused(r, "memory", path);
    else if (locked_down(r, level))
        report_failed(
            r, "memory",
            "the kernel lets nobody map a device's memory: boot without Secure Boot, or "
            "without lockdown= on the kernel's command line",
            "%s: %s: kernel lockdown is on (%s)", path, strerror(-rc), level);
    else
        report_failed(r, "memory", NULL, "cannot use %s: %s", path, strerror(-rc));
}

/* One ivshmem device. Returns whether it is ours, or may be for all we can see. */
static bool
bar_check(struct report *r, const char *entry)
{
    static const char *const files[] = {"resource2_wc", "resource2"};
    _cleanup_free_ char *path = NULL;
    enum bar bar = BAR_FOREIGN;
    int rc = -ENOENT;

    for (unsigned i = 0; i < sizeof files / sizeof *files && rc == -ENOENT; i++) {
        free(path);
        path = str_printf("%s" PCI_DEVICES "/%s/%s", r->root, entry, files[i]);
        rc = path ? bar_look(path, &bar) : -ENOMEM;
    }
    if (rc < 0)
        report_bar_error(r, path ? path : entry, rc);
    else
        report_bar(r, entry, path, bar);
    return rc < 0 || bar != BAR_FOREIGN;
}

static unsigned
memory_check(struct report *r)
{
    _cleanup_free_ char *folder = report_path(r, PCI_DEVICES);
    _cleanup_closedir_ DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *e;
    unsigned n = 0;

    while (dir && (e = readdir(dir))) {
        if (sysfs_is(folder, e->d_name, "vendor", BAR_PCI_VENDOR) &&
            sysfs_is(folder, e->d_name, "device", BAR_PCI_DEVICE))
            n += bar_check(r, e->d_name);
    }
    return n;
}

/* ---- ports --------------------------------------------------------------------------- */

struct ports {
    unsigned there, busy, usable;
    char *refused; /* one that we may not open */
    int err;       /* of the last that failed otherwise */
};

/* path may be NULL (no memory). */
static void
port_try(const char *path, struct ports *p)
{
    _cleanup_close_ int fd = -1;

    p->there++;
    if (!path || p->usable > 0)
        return;
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        p->usable++;
    else if (errno == EBUSY)
        p->busy++;
    else if (errno == EACCES && !p->refused)
        p->refused = strdup(path);
    else
        p->err = errno;
}

static void
ports_look(struct report *r, struct ports *p)
{
    _cleanup_free_ char *folder = report_path(r, VIRTIO_PORTS);
    _cleanup_closedir_ DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        char name[TEXT_BYTES];

        sysfs_line(folder, e->d_name, "name", name, sizeof name);
        if (strncmp(name, BAR_PORT_PREFIX, strlen(BAR_PORT_PREFIX)) == 0) {
            _cleanup_free_ char *path = str_printf("%s/dev/%s", r->root, e->d_name);

            port_try(path, p);
        }
    }
}

static void
report_no_ports(struct report *r)
{
    _cleanup_free_ char *folder = report_path(r, VIRTIO_PORTS);

    if (folder && access(folder, F_OK) == 0)
        report_failed(
            r, "ports",
            "on the host: attach the vGPU again (tessera vm attach), or compare with "
            "'tessera vm qemu-args NAME'",
            "no virtio port is named " BAR_PORT_PREFIX "*");
    else
        report_failed(r, "ports", "as root: modprobe virtio_console",
                      "the kernel's virtio_console module is not loaded");
}

static void
report_ports(struct report *r, const struct ports *p)
{
    if (p->there == 0)
        report_no_ports(r);
    else if (p->usable > 0)
        report_ok(r, "ports", "%u virtio ports, and one of them is free", p->there);
    else if (p->refused)
        report_refused(r, "ports", p->refused);
    else if (p->busy == p->there)
        report_failed(
            r, "ports",
            "wait until one of the programs that use the vGPU ends, or attach another "
            "vGPU: each has ports for 16 programs",
            "all %u virtio ports are in use by other programs of this machine", p->there);
    else
        report_failed(r, "ports", NULL, "none of the %u virtio ports can be opened: %s",
                      p->there, strerror(p->err));
}

bool
vm_check(struct report *r)
{
    struct ports ports = {0};
    unsigned memories = memory_check(r);

    ports_look(r, &ports);
    if (memories > 0 || ports.there > 0) {
        r->way = "vm";
        if (memories == 0)
            report_failed(
                r, "memory",
                "on the host: attach the vGPU again (tessera vm attach), or compare with "
                "'tessera vm qemu-args NAME'",
                "there are Tessera's virtio ports, but no ivshmem device of Tessera's");
        report_ports(r, &ports);
    }
    free(ports.refused);
    return r->way != NULL;
}

/* Those of one vGPU, mounted as port0, port1 ... */
static void
ports_mounted(const char *folder, struct ports *p)
{
    for (unsigned i = 0; i < BAR_PORTS; i++) {
        _cleanup_free_ char *path = str_printf("%s/port%u", folder, i);

        if (path && access(path, F_OK) == 0)
            port_try(path, p);
    }
}

bool
vm_check_mounted(struct report *r, const char *folder)
{
    _cleanup_free_ char *memory = str_printf("%s/memory", folder);
    struct ports ports = {0};
    enum bar bar;
    int rc;

    if (!memory || access(memory, F_OK) < 0)
        return false;
    rc = bar_look(memory, &bar);
    if (rc < 0)
        report_bar_error(r, memory, rc);
    else
        report_bar(r, folder, memory, bar);
    ports_mounted(folder, &ports);
    report_ports(r, &ports);
    free(ports.refused);
    return true;
}
