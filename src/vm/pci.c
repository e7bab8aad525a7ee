/* SPDX-License-Identifier: MIT */
#include "vm/pci.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#define CLASS_MOST_BYTES 64
#define CLASS_BRIDGE 0x06 /* PCI Code and ID Assignment: base class of bridges */

/* ---- addresses --------------------------------------------------------------------- */

/* Hexadecimal digits up to `end`, at most `most`; the place after `end`, or NULL. */
static const char *
take_hex(const char *p, char end, unsigned most, unsigned *ret)
{
    const size_t digits = strspn(p, "0123456789abcdefABCDEF");
    unsigned long v;

    if (digits == 0 || digits > 4 || p[digits] != end)
        return NULL;
    v = strtoul(p, NULL, 16);
    if (v > most)
        return NULL;
    *ret = (unsigned)v;
    return p + digits + (end != '\0');
}

bool
pci_parse(const char *text, struct pci_address *ret)
{
    struct pci_address a = {0};
    const char *p = text;

    if (strchr(text, ':') != strrchr(text, ':'))
        p = take_hex(p, ':', 0xffff, &a.domain);
    p = p ? take_hex(p, ':', 0xff, &a.bus) : NULL;
    p = p ? take_hex(p, '.', 0x1f, &a.slot) : NULL;
    p = p ? take_hex(p, '\0', 7, &a.function) : NULL;
    if (p)
        *ret = a;
    return p != NULL;
}

void
pci_format(const struct pci_address *a, char buf[PCI_TEXT_BYTES])
{
    snprintf(buf, PCI_TEXT_BYTES, "%04x:%02x:%02x.%x", a->domain & 0xffff, a->bus & 0xff,
             a->slot & 0x1f, a->function & 7);
}

bool
pci_same(const struct pci_address *a, const struct pci_address *b)
{
    return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot &&
           a->function == b->function;
}

bool
pci_listed(const struct pci_list *l, const struct pci_address *a)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (pci_same(&l->items[i], a))
            return true;
    }
    return false;
}

/* ---- sysfs ------------------------------------------------------------------------- */

static char *
path_of(const char *sysfs, const struct pci_address *a, const char *what)
{
    char name[PCI_TEXT_BYTES];

    pci_format(a, name);
    return str_printf("%s/bus/pci/devices/%s%s", sysfs, name, what);
}

/* The class that the device says it is of: base class, subclass, interface; 0: it says none. */
static uint32_t
class_of(const char *sysfs, const struct pci_address *a)
{
    _cleanup_free_ char *path = path_of(sysfs, a, "/class"), *text = NULL;
    size_t len;

    if (!path || read_file(path, CLASS_MOST_BYTES, &text, &len) < 0)
        return 0;
    return (uint32_t)strtoul(text, NULL, 16);
}

static bool
is_bridge(const char *sysfs, const struct pci_address *a)
{
    return class_of(sysfs, a) >> 16 == CLASS_BRIDGE;
}

static int
check_kind(const char *sysfs, const struct pci_address *a, const char *name,
           struct err *e)
{
    _cleanup_free_ char *folder = path_of(sysfs, a, "");
    struct stat st;

    if (!folder)
        return err_set(e, -ENOMEM, "out of memory");
    if (stat(folder, &st) < 0)
        return err_set(e, -ENODEV,
                       "there is no PCI device %s: 'lspci -D' shows what there is", name);
    if (is_bridge(sysfs, a))
        return err_set(e, -EINVAL, "%s is a bridge: only what is behind it can be passed",
                       name);
    return 0;
}

/* One member of the group: harmless, or named with what to do. */
static int
check_member(const char *sysfs, const char *member, const char *name,
             const struct pci_list *lists[2], struct err *e)
{
    struct pci_address a;

    if (!pci_parse(member, &a) || pci_listed(lists[0], &a) || pci_listed(lists[1], &a) ||
        is_bridge(sysfs, &a))
        return 0;
    return err_set(
        e, -EBUSY,
        "%s shares its IOMMU group with %s: a VM gets a group as a whole, so add "
        "--pci %s, or move the card to another slot",
        name, member, member);
}

static int
check_group(const char *sysfs, const struct pci_address *a, const char *name,
            const struct pci_list *lists[2], struct err *e)
{
    _cleanup_free_ char *path = path_of(sysfs, a, "/iommu_group/devices");
    _cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
    struct dirent *entry;
    int rc = 0;

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    if (!dir)
        return err_set(
            e, -ENOTSUP,
            "%s is in no IOMMU group: switch the IOMMU on in the firmware (VT-d, "
            "AMD-Vi) and, on Intel, boot the host with intel_iommu=on",
            name);
    while (rc == 0 && (entry = readdir(dir)))
        rc = check_member(sysfs, entry->d_name, name, lists, e);
    return rc;
}

int
pci_check(const char *sysfs, const struct pci_list *want, const struct pci_list *have,
          struct err *e)
{
    const struct pci_list *lists[2] = {want, have};
    int rc = 0;

    for (unsigned i = 0; i < want->n && rc == 0; i++) {
        char name[PCI_TEXT_BYTES];

        pci_format(&want->items[i], name);
        rc = check_kind(sysfs, &want->items[i], name, e);
        if (rc == 0)
            rc = check_group(sysfs, &want->items[i], name, lists, e);
    }
    return rc;
}
