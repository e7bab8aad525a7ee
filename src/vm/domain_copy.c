/* SPDX-License-Identifier: MIT */
#include "vm/domain_copy.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "vm/xml.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- names ------------------------------------------------------------------------------ */

/* The next place from `at` on where the name stands by itself. */
static const char *
find_word(const char *text, const char *at, const char *word)
{
    const size_t len = strlen(word);

    while ((at = strstr(at, word))) {
        if ((at == text || !isalnum((unsigned char)at[-1])) &&
            !isalnum((unsigned char)at[len]))
            return at;
        at++;
    }
    return NULL;
}

/* With the one name for the other, from `from` on. */
static char *
renamed(const struct domain_copy *c, const char *path, const char *from)
{
    const char *at = find_word(path, from, c->of);
    char *text = at ? strndup(path, (size_t)(at - path)) : strdup(path);

    while (text && at) {
        const char *rest = at + strlen(c->of), *next = find_word(path, rest, c->of);
        char *more = str_printf("%s%s%.*s", text, c->name,
                                (int)(next ? (size_t)(next - rest) : strlen(rest)), rest);

        free(text);
        text = more;
        at = next;
    }
    return text;
}

static bool
names_it(const struct domain_copy *c, const char *path)
{
    return find_word(path, path, c->of) != NULL;
}

/* Beside the file, with the new domain's name in its own. */
static char *
path_of_copy(const struct domain_copy *c, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');

    if (find_word(path, base, c->of))
        return renamed(c, path, base);
    if (!dot || dot == base)
        dot = base + strlen(base);
    return str_printf("%.*s-%s%s", (int)(dot - path), path, c->name, dot);
}

static int
random_bytes(uint8_t *buf, size_t len, struct err *e)
{
    return getrandom(buf, len, 0) == (ssize_t)len
               ? 0
               : err_set(e, -EIO, "the kernel gives no random bytes");
}

/* RFC 4122, version 4 */
static int
pick_uuid(char buf[COPY_UUID_BYTES], struct err *e)
{
    uint8_t b[16];
    int rc = random_bytes(b, sizeof b, e);

    if (rc < 0)
        return rc;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(buf, COPY_UUID_BYTES,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
             b[13], b[14], b[15]);
    return 0;
}

int
domain_copy_init(struct domain_copy *c, const char *of, const char *name, struct err *e)
{
    *c = (struct domain_copy){.of = strdup(of), .name = strdup(name)};
    if (!c->of || !c->name)
        return err_set(e, -ENOMEM, "out of memory");
    return pick_uuid(c->uuid, e);
}

void
domain_copy_fini(struct domain_copy *c)
{
    for (unsigned i = 0; i < c->nfiles; i++) {
        free(c->files[i].from);
        free(c->files[i].to);
    }
    free(c->of);
    free(c->name);
    *c = (struct domain_copy){.nfiles = 0};
}

/* ---- looking ---------------------------------------------------------------------------- */

static const char *
path_of_file(const struct domain_copy *c, const char *from)
{
    for (unsigned i = 0; i < c->nfiles; i++) {
        if (strcmp(c->files[i].from, from) == 0)
            return c->files[i].to;
    }
    return NULL;
}

static int
add_file(struct domain_copy *c, const char *from, bool optional, struct err *e)
{
    struct copy_file *f = &c->files[c->nfiles];

    if (path_of_file(c, from))
        return 0;
    if (c->nfiles == COPY_MOST_FILES)
        return err_set(e, -E2BIG, "it has more than %d disks", COPY_MOST_FILES);
    *f = (struct copy_file){strdup(from), path_of_copy(c, from), optional, false};
    c->nfiles++;
    return f->from && f->to ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static bool
is_shared(const xmlNode *disk)
{
    return xml_attr_is(disk, "device", "cdrom") || xml_child(disk, "readonly") ||
           xml_child(disk, "shareable");
}

static int
look_at_disk(struct domain_copy *c, const xmlNode *disk, struct err *e)
{
    const xmlNode *source = xml_child(disk, "source");
    const char *target = xml_attr(xml_child(disk, "target"), "dev");
    const char *type = xml_attr(disk, "type"), *file = xml_attr(source, "file");

    if (!source || is_shared(disk))
        return 0;
    if (type && strcmp(type, "file") == 0 && file)
        return add_file(c, file, false, e);
    return err_set(
        e, -EOPNOTSUPP,
        "its disk %s is no file (type '%s'), and only files are copied: copy it "
        "by what it is made with, or make it <readonly/> or <shareable/>",
        target ? target : "", type ? type : "");
}

/* Its text, or since libvirt 8.5 a <source> in it. */
static const char *
nvram_path(const xmlNode *nvram)
{
    const char *file = xml_attr(xml_child(nvram, "source"), "file");
    const xmlNode *text = nvram ? nvram->children : NULL;

    if (file || !text || text->type != XML_TEXT_NODE || text->content[0] != '/')
        return file;
    return (const char *)text->content;
}

static int
look_at_nvram(struct domain_copy *c, const xmlNode *domain, struct err *e)
{
    const xmlNode *nvram = xml_child(xml_child(domain, "os"), "nvram");
    const char *path = nvram_path(nvram);

    if (nvram && xml_child(nvram, "source") && !path)
        return err_set(e, -EOPNOTSUPP, "its firmware's variables are in no file");
    return path ? add_file(c, path, true, e) : 0;
}

static int
look_at_interface(struct domain_copy *c, const xmlNode *nic, struct err *e)
{
    const char *mac = xml_attr(xml_child(nic, "mac"), "address");
    struct copy_mac *m = &c->macs[c->nmacs];
    uint8_t b[3];
    int rc;

    if (xml_attr_is(nic, "type", "hostdev"))
        return err_set(e, -EOPNOTSUPP, "it has a network device of the host");
    for (unsigned i = 0; i < c->nmacs && mac; i++) {
        if (strcmp(c->macs[i].from, mac) == 0)
            return 0;
    }
    if (!mac || strlen(mac) >= COPY_MAC_BYTES)
        return 0;
    if (c->nmacs == COPY_MOST_MACS)
        return err_set(e, -E2BIG, "it has more than %d network devices", COPY_MOST_MACS);
    rc = random_bytes(b, sizeof b, e);
    if (rc < 0)
        return rc;
    snprintf(m->from, sizeof m->from, "%s", mac);
    snprintf(m->to, sizeof m->to, "52:54:00:%02x:%02x:%02x", b[0], b[1], b[2]);
    c->nmacs++;
    return 0;
}

/* A socket that QEMU makes, or a file that it writes; NULL: another kind, or libvirt's own. */
static const char *
own_path(const xmlNode *chardev)
{
    const xmlNode *source = xml_child(chardev, "source");
    const bool unix_bind =
        xml_attr_is(chardev, "type", "unix") && !xml_attr_is(source, "mode", "connect");

    if (!unix_bind && !xml_attr_is(chardev, "type", "file"))
        return NULL;
    return xml_attr(source, "path");
}

static int
look_at_chardev(struct domain_copy *c, const xmlNode *chardev, struct err *e)
{
    const char *path = own_path(chardev);

    if (path && !names_it(c, path))
        return err_set(
            e, -EOPNOTSUPP,
            "its <%s> has %s for itself, and a copy would have the same: a path "
            "with '%s' in it gets the copy's name",
            (const char *)chardev->name, path, c->of);
    if (xml_attr_is(chardev, "type", "tcp") &&
        xml_attr_is(xml_child(chardev, "source"), "mode", "bind"))
        return err_set(
            e, -EOPNOTSUPP,
            "its <%s> listens at a port of the host, and a copy would listen at "
            "the same",
            (const char *)chardev->name);
    return 0;
}

static int
look_at_device(struct domain_copy *c, const xmlNode *d, struct err *e)
{
    static const struct {
        const char *name;
        int (*look)(struct domain_copy *c, const xmlNode *d, struct err *e);
    } rows[] = {
        {"disk", look_at_disk},       {"interface", look_at_interface},
        {"serial", look_at_chardev},  {"parallel", look_at_chardev},
        {"console", look_at_chardev}, {"channel", look_at_chardev},
    };
    const char *name = (const char *)d->name;

    if (strcmp(name, "hostdev") == 0 || strcmp(name, "tpm") == 0)
        return err_set(e, -EOPNOTSUPP, "it has a %s, which cannot be there twice",
                       strcmp(name, "tpm") == 0 ? "TPM" : "device of the host");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(name, rows[i].name) == 0)
            return rows[i].look(c, d, e);
    }
    return 0;
}

int
domain_copy_look(struct domain_copy *c, const char *xml, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    const xmlNode *domain, *d;
    int rc = xml_parse(xml, &doc, e);

    if (rc < 0)
        return rc;
    domain = xmlDocGetRootElement(doc);
    rc = look_at_nvram(c, domain, e);
    for (d = xml_first_element(xml_child(domain, "devices")); d && rc == 0;
         d = xml_next_element(d))
        rc = look_at_device(c, d, e);
    return rc;
}

/* ---- writing ---------------------------------------------------------------------------- */

/* All of these without memory leave the old text, which domain_copy_apply() finds. */

static void
set_text(xmlNode *node, const char *text)
{
    if (!node)
        return;
    xmlNodeSetContent(node, NULL);
    xmlNodeAddContent(node, (const xmlChar *)text);
}

/* text is owned, and may be NULL. */
static void
set_attr(xmlNode *node, const char *name, char *text)
{
    if (text)
        xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)text);
    free(text);
}

static void
remove_attr(xmlNode *node, const char *name)
{
    xmlUnsetProp(node, (const xmlChar *)name);
}

static void
remove_node(xmlNode *node)
{
    if (!node)
        return;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

/* <sysinfo type='smbios'><system><entry name='uuid'>: libvirt wants it the same as the domain's. */
static void
write_sysinfo(const struct domain_copy *c, const xmlNode *domain)
{
    xmlNode *entry =
        xml_child(xml_child(xml_child(domain, "sysinfo"), "system"), "entry");

    for (; entry; entry = xml_next(entry, "entry")) {
        if (xml_attr_is(entry, "name", "uuid"))
            set_text(entry, c->uuid);
    }
}

static void
write_names(const struct domain_copy *c, xmlNode *domain)
{
    xmlNode *nvram = xml_child(xml_child(domain, "os"), "nvram");
    const char *path = nvram_path(nvram);
    const char *to = path ? path_of_file(c, path) : NULL;

    set_text(xml_child(domain, "name"), c->name);
    set_text(xml_child(domain, "uuid"), c->uuid);
    set_text(xml_child(domain, "genid"), ""); /* libvirt picks one */
    remove_attr(domain, "id");
    write_sysinfo(c, domain);
    if (to && xml_child(nvram, "source"))
        set_attr(xml_child(nvram, "source"), "file", strdup(to));
    else if (to)
        set_text(nvram, to);
}

static void
write_disk(const struct domain_copy *c, xmlNode *disk)
{
    const char *file = xml_attr(xml_child(disk, "source"), "file");
    const char *to = file && !is_shared(disk) ? path_of_file(c, file) : NULL;

    if (to)
        set_attr(xml_child(disk, "source"), "file", strdup(to));
}

/* The host's side of it has a name of libvirt's, unless somebody else made it. */
static void
write_interface(const struct domain_copy *c, xmlNode *nic)
{
    xmlNode *mac = xml_child(nic, "mac"), *target = xml_child(nic, "target");
    const char *has = xml_attr(mac, "address");

    for (unsigned i = 0; has && i < c->nmacs; i++) {
        if (strcmp(c->macs[i].from, has) == 0) {
            set_attr(mac, "address", strdup(c->macs[i].to));
            break;
        }
    }
    if (!xml_attr_is(target, "managed", "no"))
        remove_node(target);
}

static void
write_path(const struct domain_copy *c, xmlNode *node, const char *attr)
{
    const char *path = xml_attr(node, attr);

    if (path)
        set_attr(node, attr, renamed(c, path, path));
}

static void
write_chardev(const struct domain_copy *c, xmlNode *chardev)
{
    if (own_path(chardev))
        write_path(c, xml_child(chardev, "source"), "path");
    write_path(c, xml_child(chardev, "log"), "file");
}

/* A port that somebody chose is the original's. */
static void
write_graphics(const struct domain_copy *c, xmlNode *graphics)
{
    if (xml_attr(graphics, "port") && !xml_attr_is(graphics, "autoport", "yes")) {
        remove_attr(graphics, "port");
        remove_attr(graphics, "tlsPort");
        set_attr(graphics, "autoport", strdup("yes"));
    }
    write_path(c, graphics, "socket");
    for (xmlNode *l = xml_child(graphics, "listen"); l; l = xml_next(l, "listen"))
        write_path(c, l, "socket");
}

static void
write_device(const struct domain_copy *c, xmlNode *d)
{
    static const struct {
        const char *name;
        void (*write)(const struct domain_copy *c, xmlNode *d);
    } rows[] = {
        {"disk", write_disk},         {"interface", write_interface},
        {"serial", write_chardev},    {"parallel", write_chardev},
        {"console", write_chardev},   {"channel", write_chardev},
        {"graphics", write_graphics},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp((const char *)d->name, rows[i].name) == 0)
            rows[i].write(c, d);
    }
}

/* What must have become another: else both would be one to libvirt. */
static bool
is_written(const struct domain_copy *c, const xmlNode *domain)
{
    xmlChar *name = xmlNodeGetContent(xml_child(domain, "name"));
    xmlChar *uuid = xmlNodeGetContent(xml_child(domain, "uuid"));
    const bool written = name && strcmp((const char *)name, c->name) == 0 && uuid &&
                         strcmp((const char *)uuid, c->uuid) == 0;

    xmlFree(name);
    xmlFree(uuid);
    return written;
}

int
domain_copy_apply(const struct domain_copy *c, const char *xml, char **ret, struct err *e)
{
    _cleanup_xml_doc_ xmlDoc *doc = NULL;
    xmlNode *domain;
    char *text;
    int rc = xml_parse(xml, &doc, e);

    if (rc < 0)
        return rc;
    domain = xmlDocGetRootElement(doc);
    write_names(c, domain);
    for (xmlNode *d = xml_first_element(xml_child(domain, "devices")); d;
         d = xml_next_element(d))
        write_device(c, d);
    if (!is_written(c, domain))
        return err_set(e, -EINVAL, "the domain's XML has no name or no UUID");
    text = xml_text(doc, xml);
    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    *ret = text;
    return 0;
}
