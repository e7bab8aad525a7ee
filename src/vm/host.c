/* SPDX-License-Identifier: MIT */
#include "vm/host.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "vm/dac.h"
#include "vm/domain.h"
#include "vm/libvirt.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* There is none before the first host_open() has found it. */
static const struct libvirt *libvirt;

struct host {
    virConnectPtr conn;
    char *uri;
};

struct host_domain {
    virDomainPtr dom;
};

/* ---- errors ------------------------------------------------------------------------------ */

/* libvirt would print its errors, too. */
static void
say_nothing(void *unused, virErrorPtr error)
{
    (void)unused;
    (void)error;
}

static int
errno_of_last(void)
{
    const virError *last = libvirt->virGetLastError();

    if (!last)
        return -EIO;
    if (last->code == VIR_ERR_NO_DOMAIN || last->code == VIR_ERR_DEVICE_MISSING)
        return -ENOENT;
    if (last->code == VIR_ERR_NO_SUPPORT || last->code == VIR_ERR_OPERATION_UNSUPPORTED ||
        last->code == VIR_ERR_CONFIG_UNSUPPORTED)
        return -EOPNOTSUPP;
    if (last->code == VIR_ERR_AUTH_FAILED || last->code == VIR_ERR_AUTH_CANCELLED ||
        last->code == VIR_ERR_OPERATION_DENIED)
        return -EPERM;
    return -EIO;
}

/* "task: libvirt's words" */
static int
fail(struct err *e, const char *fmt, ...)
{
    char task[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(task, sizeof task, fmt, ap);
    va_end(ap);
    return err_set(e, errno_of_last(), "%s: %s", task, libvirt->virGetLastErrorMessage());
}

/* ---- connections --------------------------------------------------------------------------- */

static const char *
usual_uri(const char *given)
{
    const char *env = getenv("LIBVIRT_DEFAULT_URI");

    if (given && given[0])
        return given;
    if (env && env[0])
        return env;
    return geteuid() == 0 ? "qemu:///system" : "qemu:///session";
}

/* "qemu+ssh://host/system" names a machine, "qemu:///system" none. */
static bool
names_a_machine(const char *uri)
{
    const char *authority = strstr(uri, "://");

    return authority && authority[3] && authority[3] != '/';
}

int
host_open(const char *given, struct host **ret, struct err *e)
{
    const char *uri = usual_uri(given);
    struct host *h;
    int rc;

    if (names_a_machine(uri))
        return err_set(
            e, -EINVAL,
            "%s is another machine's libvirt: a vGPU can only be given to VMs of "
            "the machine it is on (qemu:///system)",
            uri);
    rc = libvirt_load(&libvirt, e);
    if (rc < 0)
        return rc;
    h = calloc(1, sizeof *h);
    if (!h || !(h->uri = strdup(uri))) {
        free(h);
        return err_set(e, -ENOMEM, "out of memory");
    }
    libvirt->virSetErrorFunc(NULL, say_nothing);
    h->conn = libvirt->virConnectOpenAuth(uri, *libvirt->virConnectAuthPtrDefault, 0);
    if (!h->conn) {
        rc = fail(e, "cannot reach libvirt at %s (--connect names another)", uri);
        host_close(h);
        return rc;
    }
    *ret = h;
    return 0;
}

void
host_close(struct host *h)
{
    if (!h)
        return;
    if (h->conn)
        libvirt->virConnectClose(h->conn);
    free(h->uri);
    free(h);
}

const char *
host_uri(const struct host *h)
{
    return h->uri;
}

/* ---- domains ------------------------------------------------------------------------------- */

/* Takes the reference over. */
static struct host_domain *
wrap(virDomainPtr dom)
{
    struct host_domain *d = malloc(sizeof *d);

    if (d)
        d->dom = dom;
    else
        libvirt->virDomainFree(dom);
    return d;
}

int
host_find(struct host *h, const char *name, struct host_domain **ret, struct err *e)
{
    virDomainPtr dom = libvirt->virDomainLookupByName(h->conn, name);

    if (!dom && errno_of_last() == -ENOENT)
        return err_set(
            e, -ENOENT,
            "there is no domain '%s': 'virsh -c %s list --all' shows what there is", name,
            h->uri);
    if (!dom)
        return fail(e, "look for the domain '%s'", name);
    *ret = wrap(dom);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int
host_all(struct host *h, struct host_domain ***ret, unsigned *ret_n, struct err *e)
{
    virDomainPtr *doms = NULL;
    const int n = libvirt->virConnectListAllDomains(h->conn, &doms, 0);
    struct host_domain **all;
    unsigned wrapped = 0;

    if (n < 0)
        return fail(e, "list the domains of %s", h->uri);
    all = calloc((size_t)n + 1, sizeof(struct host_domain *));
    for (int i = 0; i < n; i++) {
        if (!all)
            libvirt->virDomainFree(doms[i]);
        else if ((all[wrapped] = wrap(doms[i])))
            wrapped++;
    }
    free(doms);
    if (!all || wrapped < (unsigned)n) {
        host_all_free(all, wrapped);
        return err_set(e, -ENOMEM, "out of memory");
    }
    *ret = all;
    *ret_n = wrapped;
    return 0;
}

void
host_all_free(struct host_domain **all, unsigned n)
{
    for (unsigned i = 0; all && i < n; i++)
        host_domain_free(all[i]);
    free(all);
}

void
host_domain_free(struct host_domain *d)
{
    if (!d)
        return;
    libvirt->virDomainFree(d->dom);
    free(d);
}

const char *
host_name(const struct host_domain *d)
{
    return libvirt->virDomainGetName(d->dom);
}

bool
host_runs(const struct host_domain *d)
{
    return libvirt->virDomainIsActive(d->dom) == 1;
}

bool
host_is_persistent(const struct host_domain *d)
{
    return libvirt->virDomainIsPersistent(d->dom) == 1;
}

const char *
host_state(const struct host_domain *d)
{
    /* As virsh names them, by virDomainState. */
    static const char *const names[] = {"no state", "running",     "idle",
                                        "paused",   "in shutdown", "shut off",
                                        "crashed",  "suspended"};
    int state;

    if (libvirt->virDomainGetState(d->dom, &state, NULL, 0) < 0 || state < 0 ||
        (size_t)state >= sizeof names / sizeof *names)
        return names[0];
    return names[state];
}

int
host_xml(const struct host_domain *d, bool running, char **ret, struct err *e)
{
    const unsigned flags =
        VIR_DOMAIN_XML_SECURE | (running ? 0u : (unsigned)VIR_DOMAIN_XML_INACTIVE);

    *ret = libvirt->virDomainGetXMLDesc(d->dom, flags);
    return *ret ? 0 : fail(e, "read the XML of '%s'", host_name(d));
}

int
host_saved_xml(const struct host_domain *d, char **ret, struct err *e)
{
    *ret =
        libvirt->virDomainManagedSaveGetXMLDesc(d->dom, VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);
    return *ret ? 0 : fail(e, "read the saved XML of '%s'", host_name(d));
}

int
host_saved_path(const struct host *h, const char *domain, char **ret, struct err *e)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (!strstr(h->uri, ":///session"))
        *ret = str_printf("/var/lib/libvirt/qemu/save/%s.save", domain);
    else if (config && config[0] == '/')
        *ret = str_printf("%s/libvirt/qemu/save/%s.save", config, domain);
    else
        *ret =
            str_printf("%s/.config/libvirt/qemu/save/%s.save", home ? home : "", domain);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* libvirt's words for a bus without room differ from bus to bus. */
static bool
lacks_slot(const char *words)
{
    return strstr(words, "PCI") && (strstr(words, "slot") || strstr(words, "address"));
}

static int
hint_at_slots(const char *xml, int rc, struct err *e)
{
    _cleanup_free_ char *words = e && e->msg ? strdup(e->msg) : NULL;

    if (words && lacks_slot(words))
        return err_set(e, -ENOSPC, "%s: %s", words, domain_slot_hint(xml));
    return rc;
}

int
host_define(struct host *h, const char *xml, struct err *e)
{
    virDomainPtr dom = libvirt->virDomainDefineXMLFlags(h->conn, xml, 0);

    if (!dom)
        return hint_at_slots(xml, fail(e, "libvirt refuses the domain's new XML"), e);
    libvirt->virDomainFree(dom);
    return 0;
}

int
host_undefine(struct host_domain *d, struct err *e)
{
    const unsigned flags =
        VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;

    /* A driver that knows no firmware knows no such flag. */
    if (libvirt->virDomainUndefineFlags(d->dom, flags) < 0 &&
        libvirt->virDomainUndefine(d->dom) < 0)
        return fail(e, "libvirt cannot undefine it");
    return 0;
}

int
host_start(struct host_domain *d, struct err *e)
{
    return libvirt->virDomainCreate(d->dom) < 0 ? fail(e, "libvirt cannot start it") : 0;
}

int
host_save(struct host_domain *d, struct err *e)
{
    return libvirt->virDomainManagedSave(d->dom, 0) < 0
               ? fail(e, "libvirt cannot save it")
               : 0;
}

bool
host_is_saved(const struct host_domain *d)
{
    return libvirt->virDomainHasManagedSaveImage(d->dom, 0) == 1;
}

int
host_save_to(struct host_domain *d, const char *path, struct err *e)
{
    return libvirt->virDomainSave(d->dom, path) < 0 ? fail(e, "libvirt cannot save it")
                                                    : 0;
}

int
host_go_on(struct host_domain *d, struct err *e)
{
    return libvirt->virDomainResume(d->dom) < 0 ? fail(e, "libvirt cannot let it go on")
                                                : 0;
}

int
host_restore(struct host *h, const char *path, bool paused, struct err *e)
{
    const unsigned flags = paused ? VIR_DOMAIN_SAVE_PAUSED : 0;

    return libvirt->virDomainRestoreFlags(h->conn, path, NULL, flags) < 0
               ? fail(e, "libvirt cannot restore it")
               : 0;
}

int
host_shutdown(struct host_domain *d, struct err *e)
{
    return libvirt->virDomainShutdown(d->dom) < 0 ? fail(e, "libvirt cannot shut it down")
                                                  : 0;
}

int
host_power_off(struct host_domain *d, struct err *e)
{
    return libvirt->virDomainDestroy(d->dom) < 0 ? fail(e, "libvirt cannot power it off")
                                                 : 0;
}

long
host_uid(struct host *h, const char *domain_xml)
{
    _cleanup_free_ char *caps = libvirt->virConnectGetCapabilities(h->conn);

    return dac_uid(domain_xml, caps ? caps : "");
}

/* ---- a running domain ------------------------------------------------------------------------ */

static int
plug_in(void *to, const struct live_device *device, struct err *e)
{
    const struct host_domain *d = to;
    _cleanup_free_ char *xml = NULL;
    int rc;

    if (libvirt->virDomainAttachDeviceFlags(d->dom, device->xml,
                                            VIR_DOMAIN_AFFECT_LIVE) == 0)
        return 0;
    rc = fail(e, "libvirt cannot plug it in");
    if (host_xml(d, true, &xml, NULL) < 0)
        return rc;
    return hint_at_slots(xml, rc, e);
}

/* Asks; a guest lets go of a PCI device in its own time. One that is gone is as wanted. */
static int
take_out(void *to, const struct live_device *device, struct err *e)
{
    const struct host_domain *d = to;
    int rc;

    if (libvirt->virDomainDetachDeviceAlias(d->dom, device->alias,
                                            VIR_DOMAIN_AFFECT_LIVE) == 0)
        return 0;
    rc = errno_of_last();
    return rc == -ENOENT ? 0 : fail(e, "libvirt cannot take it out");
}

const struct live_ops host_live = {.attach = plug_in, .detach = take_out};
